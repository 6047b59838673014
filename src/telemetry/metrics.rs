//! Handles to count with, sources to ask, and the gathering of both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;

use super::catalogue::{self, Metric};
use crate::base::{Labels, METRIC_NAME, Timestamp};

/// The most label sets of one handle; further ones are counted together without their labels' values.
const SERIES: usize = 1000;

/// Why a source was not registered. Both are faults in the program.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegisterError {
    /// The name is not in the catalogue.
    #[error("{0} is not in the catalogue of our own metrics")]
    Unknown(String),
    /// The name has a source already.
    #[error("{0} has a source already")]
    Twice(String),
}

/// Gives the present values of one metric by labels; a label set is what the catalogue allows.
type Read = Box<dyn Fn() -> Vec<(Labels, f64)> + Send + Sync>;

/// A number that only grows.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Durations: their sum and count.
#[derive(Debug, Clone, Default)]
pub struct Summary(Arc<Mutex<(Duration, u64)>>);

impl Summary {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let mut all = self.0.lock();
        *all = (all.0.saturating_add(took), all.1 + 1);
    }

    /// Sum in seconds, and count.
    pub fn get(&self) -> (f64, u64) {
        let all = self.0.lock();
        (all.0.as_secs_f64(), all.1)
    }
}

#[derive(Default)]
struct Sources {
    read: BTreeMap<&'static str, Read>,
    counters: BTreeMap<(&'static str, Labels), Counter>,
    gauges: BTreeMap<(&'static str, Labels), Gauge>,
    summaries: BTreeMap<(&'static str, Labels), Summary>,
}

/// Our own metrics. Cheap to clone.
#[derive(Clone)]
pub struct Telemetry {
    sources: Arc<RwLock<Sources>>,
    process: Arc<ProcessCollector>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Telemetry {
    /// An empty catalogue, but for what the process itself says.
    pub fn new() -> Self {
        let telemetry = Self { sources: Arc::default(), process: Arc::new(ProcessCollector::for_self()) };
        telemetry.gauge("plimsoll_build_info", &[("version", env!("CARGO_PKG_VERSION"))]).set(1.0);
        telemetry
    }

    /// Has `read` asked whenever metrics are gathered; for counts that a module keeps itself.
    ///
    /// # Errors
    /// When the name is not in the catalogue, or has a source already.
    pub fn register(
        &self,
        name: &str,
        read: impl Fn() -> Vec<(Labels, f64)> + Send + Sync + 'static,
    ) -> Result<(), RegisterError> {
        let metric = catalogue::find(name).ok_or_else(|| RegisterError::Unknown(name.to_owned()))?;
        let mut sources = self.sources.write();
        if sources.read.contains_key(metric.name) {
            return Err(RegisterError::Twice(name.to_owned()));
        }
        sources.read.insert(metric.name, Box::new(read));
        Ok(())
    }

    /// The counter of this name and these labels; the same one each time.
    ///
    /// A name that the catalogue does not have, or with other labels, gives a counter that is not shown.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Counter {
        self.handle(name, labels, |sources| &mut sources.counters)
    }

    /// The gauge of this name and these labels; as [`Self::counter`].
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Gauge {
        self.handle(name, labels, |sources| &mut sources.gauges)
    }

    /// The durations of this name, which is in the catalogue with `_sum` and `_count`; as
    /// [`Self::counter`].
    pub fn summary(&self, name: &str, labels: &[(&str, &str)]) -> Summary {
        let name = format!("{name}_sum");
        self.handle(&name, labels, |sources| &mut sources.summaries)
    }

    fn handle<H: Clone + Default>(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        of_kind: impl Fn(&mut Sources) -> &mut BTreeMap<(&'static str, Labels), H>,
    ) -> H {
        let known = catalogue::find(name).filter(|m| labels.iter().all(|(label, _)| m.labels.contains(label)));
        debug_assert!(known.is_some(), "{name}{labels:?} is not in the catalogue of our own metrics");
        let Some(metric) = known else { return H::default() };
        let mut sources = self.sources.write();
        let handles = of_kind(&mut sources);
        let pairs = || labels.iter().map(|(name, value)| (*name, *value));
        let mut key = (metric.name, Labels::new(pairs()));
        if handles.len() >= SERIES && !handles.contains_key(&key) {
            key.1 = Labels::new(pairs().map(|(name, _)| (name, "__other__")));
        }
        handles.entry(key).or_default().clone()
    }

    /// Every present value, with `__name__`, sorted; no two with the same labels.
    pub fn gather(&self, _now: Timestamp) -> Vec<(Labels, f64)> {
        let mut all = BTreeMap::new();
        {
            let sources = self.sources.read();
            for (name, read) in &sources.read {
                all.extend(read().into_iter().map(|(labels, value)| (labels.with(METRIC_NAME, name), value)));
            }
            let counters =
                sources.counters.iter().map(|((name, labels), c)| (labels.with(METRIC_NAME, name), c.get() as f64));
            all.extend(counters);
            all.extend(sources.gauges.iter().map(|((name, labels), g)| (labels.with(METRIC_NAME, name), g.get())));
            for ((name, labels), summary) in &sources.summaries {
                let (sum, count) = summary.get();
                let base = name.trim_end_matches("_sum");
                for (suffix, value) in [("sum", sum), ("count", count as f64)] {
                    all.insert(labels.with(METRIC_NAME, &format!("{base}_{suffix}")), value);
                }
            }
        }
        all.extend(self.process());
        all.into_iter().filter(|(_, value)| value.is_finite()).collect()
    }

    /// The catalogue's entry for a gathered name.
    pub fn describe(&self, name: &str) -> Option<&'static Metric> {
        catalogue::find(name)
    }

    fn process(&self) -> Vec<(Labels, f64)> {
        let families = self.process.collect();
        let values = families.iter().flat_map(|family| {
            family.get_metric().iter().map(|metric| {
                let is_counter = family.get_field_type() == prometheus::proto::MetricType::COUNTER;
                let value = if is_counter { metric.get_counter().get_value() } else { metric.get_gauge().get_value() };
                (Labels::new([(METRIC_NAME, family.name())]), value)
            })
        });
        let mut values: Vec<_> = values.collect();
        // The crate counts whole seconds only.
        let exact = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_seconds(&stat));
        let cpu = values.iter_mut().find(|(labels, _)| labels.metric_name() == "process_cpu_seconds_total");
        if let Some((cpu, seconds)) = cpu.zip(exact) {
            cpu.1 = seconds;
        }
        values
    }
}

/// Processor seconds from `/proc/self/stat`: fields 14 and 15 of proc(5), in hundredths; the second field may
/// hold spaces and ends with the last bracket.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(telemetry: &Telemetry, series: &str, now: Timestamp) -> Option<f64> {
        telemetry.gather(now).into_iter().find(|(labels, _)| labels.to_string() == series).map(|(_, v)| v)
    }

    #[test]
    fn handles_of_one_name_and_labels_are_one() {
        let (telemetry, now) = (Telemetry::new(), Timestamp::from_secs(1));
        let labels = [("channel", "slack"), ("outcome", "ok")];
        telemetry.counter("plimsoll_notifications_total", &labels).increment();
        telemetry.clone().counter("plimsoll_notifications_total", &labels).add(2);
        let series = r#"plimsoll_notifications_total{channel="slack", outcome="ok"}"#;
        let found = telemetry.gather(now).into_iter().find(|(l, _)| l.value("channel") == "slack");
        assert_eq!(found.map(|(l, v)| (l.to_string().replace(",o", ", o"), v)), Some((series.into(), 3.0)));
    }

    #[test]
    fn sources_are_asked_and_must_be_in_the_catalogue() {
        let (telemetry, now) = (Telemetry::new(), Timestamp::from_secs(1));
        let read = || vec![(Labels::default(), 7.0)];
        assert_eq!(telemetry.register("plimsoll_series", read), Ok(()));
        assert_eq!(telemetry.register("plimsoll_series", read), Err(RegisterError::Twice("plimsoll_series".into())));
        assert_eq!(telemetry.register("my_series", read), Err(RegisterError::Unknown("my_series".into())));
        assert_eq!(value(&telemetry, "plimsoll_series", now), Some(7.0));
    }

    #[test]
    fn durations_as_sum_and_count() {
        let telemetry = Telemetry::new();
        let latency = telemetry.summary("plimsoll_notification_latency_seconds", &[]);
        latency.observe(Duration::from_millis(500));
        latency.observe(Duration::from_millis(100));
        let now = Timestamp::from_secs(1);
        assert_eq!(value(&telemetry, "plimsoll_notification_latency_seconds_sum", now), Some(0.6));
        assert_eq!(value(&telemetry, "plimsoll_notification_latency_seconds_count", now), Some(2.0));
    }

    #[test]
    fn the_process_says_how_it_is_and_all_is_in_the_catalogue() {
        let telemetry = Telemetry::new();
        let all = telemetry.gather(Timestamp::from_secs(1));
        let resident = all.iter().find(|(l, _)| l.metric_name() == "process_resident_memory_bytes");
        assert!(resident.is_some_and(|(_, bytes)| *bytes > 1e6), "{all:?}");
        for (labels, _) in &all {
            assert!(telemetry.describe(labels.metric_name()).is_some(), "{labels}");
        }
    }
}
