//! Sums, differences and multiples of histograms.

use std::cmp::Ordering;

use super::{coarsen, custom, is_custom, widen_zero};
use crate::sketch::{NativeBuckets, NativeHistogram, ResetHint};

/// Exponential and custom buckets have no sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one histogram has exponential buckets, the other custom ones")]
pub struct Incompatible;

/// What the user should know of a sum or difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remarks {
    /// Only the bounds that both had are left.
    pub bounds_differed: bool,
    /// One counter was known to be reset, the other known not to be.
    pub resets_conflicted: bool,
}

impl Remarks {
    /// What either says.
    pub fn or(self, other: Self) -> Self {
        Self {
            bounds_differed: self.bounds_differed || other.bounds_differed,
            resets_conflicted: self.resets_conflicted || other.resets_conflicted,
        }
    }
}

/// Adds `other` to `h`.
pub fn add(h: &mut NativeHistogram, other: &NativeHistogram) -> Result<Remarks, Incompatible> {
    combine(h, other, 1.0)
}

/// Subtracts `other` from `h`; counts may become negative, so the result is a gauge.
pub fn subtract(h: &mut NativeHistogram, other: &NativeHistogram) -> Result<Remarks, Incompatible> {
    let remarks = combine(h, other, -1.0)?;
    h.reset_hint = ResetHint::Gauge;
    Ok(remarks)
}

/// Multiplies every count and the sum. Zero leaves no bucket; a negative factor makes a gauge.
pub fn scale(h: &mut NativeHistogram, factor: f64) {
    each_number(h, |v| v * factor);
    if factor == 0.0 {
        clear(h);
    }
    if factor < 0.0 {
        h.reset_hint = ResetHint::Gauge;
    }
}

/// Divides every count and the sum; by zero leaves no bucket (Prometheus 3, `FloatHistogram.Div`).
pub fn divide(h: &mut NativeHistogram, by: f64) {
    each_number(h, |v| v / by);
    if by == 0.0 {
        clear(h);
    }
    if by < 0.0 {
        h.reset_hint = ResetHint::Gauge;
    }
}

fn each_number(h: &mut NativeHistogram, change: impl Fn(f64) -> f64) {
    for number in [&mut h.count, &mut h.sum, &mut h.zero_count] {
        *number = change(*number);
    }
    for buckets in [&mut h.positive, &mut h.negative] {
        buckets.0.iter_mut().for_each(|b| b.1 = change(b.1));
    }
}

fn clear(h: &mut NativeHistogram) {
    (h.positive, h.negative) = (NativeBuckets::default(), NativeBuckets::default());
}

/// Whether `==` holds in a query: the same data bit for bit, whatever is known of resets, so that two sums of
/// NaN are the same (Prometheus 3, `FloatHistogram.Equals`).
pub fn is_same(a: &NativeHistogram, b: &NativeHistogram) -> bool {
    let same_number = |a: f64, b: f64| a.to_bits() == b.to_bits();
    let zero = is_custom(a) || (a.zero_threshold == b.zero_threshold && same_number(a.zero_count, b.zero_count));
    a.schema == b.schema
        && zero
        && same_number(a.count, b.count)
        && same_number(a.sum, b.sum)
        && a.custom_bounds == b.custom_bounds
        && a.positive == b.positive
        && a.negative == b.negative
}

fn combine(h: &mut NativeHistogram, other: &NativeHistogram, sign: f64) -> Result<Remarks, Incompatible> {
    if is_custom(h) != is_custom(other) {
        return Err(Incompatible);
    }
    let bounds_differed = h.custom_bounds != other.custom_bounds;
    let (hint, resets_conflicted) = hint_of_both(h.reset_hint, other.reset_hint);
    if bounds_differed {
        let common = custom::common_bounds(&h.custom_bounds, &other.custom_bounds);
        *h = custom::regroup(h, &common);
        add_aligned(h, &custom::regroup(other, &common), sign);
    } else if h.schema == other.schema && h.zero_threshold == other.zero_threshold {
        add_aligned(h, other, sign);
    } else {
        let schema = h.schema.min(other.schema);
        *h = coarsen(h, schema);
        let mut other = coarsen(other, schema);
        align_zero_buckets(h, &mut other);
        add_aligned(h, &other, sign);
    }
    h.reset_hint = hint;
    Ok(Remarks { bounds_differed, resets_conflicted })
}

/// What is known of a sum's resets, and whether the two contradict each other.
fn hint_of_both(a: ResetHint, b: ResetHint) -> (ResetHint, bool) {
    use ResetHint::{Gauge, NotReset, Reset, Unknown};
    match (a, b) {
        _ if a == b => (a, false),
        (Gauge, _) | (_, Gauge) => (Gauge, false),
        (Reset, NotReset) | (NotReset, Reset) => (Unknown, true),
        _ => (Unknown, false),
    }
}

fn add_aligned(h: &mut NativeHistogram, other: &NativeHistogram, sign: f64) {
    h.count += sign * other.count;
    h.sum += sign * other.sum;
    h.zero_count += sign * other.zero_count;
    h.positive = merge(&h.positive, &other.positive, sign);
    h.negative = merge(&h.negative, &other.negative, sign);
}

fn merge(a: &NativeBuckets, b: &NativeBuckets, sign: f64) -> NativeBuckets {
    let (mut a, mut b) = (a.0.as_slice(), b.0.as_slice());
    let mut merged = Vec::with_capacity(a.len().max(b.len()));
    while let (Some(x), Some(y)) = (a.first(), b.first()) {
        match x.0.cmp(&y.0) {
            Ordering::Less => {
                merged.push(*x);
                a = &a[1..];
            }
            Ordering::Greater => {
                merged.push((y.0, sign * y.1));
                b = &b[1..];
            }
            Ordering::Equal => {
                merged.push((x.0, x.1 + sign * y.1));
                (a, b) = (&a[1..], &b[1..]);
            }
        }
    }
    merged.extend_from_slice(a);
    merged.extend(b.iter().map(|y| (y.0, sign * y.1)));
    merged.retain(|bucket| bucket.1 != 0.0);
    NativeBuckets(merged)
}

/// Widens the narrower zero bucket until both are the same. Widening one may have to go beyond the other,
/// to the end of a bucket that it would cut, so this alternates.
fn align_zero_buckets(a: &mut NativeHistogram, b: &mut NativeHistogram) {
    while a.zero_threshold != b.zero_threshold {
        if a.zero_threshold < b.zero_threshold {
            widen_zero(a, b.zero_threshold);
        } else {
            widen_zero(b, a.zero_threshold);
        }
    }
}
