//! The health of the series in numbers, for telemetry to export.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::base::DropReason;

/// A number that is read and written by many.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Replaces.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counters since the start of the process, and a few present levels.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events counted, web-vitals reports included.
    pub recorded: Number,
    /// Events whose own slot had closed and that were counted on arrival.
    pub late: Number,
    /// Web vitals that have settled.
    pub settled: Number,
    /// Entries written to the journal.
    pub journal_entries: Number,
    /// Bytes written to the journal.
    pub journal_bytes: Number,
    /// Entries that could not be written.
    pub journal_failures: Number,
    /// Present: 1 while the last entry could not be written.
    pub journal_failing: Number,
    /// Present: bytes of the journal that the archive may not have yet, of those written since the start.
    pub journal_held: Number,
    /// Nanoseconds spent writing and syncing entries.
    pub journal_nanos: Number,
    /// Nanoseconds the last entry took.
    pub journal_last_nanos: Number,
    /// Present: batches that wait for the journal.
    pub queue_depth: Number,
    /// Samples of the past that were put into pages.
    pub history_samples: Number,
    /// Present: about how many samples of the past wait for the next tick.
    pub history_waiting: Number,
    /// Present: live series.
    pub head_series: Number,
    /// Present: web vitals that have not settled.
    pub pending_vitals: Number,
    /// Ticks committed to the archive.
    pub ticks_archived: Number,
    /// Commits of the archive that failed (each is tried again).
    pub archive_failures: Number,
    /// Present: 1 while the last tick could not be archived.
    pub archive_failing: Number,
    /// Pages, ticks and chunks of the archive that could not be read; what they held is missing.
    pub archive_damaged: Number,
    /// Entries of the journal that were read at the start.
    pub recovered_entries: Number,
    /// Damaged places found in the journal at the start.
    pub recovered_damage: Number,
    /// Entries that the journal should have held at the start and did not.
    pub recovered_missing: Number,
    dropped: [Number; DropReason::ALL.len()],
}

impl Counters {
    /// Counts dropped events.
    pub fn dropped_events(&self, reason: DropReason, events: u64) {
        if let Some(number) = self.dropped.get(reason as usize) {
            number.add(events);
        }
    }

    /// Events that were dropped for this reason.
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).map_or(0, Number::get)
    }

    /// Dropped events by reason, those without any left out.
    pub fn dropped(&self) -> Vec<(DropReason, u64)> {
        let all = DropReason::ALL.iter().map(|r| (*r, self.dropped_for(*r)));
        all.filter(|(_, n)| *n > 0).collect()
    }

    pub(super) fn wrote(&self, bytes: usize, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.journal_entries.add(1);
        self.journal_failing.set(0);
        self.journal_bytes.add(bytes as u64);
        self.journal_nanos.add(nanos);
        self.journal_last_nanos.set(nanos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_number() {
        let counters = Counters::default();
        for (i, reason) in DropReason::ALL.iter().enumerate() {
            counters.dropped_events(*reason, i as u64 + 1);
        }
        let expected: Vec<_> = DropReason::ALL.iter().enumerate().map(|(i, r)| (*r, i as u64 + 1)).collect();
        assert_eq!(counters.dropped(), expected);
    }
}
