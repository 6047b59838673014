//! `histogram_quantile` and `histogram_fraction`: the series of a classic histogram are brought together
//! once, and read at each step.

use std::collections::HashMap;

use super::row::{Cell, Row, merge_equal};
use super::{Context, QueryError};
use crate::base::{Labels, METRIC_NAME};
use crate::promql::functions::histogram::{self, ClassicBucket};
use crate::promql::native;
use crate::promql::plan::{Node, Steps};
use crate::promql::value::Point;
use crate::sketch::NativeHistogram;

/// The rows of one distribution: buckets ascending by bound, and a native histogram.
#[derive(Default)]
struct Distribution {
    buckets: Vec<(f64, usize)>,
    native: Option<usize>,
}

/// How one distribution is read at one step.
trait Reader {
    fn classic(&self, step: usize, buckets: &[ClassicBucket]) -> f64;
    fn native(&self, step: usize, h: &NativeHistogram) -> f64;
}

struct Quantile(Vec<f64>);

impl Reader for Quantile {
    fn classic(&self, step: usize, buckets: &[ClassicBucket]) -> f64 {
        histogram::quantile(self.0[step], buckets)
    }

    fn native(&self, step: usize, h: &NativeHistogram) -> f64 {
        native::quantile(self.0[step], h)
    }
}

struct Fraction {
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Reader for Fraction {
    fn classic(&self, step: usize, buckets: &[ClassicBucket]) -> f64 {
        histogram::fraction(self.lower[step], self.upper[step], buckets)
    }

    fn native(&self, step: usize, h: &NativeHistogram) -> f64 {
        native::fraction(self.lower[step], self.upper[step], h)
    }
}

impl Context<'_> {
    pub(super) fn histogram_quantile(
        &self,
        quantile: &Node,
        argument: &Node,
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let quantiles = self.scalar(quantile, steps)?;
        quantiles.iter().for_each(|q| self.notes.check_quantile(*q));
        self.read_histograms(argument, &Quantile(quantiles), steps)
    }

    pub(super) fn histogram_fraction(
        &self,
        lower: &Node,
        upper: &Node,
        argument: &Node,
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let reader = Fraction { lower: self.scalar(lower, steps)?, upper: self.scalar(upper, steps)? };
        self.read_histograms(argument, &reader, steps)
    }

    fn read_histograms(&self, argument: &Node, reader: &dyn Reader, steps: Steps) -> Result<Vec<Row>, QueryError> {
        let rows = self.vector(argument, steps)?;
        let mut read = Vec::new();
        for (labels, distribution) in self.distributions(&rows) {
            self.check(read.len() + 1, steps)?;
            let mut scratch = Vec::with_capacity(distribution.buckets.len());
            let cells =
                (0..steps.count).map(|step| self.read(&distribution, &rows, reader, step, &mut scratch)).collect();
            let row = Row { labels, cells };
            if !row.is_empty() {
                read.push(row);
            }
        }
        merge_equal(read)
    }

    fn distributions(&self, rows: &[Row]) -> Vec<(Labels, Distribution)> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut all: Vec<(Labels, Distribution)> = Vec::new();
        let mut find = |labels: Labels| {
            *places.entry(labels).or_insert_with_key(|labels| {
                all.push((labels.clone(), Distribution::default()));
                all.len() - 1
            })
        };
        let mut classic: Vec<(usize, f64, usize)> = Vec::new();
        let mut natives: Vec<(usize, usize)> = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            if row.cells.iter().any(|c| matches!(c, Some(Point::Histogram(_)))) {
                natives.push((find(row.labels.without_name()), i));
            }
            if row.cells.iter().any(|c| matches!(c, Some(Point::Float(_)))) {
                match parse_bound(row.labels.value("le")) {
                    Some(bound) => {
                        classic.push((find(row.labels.filter(|n| n != "le" && n != METRIC_NAME)), bound, i));
                    }
                    None => self.note_bad_bound(&row.labels),
                }
            }
        }
        classic.into_iter().for_each(|(place, bound, i)| all[place].1.buckets.push((bound, i)));
        natives.into_iter().for_each(|(place, i)| all[place].1.native = Some(i));
        for (_, distribution) in &mut all {
            distribution.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        all
    }

    fn note_bad_bound(&self, labels: &Labels) {
        let bound = labels.value("le");
        self.notes.warn(format!(
            "bucket label \"le\" is missing or has a malformed value of {bound:?} for metric name {:?}",
            labels.metric_name()
        ));
    }

    fn read(
        &self,
        distribution: &Distribution,
        rows: &[Row],
        reader: &dyn Reader,
        step: usize,
        scratch: &mut Vec<ClassicBucket>,
    ) -> Cell {
        scratch.clear();
        scratch.extend(distribution.buckets.iter().filter_map(|(bound, i)| match rows[*i].cells[step] {
            Some(Point::Float(count)) => Some(ClassicBucket { bound: *bound, count }),
            _ => None,
        }));
        let native = distribution.native.and_then(|i| match &rows[i].cells[step] {
            Some(Point::Histogram(h)) => Some(h),
            _ => None,
        });
        match (native, scratch.is_empty()) {
            (None, true) => None,
            (None, false) => {
                if histogram::tidy(scratch) {
                    self.notes.info("input to histogram_quantile needed to be fixed for monotonicity");
                }
                Some(Point::Float(reader.classic(step, scratch)))
            }
            (Some(h), true) => Some(Point::Float(reader.native(step, h))),
            (Some(_), false) => {
                self.notes.warn("vector contains a mix of classic and native histograms");
                None
            }
        }
    }
}

/// Go's spelling of numbers, in which `+Inf` is usual.
fn parse_bound(text: &str) -> Option<f64> {
    match text {
        "" => None,
        text => text.parse().ok(),
    }
}
