//! What readers see: the head and the archive as one.
//!
//! A read takes what it needs from the head in one short section (references to what is shared, copies of
//! what is small), then reads the archive for what is older than the head, then decodes. Blocks leave the
//! head only after the archive has them, so nothing is missing in between.
//!
//! One stored histogram appears under four names: `x` (native), `x_count`, `x_sum` and, for each bound and
//! `+Inf`, `x_bucket{le}`. A series that left memory and came back is two stored series with the same labels;
//! readers see one, whose counter was reset.

mod exact;
mod forms;
mod points;
mod taken;

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::BoxFuture;
use crate::base::{Labels, Matcher, SharedClock, Timestamp};
use crate::promql::{Selection, SeriesSamples, Source, SourceError, source::is_stale};
use crate::sketch::Histogram;

use super::archive::Archive;
use super::counters::Counters;
use super::index::SUFFIXES;
use super::known::{Exposed, ExposedValue, Known, MetricType, PendingVital, SeriesStats};
use super::total::{SeriesKind, Total};
use super::writer::Shared;

/// A foreign sample is a present value for this long (Prometheus's lookback).
const LOOKBACK: Duration = Duration::from_secs(300);
/// A read that would load more samples than this is refused.
const MAX_SAMPLES: usize = 50_000_000;

/// See the module.
pub struct View {
    shared: Arc<Shared>,
    archive: Arc<dyn Archive>,
    clock: SharedClock,
}

impl View {
    pub(super) fn new(shared: Arc<Shared>, archive: Arc<dyn Archive>, clock: SharedClock) -> Self {
        Self { shared, archive, clock }
    }

    /// The health of the series in numbers.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }

    /// From now on histograms also count at this catalogue's bounds.
    pub fn set_catalog(&self, catalog: super::MetricCatalog) {
        self.shared.head.write().set_catalog(catalog);
    }

    async fn samples(&self, selection: &Selection) -> Result<Vec<SeriesSamples>, SourceError> {
        let taken = taken::Taken::new(&self.shared, &selection.matchers, self.clock.now())?;
        let chunks = taken.archived(self.archive.as_ref(), selection).await?;
        let mut budget = MAX_SAMPLES;
        let mut out = Vec::new();
        for series in &taken.series {
            points::samples(&taken, series, chunks.of(series.id), selection, &mut budget, &mut out)?;
        }
        Ok(points::join(out))
    }

    /// Through the samples: whether a series has one in the range is what is asked, and only they know.
    async fn label_sets(&self, selection: &Selection) -> Result<Vec<Labels>, SourceError> {
        let samples = self.samples(selection).await?;
        Ok(samples.into_iter().map(|s| s.labels).collect())
    }
}

impl Source for View {
    fn select<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>> {
        Box::pin(self.samples(selection))
    }

    fn series<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>> {
        Box::pin(self.label_sets(selection))
    }
}

impl Known for View {
    fn exposition(&self, now: Timestamp) -> Vec<Exposed> {
        let head = self.shared.head.read();
        let mut out: Vec<Exposed> = head.series.iter().filter(|s| !s.retired).filter_map(|s| exposed(s, now)).collect();
        drop(head);
        out.sort_unstable_by(|a, b| {
            a.labels.metric_name().cmp(b.labels.metric_name()).then_with(|| a.labels.cmp(&b.labels))
        });
        out
    }

    fn histograms<'a>(
        &'a self,
        matchers: &'a [Matcher],
        start: Timestamp,
        end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, Histogram)>, SourceError>> {
        Box::pin(exact::histograms(self, matchers, start, end))
    }

    fn increases<'a>(
        &'a self,
        matchers: &'a [Matcher],
        start: Timestamp,
        end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, f64)>, SourceError>> {
        Box::pin(exact::increases(self, matchers, start, end))
    }

    fn pending_vitals(&self, since: Timestamp) -> Vec<PendingVital> {
        let head = self.shared.head.read();
        let reports = head.ledger.pending().map(|p| &p.report).filter(|r| r.start >= since);
        let vital = |r: &super::VitalReport| PendingVital {
            labels: r.labels.clone(),
            value: r.value,
            weight: r.weight,
            start: r.start,
        };
        reports.map(vital).collect()
    }

    fn stats(&self, limit: usize) -> SeriesStats {
        let head = self.shared.head.read();
        let mut stats = SeriesStats { series: head.by_labels.len(), ..SeriesStats::default() };
        for (name, values) in head.index.pairs() {
            stats.by_label.push((name.to_owned(), values.len()));
            for (value, series) in values {
                if name == crate::base::METRIC_NAME {
                    stats.by_metric.push((value.to_string(), series.len()));
                }
                stats.by_pair.push((format!("{name}={value}"), series.len()));
            }
        }
        for list in [&mut stats.by_metric, &mut stats.by_label, &mut stats.by_pair] {
            list.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            list.truncate(limit);
        }
        stats
    }

    fn metric_type(&self, metric: &str) -> MetricType {
        let head = self.shared.head.read();
        let of = |name: &str| {
            let series = head.index.of_metric(name).iter().filter_map(|r| head.get(*r));
            series.max_by_key(|s| !s.retired).map(|s| s.kind)
        };
        match of(metric) {
            Some(SeriesKind::Counter) => MetricType::Counter,
            Some(SeriesKind::Histogram) => MetricType::Histogram,
            Some(SeriesKind::Sample) => foreign_type(metric),
            Some(SeriesKind::Native) => MetricType::Histogram,
            None => {
                let bases = SUFFIXES.iter().filter_map(|s| metric.strip_suffix(s));
                let histograms = [Some(SeriesKind::Histogram), Some(SeriesKind::Native)];
                let derived = bases.into_iter().any(|b| histograms.contains(&of(b)));
                if derived { MetricType::Counter } else { MetricType::Unknown }
            }
        }
    }
}

/// What a name says of a metric that we did not count ourselves.
fn foreign_type(metric: &str) -> MetricType {
    if metric.ends_with("_total") {
        MetricType::Counter
    } else if metric.ends_with("_bucket") {
        MetricType::Unknown
    } else {
        MetricType::Gauge
    }
}

fn exposed(series: &super::data::Series, now: Timestamp) -> Option<Exposed> {
    let value = match series.kind {
        SeriesKind::Sample => {
            let (at, value) = series.newest?;
            if is_stale(value) || now.since(at) >= LOOKBACK {
                return None;
            }
            match foreign_type(series.labels.metric_name()) {
                MetricType::Counter => ExposedValue::Counter(value),
                _ => ExposedValue::Gauge(value),
            }
        }
        // What others keep as native histograms has no classic bounds that a text exposition could show.
        SeriesKind::Native => return None,
        SeriesKind::Counter | SeriesKind::Histogram => match series.total()? {
            Total::Counter(v) => ExposedValue::Counter(v),
            Total::Histogram(h) => ExposedValue::Histogram(Box::new(h)),
        },
    };
    Some(Exposed { labels: series.labels.clone(), value })
}
