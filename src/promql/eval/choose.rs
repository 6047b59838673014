//! Aggregations with a parameter: those that choose among a group's elements (`topk`, `bottomk`,
//! `limitk`), `quantile` and `count_values`.

use std::collections::BTreeMap;

use super::aggregate::Group;
use super::row::{Cell, Row, merge_equal};
use super::{Context, QueryError};
use crate::promql::format::format_decimal;
use crate::promql::functions::{quantile, sort};
use crate::promql::plan::{Aggregate, AggregateOp, Node, Steps};
use crate::promql::value::Point;

impl Context<'_> {
    /// The chosen elements keep their labels. At a single step they are ordered, best first in each group.
    pub(super) fn choose(
        &self,
        op: AggregateOp,
        mut rows: Vec<Row>,
        groups: &[Group],
        limits: &[f64],
        steps: Steps,
    ) -> Vec<Row> {
        let mut order: Vec<usize> = Vec::new();
        let mut kept: Vec<Vec<Cell>> = rows.iter().map(|_| vec![None; steps.count]).collect();
        for group in groups {
            for (step, limit) in limits.iter().enumerate() {
                // Saturates: below 1 and NaN choose nothing.
                let limit = *limit as usize;
                for member in best(op, &rows, group, step, limit) {
                    kept[member][step] = rows[member].cells[step].take();
                    order.push(member);
                }
            }
        }
        if steps.count != 1 {
            order = (0..rows.len()).collect();
        }
        let mut finished: Vec<Option<Row>> =
            rows.into_iter().zip(kept).map(|(row, cells)| Some(Row { labels: row.labels, cells })).collect();
        order.into_iter().filter_map(|i| finished[i].take()).filter(|row| !row.is_empty()).collect()
    }

    pub(super) fn quantiles(&self, rows: &[Row], groups: Vec<Group>, quantiles: &[f64], steps: Steps) -> Vec<Row> {
        quantiles.iter().for_each(|q| self.notes.check_quantile(*q));
        let mut values: Vec<f64> = Vec::new();
        let mut cells_of = |group: &Group| {
            let at = |step: usize| {
                values.clear();
                values.extend(group.members.iter().filter_map(|m| float(&rows[*m].cells[step])));
                (!values.is_empty()).then(|| Point::Float(quantile(quantiles[step], &mut values)))
            };
            (0..steps.count).map(at).collect()
        };
        groups.into_iter().map(|group| Row { cells: cells_of(&group), labels: group.labels }).collect()
    }

    /// How often each value occurs; the value becomes a label.
    pub(super) fn count_values(
        &self,
        aggregate: &Aggregate,
        rows: &[Row],
        groups: &[Group],
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let Some(Node::Text(name)) = &aggregate.parameter else {
            return Err(QueryError::BadData("count_values needs a label name".to_owned()));
        };
        if !crate::base::labels::is_label_name(name) {
            return Err(QueryError::Execution(format!("invalid label name {name:?}")));
        }
        let mut counted = Vec::new();
        for group in groups {
            let mut by_value: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
            for row in group.members.iter().map(|m| &rows[*m]) {
                for (step, point) in row.cells.iter().enumerate().filter_map(|(i, c)| Some((i, c.as_ref()?))) {
                    let cells = by_value.entry(as_text(point)).or_insert_with(|| vec![None; steps.count]);
                    let count = float(&cells[step]).unwrap_or(0.0);
                    cells[step] = Some(Point::Float(count + 1.0));
                }
                self.check(by_value.len(), steps)?;
            }
            let to_row = |(value, cells): (String, _)| Row { labels: group.labels.with(name, &value), cells };
            counted.extend(by_value.into_iter().map(to_row));
        }
        merge_equal(counted)
    }
}

/// The members chosen at one step, best first; earlier rows win ties.
fn best(op: AggregateOp, rows: &[Row], group: &Group, step: usize, limit: usize) -> Vec<usize> {
    let present = group.members.iter().copied().filter(|m| rows[*m].cells[step].is_some());
    if op == AggregateOp::Limit {
        return present.take(limit).collect();
    }
    let mut candidates: Vec<(f64, usize)> = present.filter_map(|m| Some((float(&rows[m].cells[step])?, m))).collect();
    let order =
        |a: &(f64, usize), b: &(f64, usize)| sort::by_value(a.0, b.0, op == AggregateOp::Top).then(a.1.cmp(&b.1));
    if limit > 0 && limit < candidates.len() {
        candidates.select_nth_unstable_by(limit - 1, order);
    }
    candidates.truncate(limit);
    candidates.sort_unstable_by(order);
    candidates.into_iter().map(|(_, m)| m).collect()
}

fn float(cell: &Cell) -> Option<f64> {
    match cell {
        Some(Point::Float(v)) => Some(*v),
        _ => None,
    }
}

fn as_text(point: &Point) -> String {
    match point {
        Point::Float(v) => format_decimal(*v),
        Point::Histogram(h) => format!("{{count:{}, sum:{}}}", format_decimal(h.count), format_decimal(h.sum)),
    }
}
