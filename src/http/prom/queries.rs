//! How many queries run at once, and what became of each.
//!
//! A query above the limit waits, and its waiting counts against its timeout. Who goes away, waiting or being
//! answered, drops the query's future: that ends the evaluation (see `promql::local`) and is counted here.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use crate::base::SharedClock;
use crate::promql::engine::StatsSlot;
use crate::promql::{Answer, QueryError, QueryOptions};

use super::stats::StatsJson;

/// As many as Prometheus has by default.
pub(super) const CONCURRENT: usize = 20;

/// What became of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has an answer.
    Answered,
    /// The expression, or what it asks for, was refused.
    Refused,
    /// It took too long, waiting or running.
    TimedOut,
    /// Samples could not be read.
    Failed,
    /// Its client went away.
    Canceled,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Answered, Self::Refused, Self::TimedOut, Self::Failed, Self::Canceled];

    /// The word in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::TimedOut => "timeout",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    fn of<T>(result: &Result<T, QueryError>) -> Self {
        match result {
            Ok(_) => Self::Answered,
            Err(QueryError::BadData(_) | QueryError::Execution(_)) => Self::Refused,
            Err(QueryError::Timeout(_)) => Self::TimedOut,
            Err(QueryError::Source(_)) => Self::Failed,
        }
    }
}

/// The queries of all clients.
#[derive(Debug)]
pub struct Queries {
    places: Semaphore,
    ended: [AtomicU64; Outcome::ALL.len()],
    running: AtomicU64,
}

impl Default for Queries {
    fn default() -> Self {
        Self::at_most(CONCURRENT)
    }
}

/// An answer with what it cost, where that was asked for.
pub(super) type Run = (Answer, Option<StatsJson>);

impl Queries {
    /// So many at once.
    pub fn at_most(concurrent: usize) -> Self {
        Self { places: Semaphore::new(concurrent), ended: Default::default(), running: AtomicU64::new(0) }
    }

    /// How many have ended in each way.
    pub fn ended(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(&self.ended).map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    /// How many are being answered; those that wait are not.
    pub fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// Asks when it is the query's turn. `ask` gets the options with what is left of the timeout.
    pub(super) async fn run<F>(
        &self,
        clock: &SharedClock,
        options: QueryOptions,
        ask: impl FnOnce(QueryOptions) -> F,
    ) -> Result<Run, QueryError>
    where
        F: Future<Output = Result<Answer, QueryError>>,
    {
        let mut ending = Ending { queries: self, outcome: Outcome::Canceled };
        let result = self.when_due(clock, options, ask).await;
        ending.outcome = Outcome::of(&result);
        result
    }

    async fn when_due<F>(
        &self,
        clock: &SharedClock,
        mut options: QueryOptions,
        ask: impl FnOnce(QueryOptions) -> F,
    ) -> Result<Run, QueryError>
    where
        F: Future<Output = Result<Answer, QueryError>>,
    {
        let (began, timeout) = (clock.monotonic(), options.timeout);
        let _place = tokio::select! {
            biased;
            place = self.places.acquire() => place.map_err(|e| QueryError::Execution(e.to_string()))?,
            () = clock.sleep(timeout) => return Err(QueryError::Timeout(timeout)),
        };
        let _running = Running::enter(&self.running);
        let queued = clock.monotonic().saturating_sub(began);
        options.timeout = timeout.saturating_sub(queued);
        let slot: Option<StatsSlot> = options.stats.clone();
        let answer = ask(options).await?;
        Ok((answer, slot.map(|slot| StatsJson::of(slot.get(), queued))))
    }
}

/// Counts how a query ended, also when its future was dropped.
struct Ending<'a> {
    queries: &'a Queries,
    outcome: Outcome,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some((count, _)) = self.queries.ended.iter().zip(Outcome::ALL).find(|(_, o)| *o == self.outcome) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Running<'a>(&'a AtomicU64);

impl<'a> Running<'a> {
    fn enter(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::base::{ManualClock, Timestamp};
    use crate::promql::Value;

    async fn answer(_: QueryOptions) -> Result<Answer, QueryError> {
        Ok(Answer { value: Value::Scalar(1.0), warnings: Vec::new(), infos: Vec::new() })
    }

    fn ended(queries: &Queries) -> Vec<(&'static str, u64)> {
        queries.ended().filter(|(_, n)| *n > 0).map(|(outcome, n)| (outcome.as_str(), n)).collect()
    }

    #[tokio::test]
    async fn queries_wait_for_their_turn_within_their_timeout() {
        let manual = ManualClock::at(Timestamp::from_secs(0));
        let clock: SharedClock = Arc::new(manual.clone());
        let queries = Queries::at_most(1);
        let (done, wait) = tokio::sync::oneshot::channel::<()>();
        let first = queries.run(&clock, QueryOptions::default(), |options| async {
            wait.await.ok();
            answer(options).await
        });
        tokio::pin!(first);
        assert!(futures::poll!(&mut first).is_pending());
        let short = QueryOptions { timeout: Duration::from_secs(3), ..QueryOptions::default() };
        let second = queries.run(&clock, short, answer);
        let stats = QueryOptions { stats: Some(StatsSlot::default()), ..QueryOptions::default() };
        let third = queries.run(&clock, stats, async |options: QueryOptions| {
            assert_eq!(options.timeout, QueryOptions::default().timeout - Duration::from_secs(3));
            answer(options).await
        });
        tokio::pin!(second, third);
        assert!(futures::poll!(&mut second).is_pending() && futures::poll!(&mut third).is_pending());
        assert_eq!(queries.running(), 1);
        manual.advance(Duration::from_secs(3));
        assert!(matches!(second.await, Err(QueryError::Timeout(_))));
        done.send(()).unwrap();
        assert!(first.await.is_ok());
        let (_, stats) = third.await.unwrap();
        assert_eq!(serde_json::to_value(stats).unwrap()["timings"]["execQueueTime"], 3.0);
        assert_eq!((queries.running(), ended(&queries)), (0, vec![("answered", 2), ("timeout", 1)]));
    }

    #[tokio::test]
    async fn who_goes_away_is_counted() {
        let clock: SharedClock = Arc::new(ManualClock::at(Timestamp::from_secs(0)));
        let queries = Queries::default();
        {
            let query = queries.run(&clock, QueryOptions::default(), |_| std::future::pending());
            tokio::pin!(query);
            assert!(futures::poll!(&mut query).is_pending());
            assert_eq!((queries.running(), ended(&queries)), (1, vec![]));
        }
        assert_eq!((queries.running(), ended(&queries)), (0, vec![("canceled", 1)]));
    }
}
