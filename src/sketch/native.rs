//! A native histogram as PromQL computes with it: floating-point counts, any schema, both signs.

use std::sync::Arc;

/// `(index, count)` pairs, ascending by index, without zero counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NativeBuckets(pub Vec<(i32, f64)>);

/// What is known about a reset of the counter between a histogram and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetHint {
    /// Nothing: counts have to be compared.
    #[default]
    Unknown,
    /// There was one.
    Reset,
    /// There was none.
    NotReset,
    /// Counts may go down: this is no counter.
    Gauge,
}

/// The schema of histograms whose buckets end at [`NativeHistogram::custom_bounds`].
pub const CUSTOM_SCHEMA: i32 = -53;

/// A histogram with floating-point counts (Prometheus's `FloatHistogram`). Custom bounds and the hint live
/// in queries alone: nothing that is stored has them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NativeHistogram {
    /// `2^schema` buckets for each doubling, -4 to 8; or [`CUSTOM_SCHEMA`].
    pub schema: i32,
    /// Values within `[-zero_threshold, zero_threshold]` count as zero.
    pub zero_threshold: f64,
    /// How many did.
    pub zero_count: f64,
    /// How many values in all.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Buckets of positive values.
    pub positive: NativeBuckets,
    /// Buckets of negative values, by their size.
    pub negative: NativeBuckets,
    /// With [`CUSTOM_SCHEMA`], the upper ends of the buckets, ascending: bucket 0 of `positive` reaches up to
    /// the first, the last one beyond all of them.
    pub custom_bounds: Arc<[f64]>,
    /// Whether the counter was reset before.
    pub reset_hint: ResetHint,
}
