//! Who may import whom: the table of ARCHITECTURE.md, checked against the `use crate::…` of every file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// `(module, what it may import)`. Whatever is not listed is refused; `*` is everything.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("telemetry", &["base"]),
    ("sketch", &["base"]),
    ("egress", &["base", "telemetry"]),
    ("promql", &["base", "sketch"]),
    ("series", &["base", "telemetry", "sketch", "promql"]),
    ("slo", &["base", "telemetry", "sketch", "promql"]),
    ("notify", &["base", "telemetry", "egress"]),
    ("ingest", &["base", "telemetry", "sketch", "series"]),
    ("collect", &["base", "telemetry", "sketch", "series", "egress", "ingest"]),
    ("alert", &["base", "telemetry", "sketch", "promql", "series", "slo", "notify"]),
    ("export", &["base", "promql", "slo"]),
    ("store", &["base", "telemetry", "sketch", "promql", "series", "alert", "notify"]),
    (
        "http",
        &[
            "base",
            "telemetry",
            "sketch",
            "egress",
            "promql",
            "series",
            "slo",
            "notify",
            "ingest",
            "collect",
            "alert",
            "export",
        ],
    ),
    ("config", &["base", "slo", "series", "ingest", "collect", "alert", "notify", "http", "telemetry", "egress"]),
    ("app", &["*"]),
    ("lifecycle", &["*"]),
    ("cli", &["*"]),
    ("demo", &["*"]),
];

/// The most lines of production code in one file.
const FILE_LINES: usize = 500;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the source folder can be listed");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    let folders: Vec<PathBuf> = files.iter().filter(|p| p.is_dir()).cloned().collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "rs"));
    files.extend(folders.iter().flat_map(|f| sources(f)));
    files
}

/// The file without its inline test module, or nothing for files of tests.
fn production(path: &Path) -> String {
    if path.file_name().is_some_and(|n| n == "tests.rs" || n == "testkit.rs")
        || path.components().any(|c| c.as_os_str() == "testkit")
        || path.to_string_lossy().contains("/tests/")
    {
        return String::new();
    }
    let text = std::fs::read_to_string(path).expect("a source file can be read");
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

fn module(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).expect("below src");
    inside.components().next().expect("a component").as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The modules that `code` names after `crate::`.
fn imports(code: &str) -> BTreeSet<String> {
    let code = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let heads = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default().split(',').map(str::trim).collect(),
            None => vec![rest],
        };
        for head in heads {
            found.insert(head.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut refused = Vec::new();
    for path in sources(&root) {
        let own = module(&root, &path);
        if own == "lib" || own == "main" {
            continue;
        }
        let (_, allowed) =
            MAY_IMPORT.iter().find(|(m, _)| *m == own).unwrap_or_else(|| panic!("{own} is not in the table"));
        for import in imports(&production(&path)) {
            let known = MAY_IMPORT.iter().any(|(m, _)| *m == import);
            if known && import != own && !allowed.contains(&"*") && !allowed.contains(&import.as_str()) {
                refused.push(format!("{} imports {import}", path.display()));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn the_check_notices_an_import() {
    let code = "use crate::{store::sqlite, base};\nlet x = crate::config::load();\n// crate::http";
    let found = imports(code);
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["base", "config", "store"]);
}

#[test]
fn no_file_is_too_long_to_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let long: Vec<String> = sources(&root)
        .iter()
        .map(|p| (p, production(p).lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(p, lines)| format!("{}: {lines} lines", p.display()))
        .collect();
    assert!(long.is_empty(), "over {FILE_LINES} lines of production code:\n{}", long.join("\n"));
}

#[test]
fn the_architecture_page_names_every_module() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let modules: BTreeSet<String> = sources(&root.join("src"))
        .iter()
        .map(|p| module(&root.join("src"), p))
        .filter(|m| m != "lib" && m != "main")
        .collect();
    let missing: Vec<&String> = modules.iter().filter(|m| !page.contains(&m.to_string())).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md says nothing of {missing:?}");
}
