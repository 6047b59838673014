//! What is known about metrics by name: type, unit, help, and the bounds their histograms count at.

use std::collections::BTreeMap;

use crate::sketch::Bounds;

/// The bounds for durations in seconds: OpenTelemetry's advice for HTTP and database durations, widened
/// below for caches and above for operations, and at the edges of every web-vitals rating.
const SECONDS: [f64; 22] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.25, 0.5, 0.75, 0.8, 1.0, 1.8, 2.5, 3.0, 4.0,
    5.0, 7.5, 10.0,
];

/// The bounds for CLS.
const LAYOUT_SHIFT: [f64; 10] = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0];

/// Knows the bounds of each metric: its defaults and every threshold that an objective names.
#[derive(Debug, Clone, Default)]
pub struct MetricCatalog {
    thresholds: BTreeMap<String, Vec<f64>>,
}

impl MetricCatalog {
    /// A catalogue in which each `(metric, threshold)` (base units) is an exact bound.
    pub fn new(thresholds: impl IntoIterator<Item = (String, f64)>) -> Self {
        let mut by_metric: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (metric, threshold) in thresholds {
            by_metric.entry(metric).or_default().push(threshold);
        }
        Self { thresholds: by_metric }
    }

    /// The bounds at which this metric's histograms count exactly.
    pub fn bounds(&self, metric: &str) -> Bounds {
        let defaults = if metric == "web_vitals_cls" { &LAYOUT_SHIFT[..] } else { &SECONDS[..] };
        let named = self.thresholds.get(metric).into_iter().flatten();
        Bounds::new(defaults.iter().chain(named).copied()).unwrap_or_else(|_| Bounds::none())
    }
}
