//! Puts the parts together.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::RwLock;

use crate::base::SharedClock;
use crate::base::steady::DeletionGuard;

use super::MetricCatalog;
use super::archive::Archive;
use super::counters::Counters;
use super::cycle::Loop;
use super::head::Head;
use super::journal::Journal;
use super::lane::lane;
use super::recorder::RecorderHandle;
use super::recover::{OpenError, recover};
use super::settings::Settings;
use super::slot::Slot;
use super::view::View;
use super::writer::{Shared, Writer};

/// Loads the archive, replays the journal and starts the writer's thread. What is returned: where batches
/// go in, where readers look, and the loop that the caller is to run.
pub async fn open(
    settings: Settings,
    clock: SharedClock,
    archive: Arc<dyn Archive>,
    mut journal: Box<dyn Journal>,
    catalog: MetricCatalog,
) -> Result<(RecorderHandle, Arc<View>, Loop), OpenError> {
    let counters = Arc::new(Counters::default());
    let mut head = Head::new(&settings, catalog, clock.now());
    let (identity, recovery, segments) = recover(&mut head, archive.as_ref(), journal.as_mut(), &counters).await?;
    counters.head_series.set(head.by_labels.len() as u64);
    counters.pending_vitals.set(head.ledger.pending().len() as u64);
    let (lane, waiting) = lane(settings.queue.max(1));
    let shared = Arc::new(Shared { head: RwLock::new(head), counters, settings });
    let writer = Writer::new(shared.clone(), journal, clock.clone(), identity, segments);
    let thread = std::thread::Builder::new().name("journal".into());
    thread.spawn(move || writer.run(waiting)).map_err(OpenError::Thread)?;
    let stopping = Arc::new(AtomicBool::new(false));
    let view = Arc::new(View::new(shared.clone(), archive.clone(), clock.clone()));
    let guard = DeletionGuard::new(recovery.newest);
    let handle = RecorderHandle { lane: lane.clone(), stopping: stopping.clone(), shared: shared.clone() };
    let own = Loop {
        lane,
        stopping,
        shared,
        archive,
        clock,
        own_metrics: None,
        recovery,
        waiting: None,
        expired_at: None,
        expired: [Slot::NONE; 3],
        guard,
    };
    Ok((handle, view, own))
}
