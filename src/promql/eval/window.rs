//! Range vectors: series of samples, and the windows of the steps over them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use super::select::advance;
use crate::base::{Labels, Timestamp};
use crate::promql::floats::{Floats, FloatsView};
use crate::promql::native;
use crate::promql::plan::{RangeArgument, Steps};
use crate::promql::source::SeriesSamples;
use crate::promql::value::Point;
use crate::sketch::NativeHistogram;

/// The samples of one series that any window may show, without staleness markers.
#[derive(Debug)]
pub(super) struct RangeRow<'a> {
    pub(super) labels: Cow<'a, Labels>,
    pub(super) floats: Cow<'a, Floats>,
    pub(super) histograms: Cow<'a, [(Timestamp, Arc<NativeHistogram>)]>,
    /// Indices of samples after which a counter began anew: found once, then a window of any length
    /// needs its ends and the few resets between them.
    float_resets: OnceCell<Vec<usize>>,
    histogram_resets: OnceCell<Vec<usize>>,
}

impl<'a> RangeRow<'a> {
    pub(super) fn new(
        labels: Cow<'a, Labels>,
        floats: Cow<'a, Floats>,
        histograms: Cow<'a, [(Timestamp, Arc<NativeHistogram>)]>,
    ) -> Self {
        Self { labels, floats, histograms, float_resets: OnceCell::new(), histogram_resets: OnceCell::new() }
    }

    /// Over what was read, which has no staleness markers any more.
    pub(super) fn of(series: &'a SeriesSamples) -> Self {
        let SeriesSamples { labels, floats, histograms } = series;
        Self::new(Cow::Borrowed(labels), Cow::Borrowed(floats), Cow::Borrowed(histograms))
    }

    fn float_resets(&self) -> &[usize] {
        let find = || {
            let values = self.floats.values();
            let pairs = || values.iter().zip(values.get(1..).unwrap_or_default());
            // No early end: most counters are never reset, and so the loop takes several at once.
            if !pairs().fold(false, |any, (before, after)| any | (after < before)) {
                return Vec::new();
            }
            pairs().enumerate().filter(|(_, (before, after))| after < before).map(|(i, _)| i).collect()
        };
        self.float_resets.get_or_init(find)
    }

    fn histogram_resets(&self) -> &[usize] {
        let find = || {
            let pairs = self.histograms.windows(2).enumerate();
            pairs.filter(|(_, pair)| native::is_reset(&pair[1].1, &pair[0].1)).map(|(i, _)| i).collect()
        };
        self.histogram_resets.get_or_init(find)
    }
}

/// Which samples of a series the window of each step shows. Series with the same times have the same.
#[derive(Debug, Default)]
pub(super) struct Windows {
    times: Arc<Vec<Timestamp>>,
    floats: Vec<Range<usize>>,
    histograms: Vec<Range<usize>>,
    /// Of the floats, found when they are asked for.
    reaches: OnceCell<Vec<Reach>>,
    bounds: Vec<Bounds>,
}

/// A window's ends in milliseconds, and the time of evaluation.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    start: i64,
    end: i64,
    now: i64,
}

/// How far the samples of a window reach, in seconds: from the first to the last, and from there to the window's edges
/// when they are close enough to have been cut off by it (1.1 times the average distance of samples), else half that
/// distance.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::promql) struct Reach {
    pub(in crate::promql) span: f64,
    pub(in crate::promql) to_start: f64,
    pub(in crate::promql) to_end: f64,
}

impl Reach {
    pub(in crate::promql) fn of(first: Timestamp, last: Timestamp, samples: usize, start: i64, end: i64) -> Self {
        let span = seconds(last.as_millis() - first.as_millis());
        let distance = span / samples.saturating_sub(1) as f64;
        let near = |edge: f64| if edge >= distance * 1.1 { distance / 2.0 } else { edge };
        let (to_start, to_end) = (near(seconds(first.as_millis() - start)), near(seconds(end - last.as_millis())));
        Self { span, to_start, to_end }
    }
}

pub(in crate::promql) fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

impl Windows {
    /// Goes on to another series.
    pub(super) fn over(&mut self, row: &RangeRow<'_>, argument: &RangeArgument, steps: Steps) {
        if self.bounds.len() != steps.count {
            *self = Self::default();
            self.bounds = steps.times().map(|now| Bounds::of(argument, now)).collect();
        }
        let times = row.floats.times();
        if self.floats.len() != steps.count || !Arc::ptr_eq(times, &self.times) {
            self.times = times.clone();
            self.reaches = OnceCell::new();
            places(times, |t| *t, &self.bounds, &mut self.floats);
        }
        places(&row.histograms, |s| s.0, &self.bounds, &mut self.histograms);
    }

    /// The window of a step, unless it is empty.
    pub(super) fn at<'a>(&'a self, step: usize, row: &'a RangeRow<'a>) -> Option<Window<'a>> {
        let (floats, histograms) = (self.floats[step].clone(), self.histograms[step].clone());
        let Bounds { start, end, now } = self.bounds[step];
        let is_empty = floats.is_empty() && histograms.is_empty();
        (!is_empty).then_some(Window { row, floats, histograms, windows: self, step, start, end, now })
    }

    fn reaches(&self) -> Vec<Reach> {
        let reach = |(window, bounds): (&Range<usize>, &Bounds)| match self.times.get(window.clone()) {
            Some([first, .., last]) => Reach::of(*first, *last, window.len(), bounds.start, bounds.end),
            _ => Reach::default(),
        };
        self.floats.iter().zip(&self.bounds).map(reach).collect()
    }
}

impl Bounds {
    fn of(argument: &RangeArgument, now: i64) -> Self {
        let end = argument.shift.apply(now);
        Self { start: end.saturating_sub(argument.range), end, now }
    }
}

/// For each step the places of the samples with `start < t <= end`.
fn places<T>(samples: &[T], time_of: impl Fn(&T) -> Timestamp + Copy, bounds: &[Bounds], out: &mut Vec<Range<usize>>) {
    out.clear();
    if samples.is_empty() {
        return out.resize(bounds.len(), 0..0);
    }
    let mut window = 0..0;
    out.extend(bounds.iter().map(|bounds| {
        let from = advance(samples, window.start, bounds.start, time_of);
        window = from..advance(samples, window.end.max(from), bounds.end, time_of);
        window.clone()
    }));
}

/// The samples with `start < t <= end` of one series; at least one.
#[derive(Debug)]
pub(in crate::promql) struct Window<'a> {
    row: &'a RangeRow<'a>,
    floats: Range<usize>,
    histograms: Range<usize>,
    windows: &'a Windows,
    step: usize,
    /// Exclusive, milliseconds.
    pub(in crate::promql) start: i64,
    /// Inclusive.
    pub(in crate::promql) end: i64,
    /// The time of evaluation, which `offset` and `@` do not move.
    pub(in crate::promql) now: i64,
}

impl<'a> Window<'a> {
    pub(in crate::promql) fn labels(&self) -> &Labels {
        &self.row.labels
    }

    pub(in crate::promql) fn floats(&self) -> FloatsView<'a> {
        self.row.floats.slice(self.floats.clone())
    }

    pub(in crate::promql) fn histograms(&self) -> &'a [(Timestamp, Arc<NativeHistogram>)] {
        &self.row.histograms[self.histograms.clone()]
    }

    pub(in crate::promql) fn is_mixed(&self) -> bool {
        !self.floats.is_empty() && !self.histograms.is_empty()
    }

    /// How far the floats reach, of which there are two or more.
    pub(in crate::promql) fn floats_reach(&self) -> Reach {
        let reaches = self.windows.reaches.get_or_init(|| self.windows.reaches());
        reaches.get(self.step).copied().unwrap_or_default()
    }

    /// The sum of the values right before each reset inside the window.
    pub(in crate::promql) fn lost_in_float_resets(&self) -> f64 {
        let values = self.row.floats.values();
        inside(self.row.float_resets(), &self.floats).map(|i| values[i]).sum()
    }

    /// Whether a counter began anew between the first and the second histogram.
    pub(in crate::promql) fn is_reset_after_first_histogram(&self) -> bool {
        inside(self.row.histogram_resets(), &self.histograms).next() == Some(self.histograms.start)
    }

    /// The histograms right before each reset inside the window.
    pub(in crate::promql) fn histograms_before_resets(&self) -> impl Iterator<Item = &'a NativeHistogram> {
        let row = self.row;
        inside(row.histogram_resets(), &self.histograms).map(|i| row.histograms[i].1.as_ref())
    }

    /// All samples in the order of time.
    pub(in crate::promql) fn points(&self) -> impl Iterator<Item = (Timestamp, Point)> + use<'a> {
        let mut floats = self.floats().iter().peekable();
        let mut histograms = self.histograms().iter().peekable();
        std::iter::from_fn(move || {
            let float_first = match (floats.peek(), histograms.peek()) {
                (Some(f), Some(h)) => f.0 <= h.0,
                (float, _) => float.is_some(),
            };
            if float_first {
                floats.next().map(|f| (f.0, Point::Float(f.1)))
            } else {
                histograms.next().map(|h| (h.0, Point::Histogram(h.1.clone())))
            }
        })
    }

    /// The last sample.
    pub(in crate::promql) fn last(&self) -> Option<(Timestamp, Point)> {
        let float = self.floats().last().map(|f| (f.0, Point::Float(f.1)));
        let histogram = self.histograms().last().map(|h| (h.0, Point::Histogram(h.1.clone())));
        float.into_iter().chain(histogram).max_by_key(|s| s.0)
    }

    /// The last sample and the one before it.
    pub(in crate::promql) fn last_two(&self) -> Option<((Timestamp, Point), (Timestamp, Point))> {
        let floats = self.floats().iter().rev().take(2).map(|f| (f.0, Point::Float(f.1)));
        let histograms = self.histograms().iter().rev().take(2).map(|h| (h.0, Point::Histogram(h.1.clone())));
        let mut both: Vec<_> = floats.chain(histograms).collect();
        both.sort_by_key(|s| std::cmp::Reverse(s.0));
        let mut both = both.into_iter();
        Some((both.next()?, both.next()?))
    }
}

/// The resets whose both sides lie in the window.
fn inside(resets: &[usize], window: &Range<usize>) -> impl Iterator<Item = usize> {
    let from = resets.partition_point(|i| *i < window.start);
    let last = window.end.saturating_sub(1);
    resets[from..].iter().copied().take_while(move |i| *i < last)
}
