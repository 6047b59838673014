//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`.

use super::distributions::{Distributions, native_at};
use super::notes::Notes;
use super::row::{Cell, Row, merge_equal};
use super::{Context, QueryError};
use crate::promql::format::format_open_metrics;
use crate::promql::functions::histogram::{self, ClassicBucket};
use crate::promql::native::{self, NanEffect};
use crate::promql::plan::{Node, Steps};
use crate::promql::value::Point;
use crate::sketch::NativeHistogram;

/// How one distribution is read at one step.
trait Reader {
    fn classic(&self, step: usize, buckets: &mut Vec<ClassicBucket>, notes: &Notes) -> f64;
    fn native(&self, step: usize, h: &NativeHistogram, notes: &Notes) -> f64;
}

struct Quantile<'a>(&'a [f64]);

impl Reader for Quantile<'_> {
    fn classic(&self, step: usize, buckets: &mut Vec<ClassicBucket>, notes: &Notes) -> f64 {
        if histogram::tidy(buckets) {
            notes.info(
                "input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
            );
        }
        histogram::quantile(self.0[step], buckets)
    }

    fn native(&self, step: usize, h: &NativeHistogram, notes: &Notes) -> f64 {
        let (value, effect) = native::quantile(self.0[step], h);
        match effect {
            Some(NanEffect::Result) => notes.info("input to histogram_quantile has NaN observations, result is NaN"),
            Some(NanEffect::Skew) => {
                notes.info("input to histogram_quantile has NaN observations, result is skewed higher");
            }
            None => {}
        }
        value
    }
}

struct Fraction {
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Reader for Fraction {
    fn classic(&self, step: usize, buckets: &mut Vec<ClassicBucket>, _: &Notes) -> f64 {
        histogram::join_equal(buckets);
        histogram::fraction(self.lower[step], self.upper[step], buckets)
    }

    fn native(&self, step: usize, h: &NativeHistogram, notes: &Notes) -> f64 {
        let (lower, upper) = (self.lower[step], self.upper[step]);
        if lower < upper && native::holds_nan(h) {
            notes.info("input to histogram_fraction has NaN observations, which are excluded from all fractions");
        }
        native::fraction(lower, upper, h)
    }
}

impl Context<'_> {
    pub(super) fn histogram_quantile(
        &self,
        quantile: &Node,
        argument: &Node,
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let quantiles = self.quantile_values(quantile, steps)?;
        merge_equal(self.read_histograms(&self.vector(argument, steps)?, &Quantile(&quantiles), steps)?)
    }

    /// Each quantile's rows, with the quantile as a label.
    pub(super) fn histogram_quantiles(
        &self,
        quantiles: &[Node],
        label: &str,
        argument: &Node,
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let rows = self.vector(argument, steps)?;
        let mut read = Vec::new();
        for quantile in quantiles {
            let values = self.quantile_values(quantile, steps)?;
            for row in self.read_histograms(&rows, &Quantile(&values), steps)? {
                read.extend(split_by_value(row, label, &values));
            }
        }
        merge_equal(read)
    }

    fn quantile_values(&self, quantile: &Node, steps: Steps) -> Result<Vec<f64>, QueryError> {
        let quantiles = self.scalar(quantile, steps)?;
        quantiles.iter().for_each(|q| self.notes.check_quantile(*q));
        Ok(quantiles)
    }

    pub(super) fn histogram_fraction(
        &self,
        lower: &Node,
        upper: &Node,
        argument: &Node,
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let reader = Fraction { lower: self.scalar(lower, steps)?, upper: self.scalar(upper, steps)? };
        merge_equal(self.read_histograms(&self.vector(argument, steps)?, &reader, steps)?)
    }

    fn read_histograms(&self, rows: &[Row], reader: &dyn Reader, steps: Steps) -> Result<Vec<Row>, QueryError> {
        let all = Distributions::of(rows, &self.notes);
        let mut read = Vec::new();
        for (i, rival) in &all.native {
            self.check(read.len() + 1, steps)?;
            let cell = |step| {
                let h = native_at(&rows[*i], step)?;
                let alone = !rival.is_some_and(|place| all.classic[place].is_at(rows, step));
                alone.then(|| Point::Float(reader.native(step, h, &self.notes)))
            };
            let cells: Vec<Cell> = (0..steps.count).map(cell).collect();
            read.push(Row { labels: rows[*i].labels.without_name(), cells });
        }
        let mut scratch = Vec::new();
        for classic in &all.classic {
            self.check(read.len() + 1, steps)?;
            let mut cell = |step| {
                classic.at(rows, step, &mut scratch, &self.notes);
                (!scratch.is_empty()).then(|| Point::Float(reader.classic(step, &mut scratch, &self.notes)))
            };
            let cells: Vec<Cell> = (0..steps.count).map(&mut cell).collect();
            read.push(Row { labels: classic.labels.without_name(), cells });
        }
        read.retain(|row| !row.is_empty());
        Ok(read)
    }
}

/// A row for each value that the quantile has over the steps: it is a label.
fn split_by_value(row: Row, label: &str, quantiles: &[f64]) -> Vec<Row> {
    let mut split: Vec<(u64, Row)> = Vec::new();
    let count = row.cells.len();
    for (step, (cell, q)) in row.cells.into_iter().zip(quantiles).enumerate() {
        let place = split.iter().position(|(bits, _)| *bits == q.to_bits()).unwrap_or_else(|| {
            let labels = row.labels.with(label, &format_open_metrics(*q));
            split.push((q.to_bits(), Row { labels, cells: vec![None; count] }));
            split.len() - 1
        });
        split[place].1.cells[step] = cell;
    }
    split.into_iter().map(|(_, row)| row).filter(|row| !row.is_empty()).collect()
}
