//! Aggregations that make one value of a group. Groups are formed once, whatever the number of steps.

use super::row::{Cell, Row, project};
use super::{Context, QueryError};
use crate::base::{LabelMap, Labels};
use crate::promql::functions::{HistogramSum, KahanSum, Mean, Variance};
use crate::promql::plan::{Aggregate, AggregateOp, LabelSet, Steps};
use crate::promql::value::Point;
use crate::sketch::NativeHistogram;

/// Rows that are aggregated together.
pub(super) struct Group {
    pub(super) labels: Labels,
    pub(super) members: Vec<usize>,
}

/// The groups in the order of their first rows.
pub(super) fn groups(rows: &[Row], grouping: Option<&LabelSet>) -> Vec<Group> {
    let Some(set) = grouping else {
        let all = Group { labels: Labels::default(), members: (0..rows.len()).collect() };
        return if rows.is_empty() { Vec::new() } else { vec![all] };
    };
    let mut places: LabelMap<usize> = LabelMap::default();
    let mut groups: Vec<Group> = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let labels = project(&row.labels, set);
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            groups.push(Group { labels: labels.clone(), members: Vec::new() });
            groups.len() - 1
        });
        groups[place].members.push(i);
    }
    groups
}

impl Context<'_> {
    pub(super) fn aggregate(&self, aggregate: &Aggregate, steps: Steps) -> Result<Vec<Row>, QueryError> {
        let rows = self.vector(&aggregate.argument, steps)?;
        let groups = groups(&rows, aggregate.grouping.as_ref());
        match aggregate.op {
            AggregateOp::Top | AggregateOp::Bottom | AggregateOp::Limit => {
                let limits = self.parameter(aggregate, steps)?;
                self.choose(aggregate.op, rows, &groups, &limits, steps)
            }
            AggregateOp::LimitRatio => self.share(rows, &self.parameter(aggregate, steps)?),
            AggregateOp::Quantile => {
                let quantiles = self.parameter(aggregate, steps)?;
                self.note_histograms(aggregate.op, rows.iter());
                Ok(self.quantiles(&rows, groups, &quantiles, steps))
            }
            AggregateOp::CountValues => self.count_values(aggregate, &rows, steps),
            op => groups.into_iter().map(|group| self.fold_group(op, &rows, group, steps)).collect(),
        }
    }

    fn parameter(&self, aggregate: &Aggregate, steps: Steps) -> Result<Vec<f64>, QueryError> {
        match &aggregate.parameter {
            Some(node) => self.scalar(node, steps),
            None => Err(QueryError::BadData("the aggregation's parameter is missing".to_owned())),
        }
    }

    fn fold_group(&self, op: AggregateOp, rows: &[Row], group: Group, steps: Steps) -> Result<Row, QueryError> {
        self.check(1, steps)?;
        let members = Members { rows, group: &group, steps };
        let cells = match op {
            AggregateOp::Count => members.fold(0.0, |n, _| *n += 1.0, |n| Some(Point::Float(n))),
            AggregateOp::Group => members.fold((), |(), _| (), |()| Some(Point::Float(1.0))),
            AggregateOp::Sum => match members.float_sums() {
                Some(sums) => sums,
                None => members.fold(Total::default(), Total::add, |t| t.sum(self)),
            },
            AggregateOp::Average => members.fold(Average::default(), Average::add, |a| a.value(self)),
            AggregateOp::Min => members.extreme(|new, old| new < old),
            AggregateOp::Max => members.extreme(|new, old| new > old),
            AggregateOp::Variance => members.variance(|v| v),
            _ => members.variance(f64::sqrt),
        };
        if op.is_of_floats() {
            self.note_histograms(op, members.group.members.iter().map(|m| &rows[*m]));
        }
        Ok(Row { labels: group.labels, cells })
    }
}

impl Context<'_> {
    /// Says when an aggregation of floats left out histograms.
    pub(super) fn note_histograms<'r>(&self, op: AggregateOp, mut rows: impl Iterator<Item = &'r Row>) {
        if rows.any(|row| row.cells.iter().any(|c| matches!(c, Some(Point::Histogram(_))))) {
            self.notes.ignored_in_aggregation(op.name());
        }
    }
}

struct Members<'a> {
    rows: &'a [Row],
    group: &'a Group,
    steps: Steps,
}

impl Members<'_> {
    /// Folds the cells of each step, row by row.
    fn fold<S: Clone>(&self, initial: S, add: impl Fn(&mut S, &Point), finish: impl Fn(S) -> Cell) -> Vec<Cell> {
        let mut states: Vec<Option<S>> = vec![None; self.steps.count];
        for member in &self.group.members {
            for (state, cell) in states.iter_mut().zip(&self.rows[*member].cells) {
                if let Some(point) = cell {
                    add(state.get_or_insert_with(|| initial.clone()), point);
                }
            }
        }
        states.into_iter().map(|state| finish(state?)).collect()
    }

    /// The sums, if there are floats only, as is usual.
    fn float_sums(&self) -> Option<Vec<Cell>> {
        let mut sums: Vec<(KahanSum, bool)> = vec![Default::default(); self.steps.count];
        for member in &self.group.members {
            for ((sum, any), cell) in sums.iter_mut().zip(&self.rows[*member].cells) {
                match cell {
                    Some(Point::Float(v)) => {
                        sum.add(*v);
                        *any = true;
                    }
                    Some(Point::Histogram(_)) => return None,
                    None => {}
                }
            }
        }
        Some(sums.into_iter().map(|(sum, any)| any.then(|| Point::Float(sum.total()))).collect())
    }

    /// The best float; a number beats NaN.
    fn extreme(&self, beats: fn(f64, f64) -> bool) -> Vec<Cell> {
        let add = |best: &mut Option<f64>, point: &Point| {
            if let Point::Float(v) = point {
                *best = Some(best.filter(|b| !(beats(*v, *b) || b.is_nan())).unwrap_or(*v));
            }
        };
        self.fold(None, add, |best| best.map(Point::Float))
    }

    fn variance(&self, finish: fn(f64) -> f64) -> Vec<Cell> {
        let add = |variance: &mut Option<Variance>, point: &Point| {
            if let Point::Float(v) = point {
                variance.get_or_insert_default().add(*v);
            }
        };
        self.fold(None, add, |variance| variance.map(|v| Point::Float(finish(v.value()))))
    }
}

/// A sum of floats or of histograms; of both there is none.
#[derive(Debug, Clone, Default)]
struct Total {
    floats: Option<KahanSum>,
    histograms: Option<Box<HistogramSum>>,
}

impl Total {
    fn add(&mut self, point: &Point) {
        match point {
            Point::Float(v) => self.floats.get_or_insert_default().add(*v),
            Point::Histogram(h) => add_histogram(&mut self.histograms, h),
        }
    }

    fn sum(self, context: &Context<'_>) -> Cell {
        finish(self.floats.map(|sum| sum.total()), self.histograms, context)
    }
}

#[derive(Debug, Clone, Default)]
struct Average {
    floats: Option<Mean>,
    histograms: Option<Box<HistogramSum>>,
    count: f64,
}

impl Average {
    fn add(&mut self, point: &Point) {
        self.count += 1.0;
        match point {
            Point::Float(v) => self.floats.get_or_insert_default().add(*v),
            Point::Histogram(h) => add_histogram(&mut self.histograms, h),
        }
    }

    fn value(mut self, context: &Context<'_>) -> Cell {
        if let Some(sum) = &mut self.histograms {
            sum.divide(self.count);
        }
        finish(self.floats.map(|mean| mean.value()), self.histograms, context)
    }
}

fn add_histogram(total: &mut Option<Box<HistogramSum>>, h: &NativeHistogram) {
    match total {
        Some(total) => total.add(h),
        None => *total = Some(Box::new(HistogramSum::of(h))),
    }
}

fn finish(float: Option<f64>, histogram: Option<Box<HistogramSum>>, context: &Context<'_>) -> Cell {
    match (float, histogram) {
        (Some(v), None) => Some(Point::Float(v)),
        (None, Some(sum)) => sum.finish(&Labels::default(), &context.notes),
        (Some(_), Some(_)) => {
            context.notes.warn("encountered a mix of histograms and floats for aggregation");
            None
        }
        (None, None) => None,
    }
}
