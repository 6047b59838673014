//! Evaluation: a resolved query and its samples to a value. Pure and synchronous.

mod aggregate;
mod binary;
mod calls;
mod choose;
mod distributions;
mod fill;
mod histograms;
mod info;
mod matching;
mod notes;
mod range;
mod reduce;
mod row;
mod select;
mod sets;
#[cfg(test)]
mod tests;
mod window;

pub(super) use notes::Notes;
pub(super) use reduce::{Reduced, Reduction};
pub(super) use window::{Reach, Window, seconds};

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use row::{Row, merge_equal};

use super::engine::QueryError;
use super::plan::{Node, Plan, Steps};
use super::source::SeriesSamples;
use super::value::{Answer, InstantSample, Point, RangeSeries, Value};
use crate::base::Timestamp;

/// Evaluates at the first step alone: what an instant query answers.
pub(super) fn instant(plan: &Plan, loaded: Loaded, limits: Limits<'_>) -> Result<Answer, QueryError> {
    let context = Context::new(plan, loaded, limits);
    let value = match &plan.root {
        Node::Text(text) => Value::String(text.clone()),
        Node::Range(argument) => Value::Matrix(context.matrix(argument, plan.steps)?),
        node => match context.eval(node, plan.steps)? {
            Operand::Scalar(values) => Value::Scalar(values.first().copied().unwrap_or(f64::NAN)),
            Operand::Vector(rows) => Value::Vector(rows.into_iter().filter_map(first_cell).collect()),
        },
    };
    Ok(context.notes.into_answer(value))
}

/// Evaluates at every step: what a range query answers.
pub(super) fn range(plan: &Plan, loaded: Loaded, limits: Limits<'_>) -> Result<Answer, QueryError> {
    let context = Context::new(plan, loaded, limits);
    let rows = match context.eval(&plan.root, plan.steps)? {
        Operand::Scalar(values) => vec![Row::of_floats(values)],
        Operand::Vector(rows) => rows,
    };
    let mut series: Vec<RangeSeries> = rows.into_iter().filter_map(|row| to_series(row, plan.steps)).collect();
    series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
    Ok(context.notes.into_answer(Value::Matrix(series)))
}

fn first_cell(row: Row) -> Option<InstantSample> {
    let point = row.cells.into_iter().next().flatten()?;
    Some(InstantSample { labels: row.labels, point })
}

fn to_series(row: Row, steps: Steps) -> Option<RangeSeries> {
    let times = steps.times().map(Timestamp::from_millis);
    let points: Vec<_> = times.zip(row.cells).filter_map(|(t, cell)| Some((t, cell?))).collect();
    (!points.is_empty()).then_some(RangeSeries { labels: row.labels, points })
}

/// What an evaluation must not exceed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits<'a> {
    /// Cells of one node.
    pub(super) max_samples: usize,
    /// Set when nobody waits for the answer any more.
    pub(super) cancelled: &'a AtomicBool,
}

/// The value of a node over its steps.
enum Operand {
    Scalar(Vec<f64>),
    Vector(Vec<Row>),
}

/// What an evaluation starts from.
#[derive(Default)]
pub(super) struct Loaded {
    /// For each fetch its samples, if it is kept, in the order of labels.
    series: Vec<Vec<SeriesSamples>>,
    /// For each call its rows, if they were made while samples were read.
    rows: RefCell<Vec<Option<Vec<Row>>>>,
    notes: Notes,
}

impl Loaded {
    pub(super) fn new(series: Vec<Vec<SeriesSamples>>) -> Self {
        Self { series, ..Self::default() }
    }

    /// The samples of a fetch that is kept.
    pub(super) fn series(&self, fetch: usize) -> &[SeriesSamples] {
        self.series.get(fetch).map_or(&[], Vec::as_slice)
    }

    /// The samples of all fetches.
    pub(super) fn all(&self) -> &[Vec<SeriesSamples>] {
        &self.series
    }

    /// How many rows there are already.
    pub(super) fn row_count(&self) -> usize {
        self.rows.borrow().iter().flatten().map(Vec::len).sum()
    }

    /// The rows of a call, once.
    fn take_rows(&self, call: usize) -> Option<Vec<Row>> {
        self.rows.borrow_mut().get_mut(call)?.take()
    }
}

/// One evaluation.
struct Context<'a> {
    plan: &'a Plan,
    loaded: Loaded,
    limits: Limits<'a>,
    notes: Notes,
}

impl<'a> Context<'a> {
    fn new(plan: &'a Plan, mut loaded: Loaded, limits: Limits<'a>) -> Self {
        let notes = std::mem::take(&mut loaded.notes);
        Self { plan, loaded, limits, notes }
    }

    /// Called once for each row that is made: ends evaluations that nobody waits for, and those that
    /// hold too much.
    fn check(&self, rows: usize, steps: Steps) -> Result<(), QueryError> {
        if self.limits.cancelled.load(Ordering::Relaxed) {
            return Err(QueryError::Execution("query was canceled".to_owned()));
        }
        if rows.saturating_mul(steps.count) > self.limits.max_samples {
            return Err(too_many_samples());
        }
        Ok(())
    }

    fn eval(&self, node: &Node, steps: Steps) -> Result<Operand, QueryError> {
        self.check(1, steps)?;
        match node {
            Node::Number(value) => Ok(Operand::Scalar(vec![*value; steps.count])),
            Node::Text(_) => Err(QueryError::BadData("a string is not allowed here".to_owned())),
            Node::Range(_) => Err(QueryError::BadData("a range vector is not allowed here".to_owned())),
            Node::Selector(selector) => Ok(Operand::Vector(self.select(selector, steps)?)),
            Node::Negate(argument) => self.negate(argument, steps),
            Node::Binary(binary) => self.binary(binary, steps),
            Node::Aggregate(aggregate) => Ok(Operand::Vector(self.aggregate(aggregate, steps)?)),
            Node::Call(call) => self.call(call, steps),
        }
    }

    fn vector(&self, node: &Node, steps: Steps) -> Result<Vec<Row>, QueryError> {
        match self.eval(node, steps)? {
            Operand::Vector(rows) => Ok(rows),
            Operand::Scalar(_) => Err(QueryError::BadData("an instant vector is expected here".to_owned())),
        }
    }

    fn scalar(&self, node: &Node, steps: Steps) -> Result<Vec<f64>, QueryError> {
        match self.eval(node, steps)? {
            Operand::Scalar(values) => Ok(values),
            Operand::Vector(_) => Err(QueryError::BadData("a scalar is expected here".to_owned())),
        }
    }

    fn scalars(&self, nodes: &[Node], steps: Steps) -> Result<Vec<Vec<f64>>, QueryError> {
        nodes.iter().map(|node| self.scalar(node, steps)).collect()
    }

    fn negate(&self, argument: &Node, steps: Steps) -> Result<Operand, QueryError> {
        match self.eval(argument, steps)? {
            Operand::Scalar(values) => Ok(Operand::Scalar(values.into_iter().map(|v| -v).collect())),
            Operand::Vector(rows) => {
                let negated = rows.into_iter().map(|row| row.map(|point| Some(negated(point))).without_name());
                Ok(Operand::Vector(merge_equal(negated.collect())?))
            }
        }
    }
}

fn negated(point: Point) -> Point {
    match point {
        Point::Float(v) => Point::Float(-v),
        Point::Histogram(h) => {
            let mut negated = crate::sketch::NativeHistogram::clone(&h);
            super::native::scale(&mut negated, -1.0);
            Point::Histogram(std::sync::Arc::new(negated))
        }
    }
}

/// Prometheus's words.
pub(super) fn too_many_samples() -> QueryError {
    QueryError::Execution("query processing would load too many samples into memory in query execution".to_owned())
}
