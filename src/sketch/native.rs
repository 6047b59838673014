//! A native histogram as PromQL computes with it: floating-point counts, any schema, both signs.

/// `(index, count)` pairs, ascending by index, without zero counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NativeBuckets(pub Vec<(i32, f64)>);

/// A histogram with floating-point counts (Prometheus's `FloatHistogram`).
#[derive(Debug, Clone, PartialEq)]
pub struct NativeHistogram {
    /// `2^schema` buckets for each doubling; -4 to 8.
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
}
