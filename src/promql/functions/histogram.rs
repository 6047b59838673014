//! What is read from histograms: classic ones, whose buckets are series with a label `le`, and native ones.

use super::HistogramFn;
use crate::promql::native;

pub(super) fn lookup(name: &str) -> Option<HistogramFn> {
    Some(match name {
        "histogram_count" => |h, _| h.count,
        "histogram_sum" => |h, _| h.sum,
        "histogram_avg" => |h, _| h.sum / h.count,
        "histogram_stdvar" => |h, _| native::variance(h),
        "histogram_stddev" => |h, _| native::variance(h).sqrt(),
        _ => return None,
    })
}

/// A relative difference of counts that is taken for a rounding error.
const SMALL_DIFFERENCE: f64 = 1e-12;

/// A classic bucket: `count` values were at most `bound`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::promql) struct ClassicBucket {
    pub(in crate::promql) bound: f64,
    pub(in crate::promql) count: f64,
}

/// Joins buckets of the same bound (`1` and `1.0`).
pub(in crate::promql) fn join_equal(buckets: &mut Vec<ClassicBucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
}

/// Joins buckets of the same bound and makes counts ascend, which rounding and scrapes that cut a histogram in
/// two can break. Says whether a count had to be raised by more than rounding.
pub(in crate::promql) fn tidy(buckets: &mut Vec<ClassicBucket>) -> bool {
    join_equal(buckets);
    let mut forced = false;
    let mut before = f64::NEG_INFINITY;
    for bucket in buckets {
        if bucket.count < before || (bucket.count - before).abs() <= SMALL_DIFFERENCE * bucket.count.abs() {
            forced |= before - bucket.count > SMALL_DIFFERENCE * before.abs();
            bucket.count = before;
        }
        before = before.max(bucket.count);
    }
    forced
}

/// The `q` quantile of tidy buckets, ascending by bound: linear inside the bucket, the lowest bucket
/// beginning at 0 when its bound is positive. NaN without a bucket for `+Inf` or without values
/// (Prometheus's `bucketQuantile`).
pub(in crate::promql) fn quantile(q: f64, buckets: &[ClassicBucket]) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let [finite @ .., last] = buckets else { return f64::NAN };
    if last.bound != f64::INFINITY || finite.is_empty() || last.count == 0.0 || last.count.is_nan() {
        return f64::NAN;
    }
    let rank = q * last.count;
    let found = finite.partition_point(|b| b.count < rank);
    if found == finite.len() {
        return finite[found - 1].bound;
    }
    let bucket = finite[found];
    if found == 0 && bucket.bound <= 0.0 {
        return bucket.bound;
    }
    let below = if found > 0 { finite[found - 1] } else { ClassicBucket { bound: 0.0, count: 0.0 } };
    let part = (rank - below.count) / (bucket.count - below.count);
    below.bound + (bucket.bound - below.bound) * part
}

/// The fraction of values between two bounds, by the same interpolation as [`quantile`].
pub(in crate::promql) fn fraction(lower: f64, upper: f64, buckets: &[ClassicBucket]) -> f64 {
    let Some(last) = buckets.last() else { return f64::NAN };
    if last.bound != f64::INFINITY || last.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank(upper, buckets) - rank(lower, buckets)) / last.count
}

/// How many values lie below `value`.
fn rank(value: f64, buckets: &[ClassicBucket]) -> f64 {
    let found = buckets.partition_point(|b| b.bound < value);
    let Some(bucket) = buckets.get(found) else { return buckets.last().map_or(0.0, |b| b.count) };
    let positive_first = found == 0 && bucket.bound > 0.0;
    let below = match found.checked_sub(1) {
        Some(i) => buckets[i],
        None if positive_first => ClassicBucket { bound: 0.0, count: 0.0 },
        None => ClassicBucket { bound: f64::NEG_INFINITY, count: 0.0 },
    };
    if value <= below.bound {
        return below.count;
    }
    // Without a lower end there is no inside: the whole bucket lies below.
    if below.bound.is_infinite() || value == bucket.bound {
        return bucket.count;
    }
    if bucket.bound.is_infinite() {
        return below.count;
    }
    below.count + (bucket.count - below.count) * (value - below.bound) / (bucket.bound - below.bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<ClassicBucket> {
        pairs.iter().map(|(bound, count)| ClassicBucket { bound: *bound, count: *count }).collect()
    }

    const INF: f64 = f64::INFINITY;

    #[test]
    fn interpolates_linearly() {
        let h = buckets(&[(0.1, 2.0), (0.2, 6.0), (INF, 8.0)]);
        assert!((quantile(0.5, &h) - 0.15).abs() < 1e-12);
        assert!((quantile(0.125, &h) - 0.05).abs() < 1e-12);
        assert_eq!(quantile(0.99, &h), 0.2);
        assert_eq!(quantile(0.5, &buckets(&[(-1.0, 5.0), (INF, 6.0)])), -1.0);
    }

    #[test]
    fn has_no_answer_without_infinity_or_values() {
        assert!(quantile(0.5, &buckets(&[(0.1, 2.0), (0.2, 6.0)])).is_nan());
        assert!(quantile(0.5, &buckets(&[(INF, 6.0)])).is_nan());
        assert!(quantile(0.5, &buckets(&[(1.0, 0.0), (INF, 0.0)])).is_nan());
    }

    #[test]
    fn tidies_duplicates_and_falling_counts() {
        let mut h = buckets(&[(1.0, 2.0), (1.0, 3.0), (2.0, 4.0), (INF, 10.0)]);
        assert!(tidy(&mut h));
        assert_eq!(h, buckets(&[(1.0, 5.0), (2.0, 5.0), (INF, 10.0)]));
        let mut rounding = buckets(&[(1.0, 5.000_000_000_000_001), (2.0, 5.0), (INF, 10.0)]);
        assert!(!tidy(&mut rounding));
        assert_eq!(rounding[1].count, rounding[0].count);
    }

    #[test]
    fn fractions() {
        let h = buckets(&[(0.1, 2.0), (0.2, 6.0), (INF, 8.0)]);
        assert!((fraction(0.0, 0.15, &h) - 0.5).abs() < 1e-12);
        assert_eq!(fraction(f64::NEG_INFINITY, INF, &h), 1.0);
        assert_eq!(fraction(0.2, INF, &h), 0.25);
        assert_eq!(fraction(0.3, 5.0, &h), 0.0);
    }
}
