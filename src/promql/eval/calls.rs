//! Function calls other than those over ranges: how rows are made from them.

use super::row::{Row, merge_equal};
use super::{Context, Operand, QueryError};
use crate::base::Labels;
use crate::promql::functions::{FloatFn, HistogramFn, ParameterFn, math, sort};
use crate::promql::plan::{Call, Node, Steps};
use crate::promql::value::Point;

impl Context<'_> {
    pub(super) fn call(&self, call: &Call, steps: Steps) -> Result<Operand, QueryError> {
        let rows = match call {
            Call::Scalar(Node::Number(value)) => return Ok(Operand::Scalar(vec![*value; steps.count])),
            Call::Scalar(argument) => return Ok(Operand::Scalar(self.single_values(argument, steps)?)),
            Call::Time => return Ok(Operand::Scalar(seconds(steps))),
            Call::Extreme { larger, left, right } => {
                return Ok(Operand::Scalar(self.extreme(*larger, left, right, steps)?));
            }
            Call::Vector(argument) => vec![Row::of_floats(self.scalar(argument, steps)?)],
            Call::Range(index) => self.over_range(*index)?,
            Call::Float { function, argument } => self.float_call(*function, argument, steps)?,
            Call::Parameters { function, argument, parameters } => {
                self.parameter_call(*function, argument, parameters, steps)?
            }
            Call::Histogram { function, argument, parameters } => {
                self.histogram_call(*function, argument, parameters, steps)?
            }
            Call::HistogramQuantile { quantile, argument } => self.histogram_quantile(quantile, argument, steps)?,
            Call::HistogramQuantiles { argument, label, quantiles } => {
                self.histogram_quantiles(quantiles, label, argument, steps)?
            }
            Call::Nothing(argument) => self.vector(argument, steps).map(|_| Vec::new())?,
            Call::Info(info) => self.info(info, steps)?,
            Call::HistogramFraction { lower, upper, argument } => {
                self.histogram_fraction(lower, upper, argument, steps)?
            }
            Call::LabelReplace { argument, replace } => self.relabel(argument, steps, |l| replace.apply(l))?,
            Call::LabelJoin { argument, join } => self.relabel(argument, steps, |l| join.apply(l))?,
            Call::Sort { argument, descending } => self.sorted(argument, *descending, steps)?,
            Call::SortByLabel { argument, labels, descending } => {
                self.sorted_by_label(argument, labels, *descending, steps)?
            }
            Call::Absent { argument, labels } => {
                let rows = self.vector(argument, steps)?;
                let present = |i| rows.iter().any(|row: &Row| row.cells.get(i).is_some_and(Option::is_some));
                absent(labels, (0..steps.count).map(present).collect())
            }
            Call::AbsentOverTime { argument, labels } => absent(labels, self.present(argument, steps)?),
            Call::TimestampOf(selector) => without_names(self.select_times(selector, steps)?)?,
            Call::Timestamp(argument) => {
                let rows = self.vector(argument, steps)?.into_iter();
                let times = seconds(steps);
                let stamped = rows.map(|mut row| {
                    let cells = row.cells.iter_mut().zip(&times).filter(|(cell, _)| cell.is_some());
                    cells.for_each(|(cell, time)| *cell = Some(Point::Float(*time)));
                    row
                });
                without_names(stamped.collect())?
            }
        };
        Ok(Operand::Vector(rows))
    }

    fn float_call(&self, function: FloatFn, argument: &Node, steps: Steps) -> Result<Vec<Row>, QueryError> {
        let rows = self.vector(argument, steps)?.into_iter();
        without_names(rows.map(|row| row.map_floats(|_, v| Some(function(v)))).collect())
    }

    fn parameter_call(
        &self,
        function: ParameterFn,
        argument: &Node,
        parameters: &[Node],
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let columns = self.scalars(parameters, steps)?;
        let mut values = vec![0.0; columns.len()];
        let rows = self.vector(argument, steps)?.into_iter();
        let mapped = rows.map(|row| {
            row.map_floats(|i, v| {
                values.iter_mut().zip(&columns).for_each(|(value, column)| *value = column[i]);
                function(v, &values)
            })
        });
        without_names(mapped.collect())
    }

    fn histogram_call(
        &self,
        function: HistogramFn,
        argument: &Node,
        parameters: &[Node],
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let columns = self.scalars(parameters, steps)?;
        let mut rows = self.vector(argument, steps)?;
        for row in &mut rows {
            for (i, cell) in row.cells.iter_mut().enumerate() {
                let values: Vec<f64> = columns.iter().map(|column| column[i]).collect();
                *cell = match cell {
                    Some(Point::Histogram(h)) => Some(Point::Float(function(h, &values))),
                    _ => None,
                };
            }
        }
        without_names(rows)
    }

    fn relabel(
        &self,
        argument: &Node,
        steps: Steps,
        change: impl Fn(&Labels) -> Labels,
    ) -> Result<Vec<Row>, QueryError> {
        let rows = self.vector(argument, steps)?.into_iter();
        merge_equal(rows.map(|row| Row { labels: change(&row.labels), cells: row.cells }).collect())
    }

    /// Orders an instant query's result; a range query's has an order of its own. Histograms have no place.
    fn sorted(&self, argument: &Node, descending: bool, steps: Steps) -> Result<Vec<Row>, QueryError> {
        let rows = self.vector(argument, steps)?;
        if steps.count != 1 {
            self.notes.vain_sort();
            return Ok(rows);
        }
        let keyed = rows.into_iter().filter_map(|row| match row.cells.first() {
            Some(Some(Point::Float(v))) => Some((*v, row)),
            _ => None,
        });
        let mut keyed: Vec<(f64, Row)> = keyed.collect();
        keyed.sort_by(|a, b| sort::by_value(a.0, b.0, descending));
        Ok(keyed.into_iter().map(|(_, row)| row).collect())
    }

    fn sorted_by_label(
        &self,
        argument: &Node,
        names: &[String],
        descending: bool,
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let mut rows = self.vector(argument, steps)?;
        if steps.count != 1 {
            self.notes.vain_sort();
        }
        rows.sort_by(|a, b| {
            let by_name = names.iter().map(|n| sort::natural(a.labels.value(n), b.labels.value(n)));
            let order = by_name.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then);
            let order = order.then_with(|| a.labels.cmp(&b.labels));
            if descending { order.reverse() } else { order }
        });
        Ok(rows)
    }

    /// The value of the only element, or NaN.
    fn single_values(&self, argument: &Node, steps: Steps) -> Result<Vec<f64>, QueryError> {
        let rows = self.vector(argument, steps)?;
        let at = |i: usize| {
            let mut floats = rows.iter().filter_map(|row| match row.cells[i] {
                Some(Point::Float(v)) => Some(v),
                _ => None,
            });
            match (floats.next(), floats.next()) {
                (Some(only), None) => only,
                _ => f64::NAN,
            }
        };
        Ok((0..steps.count).map(at).collect())
    }

    fn extreme(&self, larger: bool, left: &Node, right: &Node, steps: Steps) -> Result<Vec<f64>, QueryError> {
        let pairs = self.scalar(left, steps)?.into_iter().zip(self.scalar(right, steps)?);
        Ok(pairs.map(|(a, b)| if larger { math::larger(a, b) } else { math::smaller(a, b) }).collect())
    }
}

fn seconds(steps: Steps) -> Vec<f64> {
    steps.times().map(|t| t as f64 / 1000.0).collect()
}

/// Drops the metric's name and what became empty.
fn without_names(rows: Vec<Row>) -> Result<Vec<Row>, QueryError> {
    merge_equal(rows.into_iter().map(Row::without_name).collect())
}

/// 1 wherever nothing is present.
fn absent(labels: &Labels, present: Vec<bool>) -> Vec<Row> {
    let cells = present.into_iter().map(|present| (!present).then_some(Point::Float(1.0))).collect();
    vec![Row { labels: labels.clone(), cells }]
}
