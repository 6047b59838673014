//! The recorder as its callers see it: a bounded queue in, a ticket out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::base::DropReason;
use crate::base::clock::BoxFuture;

use super::MetricCatalog;
use super::batch::{Batch, Delta, RecordError, Recorded, Recorder};
use super::counters::Counters;
use super::writer::{Command, Shared};

/// Hands batches to the writer. Cheap to clone.
#[derive(Clone)]
pub struct RecorderHandle {
    pub(super) queue: mpsc::Sender<Command>,
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
        let permit = match self.queue.try_reserve() {
            Ok(permit) => permit,
            Err(mpsc::error::TrySendError::Closed(())) => return Err(RecordError::Stopped),
            Err(mpsc::error::TrySendError::Full(())) => {
                self.shared.counters.dropped_events(DropReason::Overloaded, events(&batch));
                return Err(RecordError::Full);
            }
        };
        let (ticket, outcome) = oneshot::channel();
        permit.send(Command::Record(batch, ticket));
        self.shared.counters.queue_depth.set((self.queue.max_capacity() - self.queue.capacity()) as u64);
        outcome.await.unwrap_or(Err(RecordError::Stopped))
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
