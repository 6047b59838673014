//! What `/readyz` answers: the database, the journal, and the evaluator's punctuality.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Objectives;
use crate::base::Timestamp;
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
}

impl Readiness for Watch {
    fn checks(&self, now: Timestamp) -> Vec<Check> {
        vec![self.journal(), self.evaluator(now)]
    }
}

impl Watch {
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
