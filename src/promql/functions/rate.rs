//! How fast something changes: `rate` and its family.

mod histograms;

use std::sync::Arc;

use super::over_time::floats;
use super::{KahanSum, RangeFn};
use crate::promql::FloatsView;
use crate::promql::eval::{Notes, Reach, Window, seconds};
use crate::promql::native;
use crate::promql::value::Point;

pub(super) fn lookup(name: &str) -> Option<RangeFn> {
    Some(match name {
        "rate" => |w, _, n| extrapolated(w, n, Kind { counter: true, per_second: true }),
        "increase" => |w, _, n| extrapolated(w, n, Kind { counter: true, per_second: false }),
        "delta" => |w, _, n| extrapolated(w, n, Kind { counter: false, per_second: false }),
        "irate" => |w, _, n| between_last_two(w, n, true),
        "idelta" => |w, _, n| between_last_two(w, n, false),
        "deriv" => |w, _, n| floats(w, n, deriv),
        "predict_linear" => |w, p, n| floats(w, n, |w| predict_linear(w, p)),
        "resets" => |w, _, _| Some(Point::Float(resets(w))),
        "changes" => |w, _, _| Some(Point::Float(changes(w))),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
struct Kind {
    counter: bool,
    per_second: bool,
}

/// The change between the first and last sample, stretched to the window.
///
/// The samples' span is extended as [`Reach`] says, for a counter not beyond the point where it would have been zero
/// (Prometheus 3, `extrapolatedRate`).
fn extrapolated(w: &Window<'_>, notes: &Notes, kind: Kind) -> Option<Point> {
    let (floats, histograms) = (w.floats(), w.histograms());
    if !floats.is_empty() && !histograms.is_empty() {
        notes.mixed_samples(w.labels());
        return None;
    }
    if let Some((first, last)) = floats.ends() {
        let change = last.1 - first.1 + if kind.counter { w.lost_in_float_resets() } else { 0.0 };
        let zero_ratio = (change > 0.0 && first.1 >= 0.0).then(|| first.1 / change);
        return Some(Point::Float(change * stretch(w, w.floats_reach(), kind, zero_ratio)));
    }
    if let [first, .., last] = histograms {
        let mut change = histograms::change(w, notes, kind.counter)?;
        let zero_ratio = (change.count > 0.0 && first.1.count >= 0.0).then(|| first.1.count / change.count);
        let reach = Reach::of(first.0, last.0, histograms.len(), w.start, w.end);
        native::scale(&mut change, stretch(w, reach, kind, zero_ratio));
        return Some(Point::Histogram(Arc::new(change)));
    }
    None
}

/// `zero_ratio`: how many times the samples' span before the first sample the counter would have been 0.
fn stretch(w: &Window<'_>, reach: Reach, kind: Kind, zero_ratio: Option<f64>) -> f64 {
    let Reach { span, mut to_start, to_end } = reach;
    if let Some(ratio) = zero_ratio.filter(|_| kind.counter) {
        to_start = to_start.min(span * ratio);
    }
    let factor = (span + to_start + to_end) / span;
    if kind.per_second { factor / seconds(w.end - w.start) } else { factor }
}

/// Between the last two samples, whatever their distance.
fn between_last_two(w: &Window<'_>, notes: &Notes, per_second: bool) -> Option<Point> {
    let (last, before) = w.last_two()?;
    let millis = last.0.as_millis() - before.0.as_millis();
    if millis == 0 {
        return None;
    }
    let seconds = if per_second { millis as f64 / 1000.0 } else { 1.0 };
    match (last.1, before.1) {
        (Point::Float(last), Point::Float(before)) => {
            let reset = per_second && last < before;
            let change = if reset { last } else { last - before };
            Some(Point::Float(change / seconds))
        }
        (Point::Histogram(last), Point::Histogram(before)) => {
            let mut change = histograms::last_change(w, notes, &last, &before, per_second)?;
            native::divide(&mut change, seconds);
            Some(Point::Histogram(Arc::new(change)))
        }
        _ => {
            notes.mixed_samples(w.labels());
            None
        }
    }
}

fn deriv(w: &Window<'_>) -> Option<Point> {
    let (first, _) = w.floats().ends()?;
    Some(Point::Float(Line::through(w.floats(), first.0.as_millis()).slope))
}

fn predict_linear(w: &Window<'_>, parameters: &[f64]) -> Option<Point> {
    w.floats().ends()?;
    let line = Line::through(w.floats(), w.now);
    Some(Point::Float(line.slope * parameters.first()? + line.intercept))
}

/// A line by simple linear regression; x in seconds.
struct Line {
    slope: f64,
    intercept: f64,
}

impl Line {
    /// Least squares; the intercept is the value at `origin`.
    fn through(samples: FloatsView<'_>, origin: i64) -> Self {
        let constant = samples.values.windows(2).all(|pair| pair[0] == pair[1]);
        if constant {
            let y = samples.first().map_or(f64::NAN, |s| s.1);
            return if y.is_infinite() {
                Self { slope: f64::NAN, intercept: f64::NAN }
            } else {
                Self { slope: 0.0, intercept: y }
            };
        }
        let n = samples.len() as f64;
        let mut sums = [KahanSum::default(); 4];
        for (t, y) in samples.iter() {
            let x = t.as_millis().saturating_sub(origin) as f64 / 1000.0;
            for (sum, term) in sums.iter_mut().zip([x, y, x * y, x * x]) {
                sum.add(term);
            }
        }
        let [x, y, xy, xx] = sums.map(|sum| sum.total());
        let slope = (xy - x * y / n) / (xx - x * x / n);
        Self { slope, intercept: y / n - slope * x / n }
    }
}

fn resets(w: &Window<'_>) -> f64 {
    count_pairs(w, |before, after| match (before, after) {
        (Point::Float(before), Point::Float(after)) => after < before,
        (Point::Histogram(before), Point::Histogram(after)) => native::is_reset(after, before),
        _ => true,
    })
}

fn changes(w: &Window<'_>) -> f64 {
    count_pairs(w, |before, after| match (before, after) {
        (Point::Float(before), Point::Float(after)) => before != after && !(before.is_nan() && after.is_nan()),
        (Point::Histogram(before), Point::Histogram(after)) => !native::is_same(before, after),
        _ => true,
    })
}

fn count_pairs(w: &Window<'_>, differs: impl Fn(&Point, &Point) -> bool) -> f64 {
    let mut points = w.points();
    let Some(mut before) = points.next() else { return 0.0 };
    let mut count = 0.0;
    for after in points {
        count += f64::from(u8::from(differs(&before.1, &after.1)));
        before = after;
    }
    count
}
