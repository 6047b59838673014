//! Range functions applied to samples as they are read, some series at a time and on several threads: what is left is
//! a cell a step, however many samples a window has.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::row::Row;
use super::window::{RangeRow, Windows};
use super::{Context, Limits, Loaded, Notes, QueryError, too_many_samples};
use crate::promql::plan::{Plan, RangeCall, RangeSamples};
use crate::promql::source::{SeriesSamples, Take};

/// Takes the samples of one fetch.
pub(in crate::promql) struct Reduction {
    plan: Arc<Plan>,
    fetch: usize,
    max_samples: usize,
    cancelled: Arc<AtomicBool>,
    reduced: Mutex<Reduced>,
}

/// What is left so far.
#[derive(Default)]
pub(in crate::promql) struct Reduced {
    /// For each call its rows, with all labels.
    rows: Vec<(usize, Vec<Row>)>,
    notes: Notes,
    cells: usize,
    error: Option<QueryError>,
}

impl Reduction {
    pub(in crate::promql) fn new(
        plan: Arc<Plan>,
        fetch: usize,
        max_samples: usize,
        cancelled: Arc<AtomicBool>,
    ) -> Self {
        Self { plan, fetch, max_samples, cancelled, reduced: Mutex::default() }
    }

    /// What is left, when everything was read.
    pub(in crate::promql) fn finish(&self) -> Result<Reduced, QueryError> {
        let mut reduced = std::mem::take(&mut *self.reduced.lock());
        match reduced.error.take() {
            Some(error) => Err(error),
            None => Ok(reduced),
        }
    }

    fn calls(&self) -> impl Iterator<Item = (usize, &RangeCall)> {
        let of_fetch = |call: &RangeCall| matches!(call.argument.samples, RangeSamples::Fetched(f) if f == self.fetch);
        self.plan.calls.iter().enumerate().filter(move |(_, call)| of_fetch(call))
    }

    fn reduce(&self, mut some: Vec<SeriesSamples>) -> Result<Reduced, QueryError> {
        let limits = Limits { max_samples: self.max_samples, cancelled: &self.cancelled };
        let context = Context::new(&self.plan, Loaded::default(), limits);
        some.iter_mut().for_each(SeriesSamples::drop_stale);
        let mut reduced = Reduced::default();
        for (i, call) in self.calls() {
            let parameters = context.scalars(&call.parameters, call.steps)?;
            let (mut rows, mut windows) = (Vec::new(), Windows::default());
            for series in &some {
                rows.extend(context.row_over(call, &RangeRow::of(series), &parameters, &mut windows)?);
            }
            reduced.cells += rows.len().saturating_mul(call.steps.count);
            reduced.rows.push((i, rows));
        }
        reduced.notes = context.notes;
        Ok(reduced)
    }
}

impl Take for Reduction {
    fn take(&self, some: Vec<SeriesSamples>) -> ControlFlow<()> {
        let reduced = self.reduce(some);
        let mut all = self.reduced.lock();
        match reduced {
            Ok(more) => all.add(more, self.max_samples),
            Err(error) => all.error = Some(error),
        }
        if all.error.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Reduced {
    fn add(&mut self, more: Self, max_samples: usize) {
        for (call, rows) in more.rows {
            match self.rows.iter_mut().find(|(known, _)| *known == call) {
                Some((_, all)) => all.extend(rows),
                None => self.rows.push((call, rows)),
            }
        }
        self.notes.add(more.notes);
        self.cells += more.cells;
        if self.cells > max_samples {
            self.error = Some(too_many_samples());
        }
    }
}

impl Loaded {
    /// Adds what is left of a fetch, in the order of labels.
    pub(in crate::promql) fn add_reduced(&mut self, reduced: Reduced) {
        for (call, mut rows) in reduced.rows {
            rows.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
            let calls = self.rows.get_mut();
            if calls.len() <= call {
                calls.resize_with(call + 1, || None);
            }
            calls[call] = Some(rows);
        }
        self.notes.add(reduced.notes);
    }
}
