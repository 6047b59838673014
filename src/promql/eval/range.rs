//! Functions over range vectors.

use std::borrow::Cow;
use std::sync::Arc;

use super::row::{Cell, Row, require_distinct};
use super::window::{RangeRow, Windows};
use super::{Context, QueryError};
use crate::base::Timestamp;
use crate::promql::floats::FloatsBuilder;
use crate::promql::plan::{RangeArgument, RangeCall, RangeSamples, Steps};
use crate::promql::value::{Point, RangeSeries};
use crate::sketch::ResetHint;

/// Whose names tell whether they are counters.
const COUNTER_FUNCTIONS: [&str; 2] = ["rate", "increase"];

impl RangeCall {
    /// One step when every step sees the same.
    fn distinct_steps(&self) -> Steps {
        let is_fixed = self.argument.shift.is_fixed() && self.parameters.is_empty() && self.steps.count > 0;
        Steps { count: if is_fixed { 1 } else { self.steps.count }, ..self.steps }
    }
}

impl<'a> Context<'a> {
    /// A row for each series: those that were made while samples were read, or made now.
    pub(super) fn over_range(&self, index: usize) -> Result<Vec<Row>, QueryError> {
        let Some(call) = self.plan.calls.get(index) else { return Ok(Vec::new()) };
        let rows = match self.loaded.take_rows(index) {
            Some(rows) => rows,
            None => self.rows_over(call)?,
        };
        let named = rows.into_iter().map(|row| if call.keep_name { row } else { row.without_name() });
        require_distinct(named.collect())
    }

    fn rows_over(&self, call: &RangeCall) -> Result<Vec<Row>, QueryError> {
        let parameters = self.scalars(&call.parameters, call.steps)?;
        let (mut rows, mut windows) = (Vec::new(), Windows::default());
        for series in self.range_rows(&call.argument)? {
            self.check(rows.len() + 1, call.steps)?;
            rows.extend(self.row_over(call, &series, &parameters, &mut windows)?);
        }
        Ok(rows)
    }

    /// The row of one series, with all its labels, unless it is empty.
    pub(super) fn row_over(
        &self,
        call: &RangeCall,
        series: &RangeRow<'_>,
        parameters: &[Vec<f64>],
        windows: &mut Windows,
    ) -> Result<Option<Row>, QueryError> {
        self.check(1, call.steps)?;
        check_factors(call.name, parameters)?;
        let steps = call.distinct_steps();
        windows.over(series, &call.argument, steps);
        let mut cells = self.slide(series, windows, call, parameters, steps);
        cells.resize(call.steps.count, cells.first().cloned().flatten());
        if COUNTER_FUNCTIONS.contains(&call.name) && cells.iter().any(|c| matches!(c, Some(Point::Float(_)))) {
            self.notes.check_counter_name(series.labels.metric_name());
        }
        let row = Row { labels: series.labels.as_ref().clone(), cells };
        Ok((!row.is_empty()).then_some(row))
    }

    /// The function's value in the window of each step.
    fn slide(
        &self,
        series: &RangeRow<'_>,
        windows: &Windows,
        call: &RangeCall,
        parameters: &[Vec<f64>],
        steps: Steps,
    ) -> Vec<Cell> {
        let mut values: Vec<f64> = vec![0.0; parameters.len()];
        let at_step = |i: usize| {
            let window = windows.at(i, series)?;
            values.iter_mut().zip(parameters).for_each(|(value, column)| *value = column[i]);
            (call.function)(&window, &values, &self.notes)
        };
        (0..steps.count).map(at_step).collect()
    }

    /// At which steps any series has a sample in its window.
    pub(super) fn present(&self, argument: &RangeArgument, steps: Steps) -> Result<Vec<bool>, QueryError> {
        let mut present = vec![false; steps.count];
        let mut windows = Windows::default();
        for series in self.range_rows(argument)? {
            windows.over(&series, argument, steps);
            for (step, found) in present.iter_mut().enumerate() {
                *found |= windows.at(step, &series).is_some();
            }
        }
        Ok(present)
    }

    /// The samples themselves: a range vector as the whole of an instant query.
    pub(super) fn matrix(&self, argument: &RangeArgument, steps: Steps) -> Result<Vec<RangeSeries>, QueryError> {
        let (mut all, mut windows) = (Vec::new(), Windows::default());
        for series in self.range_rows(argument)? {
            windows.over(&series, argument, steps);
            if let Some(window) = windows.at(0, &series) {
                let points = window.points().collect();
                all.push(RangeSeries { labels: series.labels.clone().into_owned(), points });
            }
        }
        all.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        Ok(all)
    }

    fn range_rows(&self, argument: &RangeArgument) -> Result<Vec<RangeRow<'_>>, QueryError> {
        match &argument.samples {
            RangeSamples::Fetched(fetch) => Ok(self.fetched(*fetch)),
            RangeSamples::Subquery(node, inner) => {
                let rows = self.vector(node, *inner)?;
                let mut floats = FloatsBuilder::default();
                Ok(rows.into_iter().map(|row| samples_of(row, *inner, &mut floats)).collect())
            }
        }
    }

    fn fetched(&self, fetch: usize) -> Vec<RangeRow<'_>> {
        self.loaded.series(fetch).iter().map(RangeRow::of).collect()
    }
}

/// The factors of smoothing weigh what was against what is, so they lie between 0 and 1.
fn check_factors(function: &str, parameters: &[Vec<f64>]) -> Result<(), QueryError> {
    if function != "double_exponential_smoothing" {
        return Ok(());
    }
    for ((kind, short), values) in [("smoothing", "sf"), ("trend", "tf")].into_iter().zip(parameters) {
        if let Some(wrong) = values.iter().find(|v| **v <= 0.0 || **v >= 1.0) {
            return Err(QueryError::Execution(format!(
                "invalid {kind} factor. Expected: 0 < {short} < 1, got: {wrong:.6}"
            )));
        }
    }
    Ok(())
}

/// A subquery's cells as samples. What was known of resets held for neighbours in storage, not for these.
fn samples_of(row: Row, steps: Steps, floats: &mut FloatsBuilder) -> RangeRow<'static> {
    let mut histograms = Vec::new();
    for (time, cell) in steps.times().zip(row.cells) {
        match cell {
            Some(Point::Float(v)) => floats.push(Timestamp::from_millis(time), v),
            Some(Point::Histogram(mut h)) => {
                if matches!(h.reset_hint, ResetHint::Reset | ResetHint::NotReset) {
                    Arc::make_mut(&mut h).reset_hint = ResetHint::Unknown;
                }
                histograms.push((Timestamp::from_millis(time), h));
            }
            None => {}
        }
    }
    RangeRow::new(Cow::Owned(row.labels), Cow::Owned(floats.finish()), Cow::Owned(histograms))
}
