//! Metrics become changes of series.
//!
//! | OTLP | here |
//! |---|---|
//! | gauge, cumulative sum | a sample at the point's own time |
//! | cumulative histogram | samples of `_bucket{le}`, `_sum`, `_count` |
//! | cumulative exponential histogram | a native histogram at the point's own time |
//! | summary | samples of `{quantile}`, `_sum`, `_count` |
//! | monotonic sum of differences | a step of a counter of ours |
//! | histogram of differences | steps of the counters `_bucket{le}`, `_sum`, `_count` |
//! | exponential histogram of differences | a running total, see [`super::running`] |
//! | other sums of differences | refused: nothing says where they began |
//!
//! The unit that is counted is a sample: a point of a histogram is as many as it has buckets, and two. A point
//! that is refused whole counts as one.
//!
//! Source: the OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", section "OTLP Metric
//! points to Prometheus". Absent on purpose: labels of the scope, exemplars, minimum and maximum.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, DataPointFlags, Metric, ResourceMetrics};

use crate::base::{DropReason, Labels, LabelsBuilder, METRIC_NAME, Timestamp};
use crate::ingest::outcome::Reject;
use crate::ingest::validate;
use crate::series::{Delta, Item, Metadata, MetricType};
use crate::sketch::NativeHistogram;

use super::names::{self, Kind};
use super::points::{self, Point};
use super::resource::{self, LabelNames, Target};
use super::running::{Beginning, Running};

/// The most samples of one request.
const SAMPLES: usize = 200_000;

/// What a request comes to.
#[derive(Debug, Default)]
pub(super) struct Converted {
    /// What is recorded.
    pub(super) items: Vec<Item>,
    /// Differences of native histograms, which are recorded as running totals, with the place of the point.
    pub(super) differences: Vec<(usize, Labels, NativeHistogram)>,
    /// Beginnings to remember when everything is durable.
    pub(super) beginnings: Vec<(Labels, Beginning)>,
    /// How many points there were.
    pub(super) points: u64,
    /// Points that were refused: their place from 1, and why.
    pub(super) refused: Vec<(usize, Reject)>,
    /// What the request says of its metrics, by their names here.
    pub(super) described: Vec<(String, Metadata)>,
    /// What nobody is told of, but counted.
    pub(super) left_out: Vec<(DropReason, u64)>,
}

/// Where points of one metric go.
pub(super) struct Series<'a, 'r> {
    pub(super) now: Timestamp,
    pub(super) name: String,
    pub(super) target: &'a Target,
    pub(super) names: LabelNames<'r>,
    pub(super) running: &'a Running,
    pub(super) out: &'a mut Converted,
}

/// Converts a request. `service` is whom the sender's key stands for.
pub(super) fn convert(
    request: &ExportMetricsServiceRequest,
    service: Option<&str>,
    running: &Running,
    now: Timestamp,
) -> Converted {
    let mut out = Converted::default();
    for resource in &request.resource_metrics {
        let attributes = resource.resource.as_ref().map(|r| r.attributes.as_slice()).unwrap_or_default();
        match Target::of(attributes, service) {
            Ok(mut target) => {
                out.left_out.append(&mut target.left_out);
                of_resource(resource, &target, running, now, &mut out);
            }
            Err(reject) => metrics(resource).for_each(|m| out.refuse(points::count(m), &reject)),
        }
    }
    out
}

fn metrics(resource: &ResourceMetrics) -> impl Iterator<Item = &Metric> {
    resource.scope_metrics.iter().flat_map(|s| &s.metrics)
}

fn of_resource(resource: &ResourceMetrics, target: &Target, running: &Running, now: Timestamp, out: &mut Converted) {
    let before = out.items.len() + out.differences.len();
    let mut names = LabelNames::default();
    for metric in metrics(resource) {
        let name = match name(metric) {
            Ok(name) => name,
            Err(reject) => {
                out.refuse(points::count(metric), &reject);
                continue;
            }
        };
        out.described.push((name.clone(), Metadata::new(kind(metric), &metric.description, &metric.unit)));
        let mut series = Series { now, name, target, names, running, out };
        of_metric(metric, &mut series);
        names = series.names;
    }
    // As Prometheus has it: only beside something. Stamped with its arrival, so that it is never late.
    if out.items.len() + out.differences.len() > before
        && let Some(info) = &target.info
    {
        out.items.push(Item { labels: info.clone(), at: now, delta: Delta::Sample(1.0) });
    }
}

fn kind(metric: &Metric) -> MetricType {
    match &metric.data {
        Some(Data::Sum(sum)) if sum.is_monotonic => MetricType::Counter,
        Some(Data::Gauge(_) | Data::Sum(_)) => MetricType::Gauge,
        Some(Data::Histogram(_) | Data::ExponentialHistogram(_)) => MetricType::Histogram,
        Some(Data::Summary(_)) => MetricType::Summary,
        None => MetricType::Unknown,
    }
}

/// The metric's name, which is none of those that only we write.
fn name(metric: &Metric) -> Result<String, Reject> {
    let kind = match &metric.data {
        Some(Data::Gauge(_)) => Kind::Gauge,
        Some(Data::Sum(sum)) if sum.is_monotonic => Kind::Counter,
        _ => Kind::Other,
    };
    validate::text("a metric's name", &metric.name, validate::NAME_BYTES)?;
    validate::text("a metric's unit", &metric.unit, validate::NAME_BYTES)?;
    let name = names::metric(&metric.name, &metric.unit, kind).ok_or_else(|| {
        Reject::new(DropReason::Invalid, format!("metric {:?} has no letter or digit in its name", metric.name))
    })?;
    validate::outside_name(&name)?;
    Ok(name)
}

fn of_metric<'r>(metric: &'r Metric, series: &mut Series<'_, 'r>) {
    let temporality = |n: i32| AggregationTemporality::try_from(n).unwrap_or_default();
    match &metric.data {
        None => series.out.refuse_one(unsupported(metric, "has no data, or of a kind that is not known")),
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().for_each(|p| series.point(p, points::sample)),
        Some(Data::Sum(sum)) => match (temporality(sum.aggregation_temporality), sum.is_monotonic) {
            (AggregationTemporality::Cumulative, true) => {
                sum.data_points.iter().for_each(|p| series.point(p, points::counter));
            }
            (AggregationTemporality::Cumulative, false) => {
                sum.data_points.iter().for_each(|p| series.point(p, points::sample));
            }
            (AggregationTemporality::Delta, true) => {
                sum.data_points.iter().for_each(|p| series.point(p, points::step));
            }
            (AggregationTemporality::Delta, false) => {
                let reject = unsupported(metric, "is a sum of differences that may fall; send it as cumulative");
                series.out.refuse(sum.data_points.len(), &reject);
            }
            (AggregationTemporality::Unspecified, _) => {
                series.out.refuse(sum.data_points.len(), &no_temporality(metric))
            }
        },
        Some(Data::Histogram(h)) => match temporality(h.aggregation_temporality) {
            AggregationTemporality::Cumulative => {
                h.data_points.iter().for_each(|p| series.point(p, points::histogram));
            }
            AggregationTemporality::Delta => {
                h.data_points.iter().for_each(|p| series.point(p, points::histogram_steps));
            }
            AggregationTemporality::Unspecified => series.out.refuse(h.data_points.len(), &no_temporality(metric)),
        },
        Some(Data::ExponentialHistogram(h)) => match temporality(h.aggregation_temporality) {
            AggregationTemporality::Cumulative => {
                h.data_points.iter().for_each(|p| series.point(p, points::exponential));
            }
            AggregationTemporality::Delta => {
                h.data_points.iter().for_each(|p| series.point(p, points::exponential_difference));
            }
            AggregationTemporality::Unspecified => series.out.refuse(h.data_points.len(), &no_temporality(metric)),
        },
        Some(Data::Summary(s)) => s.data_points.iter().for_each(|p| series.point(p, points::summary)),
    }
}

fn unsupported(metric: &Metric, what: &str) -> Reject {
    Reject::new(DropReason::Unsupported, format!("metric {:?} {what}", metric.name))
}

fn no_temporality(metric: &Metric) -> Reject {
    let error = format!("metric {:?} has no aggregation temporality; send cumulative or delta", metric.name);
    Reject::new(DropReason::Invalid, error)
}

impl<'r> Series<'_, 'r> {
    /// Converts one point with `convert`; whole or not at all.
    fn point<P: Point>(
        &mut self,
        point: &'r P,
        convert: impl FnOnce(&P, &LabelsBuilder, &mut Self) -> Result<(), Reject>,
    ) {
        let before = (self.out.items.len(), self.out.differences.len());
        let done = self.builder(point).and_then(|labels| convert(point, &labels, self)).and_then(|()| self.fits());
        match done {
            Ok(()) => self.out.points += 1,
            Err(reject) => {
                self.out.items.truncate(before.0);
                self.out.differences.truncate(before.1);
                self.out.refuse_one(reject);
            }
        }
    }

    /// The labels of the point, and of who sent it.
    fn builder(&mut self, point: &'r impl Point) -> Result<LabelsBuilder, Reject> {
        let mut builder = resource::of_point(point.attributes(), &mut self.names)?;
        for (label, value) in &self.target.labels {
            builder.set(*label, Arc::clone(value));
        }
        Ok(builder)
    }

    fn fits(&self) -> Result<(), Reject> {
        if self.out.items.len() <= SAMPLES {
            return Ok(());
        }
        let error = format!("more than {SAMPLES} samples in one request; send smaller batches");
        Err(Reject::new(DropReason::TooLarge, error))
    }

    /// The labels of one of the point's series.
    pub(super) fn labels(&self, point: &LabelsBuilder, suffix: &str, extra: Option<(&str, &str)>) -> Labels {
        let mut builder = point.clone();
        if let Some((label, value)) = extra {
            builder.set(label, value);
        }
        builder.set(METRIC_NAME, format!("{}{suffix}", self.name));
        builder.build()
    }

    /// Records a change of one of the point's series.
    pub(super) fn push(
        &mut self,
        point: &LabelsBuilder,
        suffix: &str,
        extra: Option<(&str, &str)>,
        at: Timestamp,
        delta: Delta,
    ) {
        let labels = self.labels(point, suffix, extra);
        self.out.items.push(Item { labels, at, delta });
    }

    /// Records a sample of one of the point's series.
    pub(super) fn sample(
        &mut self,
        point: &LabelsBuilder,
        suffix: &str,
        extra: Option<(&str, &str)>,
        at: Timestamp,
        value: f64,
    ) {
        self.push(point, suffix, extra, at, Delta::Sample(value));
    }

    /// Whether the point says that there is nothing to say any more.
    pub(super) fn ends(&self, point: &impl Point) -> bool {
        point.flags() & DataPointFlags::NoRecordedValueMask as u32 != 0
    }

    /// Where the point's series have to be shown as empty, because they began anew since the last point. A
    /// value that is smaller than before shows that by itself, one that has overtaken it does not.
    pub(super) fn reset(&mut self, point: &impl Point, labels: &LabelsBuilder, suffix: &str) -> Option<Timestamp> {
        if point.start() == 0 || self.ends(point) {
            return None;
        }
        let labels = self.labels(labels, suffix, None);
        let at = points::taken(point.time(), self.now);
        let zero = self.running.reset(&labels, point.start(), at);
        self.out.beginnings.push((labels, Beginning { start: point.start(), newest: at }));
        zero
    }
}

impl Converted {
    fn refuse_one(&mut self, reject: Reject) {
        let place = self.next_place();
        self.refused.push((place, reject));
        self.points += 1;
    }

    /// The place of the point that is looked at, from 1.
    pub(super) fn next_place(&self) -> usize {
        usize::try_from(self.points).unwrap_or(usize::MAX).saturating_add(1)
    }

    /// So many points share a fault.
    fn refuse(&mut self, points: usize, reject: &Reject) {
        (0..points).for_each(|_| self.refuse_one(reject.clone()));
    }
}

#[cfg(test)]
mod tests;
