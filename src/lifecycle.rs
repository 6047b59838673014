//! Named tasks, and an end in order.
//!
//! A phase is a group of tasks that stop together. Phases stop one after the other, in the order in which
//! they are listed: first nothing new comes in, then what came in is judged and sent, then it is stored.
//! A task that ends before it was asked to, or panics, brings the whole process down: a loop that died
//! quietly would go on showing old numbers.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// What stops together. Listed in the order of stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Sources of data: the listener, the collectors, the demo's shop and visitors.
    Intake,
    /// The evaluator.
    Judge,
    /// The dispatcher.
    Notify,
    /// The recorder, the archive.
    Store,
}

impl Phase {
    /// All phases, in the order of stopping.
    pub const ALL: [Self; 4] = [Self::Intake, Self::Judge, Self::Notify, Self::Store];
}

/// How the process came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// Someone asked for it.
    Asked,
    /// A task ended by itself; its name, and what it said when it panicked.
    Broke(String),
}

/// The tasks of the process.
#[derive(Debug)]
pub struct Tasks {
    phases: Vec<(Phase, CancellationToken)>,
    running: Mutex<Running>,
    broken: CancellationToken,
}

#[derive(Debug, Default)]
struct Running {
    set: JoinSet<()>,
    names: HashMap<Id, (Phase, &'static str)>,
}

impl Default for Tasks {
    fn default() -> Self {
        let phases = Phase::ALL.map(|p| (p, CancellationToken::new())).into();
        Self { phases, running: Mutex::default(), broken: CancellationToken::new() }
    }
}

impl Tasks {
    /// The token that ends a phase; hand it to what is spawned in it.
    pub fn token(&self, phase: Phase) -> CancellationToken {
        self.phases.iter().find(|(p, _)| *p == phase).map(|(_, t)| t.clone()).unwrap_or_default()
    }

    /// Starts a named task. It must end soon after its phase's token is cancelled, and not before.
    pub fn spawn(&self, phase: Phase, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.token(phase);
        let broken = self.broken.clone();
        let mut running = self.running.lock();
        let handle = running.set.spawn(async move {
            let guard = broken.drop_guard();
            task.await;
            if stop.is_cancelled() {
                guard.disarm();
            }
        });
        running.names.insert(handle.id(), (phase, name));
    }

    /// Waits until `stop` is ready or a task breaks, then stops phase by phase; each phase has `grace`
    /// for its tasks to end, after which they are dropped and named in the log.
    pub async fn run_until(&self, stop: impl Future<Output = ()>, grace: Duration) -> End {
        let asked = tokio::select! {
            () = stop => true,
            () = self.broken.cancelled() => false,
        };
        let mut broke = Vec::new();
        for (phase, token) in &self.phases {
            token.cancel();
            tracing::debug!(?phase, "stopping");
            self.wait_for(*phase, grace, &mut broke).await;
        }
        if asked && broke.is_empty() { End::Asked } else { End::Broke(broke.join("; ")) }
    }

    /// Waits for the tasks of one phase. Tasks of later phases that end meanwhile have broken.
    async fn wait_for(&self, phase: Phase, grace: Duration, broke: &mut Vec<String>) {
        let mut set = std::mem::take(&mut self.running.lock().set);
        let deadline = tokio::time::Instant::from_std(deadline(grace));
        while self.running.lock().names.values().any(|(p, _)| *p == phase) {
            match tokio::time::timeout_at(deadline, set.join_next_with_id()).await {
                Ok(Some(ended)) => broke.extend(self.note(ended, phase)),
                Ok(None) => break,
                Err(_late) => {
                    self.give_up_on(phase);
                    break;
                }
            }
        }
        self.running.lock().set = set;
    }

    fn note(&self, ended: Result<(Id, ()), JoinError>, stopping: Phase) -> Option<String> {
        let (id, panic) = match &ended {
            Ok((id, ())) => (*id, None),
            Err(error) => (error.id(), Some(error.to_string())),
        };
        let (phase, name) = self.running.lock().names.remove(&id)?;
        match panic {
            Some(panic) => Some(format!("{name}: {panic}")),
            None if phase > stopping => Some(format!("{name} ended by itself")),
            None => None,
        }
    }

    fn give_up_on(&self, phase: Phase) {
        let mut running = self.running.lock();
        for (_, name) in running.names.values().filter(|(p, _)| *p == phase) {
            tracing::warn!(task = name, "did not stop in time and is abandoned");
        }
        running.names.retain(|_, (p, _)| *p != phase);
    }
}

/// A graceful stop is bounded by the machine's own clock, whatever clock the service runs on.
#[expect(clippy::disallowed_methods, reason = "the process itself is stopping")]
fn deadline(grace: Duration) -> std::time::Instant {
    std::time::Instant::now() + grace
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn phases_stop_in_order() {
        let tasks = Tasks::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        for phase in [Phase::Store, Phase::Intake, Phase::Notify, Phase::Judge] {
            let (order, stop) = (order.clone(), tasks.token(phase));
            tasks.spawn(phase, "loop", async move {
                stop.cancelled().await;
                order.lock().push(phase);
            });
        }
        assert_eq!(tasks.run_until(async {}, Duration::from_secs(5)).await, End::Asked);
        assert_eq!(*order.lock(), Phase::ALL);
    }

    #[tokio::test]
    async fn a_broken_task_ends_everything_and_is_named() {
        let tasks = Tasks::default();
        let stop = tasks.token(Phase::Intake);
        tasks.spawn(Phase::Intake, "listener", async move { stop.cancelled().await });
        tasks.spawn(Phase::Judge, "evaluator", async { panic!("boom") });
        let End::Broke(who) = tasks.run_until(std::future::pending(), Duration::from_secs(5)).await else {
            panic!("the panic was not noticed")
        };
        assert!(who.starts_with("evaluator"), "{who}");
    }

    #[tokio::test]
    async fn a_task_that_will_not_stop_is_abandoned() {
        let tasks = Tasks::default();
        tasks.spawn(Phase::Intake, "stuck", std::future::pending());
        assert_eq!(tasks.run_until(async {}, Duration::from_millis(10)).await, End::Asked);
    }
}
