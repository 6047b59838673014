//! Everything together: a recorder, a loop and a view on storage that can be made to fail or to stop.

mod crash;
mod natives;
mod reading;
mod restart;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::archive::{Restored, StoredChunk};
use super::cycle::Loop;
use super::head::Head;
use super::recover::recover;
use super::view::View;
use super::writer::{Shared, Writer};
use super::*;
use crate::base::clock::BoxFuture;
use crate::base::{Labels, ManualClock, Timestamp};
use crate::store::memory::{MemoryArchive, MemoryJournal};

/// 2025-11-20T12:00:00Z, the start of a block.
const START: Timestamp = Timestamp::from_secs(1_763_640_000);

fn labels(name: &str, n: usize) -> Labels {
    Labels::metric(name, [("route", format!("/{n}"))])
}

fn add(name: &str, at: Timestamp, value: f64) -> Item {
    Item { labels: labels(name, 0), at, delta: Delta::Add(value) }
}

fn observe(name: &str, at: Timestamp, values: &[f64]) -> Item {
    let observations = values.iter().map(|v| Observation { value: *v, weight: 1 }).collect();
    Item { labels: labels(name, 0), at, delta: Delta::Observe(observations) }
}

fn sample(name: &str, at: Timestamp, value: f64) -> Item {
    Item { labels: labels(name, 0), at, delta: Delta::Sample(value) }
}

fn batch(items: impl Into<Vec<Item>>) -> Batch {
    Batch { items: items.into(), vitals: Vec::new() }
}

/// The whole of it without threads, so that a test can stop it between any two steps.
struct Rig {
    clock: ManualClock,
    writer: Writer,
    shared: Arc<Shared>,
    view: View,
    archive: Arc<dyn Archive>,
    found: Recovery,
}

impl Rig {
    async fn start(
        settings: Settings,
        clock: &ManualClock,
        archive: Arc<dyn Archive>,
        journal: Box<dyn Journal>,
    ) -> Self {
        Self::try_start(settings, clock, archive, journal).await.unwrap()
    }

    async fn try_start(
        settings: Settings,
        clock: &ManualClock,
        archive: Arc<dyn Archive>,
        mut journal: Box<dyn Journal>,
    ) -> Result<Self, OpenError> {
        let counters = Arc::new(Counters::default());
        let mut head = Head::new(&settings, MetricCatalog::default(), clock.now());
        let (identity, found, segments) = recover(&mut head, archive.as_ref(), journal.as_mut(), &counters).await?;
        let shared = Arc::new(Shared { head: parking_lot::RwLock::new(head), counters, settings });
        let shared_clock: crate::base::SharedClock = Arc::new(clock.clone());
        let writer = Writer::new(shared.clone(), journal, shared_clock.clone(), identity, segments);
        let view = View::new(shared.clone(), archive.clone(), shared_clock);
        Ok(Self { clock: clock.clone(), writer, shared, view, archive, found })
    }

    async fn memory() -> (Self, MemoryArchive, MemoryJournal) {
        let (archive, journal) = (MemoryArchive::new(), MemoryJournal::default());
        let clock = ManualClock::at(START);
        let rig = Self::start(Settings::default(), &clock, Arc::new(archive.clone()), Box::new(journal.clone())).await;
        (rig, archive, journal)
    }

    fn record(&mut self, batch: Batch) -> Recorded {
        self.writer.commit(vec![batch]).remove(0).unwrap()
    }

    /// Closes, archives and trims.
    async fn tick(&mut self, everything: bool) {
        if let Some(tick) = self.writer.close(everything) {
            self.archive.append_tick(&tick).await.unwrap();
            self.writer.archived(tick.through, tick.entry);
        }
    }

    /// Compacts and expires as the loop does.
    async fn compact(&self) {
        let (queue, _queue) = tokio::sync::mpsc::channel(1);
        let mut own = Loop {
            queue,
            stopping: Arc::default(),
            shared: self.shared.clone(),
            archive: self.archive.clone(),
            clock: Arc::new(self.clock.clone()),
            own_metrics: None,
            recovery: Recovery::default(),
            waiting: None,
            expired_at: None,
        };
        own.compact().await;
        own.expire(self.clock.now()).await;
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

use crate::base::Clock;
