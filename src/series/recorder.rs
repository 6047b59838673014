//! The recorder as its callers see it: a bounded lane in, a ticket out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::DropReason;
use crate::base::clock::BoxFuture;

use super::MetricCatalog;
use super::batch::{Batch, Delta, RecordError, Recorded, Recorder};
use super::counters::Counters;
use super::history::ROOM;
use super::lane::{self, Refused};
use super::writer::{Answers, Shared, ticket};

/// Hands batches to the writer. Cheap to clone.
#[derive(Clone)]
pub struct RecorderHandle {
    pub(super) lane: lane::Sender,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) shared: Arc<Shared>,
}

impl RecorderHandle {
    /// The health of the series in numbers.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }

    /// From now on histograms also count at this catalogue's bounds.
    pub fn set_catalog(&self, catalog: MetricCatalog) {
        self.shared.head.write().set_catalog(catalog);
    }

    async fn enqueue(&self, batch: Batch) -> Result<Recorded, RecordError> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(RecordError::Stopped);
        }
        if batch.is_empty() {
            return Ok(Recorded::default());
        }
        let (items, limit) = (batch.items.len() + batch.vitals.len(), self.shared.settings.limits.batch);
        if items > limit {
            self.shared.counters.dropped_events(DropReason::TooLarge, events(&batch));
            return Err(RecordError::TooMany { items, limit });
        }
        if self.has_no_room_for(&batch) {
            self.shared.counters.dropped_events(DropReason::Overloaded, events(&batch));
            return Err(RecordError::Full);
        }
        let (ticket, answers) = ticket();
        let nudge = match self.lane.record(batch, ticket) {
            Ok((depth, nudge)) => {
                self.shared.counters.queue_depth.set(depth as u64);
                nudge
            }
            Err(Refused::Closed) => return Err(RecordError::Stopped),
            Err(Refused::Full(batch)) => {
                self.shared.counters.dropped_events(DropReason::Overloaded, events(&batch));
                return Err(RecordError::Full);
            }
        };
        if let Some(nudge) = nudge {
            // Who else is ready on this thread gets into the same entry.
            tokio::task::yield_now().await;
            drop(nudge);
        }
        answers.await.map_or(Err(RecordError::Stopped), Answers::own)
    }
}

impl RecorderHandle {
    /// Whether it holds samples of the past while too many wait already, or fill half of the journal: the other half is
    /// for what happens now.
    pub(super) fn has_no_room_for(&self, batch: &Batch) -> bool {
        let Shared { counters, settings, .. } = self.shared.as_ref();
        if counters.history_waiting.get() < ROOM && counters.journal_held.get() < settings.journal_max_bytes / 2 {
            return false;
        }
        let floor = self.shared.head.read().sample_floor.end();
        batch.items.iter().any(|item| matches!(item.delta, Delta::Sample(_)) && item.at <= floor)
    }
}

impl Recorder for RecorderHandle {
    fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        Box::pin(self.enqueue(batch))
    }
}

/// How many events a batch holds.
fn events(batch: &Batch) -> u64 {
    let of = |delta: &Delta| if let Delta::Observe(o) = delta { o.len() as u64 } else { 1 };
    batch.items.iter().map(|i| of(&i.delta)).sum::<u64>() + batch.vitals.len() as u64
}
