//! What readers see: the head and the archive as one.
//!
//! A read takes what it needs from the head in one short section (references to what is shared, copies of
//! what is small), then reads the archive for what is older than the head, then decodes. Blocks leave the
//! head only after the archive has them, so nothing is missing in between; so do series ([`ended`]).
//!
//! One stored histogram appears under four names: `x` (native), `x_count`, `x_sum` and, for each bound and
//! `+Inf`, `x_bucket{le}`. A series that left memory and came back is two stored series with the same labels;
//! readers see one, whose counter was reset.

mod archived;
mod collector;
mod each;
mod ended;
mod exact;
mod forms;
mod listing;
mod points;
mod taken;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::BoxFuture;
use crate::base::{Labels, Matcher, SharedClock, Timestamp};
use crate::promql::{Selection, SeriesSamples, Source, SourceError, Take, source::is_stale};
use crate::sketch::Histogram;

pub(super) use forms::Forms;

use super::archive::Archive;
use super::counters::Counters;
use super::data::Data;
use super::head::Head;
use super::index::SUFFIXES;
use super::known::{Exposed, ExposedValue, Known, MetricType, PendingVital, SeriesStats};
use super::limits::{self, LimitUse};
use super::metadata::{Metadata, MetadataRegistry};
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
    registry: Arc<MetadataRegistry>,
}

impl View {
    pub(super) fn new(shared: Arc<Shared>, archive: Arc<dyn Archive>, clock: SharedClock) -> Self {
        Self { shared, archive, clock, registry: Arc::default() }
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
        let taken = taken::Taken::read(self, selection).await?;
        self.samples_of(Arc::new(taken), selection).await
    }

    async fn hand_on(&self, selection: &Selection, take: Arc<dyn Take>) -> Result<(), SourceError> {
        let taken = Arc::new(taken::Taken::read(self, selection).await?);
        if taken.may_share_labels() {
            let _stops = take.take(self.samples_of(taken, selection).await?);
            return Ok(());
        }
        self.read_each(taken, selection, take).await
    }

    /// What is listed of memory, then of the archive.
    async fn listed<T: IntoIterator + Extend<T::Item>>(
        &self,
        selection: &Selection,
        of_head: impl Fn(&Head) -> T,
        of_found: impl Fn(&[listing::Found<'_>]) -> T,
    ) -> Result<T, SourceError> {
        let of_memory = || {
            let head = self.shared.head.read();
            (of_head(&head), ended::may_have(&head, selection.start))
        };
        let (mut listed, has_ended) = of_memory();
        if has_ended {
            let ended = ended::read(self, selection).await?;
            listed.extend(of_found(&listing::ended(&ended, selection)));
        }
        Ok(listed)
    }
}

impl Source for View {
    fn select<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>> {
        Box::pin(self.samples(selection))
    }

    fn select_each<'a>(
        &'a self,
        selection: &'a Selection,
        take: Arc<dyn Take>,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(self.hand_on(selection, take))
    }

    fn series<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>> {
        Box::pin(async move {
            let of_head = |head: &Head| listing::label_sets(&listing::living(head, selection));
            self.listed(selection, of_head, listing::label_sets).await
        })
    }

    fn label_names<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<BTreeSet<String>, SourceError>> {
        Box::pin(async move {
            let of_head = |head: &Head| listing::label_names_of(head, selection);
            self.listed(selection, of_head, listing::label_names).await
        })
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        selection: &'a Selection,
    ) -> BoxFuture<'a, Result<BTreeSet<String>, SourceError>> {
        Box::pin(async move {
            let of_head = |head: &Head| listing::label_values_of(head, name, selection);
            self.listed(selection, of_head, |found| listing::label_values(found, name)).await
        })
    }
}

impl Known for View {
    fn metadata<'m>(&self, metric: &'m str) -> Option<(&'m str, Arc<Metadata>)> {
        self.registry.of(metric)
    }

    fn exposition(&self, now: Timestamp) -> Vec<Exposed> {
        let head = self.shared.head.read();
        let mut out: Vec<Exposed> =
            head.series.iter().filter(|s| s.retired.is_none()).filter_map(|s| exposed(s, now)).collect();
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
        listing::stats(&self.shared.head.read(), limit)
    }

    fn limits(&self) -> Vec<LimitUse> {
        limits::in_use(&self.shared.head.read(), &self.shared.counters, &self.shared.settings)
    }

    fn metric_type(&self, metric: &str) -> MetricType {
        let head = self.shared.head.read();
        let of = |name: &str| {
            let series = head.index.of_metric(name).filter_map(|r| head.get(r));
            series.max_by_key(|s| s.retired.is_none()).map(|s| s.kind)
        };
        match of(metric) {
            Some(SeriesKind::Counter) => MetricType::Counter,
            Some(SeriesKind::Histogram) => MetricType::Histogram,
            Some(SeriesKind::Sample) => self.told_type(metric).unwrap_or_else(|| foreign_type(metric)),
            Some(SeriesKind::Native) => self.told_type(metric).unwrap_or(MetricType::Histogram),
            None => {
                let bases = SUFFIXES.iter().filter_map(|s| metric.strip_suffix(s));
                let histograms = [Some(SeriesKind::Histogram), Some(SeriesKind::Native)];
                let derived = bases.into_iter().any(|b| histograms.contains(&of(b)));
                if derived { MetricType::Counter } else { MetricType::Unknown }
            }
        }
    }
}

impl View {
    /// What senders say of metrics goes here.
    pub fn registry(&self) -> &Arc<MetadataRegistry> {
        &self.registry
    }

    /// The type that a sender told. The parts of a histogram or summary only grow.
    fn told_type(&self, metric: &str) -> Option<MetricType> {
        let (family, told) = self.registry.of(metric)?;
        match told.kind {
            MetricType::Unknown => None,
            MetricType::Histogram | MetricType::Summary if family != metric => Some(MetricType::Counter),
            MetricType::GaugeHistogram if family != metric => Some(MetricType::Gauge),
            kind => Some(kind),
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

/// Whether a Prometheus scraped this series and sent it on. It is not exposed: that Prometheus may scrape us as
/// well, and would send what it read here back under new labels (`exported_job`), again and again.
fn is_scraped_elsewhere(labels: &Labels) -> bool {
    labels.get("job").is_some() && labels.get("instance").is_some()
}

fn exposed(series: &super::data::Series, now: Timestamp) -> Option<Exposed> {
    let value = match series.kind {
        SeriesKind::Sample => {
            if is_scraped_elsewhere(&series.labels) {
                return None;
            }
            let (at, value) = series.newest()?;
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
        SeriesKind::Counter | SeriesKind::Histogram => {
            let Data::Ours(ours) = &series.data else { return None };
            match ours.total()? {
                Total::Counter(v) => ExposedValue::Counter(v),
                Total::Histogram(h) => ExposedValue::Histogram(Box::new(h)),
            }
        }
    };
    Some(Exposed { labels: series.labels.clone(), value })
}
