//! Sources to ask, and the gathering of what they say.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;

use super::catalogue::{self, Metric};
use crate::base::{Labels, METRIC_NAME};

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

/// Our own metrics. Cheap to clone.
#[derive(Clone)]
pub struct Telemetry {
    sources: Arc<RwLock<BTreeMap<&'static str, Read>>>,
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
        let version = Labels::new([("version", env!("CARGO_PKG_VERSION"))]);
        let build: Read = Box::new(move || vec![(version.clone(), 1.0)]);
        let sources = BTreeMap::from([("plimsoll_build_info", build)]);
        Self { sources: Arc::new(RwLock::new(sources)), process: Arc::new(ProcessCollector::for_self()) }
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
        if sources.contains_key(metric.name) {
            return Err(RegisterError::Twice(name.to_owned()));
        }
        sources.insert(metric.name, Box::new(read));
        Ok(())
    }

    /// Every present value, with `__name__`, sorted; no two with the same labels.
    pub fn gather(&self) -> Vec<(Labels, f64)> {
        let mut all = BTreeMap::new();
        for (name, read) in self.sources.read().iter() {
            all.extend(read().into_iter().map(|(labels, value)| (labels.with(METRIC_NAME, name), value)));
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

    fn value(telemetry: &Telemetry, series: &str) -> Option<f64> {
        telemetry.gather().into_iter().find(|(labels, _)| labels.to_string() == series).map(|(_, v)| v)
    }

    #[test]
    fn sources_are_asked_and_must_be_in_the_catalogue() {
        let telemetry = Telemetry::new();
        let read = || vec![(Labels::default(), 7.0)];
        assert_eq!(telemetry.register("plimsoll_series", read), Ok(()));
        assert_eq!(telemetry.register("plimsoll_series", read), Err(RegisterError::Twice("plimsoll_series".into())));
        assert_eq!(telemetry.register("my_series", read), Err(RegisterError::Unknown("my_series".into())));
        assert_eq!(value(&telemetry, "plimsoll_series"), Some(7.0));
    }

    #[test]
    fn the_process_says_how_it_is_and_all_is_in_the_catalogue() {
        let telemetry = Telemetry::new();
        let all = telemetry.gather();
        let resident = all.iter().find(|(l, _)| l.metric_name() == "process_resident_memory_bytes");
        assert!(resident.is_some_and(|(_, bytes)| *bytes > 1e6), "{all:?}");
        for (labels, _) in &all {
            assert!(telemetry.describe(labels.metric_name()).is_some(), "{labels}");
        }
    }
}
