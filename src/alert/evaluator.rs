//! The loop that asks, judges and climbs.
//!
//! A reconciler: on a tick it reads every objective, decides, commits once, and records what it counted;
//! between ticks it wakes when a level is due. A tick that comes while the one before still runs is
//! skipped and counted, never made up for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::base::steady::Jumps;
use crate::base::time::millis;
use crate::base::{Labels, METRIC_NAME, Matcher, SharedClock, Timestamp};
use crate::promql::{Engine, Selection};
use crate::series::{Batch, Delta, Item, Recorder};
use crate::slo::CompiledObjective;

use super::desk::Desk;
use super::escalation::climb_all;
use super::measure::{Counting, Measured, SEQUENCE, series};
use super::plan;
use super::read::{ObjectiveSeen, read};
use super::stats::EvaluatorStats;
use super::status;

/// The gauge of each group's value.
pub const VALUE: &str = "slo:value";

/// The gauge of the budget that is left.
pub const REMAINING: &str = "slo:budget_remaining_ratio";

/// Evaluates objectives for as long as the service runs.
pub struct Evaluator {
    desk: Arc<Desk>,
    engine: Arc<dyn Engine>,
    recorder: Arc<dyn Recorder>,
    clock: SharedClock,
    stats: Arc<EvaluatorStats>,
    measured: BTreeMap<String, Measured>,
    sequence: u64,
    /// Stored and not yet recorded. Until it is, nothing new is counted.
    unrecorded: Option<Counting>,
    /// Whether what was stored has been taken up.
    ready: bool,
    jumps: Jumps,
}

impl Evaluator {
    /// An evaluator of what the desk has configured.
    pub fn new(
        desk: Arc<Desk>,
        engine: Arc<dyn Engine>,
        recorder: Arc<dyn Recorder>,
        clock: SharedClock,
        stats: Arc<EvaluatorStats>,
    ) -> Self {
        Self {
            desk,
            engine,
            recorder,
            clock,
            stats,
            measured: BTreeMap::new(),
            sequence: 0,
            unrecorded: None,
            ready: false,
            jumps: Jumps::default(),
        }
    }

    /// Runs until `stop` is cancelled; an evaluation that has begun is finished.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut timers = self.desk.timers();
        let mut due = self.clock.now();
        while !stop.is_cancelled() {
            let now = self.clock.now();
            if self.notice_jump(now).await {
                // What the jump left out was not missed.
                due = due.max(now.floor_to(self.every()));
            }
            if now >= due {
                self.evaluate(now, now.since(due)).await;
                due = self.next_tick(due);
                continue;
            }
            let level_at = self.climb_when_due(now).await;
            let wake = level_at.map_or(due, |at| at.min(due)).min(now + self.every());
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep(wake.since(now)) => {}
                _ = timers.changed() => {}
            }
            // The wall clock was set back: what was due soon is due soon.
            due = due.min(self.clock.now().floor_to(self.every()) + self.every());
        }
    }

    fn every(&self) -> Duration {
        self.desk.settings().evaluate_every.max(Duration::from_millis(100))
    }

    /// Time that jumped ahead did not pass for whoever is to answer: the timers move with it.
    async fn notice_jump(&mut self, now: Timestamp) -> bool {
        let jump = self.jumps.seen(now, self.clock.monotonic());
        if let Some(by) = jump {
            self.desk.jumped(by).await;
        }
        jump.is_some()
    }

    /// The first tick after now; those between it and the one that was `due` are missed.
    fn next_tick(&self, due: Timestamp) -> Timestamp {
        let every = self.every();
        let next = self.clock.now().floor_to(every) + every;
        let ticks = (next.as_millis() - due.floor_to(every).as_millis()) / millis(every);
        self.stats.missed(u64::try_from(ticks - 1).unwrap_or(0));
        next
    }

    /// Tells levels that are due, and says when the next one is; nothing when that could not be stored,
    /// so that it is tried again at the next tick and not at once.
    async fn climb_when_due(&self, now: Timestamp) -> Option<Timestamp> {
        if self.desk.next_level_at().await.is_some_and(|at| at <= now)
            && let Err(error) = self.desk.climb(now).await
        {
            self.stats.commit_failed();
            tracing::error!(error = &error as &dyn std::error::Error, "escalation could not be stored");
            return None;
        }
        self.desk.next_level_at().await
    }

    /// One evaluation of every objective.
    pub async fn evaluate(&mut self, now: Timestamp, lag: Duration) {
        let began = self.clock.monotonic();
        self.stats.began(lag);
        self.desk.began(now);
        self.notice_jump(now).await;
        self.take_up(now).await;
        let configured = self.desk.configured();
        let may_count = self.ready && self.unrecorded.is_none();
        let asked = configured.objectives.iter().map(|compiled| {
            let measured = may_count.then(|| self.measured.get(&compiled.objective.name).cloned());
            let measured = measured.map(|m| m.unwrap_or_else(|| Measured::new(now)));
            self.read(compiled, measured, now)
        });
        let concurrency = self.desk.settings().concurrency.max(1);
        // Collected first: a stream over a borrowing iterator is not general enough to be sent.
        let asked: Vec<_> = asked.collect();
        let seen: Vec<ObjectiveSeen<'_>> = futures::stream::iter(asked).buffered(concurrency).collect().await;
        let failed = seen.iter().filter(|s| s.error().is_some()).count();
        if self.decide(&seen, now).await {
            self.record(&seen, now).await;
        }
        self.show(&seen, now).await;
        self.stats.ended(self.clock.monotonic().saturating_sub(began), failed);
    }

    async fn read<'a>(
        &self,
        compiled: &'a CompiledObjective,
        measured: Option<Measured>,
        now: Timestamp,
    ) -> ObjectiveSeen<'a> {
        let began = self.clock.monotonic();
        let (known, settings) = (&**self.desk.known(), self.desk.settings());
        let seen = read(&*self.engine, known, settings, compiled, measured, now).await;
        ObjectiveSeen { took: self.clock.monotonic().saturating_sub(began), ..seen }
    }

    /// Takes up what was stored: how far objectives are counted, and whether the last counts were recorded.
    async fn take_up(&mut self, now: Timestamp) {
        if self.ready {
            return self.record_again(now).await;
        }
        let Ok(loaded) = self.desk.load().await else { return };
        self.measured = loaded.measured.into_iter().collect();
        if let Some(counting) = loaded.counting {
            match self.was_recorded(&counting, now).await {
                Some(true) => self.sequence = counting.sequence,
                Some(false) => {
                    self.sequence = counting.sequence;
                    self.unrecorded = Some(counting);
                }
                None => return,
            }
        }
        self.ready = true;
        self.record_again(now).await;
    }

    /// Whether a batch is in the series; `None` when they cannot be read now.
    async fn was_recorded(&self, counting: &Counting, now: Timestamp) -> Option<bool> {
        let selection = Selection {
            matchers: vec![Matcher::equal(METRIC_NAME, SEQUENCE)],
            start: counting.at - Duration::from_secs(3600),
            end: now.max(counting.at) + Duration::from_secs(3600),
        };
        let found = self.desk.known().select(&selection).await;
        let found = found.inspect_err(|error| tracing::error!(%error, "recorded counts could not be read"));
        let sequence = counting.sequence as f64;
        let is_there = |s: &crate::promql::SeriesSamples| s.floats.iter().any(|(_, v)| v >= sequence);
        Some(found.ok()?.iter().any(is_there))
    }

    async fn record_again(&mut self, now: Timestamp) {
        if let Some(counting) = self.unrecorded.take() {
            self.record_items(counting.items(now), Some(counting)).await;
        }
    }

    /// Steps alerts and incidents and stores everything at once; `false` when it could not be stored.
    async fn decide(&mut self, seen: &[ObjectiveSeen<'_>], now: Timestamp) -> bool {
        let gap = self.desk.settings().evidence_gap();
        let counting = self.counting(seen, now);
        let measured = self.measured_after(seen);
        let decided = self.desk.decide(|draft, configured, policy| {
            let current = |s: &&ObjectiveSeen<'_>| {
                // What a new configuration replaced meanwhile is judged by the new one, next time.
                configured.objectives.iter().any(|c| std::ptr::eq(&**c, s.reading.compiled))
            };
            let readings: Vec<_> = seen.iter().filter(current).map(|s| s.reading.clone()).collect();
            plan::judge(draft, &readings, gap, policy, now);
            climb_all(draft, policy.escalations, now);
            draft.change.measured = measured.clone();
            draft.change.counting = counting.clone();
        });
        if let Err(error) = decided.await {
            self.stats.commit_failed();
            tracing::error!(error = &error as &dyn std::error::Error, "evaluation could not be stored");
            return false;
        }
        self.stats.committed();
        for (name, measured) in measured {
            match measured {
                Some(measured) => drop(self.measured.insert(name, measured)),
                None => drop(self.measured.remove(&name)),
            }
        }
        if let Some(counting) = counting {
            self.sequence = counting.sequence;
            self.unrecorded = Some(counting);
        }
        true
    }

    /// The increments of all objectives, when there are any.
    fn counting(&self, seen: &[ObjectiveSeen<'_>], now: Timestamp) -> Option<Counting> {
        let mut increments = Vec::new();
        for objective in seen {
            let name = &objective.reading.compiled.objective.name;
            let counted = objective.counted.iter().flat_map(|c| &c.increments);
            increments.extend(counted.map(|(metric, group, add)| (series(metric, name, group), *add)));
        }
        (!increments.is_empty()).then(|| Counting { sequence: self.sequence + 1, at: now, increments })
    }

    /// How far objectives are counted now, where it changed; objectives that are gone are forgotten.
    fn measured_after(&self, seen: &[ObjectiveSeen<'_>]) -> Vec<(String, Option<Measured>)> {
        let name = |s: &ObjectiveSeen<'_>| s.reading.compiled.objective.name.clone();
        let counted = seen.iter().filter_map(|s| Some((name(s), s.counted.as_ref()?.measured.clone())));
        let changed = counted.filter(|(name, after)| self.measured.get(name) != Some(after));
        let gone = self.measured.keys().filter(|known| !seen.iter().any(|s| name(s) == **known));
        let forgotten = gone.map(|name| (name.clone(), None));
        changed.map(|(name, after)| (name, Some(after))).chain(forgotten).collect()
    }

    /// Records what was counted, and the gauges.
    async fn record(&mut self, seen: &[ObjectiveSeen<'_>], now: Timestamp) {
        let counting = self.unrecorded.take();
        let mut items = counting.as_ref().map(|c| c.items(now)).unwrap_or_default();
        items.extend(seen.iter().flat_map(|s| gauges(s, now)));
        self.record_items(items, counting).await;
    }

    async fn record_items(&mut self, items: Vec<Item>, counting: Option<Counting>) {
        if items.is_empty() {
            return;
        }
        match self.recorder.record(Batch { items, vitals: Vec::new() }).await {
            Ok(recorded) => {
                let dropped: u64 = recorded.dropped.iter().map(|(_, n)| n).sum();
                self.stats.dropped(dropped);
            }
            Err(error) => {
                self.stats.recording_failed();
                tracing::error!(%error, "counts of objectives could not be recorded; they are kept");
                self.unrecorded = counting;
            }
        }
    }

    async fn show(&self, seen: &[ObjectiveSeen<'_>], now: Timestamp) {
        use super::model::Objectives;
        let book = self.desk.book().await;
        let before: BTreeMap<String, _> = self.desk.statuses().into_iter().map(|s| (s.name.clone(), s)).collect();
        let status = |s: &ObjectiveSeen<'_>| {
            let old = before.get(&s.reading.compiled.objective.name);
            let remaining = s.remaining.as_ref().ok().copied().flatten();
            let mut status = status::after(&s.reading, &book, old, remaining, now);
            status.error = s.error();
            status.took = s.took;
            status
        };
        self.desk.show(seen.iter().map(status).collect());
    }
}

/// Value and budget as gauges, for dashboards.
fn gauges(seen: &ObjectiveSeen<'_>, now: Timestamp) -> Vec<Item> {
    let name = &seen.reading.compiled.objective.name;
    let gauge = |metric: &str, group: &Labels, value: f64| Item {
        labels: series(metric, name, group),
        at: now,
        delta: Delta::Sample(value),
    };
    let finite = seen.reading.values.iter().flatten().filter(|(_, v)| v.is_finite());
    let values = finite.map(|(group, value)| gauge(VALUE, group, *value));
    let remaining = seen.remaining.as_ref().ok().copied().flatten();
    values.chain(remaining.map(|r| gauge(REMAINING, &Labels::default(), r))).collect()
}

#[cfg(test)]
mod tests;
