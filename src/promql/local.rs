//! The engine that evaluates here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{try_join, try_join_all};
use promql_parser::parser::Expr;

use super::engine::{Engine, QueryError, QueryOptions, QueryStats};
use super::eval::{self, Limits, Loaded, Reduced, Reduction};
use super::parse::{ExprType, expr_type, parse};
use super::plan::{self, Fetch, Plan, Steps};
use super::source::{Selection, SeriesSamples, Source, SourceError};
use super::value::Answer;
use crate::base::clock::BoxFuture;
use crate::base::time::millis;
use crate::base::{SharedClock, SystemClock, Timestamp};

/// Cells and samples up to which an evaluation is short enough (about a millisecond) for the thread that
/// asked; above, it moves to a thread that may block.
const INLINE_WORK: usize = 50_000;

/// Evaluates PromQL over a [`Source`].
#[derive(Clone)]
pub struct LocalEngine {
    source: Arc<dyn Source>,
    clock: SharedClock,
}

type Evaluate = fn(&Plan, Loaded, Limits<'_>) -> Result<Answer, QueryError>;

impl LocalEngine {
    /// An engine that reads from `source`.
    pub fn new(source: Arc<dyn Source>) -> Self {
        Self::with_clock(source, Arc::new(SystemClock))
    }

    /// An engine whose timeouts run on `clock`.
    pub fn with_clock(source: Arc<dyn Source>, clock: SharedClock) -> Self {
        Self { source, clock }
    }

    async fn run(
        &self,
        expr: &Expr,
        steps: Steps,
        options: &QueryOptions,
        evaluate: Evaluate,
    ) -> Result<Answer, QueryError> {
        let plan = Arc::new(plan::build(expr, steps, options.lookback, options.max_samples)?);
        let cancel = CancelOnDrop::default();
        let began = self.clock.monotonic();
        let work = async {
            let data = self.load(&plan, options, &cancel.0).await?;
            let loaded = self.clock.monotonic();
            let counted = options.stats.as_ref().map(|_| stats::count(&plan.fetches, plan.steps, data.all()));
            let limits = (options.max_samples, cancel.0.clone());
            let answer = if work_of(&plan, &data) <= INLINE_WORK {
                evaluate(&plan, data, Limits { max_samples: limits.0, cancelled: &limits.1 })
            } else {
                let blocking = tokio::task::spawn_blocking(move || {
                    evaluate(&plan, data, Limits { max_samples: limits.0, cancelled: &limits.1 })
                });
                blocking.await.unwrap_or_else(|e| Err(QueryError::Execution(format!("evaluation failed: {e}"))))
            };
            if let (Some(slot), Some(counted)) = (&options.stats, counted) {
                let evaluation = self.clock.monotonic().saturating_sub(loaded);
                slot.set(QueryStats { preparation: loaded.saturating_sub(began), evaluation, ..counted });
            }
            answer
        };
        tokio::select! {
            biased;
            result = work => result,
            () = self.clock.sleep(options.timeout) => Err(QueryError::Timeout(options.timeout)),
        }
    }

    async fn load(
        &self,
        plan: &Arc<Plan>,
        options: &QueryOptions,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Loaded, QueryError> {
        // What a query cost is counted on the samples themselves.
        let is_kept = |fetch: &Fetch| fetch.kept || options.stats.is_some();
        let kept = plan.fetches.iter().map(async |fetch| match is_kept(fetch) {
            true => self.load_one(fetch).await,
            false => Ok(Vec::new()),
        });
        let reduced = plan.fetches.iter().enumerate().filter(|(_, fetch)| !is_kept(fetch)).map(|(i, fetch)| {
            let reduction = Reduction::new(plan.clone(), i, options.max_samples, cancelled.clone());
            self.reduce_one(fetch, Arc::new(reduction))
        });
        let (kept, reduced) = try_join(try_join_all(kept), try_join_all(reduced)).await?;
        let samples: usize = kept.iter().flatten().map(|s| s.floats.len() + s.histograms.len()).sum();
        if samples > options.max_samples {
            return Err(eval::too_many_samples());
        }
        let mut loaded = Loaded::new(kept);
        reduced.into_iter().for_each(|one| loaded.add_reduced(one));
        Ok(loaded)
    }

    async fn reduce_one(&self, fetch: &Fetch, reduction: Arc<Reduction>) -> Result<Reduced, QueryError> {
        self.source.select_each(&selection(fetch), reduction.clone()).await.map_err(refused)?;
        reduction.finish()
    }

    async fn load_one(&self, fetch: &Fetch) -> Result<Vec<SeriesSamples>, QueryError> {
        let mut series = self.source.select(&selection(fetch)).await.map_err(refused)?;
        if fetch.range {
            series.iter_mut().for_each(SeriesSamples::drop_stale);
        }
        series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        Ok(series)
    }
}

fn selection(fetch: &Fetch) -> Selection {
    Selection {
        matchers: fetch.matchers.clone(),
        start: Timestamp::from_millis(fetch.start),
        end: Timestamp::from_millis(fetch.end),
    }
}

fn refused(error: SourceError) -> QueryError {
    match error {
        SourceError::TooManySamples { .. } | SourceError::TooManySeries { .. } => {
            QueryError::Execution(error.to_string())
        }
        other => QueryError::Source(other),
    }
}

/// How much an evaluation will have to look at, about.
fn work_of(plan: &Plan, data: &Loaded) -> usize {
    let series = data.all().iter().flatten();
    let cells = series.map(|s| s.floats.len() + 50 * s.histograms.len() + plan.steps.count);
    cells.fold(plan.node_steps + data.row_count() * plan.steps.count, usize::saturating_add)
}

/// Tells the evaluation on its own thread that nobody waits any more.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Engine for LocalEngine {
    fn instant<'a>(
        &'a self,
        expression: &'a str,
        at: Timestamp,
        options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async move {
            let expr = parse(expression)?;
            let steps = Steps { start: at.as_millis(), step: 1, count: 1 };
            self.run(&expr, steps, options, eval::instant).await
        })
    }

    fn range<'a>(
        &'a self,
        expression: &'a str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
        options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async move {
            let expr = parse(expression)?;
            let kind = expr_type(&expr);
            if !matches!(kind, ExprType::Scalar | ExprType::InstantVector) {
                return Err(QueryError::BadData(format!(
                    "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
                )));
            }
            let steps = range_steps(start, end, step, options.max_samples)?;
            self.run(&expr, steps, options, eval::range).await
        })
    }
}

fn range_steps(start: Timestamp, end: Timestamp, step: Duration, limit: usize) -> Result<Steps, QueryError> {
    let bad = |text: &str| Err(QueryError::BadData(text.to_owned()));
    let (start, end, step) = (start.as_millis(), end.as_millis(), millis(step));
    if step < 1 {
        return bad("zero or negative query resolution step widths are not accepted. Try a positive integer");
    }
    if end < start {
        return bad("end timestamp must not be before start time");
    }
    let count = usize::try_from(end.saturating_sub(start) / step).unwrap_or(usize::MAX).saturating_add(1);
    if count > limit {
        return Err(eval::too_many_samples());
    }
    Ok(Steps { start, step, count })
}

mod stats;
#[cfg(test)]
mod tests;
