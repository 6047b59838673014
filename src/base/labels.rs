//! Validated label sets: sorted, without empty values, cheap to clone.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The label that holds the metric's name.
pub const METRIC_NAME: &str = "__name__";

/// A label set, sorted by name; an empty value is the same as no label and is never stored.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(Arc<str>, Arc<str>)]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl Labels {
    /// The label set of these pairs; of a name that occurs twice the last counts.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }

    /// The label set of a metric: `name` as `__name__`, then the pairs.
    pub fn metric<N: Into<Arc<str>>, V: Into<Arc<str>>>(name: &str, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (label, value) in pairs {
            builder.set(label, value);
        }
        builder.set(METRIC_NAME, name);
        builder.build()
    }

    /// The value of a label, or `None` when it is absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.binary_search_by(|(n, _)| n.as_ref().cmp(name)).ok().map(|i| self.0[i].1.as_ref())
    }

    /// The value of a label, or the empty string: how matchers see it.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// The metric's name, or the empty string.
    pub fn metric_name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// All pairs in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(n, v)| (n.as_ref(), v.as_ref()))
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A builder that starts from this set.
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.0.to_vec() }
    }

    /// This set with one label set; an empty value removes it.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut builder = self.to_builder();
        builder.set(name, value);
        builder.build()
    }

    /// This set without these labels.
    pub fn without(&self, names: &[&str]) -> Self {
        self.filter(|name| !names.contains(&name))
    }

    /// Only these labels.
    pub fn only(&self, names: &[&str]) -> Self {
        self.filter(|name| names.contains(&name))
    }

    /// This set without the metric's name.
    pub fn without_name(&self) -> Self {
        self.filter(|name| name != METRIC_NAME)
    }

    /// The labels whose name satisfies `keep`.
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(n, _)| keep(n)).cloned().collect())
    }
}

/// Builds a label set one label at a time.
#[derive(Debug, Default, Clone)]
pub struct LabelsBuilder {
    pairs: Vec<(Arc<str>, Arc<str>)>,
}

impl LabelsBuilder {
    /// Sets a label; an empty value removes it.
    pub fn set<N: Into<Arc<str>>, V: Into<Arc<str>>>(&mut self, name: N, value: V) -> &mut Self {
        let (name, value) = (name.into(), value.into());
        match (self.pairs.iter().position(|(n, _)| *n == name), value.is_empty()) {
            (Some(i), true) => drop(self.pairs.swap_remove(i)),
            (Some(i), false) => self.pairs[i].1 = value,
            (None, true) => {}
            (None, false) => self.pairs.push((name, value)),
        }
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(n, _)| n.as_ref() != name);
        self
    }

    /// The finished, sorted set.
    pub fn build(mut self) -> Labels {
        self.pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Labels(self.pairs.into())
    }
}

/// Whether `name` is a metric name of the classic form `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_metric_name(name: &str) -> bool {
    is_name(name, |c| c == ':')
}

/// Whether `name` is a label name of the classic form `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_label_name(name: &str) -> bool {
    is_name(name, |_| false)
}

fn is_name(name: &str, also: impl Fn(char) -> bool) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || also(c))
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || also(c))
}

/// Prometheus's form: `name{a="b",c="d"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric_name())?;
        let rest = self.iter().filter(|(n, _)| *n != METRIC_NAME);
        if self.metric_name().is_empty() || self.len() > 1 {
            f.write_str("{")?;
            for (i, (name, value)) in rest.enumerate() {
                let comma = if i > 0 { ", " } else { "" };
                write!(f, "{comma}{name}={value:?}")?;
            }
            f.write_str("}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Self::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_drops_empty_and_keeps_the_last() {
        let labels = Labels::new([("b", "1"), ("a", "x"), ("c", ""), ("a", "y")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "y"), ("b", "1")]);
        assert_eq!(labels.value("c"), "");
    }

    #[test]
    fn prints_as_prometheus_does() {
        let labels = Labels::metric("up", [("job", "a\"b")]);
        assert_eq!(labels.to_string(), r#"up{job="a\"b"}"#);
        assert_eq!(Labels::metric("up", [("", "")]).to_string(), "up");
        assert_eq!(Labels::default().to_string(), "{}");
    }

    #[test]
    fn knows_names() {
        assert!(is_metric_name("slo:good_total") && is_label_name("_x1"));
        assert!(!is_metric_name("1x") && !is_label_name("a:b") && !is_label_name(""));
    }
}
