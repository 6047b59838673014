//! Aggregations of one series over its window.

use super::{HistogramSum, KahanSum, Mean, RangeFn, Variance, quantile};
use crate::base::Timestamp;
use crate::promql::eval::{Notes, Window};
use crate::promql::value::Point;

pub(super) fn lookup(name: &str) -> Option<RangeFn> {
    Some(match name {
        "sum_over_time" => |w, _, n| sum(w, n),
        "avg_over_time" => |w, _, n| average(w, n),
        "min_over_time" => |w, _, n| floats(w, n, |w| extreme(w, |new, old| new < old).map(|s| Point::Float(s.1))),
        "max_over_time" => |w, _, n| floats(w, n, |w| extreme(w, |new, old| new > old).map(|s| Point::Float(s.1))),
        "count_over_time" => |w, _, _| Some(Point::Float((w.floats().len() + w.histograms().len()) as f64)),
        "present_over_time" => |_, _, _| Some(Point::Float(1.0)),
        "last_over_time" => |w, _, _| w.last().map(|s| s.1),
        "first_over_time" => |w, _, _| w.points().next().map(|s| s.1),
        "stddev_over_time" => |w, _, n| floats(w, n, |w| variance(w).map(|v| Point::Float(v.sqrt()))),
        "stdvar_over_time" => |w, _, n| floats(w, n, |w| variance(w).map(Point::Float)),
        "quantile_over_time" => |w, p, n| floats(w, n, |w| quantile_over_time(w, p, n)),
        "mad_over_time" => |w, _, n| floats(w, n, median_deviation),
        "double_exponential_smoothing" => |w, p, n| floats(w, n, |w| smooth(w, p)),
        "ts_of_min_over_time" => |w, _, n| floats(w, n, |w| extreme(w, |new, old| new <= old).map(|s| seconds(s.0))),
        "ts_of_max_over_time" => |w, _, n| floats(w, n, |w| extreme(w, |new, old| new >= old).map(|s| seconds(s.0))),
        "ts_of_first_over_time" => |w, _, _| w.points().next().map(|s| seconds(s.0)),
        "ts_of_last_over_time" => |w, _, _| w.last().map(|s| seconds(s.0)),
        _ => return None,
    })
}

/// A function of the floats alone: says so when there are histograms among them.
pub(super) fn floats(
    w: &Window<'_>,
    notes: &Notes,
    function: impl FnOnce(&Window<'_>) -> Option<Point>,
) -> Option<Point> {
    if w.is_mixed() {
        notes.ignored_in_range(w.labels());
    }
    function(w)
}

fn seconds(time: Timestamp) -> Point {
    Point::Float(time.as_secs_f64())
}

/// The floats' values, unless there are none.
fn values(w: &Window<'_>) -> Option<Vec<f64>> {
    (!w.floats().is_empty()).then(|| w.floats().values.to_vec())
}

fn sum(w: &Window<'_>, notes: &Notes) -> Option<Point> {
    if w.is_mixed() {
        notes.mixed_samples(w.labels());
        return None;
    }
    if let Some(total) = sum_of_histograms(w) {
        return total.finish(w.labels(), notes);
    }
    let mut sum = KahanSum::default();
    w.floats().values.iter().for_each(|v| sum.add(*v));
    Some(Point::Float(sum.total()))
}

fn average(w: &Window<'_>, notes: &Notes) -> Option<Point> {
    if w.is_mixed() {
        notes.mixed_samples(w.labels());
        return None;
    }
    if let Some(mut total) = sum_of_histograms(w) {
        total.divide(w.histograms().len() as f64);
        return total.finish(w.labels(), notes);
    }
    let mut mean = Mean::default();
    w.floats().values.iter().for_each(|v| mean.add(*v));
    Some(Point::Float(mean.value()))
}

fn sum_of_histograms(w: &Window<'_>) -> Option<HistogramSum> {
    let ((_, first), rest) = w.histograms().split_first()?;
    let mut total = HistogramSum::of(first);
    rest.iter().for_each(|(_, h)| total.add(h));
    Some(total)
}

/// The sample that beats all others; a number beats NaN. Histograms do not count.
fn extreme(w: &Window<'_>, beats: fn(f64, f64) -> bool) -> Option<(Timestamp, f64)> {
    w.floats().iter().reduce(|best, s| if beats(s.1, best.1) || best.1.is_nan() { s } else { best })
}

fn variance(w: &Window<'_>) -> Option<f64> {
    let mut variance = Variance::default();
    values(w)?.into_iter().for_each(|v| variance.add(v));
    Some(variance.value())
}

fn quantile_over_time(w: &Window<'_>, parameters: &[f64], notes: &Notes) -> Option<Point> {
    let q = *parameters.first()?;
    let mut values = values(w)?;
    notes.check_quantile(q);
    Some(Point::Float(quantile(q, &mut values)))
}

/// The median of the distances from the median; a NaN has no distance, so there is none.
fn median_deviation(w: &Window<'_>) -> Option<Point> {
    let mut values = values(w)?;
    if values.iter().any(|v| v.is_nan()) {
        return Some(Point::Float(f64::NAN));
    }
    let median = quantile(0.5, &mut values);
    values.iter_mut().for_each(|v| *v = (*v - median).abs());
    Some(Point::Float(quantile(0.5, &mut values)))
}

/// Holt's double exponential smoothing: the level follows the values, the trend follows the level.
fn smooth(w: &Window<'_>, parameters: &[f64]) -> Option<Point> {
    let &[smoothing, trending] = parameters else { return None };
    let [first, second, ..] = w.floats().values else { return None };
    let mut level = *first;
    let mut trend = second - first;
    let mut before = 0.0;
    for (i, value) in w.floats().values.iter().enumerate().skip(1) {
        if i > 1 {
            trend = trending * (level - before) + (1.0 - trending) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (level + trend);
        (before, level) = (level, next);
    }
    Some(Point::Float(level))
}
