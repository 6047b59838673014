//! Arithmetic of native histograms: buckets in order, schema and zero-bucket reconciliation, resets,
//! quantiles and fractions.
//!
//! A bucket of index `i` at schema `s` holds the sizes in `(2^((i-1)/2^s), 2^(i/2^s)]`. Halving the
//! resolution joins buckets `2i-1` and `2i` into `i`, so two histograms of any schemas can be brought to
//! the coarser one without error. Two zero buckets of different width meet at the wider one, which takes
//! the buckets that it covers (Prometheus, "Native histograms" specification, sections on schema and
//! zero bucket).

use std::cmp::Ordering;

use crate::sketch::{NativeBuckets, NativeHistogram};

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

/// All buckets with a count, ascending by their bounds.
pub fn buckets(h: &NativeHistogram) -> Vec<Bucket> {
    let side = |b: &(i32, f64)| (bound(b.0 - 1, h.schema), bound(b.0, h.schema), b.1);
    let negative = h.negative.0.iter().rev().map(side).map(|(low, high, count)| (-high, -low, count));
    let zero = (h.zero_count != 0.0).then_some((-h.zero_threshold, h.zero_threshold, h.zero_count));
    let positive = h.positive.0.iter().map(side);
    let all = negative.chain(zero).chain(positive).filter(|b| b.2 != 0.0);
    all.map(|(lower, upper, count)| Bucket { lower, upper, count }).collect()
}

/// Like [`buckets`], with the zero bucket cut to the side on which there are values: the others are known
/// not to be there.
fn buckets_for_ranks(h: &NativeHistogram) -> Vec<Bucket> {
    let mut all = buckets(h);
    for bucket in all.iter_mut().filter(|b| b.holds_zero()) {
        match (h.negative.0.is_empty(), h.positive.0.is_empty()) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
    }
    all
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

/// Adds `other` to `h`.
pub fn add(h: &mut NativeHistogram, other: &NativeHistogram) {
    combine(h, other, 1.0);
}

/// Subtracts `other` from `h`; counts may become negative.
pub fn subtract(h: &mut NativeHistogram, other: &NativeHistogram) {
    combine(h, other, -1.0);
}

/// Multiplies every count and the sum.
pub fn scale(h: &mut NativeHistogram, factor: f64) {
    h.count *= factor;
    h.sum *= factor;
    h.zero_count *= factor;
    for buckets in [&mut h.positive, &mut h.negative] {
        buckets.0.iter_mut().for_each(|b| b.1 *= factor);
    }
}

fn combine(h: &mut NativeHistogram, other: &NativeHistogram, sign: f64) {
    let aligned;
    let other = if h.schema == other.schema && h.zero_threshold == other.zero_threshold {
        other
    } else {
        let schema = h.schema.min(other.schema);
        *h = coarsen(h, schema);
        let mut coarse = coarsen(other, schema);
        align_zero_buckets(h, &mut coarse);
        aligned = coarse;
        &aligned
    };
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

/// Whether a counter histogram was reset between `before` and `after`: some count went down, or the
/// buckets became finer or the zero bucket narrower, which counting on can not do.
pub fn is_reset(after: &NativeHistogram, before: &NativeHistogram) -> bool {
    if after.count < before.count || after.schema > before.schema || after.zero_threshold < before.zero_threshold {
        return true;
    }
    if after.schema == before.schema && after.zero_threshold == before.zero_threshold {
        return any_less(after, before);
    }
    let mut before = coarsen(before, after.schema);
    if before.zero_threshold < after.zero_threshold {
        widen_zero(&mut before, after.zero_threshold);
    }
    before.zero_threshold != after.zero_threshold || any_less(after, &before)
}

fn any_less(after: &NativeHistogram, before: &NativeHistogram) -> bool {
    let side_less = |after: &NativeBuckets, before: &NativeBuckets| {
        let mut rest = after.0.iter().peekable();
        before.0.iter().filter(|b| b.1 > 0.0).any(|(index, count)| {
            while rest.next_if(|a| a.0 < *index).is_some() {}
            rest.next_if(|a| a.0 == *index).is_none_or(|a| a.1 < *count)
        })
    };
    after.zero_count < before.zero_count
        || side_less(&after.positive, &before.positive)
        || side_less(&after.negative, &before.negative)
}

/// The `q` quantile. Inside a bucket values are taken to lie evenly on the logarithmic scale, in the zero
/// bucket on the linear one (Prometheus 3, `histogramQuantile`). NaN without values.
pub fn quantile(q: f64, h: &NativeHistogram) -> f64 {
    if h.count == 0.0 || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * h.count;
    let all = buckets_for_ranks(h);
    let mut below = 0.0;
    for bucket in &all {
        if below + bucket.count >= rank {
            return interpolate(bucket, (rank - below) / bucket.count);
        }
        below += bucket.count;
    }
    // More values than buckets hold: they were NaN, or rounding lost a little.
    match all.last() {
        Some(last) if !h.sum.is_nan() => last.upper,
        _ => f64::NAN,
    }
}

/// The value below which `fraction` of a bucket's values lie.
fn interpolate(bucket: &Bucket, fraction: f64) -> f64 {
    if bucket.holds_zero() {
        return bucket.lower + (bucket.upper - bucket.lower) * fraction;
    }
    let (log_lower, log_upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    if bucket.lower > 0.0 {
        (log_lower + (log_upper - log_lower) * fraction).exp2()
    } else {
        -(log_upper + (log_lower - log_upper) * (1.0 - fraction)).exp2()
    }
}

/// The fraction of values in `[lower, upper]`, by the same interpolation as [`quantile`]; NaN without
/// values.
pub fn fraction(lower: f64, upper: f64, h: &NativeHistogram) -> f64 {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let all = buckets_for_ranks(h);
    (rank(upper, &all, h.count) - rank(lower, &all, h.count)) / h.count
}

/// How many values lie below `value`.
fn rank(value: f64, buckets: &[Bucket], count: f64) -> f64 {
    let mut below = 0.0;
    for bucket in buckets {
        if bucket.lower >= value {
            return below;
        }
        if bucket.upper > value {
            return (below + bucket.count * part_below(value, bucket)).min(count);
        }
        below += bucket.count;
    }
    count
}

/// The part of a bucket's values that lie below a value inside it.
fn part_below(value: f64, bucket: &Bucket) -> f64 {
    if bucket.holds_zero() {
        return (value - bucket.lower) / (bucket.upper - bucket.lower);
    }
    let (log_lower, log_upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    let log = value.abs().log2();
    if value > 0.0 {
        (log - log_lower) / (log_upper - log_lower)
    } else {
        1.0 - (log - log_upper) / (log_lower - log_upper)
    }
}

/// The variance, with every value taken to lie at the geometric middle of its bucket.
pub fn variance(h: &NativeHistogram) -> f64 {
    let mean = h.sum / h.count;
    let squares = buckets(h).into_iter().map(|bucket| {
        let middle = if bucket.holds_zero() { 0.0 } else { (bucket.lower * bucket.upper).sqrt() };
        let value = if bucket.upper < 0.0 { -middle } else { middle };
        bucket.count * (value - mean).powi(2)
    });
    squares.sum::<f64>() / h.count
}

#[cfg(test)]
mod tests;
