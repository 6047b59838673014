//! `and`, `or`, `unless`.

use std::collections::HashMap;

use super::QueryError;
use super::row::{Row, merge_equal, project};
use crate::base::Labels;
use crate::promql::plan::{LabelSet, SetOperator, Steps};

pub(super) fn combine(
    op: SetOperator,
    matching: &LabelSet,
    left: Vec<Row>,
    right: Vec<Row>,
    steps: Steps,
) -> Result<Vec<Row>, QueryError> {
    match op {
        SetOperator::And => Ok(filtered(left, matching, &presence(&right, matching, steps), true)),
        SetOperator::Unless => Ok(filtered(left, matching, &presence(&right, matching, steps), false)),
        SetOperator::Or => {
            let present = presence(&left, matching, steps);
            let mut rows = left;
            rows.extend(filtered(right, matching, &present, false));
            merge_equal(rows)
        }
    }
}

/// For each signature, the steps at which a row has a value.
pub(super) fn presence(rows: &[Row], matching: &LabelSet, steps: Steps) -> HashMap<Labels, Vec<bool>> {
    let mut by_signature: HashMap<Labels, Vec<bool>> = HashMap::new();
    for row in rows {
        let present = by_signature.entry(project(&row.labels, matching)).or_insert_with(|| vec![false; steps.count]);
        present.iter_mut().zip(&row.cells).for_each(|(present, cell)| *present |= cell.is_some());
    }
    by_signature
}

/// The cells at the steps at which the other side has the signature (or has not).
fn filtered(rows: Vec<Row>, matching: &LabelSet, other: &HashMap<Labels, Vec<bool>>, wanted: bool) -> Vec<Row> {
    let keep = |mut row: Row| {
        match other.get(&project(&row.labels, matching)) {
            None if wanted => return None,
            None => {}
            Some(present) => {
                let cells = row.cells.iter_mut().zip(present);
                cells.filter(|(_, present)| **present != wanted).for_each(|(cell, _)| *cell = None);
            }
        }
        (!row.is_empty()).then_some(row)
    };
    rows.into_iter().filter_map(keep).collect()
}
