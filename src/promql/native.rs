//! Arithmetic of native histograms: buckets in order, schema and zero-bucket reconciliation, resets,
//! quantiles and fractions.
//!
//! A bucket of index `i` at schema `s` holds the sizes in `(2^((i-1)/2^s), 2^(i/2^s)]`. Halving the
//! resolution joins buckets `2i-1` and `2i` into `i`, so two histograms of any schemas can be brought to
//! the coarser one without error. Two zero buckets of different width meet at the wider one, which takes
//! the buckets that it covers (Prometheus, "Native histograms" specification, sections on schema and
//! zero bucket).
//!
//! Histograms with custom bounds have one side only, whose buckets end where the bounds say. Two of them meet
//! at the bounds that both have; they never meet exponential ones.

mod combine;
mod custom;
mod read;
mod reset;

pub use combine::{Incompatible, Remarks, add, divide, is_same, scale, subtract};
pub use read::{NanEffect, fraction, holds_nan, quantile, variance};
pub use reset::is_reset;

use crate::sketch::{CUSTOM_SCHEMA, NativeBuckets, NativeHistogram};

/// One bucket as readers see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The smaller end; exclusive for positive buckets.
    pub lower: f64,
    /// The larger end; inclusive for positive buckets.
    pub upper: f64,
    /// How many values.
    pub count: f64,
}

impl Bucket {
    /// Whether this is the zero bucket.
    pub fn holds_zero(&self) -> bool {
        self.lower <= 0.0 && self.upper >= 0.0
    }
}

/// The upper end, in size, of a bucket.
pub fn bound(index: i32, schema: i32) -> f64 {
    if schema <= 0 {
        return (f64::from(index) * f64::from(-schema).exp2()).exp2();
    }
    let per_doubling = 1i32 << schema.min(30);
    let fraction = f64::from(index.rem_euclid(per_doubling)) / f64::from(per_doubling);
    fraction.exp2() * f64::from(index.div_euclid(per_doubling)).exp2()
}

/// Whether the buckets end at custom bounds.
pub fn is_custom(h: &NativeHistogram) -> bool {
    h.schema == CUSTOM_SCHEMA
}

/// All buckets with a count, ascending by their bounds.
pub fn buckets(h: &NativeHistogram) -> Vec<Bucket> {
    if is_custom(h) {
        return custom::buckets(h);
    }
    let side = |b: &(i32, f64)| (bound(b.0 - 1, h.schema), bound(b.0, h.schema), b.1);
    let negative = h.negative.0.iter().rev().map(side).map(|(low, high, count)| (-high, -low, count));
    let zero = (h.zero_count != 0.0).then_some((-h.zero_threshold, h.zero_threshold, h.zero_count));
    let positive = h.positive.0.iter().map(side);
    let all = negative.chain(zero).chain(positive).filter(|b| b.2 != 0.0);
    all.map(|(lower, upper, count)| Bucket { lower, upper, count }).collect()
}

/// The same histogram at a schema that is at most its own.
pub fn coarsen(h: &NativeHistogram, schema: i32) -> NativeHistogram {
    let mut coarse = h.clone();
    if schema < h.schema {
        coarse.schema = schema;
        coarse.positive = coarser(&h.positive, h.schema - schema);
        coarse.negative = coarser(&h.negative, h.schema - schema);
    }
    coarse
}

fn coarser(buckets: &NativeBuckets, by: i32) -> NativeBuckets {
    let mut joined: Vec<(i32, f64)> = Vec::with_capacity(buckets.0.len());
    for (index, count) in &buckets.0 {
        // Rounded up: the upper ends coincide.
        let index = ((index - 1) >> by.min(31)) + 1;
        match joined.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => joined.push((index, *count)),
        }
    }
    NativeBuckets(joined)
}

/// Moves all buckets that begin below `threshold` into the zero bucket.
fn widen_zero(h: &mut NativeHistogram, threshold: f64) {
    let schema = h.schema;
    let mut reached = threshold;
    for buckets in [&mut h.positive, &mut h.negative] {
        let covered = buckets.0.iter().take_while(|b| bound(b.0 - 1, schema) < threshold).count();
        for (index, count) in buckets.0.drain(..covered) {
            reached = reached.max(bound(index, schema));
            h.zero_count += count;
        }
    }
    h.zero_threshold = reached;
}

#[cfg(test)]
mod tests;
