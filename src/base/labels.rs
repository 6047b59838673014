//! Validated label sets: sorted, without empty values, cheap to clone, to compare and to look up.
//!
//! A set is one allocation ([`packed`]) and its hash beside the pointer to it, computed once. A map's look-up
//! reads the text only of the set that it finds, and growing it reads none.

mod builder;
mod packed;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use builder::LabelsBuilder;
use packed::Pairs;

/// The label that holds the metric's name.
pub const METRIC_NAME: &str = "__name__";

/// Seeded at random in each process, so that nobody outside can choose sets whose hashes meet.
static HASHES: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);
/// Asked for often, so it is made once.
static EMPTY: LazyLock<Labels> = LazyLock::new(|| Labels::pack(std::iter::empty()));

/// A label set, sorted by name; an empty value is the same as no label and is never stored.
#[derive(Clone)]
pub struct Labels {
    hash: u64,
    packed: Arc<str>,
}

/// A map by label sets that takes the hash they already have.
pub type LabelMap<V> = std::collections::HashMap<Labels, V, BuildHasherDefault<HashOfLabels>>;

impl Default for Labels {
    fn default() -> Self {
        EMPTY.clone()
    }
}

impl Labels {
    /// The label set of these pairs; of a name that occurs twice the last counts.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }

    /// The label set of a metric: `name` as `__name__`, then the pairs.
    pub fn metric<N: AsRef<str>, V: AsRef<str>>(name: &str, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (label, value) in pairs {
            builder.set(label, value);
        }
        builder.set(METRIC_NAME, name);
        builder.build()
    }

    /// Of pairs that are sorted by name, without duplicates and empty values.
    fn pack<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        let packed = packed::pack(pairs);
        Self { hash: HASHES.hash_one(packed.as_bytes()), packed: packed.into() }
    }

    /// The value of a label, or `None` when it is absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
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
        Pairs::of(&self.packed)
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that the set takes, all of it: what is shared by its clones, and one of them.
    pub fn memory_bytes(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        size_of::<Self>() + COUNTS + self.packed.len()
    }

    /// A builder that starts from this set.
    pub fn to_builder(&self) -> LabelsBuilder {
        let mut builder = LabelsBuilder::default();
        for (name, value) in self.iter() {
            builder.set(name, value);
        }
        builder
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
        Self::pack(self.iter().filter(|(name, _)| keep(name)))
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.packed, &other.packed) || self.packed == other.packed)
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// By the first pair that differs, name before value; a set sorts after its own beginning.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        if self == other { Ordering::Equal } else { self.iter().cmp(other.iter()) }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Hands on the hash that a label set has. For keys of other kinds it is a bad hash.
#[derive(Debug, Clone, Copy, Default)]
pub struct HashOfLabels(u64);

impl Hasher for HashOfLabels {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |h, b| h.rotate_left(8) ^ u64::from(*b));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
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
mod tests;
