//! Environment variables override the file, flags override both: both edit the tree before it is read, so
//! that a bad value is refused in the same words wherever it comes from.

use super::sources::Sources;
use super::yaml::{Key, Node, Place, Value};

/// What the command line sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`
    pub listen: Option<String>,
    /// `--otlp-grpc-listen`
    pub otlp_grpc_listen: Option<String>,
    /// `--database`
    pub database: Option<String>,
    /// Objectives files or patterns, relative to the working directory; replace those of the file.
    pub objectives: Vec<String>,
    /// `--evaluate-every`
    pub evaluate_every: Option<String>,
    /// Secrets that are not there are no error: for `check`, which runs where they are not.
    pub allow_missing_secrets: bool,
}

/// `(variable, path, whether it is a list separated by commas)`.
const VARIABLES: [(&str, &[&str], bool); 29] = [
    ("PLIMSOLL_LISTEN", &["listen"], false),
    ("PLIMSOLL_OTLP_GRPC_LISTEN", &["otlp_grpc_listen"], false),
    ("PLIMSOLL_DATABASE", &["database"], false),
    ("PLIMSOLL_OBJECTIVES", &["objectives"], true),
    ("PLIMSOLL_PUBLIC_URL", &["public_url"], false),
    ("PLIMSOLL_ROUTE_PREFIX", &["route_prefix"], false),
    ("PLIMSOLL_BROWSER_PREFIX", &["browser_prefix"], false),
    ("PLIMSOLL_EVALUATE_EVERY", &["evaluate_every"], false),
    ("PLIMSOLL_JOURNAL_DIR", &["journal", "dir"], false),
    ("PLIMSOLL_JOURNAL_SYNC", &["journal", "sync"], false),
    ("PLIMSOLL_JOURNAL_MAX", &["journal", "max"], false),
    ("PLIMSOLL_KEEP_RESOLUTION_10S", &["keep", "resolution_10s"], false),
    ("PLIMSOLL_KEEP_RESOLUTION_5M", &["keep", "resolution_5m"], false),
    ("PLIMSOLL_KEEP_RESOLUTION_1H", &["keep", "resolution_1h"], false),
    ("PLIMSOLL_KEEP_AUDIT", &["keep", "audit"], false),
    ("PLIMSOLL_LIMITS_SERIES", &["limits", "series"], false),
    ("PLIMSOLL_LIMITS_SERIES_PER_SERVICE", &["limits", "series_per_service"], false),
    ("PLIMSOLL_LIMITS_SERIES_PER_METRIC", &["limits", "series_per_metric"], false),
    ("PLIMSOLL_LIMITS_SERIES_IDLE", &["limits", "series_idle"], false),
    ("PLIMSOLL_LIMITS_LABELS_PER_SERIES", &["limits", "labels_per_series"], false),
    ("PLIMSOLL_LIMITS_LABEL_NAME", &["limits", "label_name"], false),
    ("PLIMSOLL_LIMITS_LABEL_VALUE", &["limits", "label_value"], false),
    ("PLIMSOLL_LIMITS_BATCH", &["limits", "batch"], false),
    ("PLIMSOLL_LIMITS_QUEUE", &["limits", "queue"], false),
    ("PLIMSOLL_LIMITS_BODY", &["limits", "body"], false),
    ("PLIMSOLL_LIMITS_REMOTE_WRITE_BODY", &["limits", "remote_write_body"], false),
    ("PLIMSOLL_LIMITS_PER_CLIENT", &["limits", "per_client"], false),
    ("PLIMSOLL_VITALS_SETTLE", &["vitals", "settle"], false),
    ("PLIMSOLL_TELEMETRY_OTLP", &["telemetry", "otlp"], false),
];

/// Names of the variables that override the file, for help texts.
pub fn variable_names() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().map(|(name, ..)| *name)
}

/// The file's tree with the environment and then the flags applied.
pub(super) fn apply(mut tree: Node, sources: &dyn Sources, flags: &Flags) -> Node {
    for (name, path, is_list) in VARIABLES {
        if let Some(text) = sources.variable(name) {
            let values = if is_list { text.split(',').map(|t| t.trim().to_owned()).collect() } else { vec![text] };
            set(&mut tree, path, value(&format!("environment variable {name}"), values, is_list));
        }
    }
    let single = [
        ("--listen", "listen", &flags.listen),
        ("--otlp-grpc-listen", "otlp_grpc_listen", &flags.otlp_grpc_listen),
        ("--database", "database", &flags.database),
        ("--evaluate-every", "evaluate_every", &flags.evaluate_every),
    ];
    for (flag, name, text) in single {
        if let Some(text) = text {
            set(&mut tree, &[name], value(flag, vec![text.clone()], false));
        }
    }
    if !flags.objectives.is_empty() {
        set(&mut tree, &["objectives"], value("command line", flags.objectives.clone(), true));
    }
    tree
}

fn value(source: &str, texts: Vec<String>, is_list: bool) -> Node {
    let place = Place { source: source.into(), line: 0, column: 0 };
    let mut items: Vec<Node> =
        texts.into_iter().map(|text| Node { place: place.clone(), value: Value::Text(text) }).collect();
    match items.pop() {
        Some(only) if !is_list => only,
        last => {
            items.extend(last);
            Node { place, value: Value::List(items) }
        }
    }
}

/// Sets a field; sections on the way are made when they are not there.
fn set(node: &mut Node, path: &[&str], value: Node) {
    let [name, rest @ ..] = path else { return *node = value };
    if node.value == Value::Null {
        node.value = Value::Map(Vec::new());
    }
    // What is no mapping is left for the reader to refuse.
    let Value::Map(entries) = &mut node.value else { return };
    let index = entries.iter().position(|(key, _)| key.name == *name).unwrap_or_else(|| {
        let key = Key { place: value.place.clone(), name: (*name).to_owned() };
        entries.push((key, Node { place: value.place.clone(), value: Value::Null }));
        entries.len() - 1
    });
    set(&mut entries[index].1, rest, value);
}
