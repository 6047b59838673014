//! This machine, from `/proc`, under node_exporter's names.
//!
//! Absent on purpose: file systems (`statfs` on a dead network mount hangs the caller for good). Inside a
//! container the tables show the host's processors and memory, not the container's limits.

mod tables;

use std::io;
use std::time::Duration;

use super::HostTarget;
use super::collector::{Collector, Cycle};
use super::error::CollectError;
use crate::base::clock::BoxFuture;
use crate::base::{Labels, METRIC_NAME, Timestamp};
use crate::series::{Delta, Item};

/// A metric, its labels and its value.
pub(crate) type Sample = (String, Vec<(&'static str, String)>, f64);

/// Reads this machine's counters.
pub struct HostCollector {
    target: HostTarget,
    labels: Labels,
}

impl HostCollector {
    /// A collector for the machine it runs on.
    pub fn new(target: HostTarget) -> Self {
        let labels = Labels::new([("instance", target.name.as_str()), ("job", "node")]);
        Self { target, labels }
    }

    fn read(&self) -> Result<Vec<Sample>, CollectError> {
        let mut samples = Vec::new();
        for (file, is_needed, table) in tables::ALL {
            match std::fs::read_to_string(self.target.proc.join(file)) {
                Ok(text) => samples.extend(table(&text)),
                Err(error) if !is_needed && error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(CollectError::Answer(format!("{file}: {error}").into())),
            }
        }
        Ok(samples)
    }

    fn item(&self, (metric, labels, value): Sample, at: Timestamp) -> Item {
        let mut series = self.labels.to_builder();
        for (name, text) in labels {
            series.set(name, text);
        }
        series.set(METRIC_NAME, metric);
        Item { labels: series.build(), at, delta: Delta::Sample(value) }
    }
}

impl Collector for HostCollector {
    fn name(&self) -> &str {
        "host"
    }

    fn every(&self) -> Duration {
        self.target.every
    }

    /// The tables are the kernel's memory: reading them does not wait, so it is done in place.
    fn collect(&mut self, now: Timestamp) -> BoxFuture<'_, Result<Vec<Item>, CollectError>> {
        let result = self.read().map(|samples| samples.into_iter().map(|s| self.item(s, now)).collect());
        Box::pin(std::future::ready(result))
    }

    fn status(&mut self, cycle: &Cycle<'_>) -> Vec<Item> {
        let is_up = f64::from(u8::from(cycle.error.is_none()));
        let took = cycle.took.as_secs_f64();
        let label = || vec![("collector", "proc".to_owned())];
        let samples = [
            ("node_scrape_collector_success".to_owned(), label(), is_up),
            ("node_scrape_collector_duration_seconds".to_owned(), label(), took),
            ("node_time_seconds".to_owned(), Vec::new(), cycle.at.as_secs_f64()),
        ];
        samples.into_iter().map(|sample| self.item(sample, cycle.at)).collect()
    }
}
