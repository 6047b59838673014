//! One series of an intermediate result: its labels and a cell for each step.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::base::Labels;
use crate::promql::engine::QueryError;
use crate::promql::plan::LabelSet;
use crate::promql::value::Point;

/// The value at one step, if there is one.
pub(super) type Cell = Option<Point>;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) labels: Labels,
    pub(super) cells: Vec<Cell>,
}

impl Row {
    /// A row without labels that has a value at every step.
    pub(super) fn of_floats(values: Vec<f64>) -> Self {
        let cells = values.into_iter().map(|v| Some(Point::Float(v))).collect();
        Self { labels: Labels::default(), cells }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.iter().all(Option::is_none)
    }

    pub(super) fn without_name(self) -> Self {
        if self.labels.metric_name().is_empty() {
            return self;
        }
        Self { labels: self.labels.without_name(), cells: self.cells }
    }

    /// Each value changed or left out.
    pub(super) fn map(mut self, mut change: impl FnMut(Point) -> Cell) -> Self {
        for cell in &mut self.cells {
            *cell = cell.take().and_then(&mut change);
        }
        self
    }

    /// Like `map`, for floats alone, with the step's index; histograms are left out.
    pub(super) fn map_floats(mut self, mut change: impl FnMut(usize, f64) -> Option<f64>) -> Self {
        for (i, cell) in self.cells.iter_mut().enumerate() {
            *cell = match cell {
                Some(Point::Float(v)) => change(i, *v).map(Point::Float),
                _ => None,
            };
        }
        self
    }
}

/// Joins rows whose labels became equal; an error when two have a value at the same step.
pub(super) fn merge_equal(rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
    if rows.len() < 2 {
        return Ok(rows);
    }
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(rows.len());
    let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match places.entry(row.labels.clone()) {
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push(row);
            }
            Entry::Occupied(place) => merge_into(&mut merged[*place.get()], row)?,
        }
    }
    Ok(merged)
}

fn merge_into(target: &mut Row, row: Row) -> Result<(), QueryError> {
    for (cell, new) in target.cells.iter_mut().zip(row.cells) {
        match (cell.is_some(), new) {
            (true, Some(_)) => return Err(duplicate()),
            (false, new) => *cell = new,
            (true, None) => {}
        }
    }
    Ok(())
}

/// An error when two rows have the same labels, whatever their steps.
pub(super) fn require_distinct(rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
    let mut seen = std::collections::HashSet::with_capacity(rows.len());
    match rows.len() < 2 || rows.iter().all(|row| seen.insert(&row.labels)) {
        true => Ok(rows),
        false => Err(duplicate()),
    }
}

pub(super) fn duplicate() -> QueryError {
    QueryError::Execution("vector cannot contain metrics with the same labelset".to_owned())
}

/// The part of a label set that counts.
pub(super) fn project(labels: &Labels, set: &LabelSet) -> Labels {
    match set {
        LabelSet::Only(names) => labels.filter(|name| names.iter().any(|n| n == name)),
        LabelSet::Without(names) => {
            labels.filter(|name| name != crate::base::METRIC_NAME && !names.iter().any(|n| n == name))
        }
    }
}
