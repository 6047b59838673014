//! Everything together: a recorder, a loop and a view on storage that can be made to fail or to stop.

mod churn;
mod clock;
mod crash;
mod damage;
mod faults;
mod faulty;
mod history;
mod listing;
mod natives;
mod order;
mod reading;
mod restart;
mod size;
mod tiers;
mod vitals;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::archive::{GroupId, Merge, PageKey, Restored, RetiredQuery, Scanned, SeriesDef, StoredChunk, StoredPage};
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
    /// The time as the service sees it.
    time: SharedClock,
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
        journal: Box<dyn Journal>,
    ) -> Result<Self, OpenError> {
        Self::start_on(settings, clock, Arc::new(clock.clone()), archive, journal).await
    }

    /// On a clock that follows no step back, as the service does.
    async fn steady(
        settings: Settings,
        clock: &ManualClock,
        archive: Arc<dyn Archive>,
        journal: Box<dyn Journal>,
    ) -> Self {
        let steady = Arc::new(SteadyClock::new(Arc::new(clock.clone())));
        let rig = Self::start_on(settings, clock, steady.clone(), archive, journal).await.unwrap();
        if let Some(newest) = rig.found.newest {
            steady.not_before(newest);
        }
        rig
    }

    async fn start_on(
        settings: Settings,
        clock: &ManualClock,
        time: SharedClock,
        archive: Arc<dyn Archive>,
        mut journal: Box<dyn Journal>,
    ) -> Result<Self, OpenError> {
        let counters = Arc::new(Counters::default());
        let mut head = Head::new(&settings, MetricCatalog::default(), time.now());
        let (identity, found, segments) = recover(&mut head, archive.as_ref(), journal.as_mut(), &counters).await?;
        let shared = Arc::new(Shared { head: parking_lot::RwLock::new(head), counters, settings });
        let writer = Writer::new(shared.clone(), journal, time.clone(), identity, segments);
        let view = View::new(shared.clone(), archive.clone(), time.clone());
        Ok(Self { clock: clock.clone(), time, writer, shared, view, archive, found })
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

    /// Closes, archives, trims and makes pages until nothing is left to close.
    async fn tick(&mut self, everything: bool) {
        assert!(self.page().await);
        while let Some(mut tick) = self.writer.close(everything) {
            assert!(self.keeper().fold_history(&mut tick).await);
            self.archive.append_tick(&tick).await.unwrap();
            self.writer.archived(tick.through, tick.entry);
            assert!(self.page().await);
        }
    }

    /// Makes pages as the loop does, if they are due; whether that went well.
    async fn page(&self) -> bool {
        self.keeper().page().await
    }

    /// Merges and expires as the loop does.
    async fn compact(&self) {
        let mut own = self.keeper();
        own.merge().await;
        own.expire(self.time.now()).await;
    }

    fn keeper(&self) -> Loop {
        let (lane, _writer) = super::lane::lane(1);
        Loop {
            lane,
            stopping: Arc::default(),
            shared: self.shared.clone(),
            archive: self.archive.clone(),
            clock: self.time.clone(),
            own_metrics: None,
            recovery: Recovery::default(),
            waiting: None,
            expired_at: None,
            expired: [Slot::NONE; 3],
            guard: crate::base::steady::DeletionGuard::new(None),
        }
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// A query's one number, now.
    async fn query(&self, expression: &str) -> Option<f64> {
        let view = View::new(self.shared.clone(), self.archive.clone(), self.time.clone());
        let engine = LocalEngine::with_clock(Arc::new(view), self.time.clone());
        let answer = engine.instant(expression, self.now(), &QueryOptions::default()).await.unwrap();
        match answer.value {
            Value::Vector(samples) if samples.len() <= 1 => samples.first().and_then(|s| s.float()),
            other => panic!("{expression}: {other:?}"),
        }
    }
}

use crate::base::Clock;
use crate::base::{SharedClock, SteadyClock};
use crate::promql::{Engine, LocalEngine, QueryOptions, Value};
