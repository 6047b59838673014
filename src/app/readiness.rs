//! What `/readyz` answers: the database, the journal, and the evaluator's punctuality.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::{EvaluatorStats, Objectives};
use crate::base::{SteadyClock, Timestamp};
use crate::http::{Check, Readiness};
use crate::series::View;

/// Looks at what is running.
pub(super) struct Watch {
    /// The state of the journal.
    pub view: Arc<View>,
    /// When the last evaluation was.
    pub objectives: Arc<dyn Objectives>,
    /// How often there should be one.
    pub evaluate_every: Duration,
    /// Whether its decisions could be stored.
    pub stats: Arc<EvaluatorStats>,
    /// Whether the wall clock was set.
    pub clock: Arc<SteadyClock>,
}

impl Readiness for Watch {
    fn checks(&self, now: Timestamp) -> Vec<Check> {
        vec![self.database(), self.journal(), self.evaluator(now), self.clock()]
    }
}

impl Watch {
    /// What is refused is kept (series in the journal, decisions in the evaluator) and tried again.
    fn database(&self) -> Check {
        let archive = self.view.counters().archive_failing.get() > 0;
        let reason = match (archive, self.stats.snapshot().commit_failing) {
            (false, false) => "written",
            (true, false) => "closed slots cannot be stored; the journal keeps them: is the disk full?",
            (false, true) => "decisions on alerts cannot be stored, so nobody is told: is the disk full?",
            (true, true) => "neither closed slots nor decisions on alerts can be stored: is the disk full?",
        };
        Check { name: "database", ok: reason == "written", reason: reason.to_owned() }
    }

    /// A clock that was set is explained, and no reason to send nobody here.
    fn clock(&self) -> Check {
        let steps = self.clock.steps();
        let reason = match steps.last {
            _ if !steps.lead.is_zero() => format!(
                "the wall clock is behind our time by {:.0} s, because it was set back or what is stored is later; \
                 our time is slowed by a twentieth until both agree",
                steps.lead.as_secs_f64()
            ),
            Some(step) => format!("the wall clock was last set by {:.0} s at {}", step.by_millis as f64 / 1e3, step.at),
            None => "was not set".to_owned(),
        };
        Check { name: "clock", ok: true, reason }
    }

    fn journal(&self) -> Check {
        let failing = self.view.counters().journal_failing.get() > 0;
        let reason = if failing { "the journal cannot be written: is the disk full?" } else { "written" };
        Check { name: "journal", ok: !failing, reason: reason.to_owned() }
    }

    /// On time means: the last evaluation is not older than three intervals and ten seconds.
    fn evaluator(&self, now: Timestamp) -> Check {
        let limit = self.evaluate_every * 3 + Duration::from_secs(10);
        let (ok, reason) = match self.objectives.last_evaluation() {
            None => (false, "no evaluation yet".to_owned()),
            Some(at) if now.since(at) > limit => (false, format!("the last evaluation was at {at}")),
            Some(_) => (true, "on time".to_owned()),
        };
        Check { name: "evaluator", ok, reason }
    }
}
