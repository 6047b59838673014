//! `fill`: elements without a partner are matched with a number (Prometheus 3, experimental). The side on which
//! something is missing gets an element that has the labels which count, so that matching finds it.
//!
//! With `group_right` the two numbers change places, as Prometheus turns the operands and not the numbers: the
//! right one is always for the side of which one element may match several.

use std::collections::BTreeMap;

use super::row::{Cell, Row};
use super::sets::presence;
use crate::base::Labels;
use crate::promql::plan::{Binary, Cardinality, Steps};
use crate::promql::value::Point;

/// Completes both sides as far as the operation says so.
pub(super) fn complete(binary: &Binary, left: &mut Vec<Row>, right: &mut Vec<Row>, steps: Steps) {
    let (on_left, on_right) = match binary.cardinality {
        Cardinality::OneToMany(_) => (binary.fill.1, binary.fill.0),
        _ => binary.fill,
    };
    let missing_left = on_left.map(|value| missing(binary, left, right, value, steps));
    let missing_right = on_right.map(|value| missing(binary, right, left, value, steps));
    left.extend(missing_left.into_iter().flatten());
    right.extend(missing_right.into_iter().flatten());
}

/// What `rows` lack where `others` have something.
fn missing(binary: &Binary, rows: &[Row], others: &[Row], value: f64, steps: Steps) -> Vec<Row> {
    let present = presence(rows, &binary.matching, steps);
    let wanted: BTreeMap<Labels, Vec<bool>> = presence(others, &binary.matching, steps).into_iter().collect();
    let added = wanted.into_iter().map(|(labels, wanted)| {
        let is_here = |step: usize| present.get(&labels).is_some_and(|present| present[step]);
        let cell = |(step, wanted): (usize, bool)| (wanted && !is_here(step)).then_some(Point::Float(value));
        let cells: Vec<Cell> = wanted.into_iter().enumerate().map(cell).collect();
        Row { labels: labels.without_name(), cells }
    });
    added.filter(|row| !row.is_empty()).collect()
}
