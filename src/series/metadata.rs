//! What senders say of their metrics: type, help, unit.
//!
//! Kept in memory only. Prometheus repeats it every minute, so a registry that starts empty is whole again soon,
//! and one that is full may start anew.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::base::bounded::cut;

use super::known::MetricType;

/// The most families.
const FAMILIES: usize = 20_000;
/// The longest name, in bytes; what is longer is not kept.
const NAME_BYTES: usize = 512;
/// The longest help, in bytes; the rest is cut off.
const HELP_BYTES: usize = 1024;
/// The longest unit, in bytes; the rest is cut off.
const UNIT_BYTES: usize = 64;

/// Type, help and unit of one family of metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Its type.
    pub kind: MetricType,
    /// What it means, in words; empty when nobody said.
    pub help: Box<str>,
    /// Its unit; empty when nobody said.
    pub unit: Box<str>,
}

impl Metadata {
    /// A description; texts that are too long are cut.
    pub fn new(kind: MetricType, help: &str, unit: &str) -> Self {
        Self { kind, help: cut(help, HELP_BYTES).into(), unit: cut(unit, UNIT_BYTES).into() }
    }
}

/// What is known of metrics by the name of their family.
#[derive(Debug, Default)]
pub struct MetadataRegistry {
    families: RwLock<HashMap<Box<str>, Arc<Metadata>>>,
}

impl MetadataRegistry {
    /// Remembers what was said last.
    pub fn describe(&self, family: &str, metadata: Metadata) {
        if family.is_empty() || family.len() > NAME_BYTES || self.is(family, &metadata) {
            return;
        }
        let mut families = self.families.write();
        if families.len() >= FAMILIES && !families.contains_key(family) {
            families.clear();
        }
        families.insert(family.into(), Arc::new(metadata));
    }

    fn is(&self, family: &str, metadata: &Metadata) -> bool {
        self.families.read().get(family).is_some_and(|known| **known == *metadata)
    }

    /// The family that a metric belongs to, and what is known of it: its own, or that of a histogram or
    /// summary of which it is a part.
    pub fn of<'m>(&self, metric: &'m str) -> Option<(&'m str, Arc<Metadata>)> {
        let families = self.families.read();
        if let Some(own) = families.get(metric) {
            return Some((metric, own.clone()));
        }
        let (family, _) = PARTS.iter().find_map(|part| Some((metric.strip_suffix(part)?, part)))?;
        let found = families.get(family).filter(|m| has_parts(m.kind))?;
        Some((family, found.clone()))
    }
}

const PARTS: [&str; 5] = ["_bucket", "_count", "_sum", "_gcount", "_gsum"];

const fn has_parts(kind: MetricType) -> bool {
    matches!(kind, MetricType::Histogram | MetricType::GaugeHistogram | MetricType::Summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_belongs_to_its_family() {
        let registry = MetadataRegistry::default();
        registry.describe("x", Metadata::new(MetricType::Histogram, "Times.", "seconds"));
        registry.describe("y", Metadata::new(MetricType::Gauge, "", ""));
        let of = |metric| registry.of(metric).map(|(family, m)| (family, m.kind));
        assert_eq!(of("x_bucket"), Some(("x", MetricType::Histogram)));
        assert_eq!(of("x"), Some(("x", MetricType::Histogram)));
        assert_eq!((of("y_sum"), of("z")), (None, None));
    }

    #[test]
    fn the_last_word_counts_and_texts_are_cut() {
        let registry = MetadataRegistry::default();
        registry.describe("x", Metadata::new(MetricType::Gauge, "Old.", ""));
        registry.describe("x", Metadata::new(MetricType::Counter, &"h".repeat(5_000), ""));
        let (_, known) = registry.of("x").unwrap();
        assert_eq!((known.kind, known.help.len()), (MetricType::Counter, HELP_BYTES));
    }

    #[test]
    fn never_holds_more_than_its_limit() {
        let registry = MetadataRegistry::default();
        for i in 0..FAMILIES + 10 {
            registry.describe(&format!("m{i}"), Metadata::new(MetricType::Gauge, "", ""));
        }
        assert!(registry.families.read().len() <= FAMILIES);
        assert!(registry.of(&format!("m{}", FAMILIES + 9)).is_some());
        registry.describe(&"n".repeat(NAME_BYTES + 1), Metadata::new(MetricType::Gauge, "", ""));
        assert!(registry.of(&"n".repeat(NAME_BYTES + 1)).is_none());
    }
}
