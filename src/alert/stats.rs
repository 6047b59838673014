//! The evaluator's own health, as counters and gauges that the metric catalogue reads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Written by the evaluator, read by anyone.
#[derive(Debug, Default)]
pub struct EvaluatorStats {
    evaluations: AtomicU64,
    missed: AtomicU64,
    failed_objectives: AtomicU64,
    failed_commits: AtomicU64,
    commit_failing: AtomicBool,
    failed_recordings: AtomicU64,
    dropped_items: AtomicU64,
    lag_micros: AtomicU64,
    duration_micros: AtomicU64,
}

/// The numbers at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Evaluations done.
    pub evaluations: u64,
    /// Evaluations skipped because the one before took too long.
    pub missed: u64,
    /// Objectives that could not be evaluated, summed over evaluations.
    pub failed_objectives: u64,
    /// Decisions that could not be stored; they are made again.
    pub failed_commits: u64,
    /// Whether the last decision could not be stored.
    pub commit_failing: bool,
    /// Counts that could not be recorded yet; they are recorded later.
    pub failed_recordings: u64,
    /// Samples of objectives that the series dropped, because of their limits for example.
    pub dropped_items: u64,
    /// How late the last evaluation began.
    pub lag: Duration,
    /// How long it took.
    pub duration: Duration,
}

impl EvaluatorStats {
    /// The present numbers.
    pub fn snapshot(&self) -> StatsSnapshot {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        StatsSnapshot {
            evaluations: read(&self.evaluations),
            missed: read(&self.missed),
            failed_objectives: read(&self.failed_objectives),
            failed_commits: read(&self.failed_commits),
            commit_failing: self.commit_failing.load(Ordering::Relaxed),
            failed_recordings: read(&self.failed_recordings),
            dropped_items: read(&self.dropped_items),
            lag: Duration::from_micros(read(&self.lag_micros)),
            duration: Duration::from_micros(read(&self.duration_micros)),
        }
    }

    pub(super) fn began(&self, lag: Duration) {
        self.lag_micros.store(micros(lag), Ordering::Relaxed);
    }

    pub(super) fn ended(&self, duration: Duration, failed_objectives: usize) {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        self.duration_micros.store(micros(duration), Ordering::Relaxed);
        self.failed_objectives.fetch_add(failed_objectives as u64, Ordering::Relaxed);
    }

    pub(super) fn missed(&self, ticks: u64) {
        self.missed.fetch_add(ticks, Ordering::Relaxed);
    }

    pub(super) fn commit_failed(&self) {
        self.failed_commits.fetch_add(1, Ordering::Relaxed);
        self.commit_failing.store(true, Ordering::Relaxed);
    }

    pub(super) fn committed(&self) {
        self.commit_failing.store(false, Ordering::Relaxed);
    }

    pub(super) fn recording_failed(&self) {
        self.failed_recordings.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, items: u64) {
        self.dropped_items.fetch_add(items, Ordering::Relaxed);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
