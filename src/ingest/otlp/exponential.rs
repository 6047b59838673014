//! Exponential histograms become native ones.
//!
//! The two are the same but for three things: an index names the lower end of a bucket in OTLP and the upper
//! end in Prometheus, so it is one more here; Prometheus knows schemas -4 to 8, and finer scales are halved
//! until they fit, which is exact; and an unset zero threshold is 10⁻¹²⁸ (compatibility specification,
//! "Exponential Histograms").

use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

use crate::base::DropReason;
use crate::ingest::outcome::Reject;
use crate::sketch::{NativeBuckets, NativeHistogram};

/// The schemas of native histograms.
const COARSEST: i32 = -4;
const FINEST: i32 = 8;
/// The zero threshold of a histogram that names none.
const ZERO_THRESHOLD: f64 = 1e-128;
/// The most buckets with a count on one side.
const BUCKETS: usize = 1024;

/// The native histogram of a point.
pub(super) fn native(point: &ExponentialHistogramDataPoint) -> Result<NativeHistogram, Reject> {
    if point.scale < COARSEST {
        let error =
            format!("scale {} is coarser than {COARSEST}, the coarsest that native histograms have", point.scale);
        return Err(Reject::new(DropReason::Unsupported, error));
    }
    let schema = point.scale.min(FINEST);
    let by = point.scale.saturating_sub(schema).min(62) as u32;
    let threshold = if point.zero_threshold > 0.0 { point.zero_threshold } else { ZERO_THRESHOLD };
    let histogram = NativeHistogram {
        schema,
        zero_threshold: threshold,
        zero_count: point.zero_count as f64,
        count: point.count as f64,
        sum: point.sum.unwrap_or(0.0),
        positive: side(point.positive.as_ref(), by)?,
        negative: side(point.negative.as_ref(), by)?,
        ..NativeHistogram::default()
    };
    check(&histogram)?;
    Ok(histogram)
}

/// The buckets of one side, at a scale that is coarser by so many halvings.
fn side(buckets: Option<&Buckets>, by: u32) -> Result<NativeBuckets, Reject> {
    let Some(buckets) = buckets else { return Ok(NativeBuckets::default()) };
    let counted = buckets.bucket_counts.iter().zip(i64::from(buckets.offset)..).filter(|(count, _)| **count > 0);
    let mut out: Vec<(i32, f64)> = Vec::new();
    for (count, index) in counted {
        let index = i32::try_from((index >> by) + 1).map_err(|_| too_far())?;
        let known = out.len();
        match out.last_mut() {
            Some(last) if last.0 == index => last.1 += *count as f64,
            _ if known == BUCKETS => return Err(too_many()),
            _ => out.push((index, *count as f64)),
        }
    }
    Ok(NativeBuckets(out))
}

fn too_far() -> Reject {
    Reject::new(DropReason::Implausible, "a bucket lies beyond what an index can name")
}

fn too_many() -> Reject {
    let error = format!("more than {BUCKETS} buckets with a count; send a coarser scale");
    Reject::new(DropReason::TooLong, error)
}

/// Every value is in some bucket, unless some were NaN, which OTLP does not know.
fn check(histogram: &NativeHistogram) -> Result<(), Reject> {
    let buckets = histogram.positive.0.iter().chain(&histogram.negative.0).map(|b| b.1).sum::<f64>();
    if buckets + histogram.zero_count == histogram.count {
        return Ok(());
    }
    let error = format!("the buckets hold {} values, count says {}", buckets + histogram.zero_count, histogram.count);
    Err(Reject::new(DropReason::Invalid, error))
}

/// The same histogram with nothing in it: where a series begins.
pub(super) fn empty(of: &NativeHistogram) -> NativeHistogram {
    NativeHistogram {
        zero_count: 0.0,
        count: 0.0,
        sum: 0.0,
        positive: NativeBuckets::default(),
        negative: NativeBuckets::default(),
        ..of.clone()
    }
}

/// Adds what came to what is there. The coarser schema holds for the sum, which is exact; of two zero
/// thresholds the wider holds, and takes in the buckets below it.
pub(super) fn add(total: &mut NativeHistogram, more: &NativeHistogram) {
    let mut more = more.clone();
    let schema = total.schema.min(more.schema);
    coarsen(total, schema);
    coarsen(&mut more, schema);
    let threshold = total.zero_threshold.max(more.zero_threshold);
    widen(total, threshold);
    widen(&mut more, threshold);
    total.count += more.count;
    total.sum += more.sum;
    total.zero_count += more.zero_count;
    merge(&mut total.positive, &more.positive);
    merge(&mut total.negative, &more.negative);
}

fn coarsen(histogram: &mut NativeHistogram, schema: i32) {
    let by = histogram.schema - schema;
    if by == 0 {
        return;
    }
    histogram.schema = schema;
    for side in [&mut histogram.positive, &mut histogram.negative] {
        let finer = std::mem::take(&mut side.0);
        finer.into_iter().for_each(|(index, count)| match side.0.last_mut() {
            Some(last) if last.0 == ((index - 1) >> by) + 1 => last.1 += count,
            _ => side.0.push((((index - 1) >> by) + 1, count)),
        });
    }
}

/// Counts buckets that lie below the threshold as zero. One that it cuts stays: it holds larger values too.
fn widen(histogram: &mut NativeHistogram, threshold: f64) {
    if histogram.zero_threshold >= threshold {
        return;
    }
    histogram.zero_threshold = threshold;
    let per_index = f64::from(-histogram.schema).exp2();
    for side in [&mut histogram.positive, &mut histogram.negative] {
        let below = side.0.iter().take_while(|(index, _)| (f64::from(*index) * per_index).exp2() <= threshold).count();
        histogram.zero_count += side.0.drain(..below).map(|(_, count)| count).sum::<f64>();
    }
}

fn merge(total: &mut NativeBuckets, more: &NativeBuckets) {
    for (index, count) in &more.0 {
        match total.0.binary_search_by_key(index, |b| b.0) {
            Ok(at) => total.0[at].1 += count,
            Err(at) => total.0.insert(at, (*index, *count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            scale,
            count: counts.iter().sum::<u64>() + 2,
            sum: Some(7.5),
            zero_count: 2,
            positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
            ..Default::default()
        }
    }

    #[test]
    fn an_index_names_the_upper_end() {
        // Scale 0: (2, 4] is index 1 in OTLP and 2 in Prometheus.
        let h = native(&point(0, 1, &[3, 0, 1])).unwrap();
        assert_eq!(h.positive.0, [(2, 3.0), (4, 1.0)]);
        assert_eq!((h.schema, h.zero_threshold, h.zero_count, h.count, h.sum), (0, 1e-128, 2.0, 6.0, 7.5));
    }

    #[test]
    fn finer_scales_are_halved_exactly() {
        // At scale 10 four buckets make one of scale 8; negative indices round down.
        let h = native(&point(10, -5, &[1, 1, 1, 1, 1, 1])).unwrap();
        assert_eq!(h.schema, 8);
        assert_eq!(h.positive.0, [(-1, 1.0), (0, 4.0), (1, 1.0)]);
        assert_eq!(native(&point(-5, 0, &[1])).unwrap_err().reason, DropReason::Unsupported);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(native(&point(0, i32::MAX, &[1, 1])).unwrap_err().reason, DropReason::Implausible);
        assert_eq!(native(&point(8, 0, &[1; BUCKETS + 1])).unwrap_err().reason, DropReason::TooLong);
        let wrong = ExponentialHistogramDataPoint { count: 9, ..point(0, 0, &[1]) };
        assert_eq!(native(&wrong).unwrap_err().reason, DropReason::Invalid);
    }

    /// The index, at a scale, of the bucket that holds `value`: counted by trying, not by a formula.
    fn index_of(value: f64, scale: i32) -> i32 {
        let base = f64::from(-scale).exp2().exp2();
        (-3000..3000).find(|i| value > base.powi(*i) && value <= base.powi(*i + 1)).unwrap()
    }

    fn of_values(values: &[f64], scale: i32) -> ExponentialHistogramDataPoint {
        let indices: Vec<i32> = values.iter().map(|v| index_of(*v, scale)).collect();
        let (Some(low), Some(high)) = (indices.iter().min(), indices.iter().max()) else { return Default::default() };
        let count = |i: i32| indices.iter().filter(|j| **j == i).count() as u64;
        ExponentialHistogramDataPoint {
            scale,
            count: values.len() as u64,
            sum: Some(values.iter().sum()),
            positive: Some(Buckets { offset: *low, bucket_counts: (*low..=*high).map(count).collect() }),
            ..Default::default()
        }
    }

    proptest::proptest! {
        #[test]
        fn adding_is_counting_all_at_the_coarser_scale(
            a in proptest::collection::vec(0.01f64..100.0, 1..20),
            b in proptest::collection::vec(0.01f64..100.0, 1..20),
            scales in (0i32..4, 0i32..4),
        ) {
            let mut total = native(&of_values(&a, scales.0)).unwrap();
            add(&mut total, &native(&of_values(&b, scales.1)).unwrap());
            let all: Vec<f64> = a.iter().chain(&b).copied().collect();
            let expected = native(&of_values(&all, scales.0.min(scales.1))).unwrap();
            proptest::prop_assert_eq!(&total.positive, &expected.positive);
            proptest::prop_assert_eq!((total.count, total.schema), (expected.count, expected.schema));
        }
    }

    #[test]
    fn the_wider_zero_takes_in_what_lies_below_it() {
        let mut total = native(&point(0, 0, &[1, 1])).unwrap();
        let wide = ExponentialHistogramDataPoint { zero_threshold: 2.0, ..point(0, 3, &[1]) };
        add(&mut total, &native(&wide).unwrap());
        assert_eq!((total.zero_count, total.zero_threshold), (5.0, 2.0));
        assert_eq!(total.positive.0, [(2, 1.0), (4, 1.0)]);
    }
}
