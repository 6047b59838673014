//! What readers other than PromQL ask of the series.

use std::sync::Arc;

use super::limits::LimitUse;
use crate::base::clock::BoxFuture;
use crate::base::{Labels, Matcher, Timestamp};
use crate::promql::{Source, SourceError};
use crate::sketch::Histogram;

use super::metadata::Metadata;

/// The type of a series, as an exposition names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricType {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
    /// A distribution of what is there now; its counts go up and down.
    GaugeHistogram,
    /// Quantiles that someone else computed.
    Summary,
    /// A constant whose labels say something.
    Info,
    /// One of several states.
    StateSet,
    /// Not known.
    Unknown,
}

/// The present value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposed {
    /// With `__name__`.
    pub labels: Labels,
    /// Its value.
    pub value: ExposedValue,
}

/// A present value.
#[derive(Debug, Clone, PartialEq)]
pub enum ExposedValue {
    /// A counter, cumulative.
    Counter(f64),
    /// A gauge.
    Gauge(f64),
    /// A histogram, cumulative.
    Histogram(Box<Histogram>),
}

/// A web vital that has not settled.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingVital {
    /// The series that it will enter.
    pub labels: Labels,
    /// Its last value, base unit.
    pub value: f64,
    /// How many views it stands for.
    pub weight: u32,
    /// When its view began.
    pub start: Timestamp,
}

/// How much is kept, for `/api/v1/status/tsdb` and the limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesStats {
    /// Live series in the head.
    pub series: usize,
    /// `(metric, series)`, most first.
    pub by_metric: Vec<(String, usize)>,
    /// Different pairs of a label and a value.
    pub label_pairs: usize,
    /// `(label, bytes of its values, once for each series)`, most first.
    pub memory_by_label: Vec<(String, usize)>,
    /// `(label, distinct values)`, most first.
    pub by_label: Vec<(String, usize)>,
    /// `(label=value, series)`, most first.
    pub by_pair: Vec<(String, usize)>,
}

/// What is known.
pub trait Known: Source {
    /// The present value of every live series, for `GET /metrics`; sorted by labels.
    fn exposition(&self, now: Timestamp) -> Vec<Exposed>;

    /// The exact increase of each histogram that matches, between two instants (each resolved to the
    /// last slot at or before it; the open slot counts up to `end`). Series without an increase are left
    /// out.
    fn histograms<'a>(
        &'a self,
        matchers: &'a [Matcher],
        start: Timestamp,
        end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, Histogram)>, SourceError>>;

    /// The exact increase of each counter, or count of each histogram's `_count` or `_bucket`, that
    /// matches, between two instants: integers where events are counted, resets of foreign counters
    /// taken into account, a series born in between counted from zero.
    fn increases<'a>(
        &'a self,
        matchers: &'a [Matcher],
        start: Timestamp,
        end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, f64)>, SourceError>>;

    /// Web vitals that have not settled and whose view began at or after `since`.
    fn pending_vitals(&self, since: Timestamp) -> Vec<PendingVital>;

    /// How much is kept; each list at most `limit` long.
    fn stats(&self, limit: usize) -> SeriesStats;

    /// The limits of the series and how much of each is used.
    fn limits(&self) -> Vec<LimitUse> {
        Vec::new()
    }

    /// The type, unit and help of a metric, when known.
    fn metric_type(&self, metric: &str) -> MetricType;

    /// The family of a metric, and what its sender said of it; `None` when nobody did.
    fn metadata<'m>(&self, _metric: &'m str) -> Option<(&'m str, Arc<Metadata>)> {
        None
    }
}
