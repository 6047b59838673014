//! Aggregations with a parameter: those that choose among a group's elements (`topk`, `bottomk`,
//! `limitk`), `quantile` and `count_values`.

use std::collections::HashMap;

use xxhash_rust::xxh64::xxh64;

use super::aggregate::Group;
use super::row::{Cell, Row, project};
use super::{Context, QueryError};
use crate::base::Labels;
use crate::promql::format::{format_decimal, format_short};
use crate::promql::functions::{quantile, sort};
use crate::promql::native::{self, Bucket};
use crate::promql::plan::{Aggregate, AggregateOp, LabelSet, Node, Steps};
use crate::promql::value::Point;
use crate::sketch::NativeHistogram;

impl Context<'_> {
    /// The chosen elements keep their labels. At a single step they are ordered, best first in each group.
    pub(super) fn choose(
        &self,
        op: AggregateOp,
        mut rows: Vec<Row>,
        groups: &[Group],
        limits: &[f64],
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let limits = Self::checked_limits(limits)?;
        if op != AggregateOp::Limit {
            self.note_histograms(op, rows.iter());
        }
        let mut order: Vec<usize> = Vec::new();
        let mut kept: Vec<Vec<Cell>> = rows.iter().map(|_| vec![None; steps.count]).collect();
        for group in groups {
            for (step, limit) in limits.iter().enumerate() {
                for member in best(op, &rows, group, step, *limit) {
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
        Ok(order.into_iter().filter_map(|i| finished[i].take()).filter(|row| !row.is_empty()).collect())
    }

    /// The series whose place between 0 and 1, which follows from their labels alone, is below the ratio; with
    /// a negative ratio those that are left out by 1 + ratio (Prometheus 3, `limit_ratio`).
    pub(super) fn share(&self, rows: Vec<Row>, ratios: &[f64]) -> Result<Vec<Row>, QueryError> {
        if ratios.iter().any(|r| r.is_nan()) {
            return Err(QueryError::Execution("Ratio value is NaN".to_owned()));
        }
        let ratios: Vec<f64> = ratios.iter().map(|r| self.notes.checked_ratio(*r)).collect();
        let chosen = rows.into_iter().map(|mut row| {
            let place = place(&row.labels);
            for (cell, ratio) in row.cells.iter_mut().zip(&ratios) {
                let inside = if *ratio < 0.0 { place >= 1.0 + ratio } else { place < *ratio };
                if !inside {
                    *cell = None;
                }
            }
            row
        });
        Ok(chosen.filter(|row| !row.is_empty()).collect())
    }

    /// Below 1 nothing is chosen.
    fn checked_limits(limits: &[f64]) -> Result<Vec<usize>, QueryError> {
        let fail = |text: String| Err(QueryError::Execution(text));
        let check = |limit: &f64| match *limit {
            v if v.is_nan() => fail("Parameter value is NaN".to_owned()),
            v if v >= i64::MAX as f64 => fail(format!("Scalar value {} overflows int64", format_short(v))),
            v if v <= i64::MIN as f64 => fail(format!("Scalar value {} underflows int64", format_short(v))),
            // Saturates at 0.
            v => Ok(v as usize),
        };
        limits.iter().map(check).collect()
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

    /// How often each value occurs; the value becomes a label, before elements are grouped.
    pub(super) fn count_values(
        &self,
        aggregate: &Aggregate,
        rows: &[Row],
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let Some(Node::Text(name)) = &aggregate.parameter else {
            return Err(QueryError::BadData("count_values needs a label name".to_owned()));
        };
        // Any text names a label since Prometheus 3, as long as there is some.
        if name.is_empty() {
            return Err(QueryError::Execution(format!("invalid label name {name:?}")));
        }
        let grouping = with_value_label(aggregate.grouping.as_ref(), name);
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut counted: Vec<Row> = Vec::new();
        for row in rows {
            let mut of_value: HashMap<String, usize> = HashMap::new();
            for (step, point) in row.cells.iter().enumerate().filter_map(|(i, c)| Some((i, c.as_ref()?))) {
                let place = *of_value.entry(as_text(point)).or_insert_with_key(|value| {
                    let labels = project(&row.labels.with(name, value), &grouping);
                    *places.entry(labels).or_insert_with_key(|labels| {
                        counted.push(Row { labels: labels.clone(), cells: vec![None; steps.count] });
                        counted.len() - 1
                    })
                });
                let count = float(&counted[place].cells[step]).unwrap_or(0.0);
                counted[place].cells[step] = Some(Point::Float(count + 1.0));
            }
            self.check(counted.len(), steps)?;
        }
        Ok(counted)
    }
}

/// The labels that count when the value's label is there.
fn with_value_label(grouping: Option<&LabelSet>, name: &str) -> LabelSet {
    match grouping {
        Some(LabelSet::Without(names)) => LabelSet::Without(names.clone()),
        Some(LabelSet::Only(names)) => LabelSet::Only(names.iter().cloned().chain([name.to_owned()]).collect()),
        None => LabelSet::Only(vec![name.to_owned()]),
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

/// Where a series lies between 0 and 1: the 64 bits of xxHash over its label names and values, each behind its
/// length, as a share of all (Prometheus 3, `Labels.Hash` of the default build).
fn place(labels: &Labels) -> f64 {
    let mut bytes = Vec::new();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        match u8::try_from(text.len()) {
            Ok(length) if length < u8::MAX => bytes.push(length),
            _ => bytes.extend_from_slice(&[&[u8::MAX], &(text.len() as u32).to_le_bytes()[..3]].concat()),
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    xxh64(&bytes, 0) as f64 / u64::MAX as f64
}

fn as_text(point: &Point) -> String {
    match point {
        Point::Float(v) => format_decimal(*v),
        Point::Histogram(h) => histogram_text(h),
    }
}

/// `{count:3, sum:4.5, [-2,-1):1, (1,2]:2}`, as Prometheus prints a histogram.
fn histogram_text(h: &NativeHistogram) -> String {
    let bucket = |b: Bucket| {
        let open = if b.lower < 0.0 { '[' } else { '(' };
        let close = if b.upper > 0.0 { ']' } else { ')' };
        let [lower, upper, count] = [b.lower, b.upper, b.count].map(format_short);
        format!(", {open}{lower},{upper}{close}:{count}")
    };
    let buckets: String = native::buckets(h).into_iter().map(bucket).collect();
    format!("{{count:{}, sum:{}{buckets}}}", format_short(h.count), format_short(h.sum))
}
