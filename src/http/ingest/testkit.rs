//! A router with nothing behind it but what a test puts there. Used by the tests in this module and, by
//! its path, by those outside.
#![allow(
    clippy::allow_attributes,
    dead_code,
    unreachable_pub,
    reason = "test kit, shared by two crates that each use a part of it"
)]

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use plimsoll::alert::{ActError, Action, AuditEntry, Incident, IncidentDetail, ObjectiveStatus, Objectives, OnCall};
use plimsoll::base::clock::BoxFuture;
use plimsoll::base::id::IncidentId;
use plimsoll::base::{DropReason, Labels, ManualClock, Matcher, SharedClock, Timestamp};
use plimsoll::http::{Api, Check, Edge, Ports, Readiness, Settings};
use plimsoll::ingest::{Endpoint, Intake};
use plimsoll::promql::{Answer, Engine, QueryError, QueryOptions, Selection, SeriesSamples, Source, SourceError};
use plimsoll::series::{
    Batch, Delta, Exposed, Known, MetricType, PendingVital, RecordError, Recorded, Recorder, SeriesStats,
};
use plimsoll::sketch::Histogram;
use plimsoll::slo::{BudgetReport, CompiledObjective, Window};

/// Where the tests' clock stands.
pub const NOW: Timestamp = Timestamp::from_secs(1_763_680_000);

/// Everything behind the router, and what it is told to answer.
#[derive(Default)]
pub struct Behind {
    /// What was recorded.
    pub batches: Mutex<Vec<Batch>>,
    /// The recorder fails with this.
    pub failure: Mutex<Option<fn() -> RecordError>>,
    /// What is known.
    pub histograms: Mutex<Vec<(Labels, Histogram)>>,
    /// What has not settled.
    pub pending: Mutex<Vec<PendingVital>>,
    /// The states of the objectives.
    pub statuses: Mutex<Vec<ObjectiveStatus>>,
    /// The conditions of readiness.
    pub checks: Mutex<Vec<Check>>,
}

impl Behind {
    /// Events recorded so far.
    pub fn recorded(&self) -> usize {
        let of = |delta: &Delta| if let Delta::Observe(values) = delta { values.len() } else { 1 };
        let of_batch = |b: &Batch| b.items.iter().map(|i| of(&i.delta)).sum::<usize>() + b.vitals.len();
        self.batches.lock().iter().map(of_batch).sum()
    }
}

/// A router's state with its surroundings.
pub struct World {
    /// The state.
    pub api: Api,
    /// What is behind it.
    pub behind: Arc<Behind>,
    /// Its clock.
    pub clock: ManualClock,
}

impl World {
    /// A world with these settings.
    pub fn new(settings: Settings, ingest: plimsoll::ingest::Settings) -> Self {
        let behind = Arc::new(Behind::default());
        let clock = ManualClock::at(NOW);
        let shared: SharedClock = Arc::new(clock.clone());
        let intake = Arc::new(Intake::new(ingest, behind.clone()));
        let ports = Ports {
            clock: shared.clone(),
            engine: behind.clone(),
            known: behind.clone(),
            recorder: behind.clone(),
            on_call: behind.clone(),
            objectives: behind.clone(),
        };
        let edge = Edge::new(settings, intake, behind.clone(), shared);
        Self { api: Api::with_edge(ports, edge), behind, clock }
    }

    /// received, accepted and the reasons of an endpoint; fails when they do not balance.
    pub fn tally(&self, endpoint: Endpoint) -> (u64, u64, Vec<(DropReason, u64)>) {
        let counts = self.api.edge().intake.tally().count(endpoint);
        let dropped: u64 = counts.dropped.iter().map(|(_, n)| n).sum();
        assert_eq!(counts.received, counts.accepted + dropped, "{counts:?}");
        (counts.received, counts.accepted, counts.dropped)
    }
}

impl Recorder for Behind {
    fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        let answer = match *self.failure.lock() {
            Some(failure) => Err(failure()),
            None => {
                self.batches.lock().push(batch);
                Ok(Recorded::default())
            }
        };
        Box::pin(async move { answer })
    }
}

impl Source for Behind {
    fn select<'a>(&'a self, _: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn series<'a>(&'a self, _: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

impl Known for Behind {
    fn exposition(&self, _now: Timestamp) -> Vec<Exposed> {
        Vec::new()
    }

    fn histograms<'a>(
        &'a self,
        matchers: &'a [Matcher],
        _start: Timestamp,
        _end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, Histogram)>, SourceError>> {
        let all = self.histograms.lock();
        let matching = all.iter().filter(|(l, _)| Matcher::all_match(matchers, l)).cloned().collect();
        Box::pin(async move { Ok(matching) })
    }

    fn increases<'a>(
        &'a self,
        _matchers: &'a [Matcher],
        _start: Timestamp,
        _end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, f64)>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn pending_vitals(&self, since: Timestamp) -> Vec<PendingVital> {
        self.pending.lock().iter().filter(|p| p.start >= since).cloned().collect()
    }

    fn stats(&self, _limit: usize) -> SeriesStats {
        SeriesStats::default()
    }

    fn metric_type(&self, _metric: &str) -> MetricType {
        MetricType::Unknown
    }
}

impl Engine for Behind {
    fn instant<'a>(
        &'a self,
        _expression: &'a str,
        _at: Timestamp,
        _options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async { Err(QueryError::Execution("no engine here".to_owned())) })
    }

    fn range<'a>(
        &'a self,
        _expression: &'a str,
        _start: Timestamp,
        _end: Timestamp,
        _step: Duration,
        _options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async { Err(QueryError::Execution("no engine here".to_owned())) })
    }
}

impl OnCall for Behind {
    fn incidents(&self, _all: bool) -> BoxFuture<'_, Result<Vec<Incident>, ActError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn incident(&self, _id: IncidentId) -> BoxFuture<'_, Result<Option<IncidentDetail>, ActError>> {
        Box::pin(async { Ok(None) })
    }

    fn act<'a>(
        &'a self,
        id: IncidentId,
        _action: Action,
        _by: &'a str,
        _source: &'a str,
        _note: Option<&'a str>,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Incident, ActError>> {
        Box::pin(async move { Err(ActError::NotFound(id)) })
    }

    fn audit(&self, _since: Timestamp, _limit: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, ActError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

impl Objectives for Behind {
    fn statuses(&self) -> Vec<ObjectiveStatus> {
        self.statuses.lock().clone()
    }

    fn compiled(&self, _name: &str) -> Option<Arc<CompiledObjective>> {
        None
    }

    fn budget<'a>(
        &'a self,
        _name: &'a str,
        _window: Option<Window>,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<BudgetReport>, SourceError>> {
        Box::pin(async { Ok(None) })
    }

    fn last_evaluation(&self) -> Option<Timestamp> {
        None
    }

    fn evaluate_every(&self) -> Duration {
        Duration::from_secs(5)
    }
}

impl Readiness for Behind {
    fn checks(&self, _now: Timestamp) -> Vec<Check> {
        self.checks.lock().clone()
    }
}
