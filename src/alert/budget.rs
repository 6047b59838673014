//! Reads what a budget is made from: the counters that the evaluator recorded, and, for who spent it,
//! the raw ones.

use crate::base::{Labels, Timestamp};
use crate::promql::SourceError;
use crate::series::Known;
use crate::slo::budget::{BURN_WINDOWS, BudgetInput};
use crate::slo::{BudgetReport, CompiledObjective, Counts, Measure, Window};

use super::selectors::{Selectors, recorded};

/// The report of an objective's budget; `None` when it has none.
pub async fn report(
    known: &dyn Known,
    compiled: &CompiledObjective,
    window: Option<Window>,
    now: Timestamp,
) -> Result<Option<BudgetReport>, SourceError> {
    let objective = &compiled.objective;
    let (Some(budget), Some(measure)) = (&objective.budget, &compiled.measure) else { return Ok(None) };
    let window = window.unwrap_or_else(|| budget.window.clone());
    let span = window.span(now).map_err(unreadable)?;
    let mut burn = Vec::new();
    for length in BURN_WINDOWS.into_iter().filter(|w| *w <= span.length()) {
        burn.push((length, counts(known, &objective.name, now - length, now).await?));
    }
    let minutes = (
        recorded(known, Measure::MEASURED, &objective.name, span.start, now).await?,
        recorded(known, Measure::EXPECTED, &objective.name, span.start, now).await?,
    );
    Ok(Some(crate::slo::budget::report(BudgetInput {
        objective: &objective.name,
        window: window.label(),
        span,
        target: budget.objective,
        counts: counts(known, &objective.name, span.start, now).await?,
        minutes,
        burn,
        bad_by_group: bad_by_group(known, measure, span.start, now).await?,
        now,
    })))
}

/// The part of the budget that is left in its own window; `None` without a budget or events.
pub async fn remaining(
    known: &dyn Known,
    compiled: &CompiledObjective,
    now: Timestamp,
) -> Result<Option<f64>, SourceError> {
    let Some(budget) = &compiled.objective.budget else { return Ok(None) };
    let span = budget.window.span(now).map_err(unreadable)?;
    Ok(counts(known, &compiled.objective.name, span.start, now).await?.remaining(budget.objective))
}

async fn counts(known: &dyn Known, objective: &str, start: Timestamp, end: Timestamp) -> Result<Counts, SourceError> {
    let good = recorded(known, Measure::GOOD, objective, start, end).await?;
    let total = recorded(known, Measure::TOTAL, objective, start, end).await?;
    Ok(Counts { good, total })
}

async fn bad_by_group(
    known: &dyn Known,
    measure: &Measure,
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<(Labels, f64)>, SourceError> {
    let selectors = Selectors::parse(measure).map_err(unreadable)?;
    let apart = selectors.read_apart(known, start, end).await?;
    Ok(apart.into_iter().map(|(labels, counts)| (labels, counts.bad())).collect())
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> SourceError {
    SourceError::Storage(Box::new(error))
}
