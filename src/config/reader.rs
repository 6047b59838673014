//! Reads a tree field by field and collects everything that is wrong with it.

use std::cell::RefCell;
use std::time::Duration;

use super::error::ConfigError;
use super::units::{Quantity, parse_duration, parse_quantity};
use super::yaml::{Key, Node, Place, Value};

/// Collects what is wrong while reading goes on.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<ConfigError>>);

impl Problems {
    /// Notes a problem.
    pub fn add(&self, place: &Place, path: &str, message: impl Into<String>) {
        let error = ConfigError { place: place.clone(), path: path.to_owned(), message: message.into() };
        self.0.borrow_mut().push(error);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<ConfigError> {
        self.0.into_inner()
    }
}

/// A value being read: the node, its path, and where to complain.
#[derive(Debug, Clone)]
pub struct At<'a> {
    /// The value.
    pub node: &'a Node,
    /// Its path from the top of the file.
    pub path: String,
    /// Where to complain.
    pub problems: &'a Problems,
}

impl<'a> At<'a> {
    /// The top of a tree.
    pub fn top(node: &'a Node, problems: &'a Problems) -> Self {
        Self { node, path: String::new(), problems }
    }

    /// Notes a problem with this value.
    pub fn fail<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problems.add(&self.node.place, &self.path, message);
        None
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.fail(format!("expected {what}, found {}", self.node.value.describe()))
    }

    /// Text. Numbers have to be quoted to be text.
    pub fn text(&self) -> Option<String> {
        match &self.node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => self.expected("text (put it in quotes)"),
            _ => self.expected("text"),
        }
    }

    /// Text that is not blank.
    pub fn name(&self) -> Option<String> {
        let text = self.text()?;
        if text.trim().is_empty() { self.fail("must not be empty") } else { Some(text) }
    }

    /// One of these words.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        found.map(|(_, value)| *value).or_else(|| self.expected(&format!("one of {}", names.join(", "))))
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match &self.node.value {
            Value::Bool(value) => Some(*value),
            Value::Text(text) if text == "true" || text == "false" => Some(text == "true"),
            _ => self.expected("true or false"),
        }
    }

    /// A whole number, at least `least`.
    pub fn whole(&self, least: u64) -> Option<u64> {
        let number = match &self.node.value {
            Value::Int(n) => u64::try_from(*n).ok(),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        number.filter(|n| *n >= least).or_else(|| self.expected(&format!("a whole number, at least {least}")))
    }

    /// A plain number.
    pub fn number(&self) -> Option<f64> {
        match &self.node.value {
            Value::Int(n) => Some(*n as f64),
            Value::Float(n) if n.is_finite() => Some(*n),
            _ => self.expected("a number"),
        }
    }

    /// A number with a unit, or without one.
    pub fn quantity(&self) -> Option<Quantity> {
        let plain = |value| Quantity { value, unit: crate::slo::Unit::None, currency: None };
        match &self.node.value {
            Value::Int(n) => Some(plain(*n as f64)),
            Value::Float(n) if n.is_finite() => Some(plain(*n)),
            Value::Text(text) => parse_quantity(text).map_or_else(|e| self.fail(e.to_string()), Some),
            _ => self.expected("a number with a unit, such as 200ms or 80%"),
        }
    }

    /// A duration.
    pub fn duration(&self) -> Option<Duration> {
        match &self.node.value {
            Value::Text(text) => parse_duration(text).map_or_else(|e| self.fail(e.to_string()), Some),
            Value::Int(0) => Some(Duration::ZERO),
            _ => self.expected("a duration with a unit, such as 500ms, 30s, 10m, 1h30m or 30d"),
        }
    }

    /// A duration from `least` to `most`.
    pub fn duration_within(&self, least: Duration, most: Duration) -> Option<Duration> {
        let duration = self.duration()?;
        let text = crate::slo::format_duration;
        if duration < least || duration > most {
            return self.fail(format!("{} is not between {} and {}", text(duration), text(least), text(most)));
        }
        Some(duration)
    }

    /// The items of a list.
    pub fn list(&self) -> Option<Vec<At<'a>>> {
        let Value::List(items) = &self.node.value else { return self.expected("a list") };
        let item = |(i, node)| At { node, path: format!("{}[{i}]", self.path), problems: self.problems };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The texts of a list; a single text stands for a list of one.
    pub fn texts(&self) -> Option<Vec<String>> {
        if let Value::Text(text) = &self.node.value {
            return Some(vec![text.clone()]);
        }
        let items = self.list()?;
        let texts: Vec<String> = items.iter().filter_map(At::name).collect();
        (texts.len() == items.len()).then_some(texts)
    }

    /// The fields of a mapping.
    pub fn fields(&self) -> Option<Fields<'a>> {
        let Value::Map(entries) = &self.node.value else { return self.expected("a mapping") };
        Some(Fields { at: self.clone(), entries, known: Vec::new() })
    }

    /// Names and texts of a free mapping (labels, annotations).
    pub fn pairs(&self) -> Option<Vec<(At<'a>, String, String)>> {
        let fields = self.fields()?;
        let pair = |(key, node): &'a (Key, Node)| {
            let at = fields.child(key, node);
            at.text().map(|text| (at, key.name.clone(), text))
        };
        Some(fields.entries.iter().filter_map(pair).collect())
    }
}

/// The fields of a mapping; which are known is learnt by asking for them.
#[derive(Debug)]
pub struct Fields<'a> {
    /// The mapping itself.
    pub at: At<'a>,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    fn child(&self, key: &Key, node: &'a Node) -> At<'a> {
        let dot = if self.at.path.is_empty() { "" } else { "." };
        At { node, path: format!("{}{dot}{}", self.at.path, key.name), problems: self.at.problems }
    }

    /// A field, when it is there and not null.
    pub fn get(&mut self, name: &'static str) -> Option<At<'a>> {
        self.known.push(name);
        self.peek(name)
    }

    /// A field, without making it known.
    pub fn peek(&self, name: &str) -> Option<At<'a>> {
        let (key, node) = self.entries.iter().find(|(key, _)| key.name == name)?;
        (node.value != Value::Null).then(|| self.child(key, node))
    }

    /// A field that must be there.
    pub fn require(&mut self, name: &'static str) -> Option<At<'a>> {
        self.get(name).or_else(|| self.at.fail(format!("`{name}` is missing")))
    }

    /// Refuses fields of the file's form that this version can't honour: better than ignoring them.
    pub fn unsupported(&mut self, names: &[&'static str]) {
        for name in names {
            if let Some(at) = self.get(name)
                && !at.is_off()
            {
                at.fail::<()>("not supported by this version; remove it");
            }
        }
    }

    /// Complains about every field that nobody asked for.
    pub fn finish(self) {
        for (key, _) in self.entries.iter().filter(|(key, _)| !self.known.contains(&key.name.as_str())) {
            let hint = match nearest(&key.name, &self.known) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            let dot = if self.at.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{}", self.at.path, key.name);
            self.at.problems.add(&key.place, &path, format!("unknown field; {hint}"));
        }
    }
}

impl At<'_> {
    /// `false` and an empty list or mapping ask for nothing.
    fn is_off(&self) -> bool {
        match &self.node.value {
            Value::Bool(on) => !on,
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }
}

/// The known name that is nearest, when it is near enough to be meant.
pub fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    known.iter().map(|k| (distance(name, k), *k)).filter(|(d, _)| *d <= limit).min().map(|(_, k)| k)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_near_names_only() {
        assert_eq!(nearest("critcal", &["critical", "warning"]), Some("critical"));
        assert_eq!(nearest("objectve", &["objectives"]), Some("objectives"));
        assert_eq!(nearest("zebra", &["critical", "warning"]), None);
    }
}
