//! YAML as a tree in which every value knows where it stands. The only place that knows the YAML crate.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned, UserMessageFormatter};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A file, or what overrides it (`environment variable PLIMSOLL_LISTEN`, `--listen`).
    pub source: Arc<str>,
    /// From 1; 0 when the source has no lines.
    pub line: u64,
    /// From 1; 0 when the source has no lines.
    pub column: u64,
}

/// `file:line:column`, or just the source.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.source)
        } else {
            write!(f, "{}:{}:{}", self.source, self.line, self.column)
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
}

/// A value as YAML's core schema types it (`yes`, `on` and their like are text).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Node)>),
}

impl Value {
    /// What it is, for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(b) => b.to_string(),
            Self::Int(n) => format!("the number {n}"),
            Self::Float(n) => format!("the number {n}"),
            Self::Text(text) => format!("{text:?}"),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// A key of a mapping and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Where.
    pub place: Place,
    /// Its name.
    pub name: String,
}

/// Text that is no YAML.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct YamlError {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

/// Reads one document; an empty one is [`Value::Null`].
///
/// # Errors
/// What is no YAML, a key that occurs twice, and more than one document.
pub fn parse(source: &str, text: &str) -> Result<Node, YamlError> {
    let source: Arc<str> = source.into();
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Ok(located(&source, raw)),
        Err(_) if is_blank(text) => Ok(Node { place: Place { source, line: 1, column: 1 }, value: Value::Null }),
        Err(error) => {
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            let message = error.render_with_formatter(&UserMessageFormatter);
            Err(YamlError { place: Place { source, line, column }, message: without_location(&message) })
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.lines().all(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#'))
}

/// The place is told in our own form.
fn without_location(message: &str) -> String {
    message.lines().next().unwrap_or_default().split(" at line ").next().unwrap_or_default().trim().to_owned()
}

fn located(source: &Arc<str>, raw: Spanned<Raw>) -> Node {
    let place = Place { source: source.clone(), line: raw.referenced.line(), column: raw.referenced.column() };
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(b) => Value::Bool(b),
        Raw::Int(n) => Value::Int(n),
        Raw::Float(n) => Value::Float(n),
        Raw::Text(text) => Value::Text(text),
        Raw::List(items) => Value::List(items.into_iter().map(|item| located(source, item)).collect()),
        Raw::Map(entries) => {
            Value::Map(entries.into_iter().map(|(k, v)| (key(source, k), located(source, v))).collect())
        }
    };
    Node { place, value }
}

fn key(source: &Arc<str>, raw: Spanned<String>) -> Key {
    let place = Place { source: source.clone(), line: raw.referenced.line(), column: raw.referenced.column() };
    Key { place, name: raw.value }
}

/// The tree as the crate gives it.
enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(i64::try_from(value).map_or(Raw::Float(value as f64), Raw::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place_of(node: &Node, path: &[&str]) -> (u64, u64) {
        let [first, rest @ ..] = path else { return (node.place.line, node.place.column) };
        let Value::Map(entries) = &node.value else { panic!("{first}: not a mapping") };
        let (_, child) = entries.iter().find(|(k, _)| k.name == *first).unwrap();
        place_of(child, rest)
    }

    #[test]
    fn every_value_knows_its_place() {
        let node = parse("a.yaml", "x:\n  y: {z: 200ms, w: 5}\nlist:\n  - 1.5\n  - off\n").unwrap();
        assert_eq!(place_of(&node, &["x", "y", "z"]), (2, 10));
        assert_eq!(place_of(&node, &["x", "y", "w"]), (2, 20));
        let Value::Map(entries) = &node.value else { panic!() };
        assert_eq!((entries[1].0.place.line, entries[1].0.place.column), (3, 1));
        let Value::List(items) = &entries[1].1.value else { panic!() };
        assert_eq!((&items[0].value, items[0].place.line), (&Value::Float(1.5), 4));
        assert_eq!(items[1].value, Value::Text("off".into()));
    }

    #[test]
    fn says_where_it_is_no_yaml() {
        let error = parse("a.yaml", "a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert_eq!(error.place.source.as_ref(), "a.yaml");
        assert!(error.place.line >= 2, "{error}");
        let twice = parse("a.yaml", "a: 1\na: 2\n").unwrap_err();
        assert_eq!(twice.place.line, 2, "{twice}");
        assert!(twice.message.contains('a') && !twice.message.contains("line"), "{twice}");
    }

    #[test]
    fn an_empty_file_is_nothing() {
        for text in ["", "# only a comment\n", "\n\n"] {
            assert_eq!(parse("a.yaml", text).unwrap().value, Value::Null, "{text:?}");
        }
    }
}
