//! Quantiles, fractions and the variance.
//!
//! Inside an exponential bucket values are taken to lie evenly on the logarithmic scale; inside the zero bucket
//! and custom buckets on the linear one. Values that are NaN are counted and lie in no bucket: a histogram that
//! may have some is known by its sum (Prometheus 3, `HistogramQuantile`, `HistogramFraction`).

use super::{Bucket, buckets, is_custom};
use crate::sketch::NativeHistogram;

/// What values that are NaN did to a quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NanEffect {
    /// The quantile lies among them.
    Result,
    /// They count as largest and so push it up.
    Skew,
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

/// Whether there are values that are NaN.
pub fn holds_nan(h: &NativeHistogram) -> bool {
    h.sum.is_nan() && buckets(h).iter().map(|b| b.count).sum::<f64>() < h.count
}

/// The `q` quantile; NaN without values. In an empty stretch between buckets it is at the end from which it is
/// closer to the median: below the median ranks are counted from below, else from above.
pub fn quantile(q: f64, h: &NativeHistogram) -> (f64, Option<NanEffect>) {
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if h.count == 0.0 || q.is_nan() {
        return (f64::NAN, None);
    }
    let all = buckets_for_ranks(h);
    let from_below = h.sum.is_nan() || q < 0.5;
    let found = if from_below {
        Found::in_order(all.iter(), q * h.count)
    } else {
        Found::in_order(all.iter().rev(), (1.0 - q) * h.count)
    };
    let Some(found) = found else {
        let effect = h.sum.is_nan().then_some(NanEffect::Result);
        return (if effect.is_some() { f64::NAN } else { 0.0 }, effect);
    };
    if let Some(edge) = found.open_end(h) {
        return (edge, None);
    }
    if found.missing {
        return if h.sum.is_nan() { (f64::NAN, Some(NanEffect::Result)) } else { (found.bucket.upper, None) };
    }
    let part = if from_below { found.part } else { 1.0 - found.part };
    (interpolate(&found.bucket, part, is_custom(h)), holds_nan(h).then_some(NanEffect::Skew))
}

/// The bucket that a rank falls into, walking in one direction.
struct Found {
    bucket: Bucket,
    /// How far into the bucket, in the direction of the walk.
    part: f64,
    /// There are fewer values than the rank: this is the last bucket.
    missing: bool,
}

impl Found {
    fn in_order<'a>(buckets: impl Iterator<Item = &'a Bucket>, rank: f64) -> Option<Self> {
        let mut passed = 0.0;
        let mut last = None;
        for bucket in buckets {
            if passed + bucket.count >= rank {
                return Some(Self { bucket: *bucket, part: (rank - passed) / bucket.count, missing: false });
            }
            passed += bucket.count;
            last = Some(*bucket);
        }
        last.map(|bucket| Self { bucket, part: 1.0, missing: true })
    }

    /// A custom bucket without an end has no inside: its finite end is the answer.
    fn open_end(&self, h: &NativeHistogram) -> Option<f64> {
        if !is_custom(h) {
            return None;
        }
        let Bucket { lower, upper, .. } = self.bucket;
        if lower == f64::NEG_INFINITY { Some(upper) } else { (upper == f64::INFINITY).then_some(lower) }
    }
}

/// The value below which `fraction` of a bucket's values lie.
fn interpolate(bucket: &Bucket, fraction: f64, linear: bool) -> f64 {
    if linear || bucket.holds_zero() {
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
/// values. NaNs are in no interval.
pub fn fraction(lower: f64, upper: f64, h: &NativeHistogram) -> f64 {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let all = buckets_for_ranks(h);
    let most = if holds_nan(h) { all.iter().map(|b| b.count).sum() } else { h.count };
    let rank = |value| rank(value, &all, most, is_custom(h));
    (rank(upper) - rank(lower)) / h.count
}

/// How many values lie below `value`; `most` beyond the last bucket.
fn rank(value: f64, buckets: &[Bucket], most: f64, linear: bool) -> f64 {
    let mut below = 0.0;
    for bucket in buckets {
        if bucket.lower >= value {
            return below;
        }
        if bucket.upper > value {
            return (below + bucket.count * part_below(value, bucket, linear)).min(most);
        }
        below += bucket.count;
    }
    most
}

/// The part of a bucket's values that lie below a value inside it.
fn part_below(value: f64, bucket: &Bucket, linear: bool) -> f64 {
    // Without a lower end there is no inside: the whole bucket lies below.
    if bucket.lower == f64::NEG_INFINITY {
        return 1.0;
    }
    if linear || bucket.holds_zero() {
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

/// The variance, with every value taken to lie in the middle of its bucket: the geometric one, or with custom
/// bounds the arithmetic one (Prometheus 3, `histogram_stdvar`).
pub fn variance(h: &NativeHistogram) -> f64 {
    let mean = h.sum / h.count;
    let squares = buckets(h).into_iter().map(|bucket| {
        let middle = if is_custom(h) { f64::midpoint(bucket.lower, bucket.upper) } else { geometric_middle(&bucket) };
        bucket.count * (middle - mean).powi(2)
    });
    squares.sum::<f64>() / h.count
}

fn geometric_middle(bucket: &Bucket) -> f64 {
    if bucket.holds_zero() {
        return 0.0;
    }
    let middle = (bucket.lower * bucket.upper).sqrt();
    if bucket.upper < 0.0 { -middle } else { middle }
}
