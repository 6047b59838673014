//! `alert-rules/*.yaml`: `*` and `?` within one part of a path.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::sources::Sources;

/// Whether the path has to be searched for.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// The files that match, sorted; a path without wildcards is returned as it is.
///
/// # Errors
/// A folder that can't be listed, other than one that is not there.
pub(super) fn expand(pattern: &Path, sources: &dyn Sources) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let text = part.as_os_str().to_string_lossy();
        match part {
            Component::Normal(_) if is_pattern(&text) => found = children(&found, &text, sources)?,
            _ => found.iter_mut().for_each(|path| path.push(part)),
        }
    }
    Ok(found)
}

fn children(folders: &[PathBuf], pattern: &str, sources: &dyn Sources) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        let entries = match sources.list(folder) {
            Ok(entries) => entries,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(e) => return Err(e),
        };
        let names = entries.into_iter().filter_map(|path| path.file_name().map(|n| n.to_string_lossy().into_owned()));
        // Hidden files have to be named.
        found.extend(names.filter(|n| !n.starts_with('.') && matches(pattern, n)).map(|n| folder.join(n)));
    }
    Ok(found)
}

fn matches(pattern: &str, name: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => name.char_indices().map(|(i, _)| i).chain([name.len()]).any(|i| matches(rest, &name[i..])),
        _ => name.chars().next().is_some_and(|c| (first == '?' || first == c) && matches(rest, &name[c.len_utf8()..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::MemorySources;

    #[test]
    fn finds_files_by_pattern() {
        let sources = MemorySources::default()
            .with_file("rules/a.yaml", "")
            .with_file("rules/b.yml", "")
            .with_file("rules/.c.yaml", "")
            .with_file("rules/deep/d.yaml", "");
        let find = |p: &str| {
            let found = expand(Path::new(p), &sources).unwrap();
            found.into_iter().map(|p| p.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(find("rules/*.yaml"), ["rules/a.yaml"]);
        assert_eq!(find("rules/?.y*ml"), ["rules/a.yaml", "rules/b.yml"]);
        assert_eq!(find("*/deep/*.yaml"), ["rules/deep/d.yaml"]);
        assert_eq!(find("none/*.yaml"), Vec::<String>::new());
        assert_eq!(find("plain.yaml"), ["plain.yaml"]);
    }
}
