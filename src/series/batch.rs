//! What is recorded: increments and samples, and the contract of recording.

use std::sync::Arc;

use crate::base::clock::BoxFuture;
use crate::base::{DropReason, Labels, Timestamp};
use crate::sketch::NativeHistogram;

use super::vitals::VitalReport;

/// One value of a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// In the metric's base unit; finite, not negative.
    pub value: f64,
    /// How many events it stands for (1 unless the sender samples).
    pub weight: u32,
}

/// What happens to a series.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// A counter of ours grows; finite, not negative.
    Add(f64),
    /// Values enter a histogram of ours.
    Observe(Vec<Observation>),
    /// An absolute sample that belongs to its own time: a gauge, or a counter that someone else keeps.
    Sample(f64),
    /// An absolute native histogram that belongs to its own time, as its sender keeps it; a sum with the bits
    /// of [`STALE_NAN`](crate::promql::source::STALE_NAN) ends the series.
    Distribution(Arc<NativeHistogram>),
}

impl Delta {
    /// The series ends here: it is not shown again until its next sample (Prometheus's staleness marker).
    pub const fn stale() -> Self {
        Self::Sample(f64::from_bits(crate::promql::source::STALE_NAN))
    }
}

/// One change of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// With `__name__`; validated and within limits of length.
    pub labels: Labels,
    /// The event's time. Increments older than the open slots count on arrival and as late.
    pub at: Timestamp,
    /// What happens.
    pub delta: Delta,
}

/// What one request brings; recorded whole or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Changes of series.
    pub items: Vec<Item>,
    /// Reports of web vitals, which are provisional until they settle.
    pub vitals: Vec<VitalReport>,
}

impl Batch {
    /// Whether there is nothing to record.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.vitals.is_empty()
    }
}

/// What became of a recorded batch: everything not listed was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Items and reports that were not counted, in events, by reason (limits, duplicates, late reports).
    pub dropped: Vec<(DropReason, u64)>,
}

/// Why a batch was not recorded. Nothing of it was counted.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The queue to the journal is full; try again soon.
    #[error("the journal's queue is full")]
    Full,
    /// More items than one request may bring; it will not fit later either.
    #[error("the request brings {items} items; at most {limit} are taken (`limits.batch`)")]
    TooMany {
        /// Items and reports.
        items: usize,
        /// How many are taken.
        limit: usize,
    },
    /// The recorder has stopped or is stopping.
    #[error("the recorder has stopped")]
    Stopped,
    /// The journal could not be written (a full disk, for example); try again later.
    #[error("the journal could not be written: {0}")]
    Journal(String),
}

impl RecordError {
    /// The reason under which what was sent is counted.
    pub fn reason(&self) -> DropReason {
        match self {
            Self::TooMany { .. } => DropReason::TooLarge,
            Self::Full | Self::Stopped | Self::Journal(_) => DropReason::Overloaded,
        }
    }
}

/// Records batches durably.
pub trait Recorder: Send + Sync {
    /// Returns `Ok` when the batch is in the journal (with `journal.sync: always`: on the disk) and in
    /// the head. What was answered with `Ok` survives `kill -9` and is counted exactly once.
    ///
    /// Dropping the future does not take the batch back: it may or may not be counted.
    fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>>;
}
