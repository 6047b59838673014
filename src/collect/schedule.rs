//! Runs the collectors, each on its own beat.
//!
//! A beat is a multiple of `every` since the start: a slow cycle does not shift the next ones. A cycle that
//! runs into the next beats makes them be skipped, and counted; no collector ever runs twice at once, for
//! that is how monitoring exhausts the connections of a database that is already in trouble.
//!
//! A series that a cycle gave and the next one does not gets a staleness marker, as after a scrape: a
//! replica that is gone is gone at once, not five minutes later. A failed cycle ends all of the target's
//! series but those of [`Collector::status`].

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::collector::{Collector, Cycle};
use super::error::CollectError;
use crate::base::{Labels, SharedClock};
use crate::series::{Batch, Delta, Item, Recorder};

/// What a collector has done so far; shared with the metric catalogue.
#[derive(Debug, Default)]
pub struct CollectorStats {
    name: String,
    cycles: AtomicU64,
    failures: AtomicU64,
    skipped: AtomicU64,
    unrecorded: AtomicU64,
    took: Mutex<Duration>,
}

impl CollectorStats {
    /// The collector's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Cycles that were run, failed ones included.
    pub fn cycles(&self) -> u64 {
        self.cycles.load(Ordering::Relaxed)
    }

    /// Cycles that gave nothing.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Beats that passed while a cycle was still running.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Cycles whose items could not be recorded (a full journal).
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded.load(Ordering::Relaxed)
    }

    /// How long the last cycle took.
    pub fn took(&self) -> Duration {
        *self.took.lock()
    }
}

/// The collectors and what they need.
pub struct Schedule {
    collectors: Vec<(Box<dyn Collector>, Arc<CollectorStats>)>,
    recorder: Arc<dyn Recorder>,
    clock: SharedClock,
}

impl Schedule {
    /// A schedule of these collectors, which record into `recorder`.
    pub fn new(collectors: Vec<Box<dyn Collector>>, recorder: Arc<dyn Recorder>, clock: SharedClock) -> Self {
        let with_stats = |collector: Box<dyn Collector>| {
            let stats = CollectorStats { name: collector.name().to_owned(), ..CollectorStats::default() };
            (collector, Arc::new(stats))
        };
        Self { collectors: collectors.into_iter().map(with_stats).collect(), recorder, clock }
    }

    /// What each collector has done, live.
    pub fn stats(&self) -> Vec<Arc<CollectorStats>> {
        self.collectors.iter().map(|(_, stats)| stats.clone()).collect()
    }

    /// Runs until `stop` is cancelled; a cycle under way is dropped then.
    ///
    /// A collector that panics ends the run, so that whoever supervises this task hears of it.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for (collector, stats) in self.collectors {
            let beat = Beat { recorder: self.recorder.clone(), clock: self.clock.clone(), stats, last: HashSet::new() };
            tasks.spawn(beat.run(collector, stop.clone()));
        }
        if tasks.is_empty() {
            return stop.cancelled().await;
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a collector broke");
                return;
            }
        }
    }
}

/// One collector's loop.
struct Beat {
    recorder: Arc<dyn Recorder>,
    clock: SharedClock,
    stats: Arc<CollectorStats>,
    /// The series of the last cycle that succeeded.
    last: HashSet<Labels>,
}

impl Beat {
    async fn run(mut self, mut collector: Box<dyn Collector>, stop: CancellationToken) {
        let every = collector.every().max(Duration::from_millis(100));
        let start = self.clock.monotonic();
        let mut due = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.cycle(collector.as_mut()) => {}
            }
            let passed = self.clock.monotonic().saturating_sub(start);
            let (next, skipped) = next_beat(due, passed, every);
            self.stats.skipped.fetch_add(skipped, Ordering::Relaxed);
            due = next;
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(due.saturating_sub(passed)) => {}
            }
        }
    }

    /// Asks, and records what came.
    async fn cycle(&mut self, collector: &mut dyn Collector) {
        let (at, began) = (self.clock.now(), self.clock.monotonic());
        let limit = collector.limit();
        let result = tokio::select! {
            result = collector.collect(at) => result,
            () = self.clock.sleep(limit) => Err(CollectError::Timeout(limit)),
        };
        let took = self.clock.monotonic().saturating_sub(began);
        let status = collector.status(&Cycle { at, took, error: result.as_ref().err() });
        self.note(took, result.as_ref().err());
        let mut items = result.unwrap_or_default();
        let now: HashSet<Labels> = items.iter().map(|item| item.labels.clone()).collect();
        let gone = self.last.difference(&now).map(|labels| Item { labels: labels.clone(), at, delta: Delta::stale() });
        items.extend(gone.collect::<Vec<_>>());
        items.extend(status);
        if self.record(items).await {
            self.last = now;
        }
    }

    fn note(&self, took: Duration, error: Option<&CollectError>) {
        *self.stats.took.lock() = took;
        self.stats.cycles.fetch_add(1, Ordering::Relaxed);
        match error {
            None => tracing::debug!(collector = self.stats.name, ?took, "collected"),
            Some(CollectError::Waiting(_)) => drop(self.stats.failures.fetch_add(1, Ordering::Relaxed)),
            Some(error) => {
                self.stats.failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    collector = self.stats.name,
                    class = error.class(),
                    error = error.chain(),
                    "not collected"
                );
            }
        }
    }

    /// Whether the items are recorded. They are a look at one moment: if the journal is full, the next
    /// cycle's look replaces them, so they are counted and not tried again.
    async fn record(&self, items: Vec<Item>) -> bool {
        match self.recorder.record(Batch { items, vitals: Vec::new() }).await {
            Ok(recorded) => {
                for (reason, count) in recorded.dropped {
                    tracing::warn!(collector = self.stats.name, reason = reason.as_str(), count, "series dropped");
                }
                true
            }
            Err(error) => {
                self.stats.unrecorded.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(collector = self.stats.name, %error, "a cycle could not be recorded");
                false
            }
        }
    }
}

/// The next beat after `passed`, and how many beats since `due` have been missed; all since the start.
fn next_beat(due: Duration, passed: Duration, every: Duration) -> (Duration, u64) {
    let late = passed.saturating_sub(due).as_nanos() / every.as_nanos().max(1);
    let skipped = u32::try_from(late).unwrap_or(u32::MAX);
    (due + every * skipped.saturating_add(1), u64::from(skipped))
}

#[cfg(test)]
mod tests;
