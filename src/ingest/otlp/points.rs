//! One point at a time: its labels, its time, and what becomes of each kind.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
};

use crate::base::{DropReason, LabelsBuilder, Timestamp};
use crate::ingest::outcome::Reject;
use crate::ingest::validate;
use crate::series::Delta;
use crate::sketch::{NativeHistogram, format_le};

use super::exponential;
use super::metrics::Series;

/// The most buckets of a classic histogram.
const BUCKETS: usize = 512;

/// What all points have.
pub(super) trait Point {
    /// What becomes labels.
    fn attributes(&self) -> &[KeyValue];
    /// Nanoseconds since 1970: when it was taken.
    fn time(&self) -> u64;
    /// When its series began; 0 when nobody knows.
    fn start(&self) -> u64;
    /// Flags.
    fn flags(&self) -> u32;
}

macro_rules! point {
    ($($type:ty),*) => {$(
        impl Point for $type {
            fn attributes(&self) -> &[KeyValue] {
                &self.attributes
            }
            fn time(&self) -> u64 {
                self.time_unix_nano
            }
            fn start(&self) -> u64 {
                self.start_time_unix_nano
            }
            fn flags(&self) -> u32 {
                self.flags
            }
        }
    )*};
}
point!(NumberDataPoint, HistogramDataPoint, ExponentialHistogramDataPoint, SummaryDataPoint);

/// How many points a metric has; one without any data counts as one.
pub(super) fn count(metric: &Metric) -> usize {
    match &metric.data {
        None => 1,
        Some(Data::Gauge(m)) => m.data_points.len(),
        Some(Data::Sum(m)) => m.data_points.len(),
        Some(Data::Histogram(m)) => m.data_points.len(),
        Some(Data::ExponentialHistogram(m)) => m.data_points.len(),
        Some(Data::Summary(m)) => m.data_points.len(),
    }
}

/// When a point was taken; one that does not say was taken now.
pub(super) fn taken(nanos: u64, now: Timestamp) -> Timestamp {
    match nanos {
        0 => now,
        _ => Timestamp::from_millis(i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)),
    }
}

/// The time of a difference: an event's, which has to be of the last 30 days and not of the future.
fn event_time(point: &impl Point, now: Timestamp) -> Result<Timestamp, Reject> {
    validate::event_time(Some(taken(point.time(), now).as_secs_f64()), now)
}

fn number(point: &NumberDataPoint) -> Result<f64, Reject> {
    match point.value {
        // Only a flag ends a series; a NaN that happens to have those bits does not.
        Some(Value::AsDouble(n)) if n.is_nan() => Ok(f64::NAN),
        Some(Value::AsDouble(n)) => Ok(n),
        Some(Value::AsInt(n)) => Ok(n as f64),
        None => Err(Reject::new(DropReason::Invalid, "a point has no value")),
    }
}

/// A gauge, or a sum that may fall.
pub(super) fn sample(point: &NumberDataPoint, labels: &LabelsBuilder, to: &mut Series<'_, '_>) -> Result<(), Reject> {
    let value = if to.ends(point) { stale() } else { number(point)? };
    to.sample(labels, "", None, taken(point.time(), to.now), value);
    Ok(())
}

/// A cumulative sum that only grows.
pub(super) fn counter(point: &NumberDataPoint, labels: &LabelsBuilder, to: &mut Series<'_, '_>) -> Result<(), Reject> {
    if let Some(zero) = to.reset(point, labels, "") {
        to.sample(labels, "", None, zero, 0.0);
    }
    sample(point, labels, to)
}

/// A difference of a sum that only grows.
pub(super) fn step(point: &NumberDataPoint, labels: &LabelsBuilder, to: &mut Series<'_, '_>) -> Result<(), Reject> {
    refuse_end(point, to)?;
    let (at, step) = (event_time(point, to.now)?, number(point)?);
    validate::step("the difference of a monotonic sum", step)?;
    to.push(labels, "", None, at, Delta::Add(step));
    Ok(())
}

/// A cumulative histogram with classic buckets.
pub(super) fn histogram(
    point: &HistogramDataPoint,
    labels: &LabelsBuilder,
    to: &mut Series<'_, '_>,
) -> Result<(), Reject> {
    let ends = to.ends(point);
    let buckets = if ends { bounds_alone(point) } else { buckets(point)? };
    let (at, zero) = (taken(point.time(), to.now), to.reset(point, labels, "_count"));
    let mut all: Vec<(&str, Option<String>, f64)> =
        buckets.into_iter().map(|(le, count)| ("_bucket", Some(le), count as f64)).collect();
    all.extend(point.sum.or(ends.then_some(0.0)).map(|sum| ("_sum", None, sum)));
    all.push(("_count", None, point.count as f64));
    for (suffix, le, value) in &all {
        let le = le.as_deref().map(|le| ("le", le));
        if let Some(zero) = zero {
            to.sample(labels, suffix, le, zero, 0.0);
        }
        to.sample(labels, suffix, le, at, if ends { stale() } else { *value });
    }
    Ok(())
}

/// A difference of a histogram with classic buckets.
pub(super) fn histogram_steps(
    point: &HistogramDataPoint,
    labels: &LabelsBuilder,
    to: &mut Series<'_, '_>,
) -> Result<(), Reject> {
    refuse_end(point, to)?;
    let at = event_time(point, to.now)?;
    let buckets = buckets(point)?;
    if let Some(sum) = point.sum {
        validate::step("the difference of a histogram's sum", sum)?;
        to.push(labels, "_sum", None, at, Delta::Add(sum));
    }
    for (le, count) in buckets {
        to.push(labels, "_bucket", Some(("le", &le)), at, Delta::Add(count as f64));
    }
    to.push(labels, "_count", None, at, Delta::Add(point.count as f64));
    Ok(())
}

/// `(le, values up to it)`, with `+Inf` at the end.
fn buckets(point: &HistogramDataPoint) -> Result<Vec<(String, u64)>, Reject> {
    let (bounds, counts) = (&point.explicit_bounds, &point.bucket_counts);
    if bounds.len() > BUCKETS {
        let error = format!("{} bucket bounds; at most {BUCKETS} are taken", bounds.len());
        return Err(Reject::new(DropReason::TooLong, error));
    }
    if !bounds.is_sorted_by(|a, b| a < b) || bounds.iter().any(|b| !b.is_finite()) {
        return Err(Reject::new(DropReason::Invalid, "bucket bounds have to be finite and to ascend"));
    }
    // Both empty: only sum and count are known.
    let missing = counts.is_empty() && bounds.is_empty();
    if !missing && counts.len() != bounds.len() + 1 {
        let error = format!("{} bucket counts for {} bounds; one more is expected", counts.len(), bounds.len());
        return Err(Reject::new(DropReason::Invalid, error));
    }
    let total = counts.iter().try_fold(0u64, |sum, n| sum.checked_add(*n));
    if !missing && total != Some(point.count) {
        let error = format!("count is {}, but the buckets hold another number of values", point.count);
        return Err(Reject::new(DropReason::Invalid, error));
    }
    let mut below = 0;
    let cumulative = bounds.iter().zip(counts).map(|(bound, count)| {
        below += count;
        (format_le(*bound), below)
    });
    let mut all: Vec<(String, u64)> = cumulative.collect();
    all.push(("+Inf".to_owned(), point.count));
    Ok(all)
}

/// The buckets of a point that says nothing but that the series ends.
fn bounds_alone(point: &HistogramDataPoint) -> Vec<(String, u64)> {
    let bounds = point.explicit_bounds.iter().take(BUCKETS);
    bounds.map(|b| format_le(*b)).chain(["+Inf".to_owned()]).map(|le| (le, 0)).collect()
}

/// A cumulative exponential histogram.
pub(super) fn exponential(
    point: &ExponentialHistogramDataPoint,
    labels: &LabelsBuilder,
    to: &mut Series<'_, '_>,
) -> Result<(), Reject> {
    let at = taken(point.time(), to.now);
    let histogram = match to.ends(point) {
        true => {
            let empty = ExponentialHistogramDataPoint { scale: point.scale.clamp(-4, 8), ..Default::default() };
            NativeHistogram { sum: stale(), ..exponential::native(&empty)? }
        }
        false => exponential::native(point)?,
    };
    if let Some(zero) = to.reset(point, labels, "") {
        to.push(labels, "", None, zero, Delta::Distribution(exponential::empty(&histogram).into()));
    }
    to.push(labels, "", None, at, Delta::Distribution(histogram.into()));
    Ok(())
}

/// A difference of an exponential histogram.
pub(super) fn exponential_difference(
    point: &ExponentialHistogramDataPoint,
    labels: &LabelsBuilder,
    to: &mut Series<'_, '_>,
) -> Result<(), Reject> {
    refuse_end(point, to)?;
    event_time(point, to.now)?;
    let histogram = exponential::native(point)?;
    validate::finite("the difference of a histogram's sum", histogram.sum)?;
    let labels = to.labels(labels, "", None);
    let place = to.out.next_place();
    to.out.differences.push((place, labels, histogram));
    Ok(())
}

/// A summary.
pub(super) fn summary(point: &SummaryDataPoint, labels: &LabelsBuilder, to: &mut Series<'_, '_>) -> Result<(), Reject> {
    if point.quantile_values.len() > BUCKETS {
        let error = format!("{} quantiles; at most {BUCKETS} are taken", point.quantile_values.len());
        return Err(Reject::new(DropReason::TooLong, error));
    }
    let (at, ends) = (taken(point.time(), to.now), to.ends(point));
    let or_end = |value: f64| if ends { stale() } else { value };
    for of in &point.quantile_values {
        to.sample(labels, "", Some(("quantile", &format_le(of.quantile))), at, or_end(of.value));
    }
    to.sample(labels, "_sum", None, at, or_end(point.sum));
    to.sample(labels, "_count", None, at, or_end(point.count as f64));
    Ok(())
}

/// A difference of nothing is nothing: our own counters do not end.
fn refuse_end(point: &impl Point, to: &Series<'_, '_>) -> Result<(), Reject> {
    match to.ends(point) {
        true => Err(Reject::new(DropReason::Dummy, "a difference without a recorded value")),
        false => Ok(()),
    }
}

/// The value that ends a series.
fn stale() -> f64 {
    match Delta::stale() {
        Delta::Sample(value) => value,
        _ => f64::NAN,
    }
}
