//! Forgets what is older than `keep.audit`: the audit trail, and incidents that were over before.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::alert::Ledger;
use crate::base::SharedClock;
use crate::base::steady::DeletionGuard;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(3600);

/// Runs beside the evaluator.
pub(super) struct Retention {
    /// What keeps the audit trail.
    pub ledger: Arc<dyn Ledger>,
    /// How long it is kept.
    pub keep: Duration,
    /// What decides how old something is.
    pub clock: SharedClock,
    /// Keeps what only a wrong clock calls old.
    pub guard: DeletionGuard,
}

impl Retention {
    /// Forgets once an hour until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let now = self.clock.now();
            if self.guard.allows(now, self.clock.monotonic())
                && let Err(error) = self.ledger.forget(now - self.keep).await
            {
                tracing::warn!(error = &error as &dyn std::error::Error, "old audit entries could not be removed");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep(EVERY) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Change;
    use crate::base::{ManualClock, Timestamp};
    use crate::store::memory_ledger::MemoryLedger;

    #[tokio::test]
    async fn forgets_what_is_older_than_it_is_kept() {
        let ledger = Arc::new(MemoryLedger::default());
        let now = Timestamp::from_secs(1_800_000_000);
        let entry = |at| crate::alert::AuditEntry {
            at,
            actor: "ada".to_owned(),
            source: "api".to_owned(),
            action: "note".to_owned(),
            subject: "x".to_owned(),
            before: None,
            after: None,
        };
        let day = Duration::from_secs(86_400);
        let audit = vec![entry(now - day * 3), entry(now - day)];
        ledger.commit(&Change { audit, ..Change::default() }).await.unwrap();
        let clock: SharedClock = Arc::new(ManualClock::at(now));
        let retention = Retention { ledger: ledger.clone(), keep: day * 2, clock, guard: DeletionGuard::new(None) };
        let stop = CancellationToken::new();
        let run = retention.run(stop.clone());
        tokio::pin!(run);
        assert!(futures::poll!(&mut run).is_pending());
        let left = ledger.audit(Timestamp::MIN, 10).await.unwrap();
        assert_eq!(left.iter().map(|e| e.at).collect::<Vec<_>>(), [now - day]);
        stop.cancel();
        run.await;
    }
}
