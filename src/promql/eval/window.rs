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
            let pairs = values.iter().zip(values.iter().skip(1)).enumerate();
            pairs.filter(|(_, (before, after))| after < before).map(|(i, _)| i).collect()
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
}

impl Windows {
    /// Goes on to another series.
    pub(super) fn over(&mut self, row: &RangeRow<'_>, argument: &RangeArgument, steps: Steps) {
        let times = row.floats.times();
        if self.floats.len() != steps.count || !Arc::ptr_eq(times, &self.times) {
            self.times = times.clone();
            places(times, |t| *t, argument, steps, &mut self.floats);
        }
        places(&row.histograms, |s| s.0, argument, steps, &mut self.histograms);
    }

    /// The window of a step, unless it is empty.
    pub(super) fn at<'a>(
        &self,
        step: usize,
        row: &'a RangeRow<'a>,
        argument: &RangeArgument,
        steps: Steps,
    ) -> Option<Window<'a>> {
        let (floats, histograms) = (self.floats[step].clone(), self.histograms[step].clone());
        let now = steps.time(step);
        let end = argument.shift.apply(now);
        let start = end.saturating_sub(argument.range);
        let is_empty = floats.is_empty() && histograms.is_empty();
        (!is_empty).then_some(Window { row, floats, histograms, start, end, now })
    }
}

/// For each step the places of the samples with `start < t <= end`.
fn places<T>(
    samples: &[T],
    time_of: impl Fn(&T) -> Timestamp + Copy,
    argument: &RangeArgument,
    steps: Steps,
    out: &mut Vec<Range<usize>>,
) {
    out.clear();
    if samples.is_empty() {
        return out.resize(steps.count, 0..0);
    }
    let mut window = 0..0;
    out.extend(steps.times().map(|now| {
        let end = argument.shift.apply(now);
        let from = advance(samples, window.start, end.saturating_sub(argument.range), time_of);
        window = from..advance(samples, window.end.max(from), end, time_of);
        window.clone()
    }));
}

/// The samples with `start < t <= end` of one series; at least one.
#[derive(Debug)]
pub(in crate::promql) struct Window<'a> {
    row: &'a RangeRow<'a>,
    floats: Range<usize>,
    histograms: Range<usize>,
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

    /// The sum of the values right before each reset inside the window.
    pub(in crate::promql) fn lost_in_float_resets(&self) -> f64 {
        let values = self.row.floats.values();
        inside(self.row.float_resets(), &self.floats).map(|i| values[i]).sum()
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
