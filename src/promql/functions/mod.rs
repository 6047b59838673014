//! The functions, one file a family. A function here knows numbers, not series: how rows are made from it
//! is [`super::eval`]'s business.

pub(super) mod histogram;
mod histogram_sum;
pub(super) mod label;
pub(super) mod math;
mod over_time;
mod quantile;
mod rate;
pub(super) mod sort;
mod time;

pub(super) use histogram_sum::HistogramSum;
pub(super) use quantile::quantile;

use super::eval::{Notes, Window};
use super::plan::Steps;
use super::value::Point;
use crate::sketch::NativeHistogram;

/// A window, which is not empty, to a value; `None` leaves the series out at this step.
pub(super) type RangeFn = fn(&Window<'_>, &[f64], &Notes) -> Option<Point>;
/// A float to a float.
pub(super) type FloatFn = fn(f64) -> f64;
/// A float with parameters; `None` leaves the element out.
pub(super) type ParameterFn = fn(f64, &[f64]) -> Option<f64>;
/// A native histogram to a float.
pub(super) type HistogramFn = fn(&NativeHistogram, &[f64]) -> f64;

/// How calls of a function are evaluated.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Range(RangeFn),
    Float(FloatFn),
    /// Like `Float`; the argument may be left out and is then `vector(time())`.
    Date(FloatFn),
    Parameters(ParameterFn),
    Histogram(HistogramFn),
    HistogramQuantile,
    HistogramQuantiles,
    HistogramFraction,
    Info,
    /// When a counter began to count, which is not stored (as in Prometheus without the feature).
    StartTimestamp,
    LabelReplace,
    LabelJoin,
    Sort {
        descending: bool,
    },
    SortByLabel {
        descending: bool,
    },
    Absent,
    AbsentOverTime,
    Scalar,
    Vector,
    Time,
    Timestamp,
    Extreme {
        larger: bool,
    },
    /// A number that the query's own times fix.
    Constant(fn(&Steps) -> f64),
}

/// The function of this name, when the engine has it.
pub(super) fn lookup(name: &str) -> Option<Kind> {
    over_range(name)
        .map(Kind::Range)
        .or_else(|| math::lookup(name).map(Kind::Float))
        .or_else(|| math::lookup_with_parameters(name).map(Kind::Parameters))
        .or_else(|| time::lookup(name).map(Kind::Date))
        .or_else(|| histogram::lookup(name).map(Kind::Histogram))
        .or_else(|| special(name))
}

fn over_range(name: &str) -> Option<RangeFn> {
    rate::lookup(name).or_else(|| over_time::lookup(name))
}

fn special(name: &str) -> Option<Kind> {
    Some(match name {
        "histogram_quantile" => Kind::HistogramQuantile,
        "histogram_quantiles" => Kind::HistogramQuantiles,
        "histogram_fraction" => Kind::HistogramFraction,
        "info" => Kind::Info,
        "start_timestamp" => Kind::StartTimestamp,
        "label_replace" => Kind::LabelReplace,
        "label_join" => Kind::LabelJoin,
        "sort" => Kind::Sort { descending: false },
        "sort_desc" => Kind::Sort { descending: true },
        "sort_by_label" => Kind::SortByLabel { descending: false },
        "sort_by_label_desc" => Kind::SortByLabel { descending: true },
        "absent" => Kind::Absent,
        "absent_over_time" => Kind::AbsentOverTime,
        "scalar" => Kind::Scalar,
        "vector" => Kind::Vector,
        "time" => Kind::Time,
        "timestamp" => Kind::Timestamp,
        "max_of" => Kind::Extreme { larger: true },
        "min_of" => Kind::Extreme { larger: false },
        "pi" => Kind::Constant(|_| std::f64::consts::PI),
        "start" => Kind::Constant(|steps| steps.start as f64 / 1000.0),
        "end" => Kind::Constant(|steps| steps.last() as f64 / 1000.0),
        "step" => Kind::Constant(|steps| if steps.count > 1 { steps.step as f64 / 1000.0 } else { 0.0 }),
        "range" => Kind::Constant(|steps| (steps.last() - steps.start) as f64 / 1000.0),
        _ => return None,
    })
}

/// A sum that keeps what floating point would lose (Kahan's, as improved by Neumaier).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KahanSum {
    sum: f64,
    lost: f64,
}

impl KahanSum {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let total = self.sum + value;
        // What rounding took from either, without asking which is the larger (Knuth's TwoSum).
        let added = total - self.sum;
        let lost = (self.sum - (total - added)) + (value - added);
        self.lost = if total.is_infinite() { 0.0 } else { self.lost + lost };
        self.sum = total;
    }

    fn scale(&mut self, factor: f64) {
        self.sum *= factor;
        self.lost *= factor;
    }

    pub(super) fn total(&self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }
}

/// A mean: the sum over the count as long as the sum is finite, from then on a running mean, which does not
/// overflow (Prometheus 3, `avg_over_time`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    sum: KahanSum,
    count: f64,
    running: bool,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.sum.sum = value;
            return;
        }
        if !self.running {
            let mut sum = self.sum;
            sum.add(value);
            if !sum.sum.is_infinite() {
                self.sum = sum;
                return;
            }
            self.running = true;
            self.sum.scale(1.0 / (self.count - 1.0));
        }
        self.sum.scale((self.count - 1.0) / self.count);
        self.sum.add(value / self.count);
    }

    pub(super) fn value(&self) -> f64 {
        let by = if self.running { 1.0 } else { self.count };
        self.sum.sum / by + self.sum.lost / by
    }
}

/// The variance as the values come (Welford's method).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Variance {
    count: f64,
    mean: KahanSum,
    squares: KahanSum,
}

impl Variance {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean.total();
        self.mean.add(delta / self.count);
        self.squares.add(delta * (value - self.mean.total()));
    }

    /// Of the population, not of a sample.
    pub(super) fn value(&self) -> f64 {
        self.squares.total() / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_lose_small_values() {
        let mut sum = KahanSum::default();
        [1.0, 1e100, 1.0, -1e100].iter().for_each(|v| sum.add(*v));
        assert_eq!(sum.total(), 2.0);
    }

    #[test]
    fn means_do_not_overflow() {
        let mut mean = Mean::default();
        [1.7e308, 1.7e308, 1.7e308].iter().for_each(|v| mean.add(*v));
        assert_eq!(mean.value(), 1.7e308);
        let mut infinite = Mean::default();
        [1.0, f64::INFINITY, 2.0].iter().for_each(|v| infinite.add(*v));
        assert_eq!(infinite.value(), f64::INFINITY);
    }

    #[test]
    fn variance_of_the_population() {
        let mut variance = Variance::default();
        [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].iter().for_each(|v| variance.add(*v));
        assert_eq!(variance.value(), 4.0);
    }
}
