//! Instant vector selectors: the last sample at or before each step, not older than the lookback and not
//! marked stale.

use super::row::{Cell, Row};
use super::{Context, QueryError};
use crate::base::Timestamp;
use crate::promql::plan::{Selector, Steps};
use crate::promql::source::{SeriesSamples, is_stale};
use crate::promql::value::Point;

impl Context<'_> {
    pub(super) fn select(&self, selector: &Selector, steps: Steps) -> Result<Vec<Row>, QueryError> {
        self.select_with(selector, steps, |(_, point)| point)
    }

    /// The samples' own times, in seconds, as values.
    pub(super) fn select_times(&self, selector: &Selector, steps: Steps) -> Result<Vec<Row>, QueryError> {
        self.select_with(selector, steps, |(time, _)| Point::Float(time.as_secs_f64()))
    }

    fn select_with(
        &self,
        selector: &Selector,
        steps: Steps,
        value: impl Fn((Timestamp, Point)) -> Point,
    ) -> Result<Vec<Row>, QueryError> {
        let mut rows = Vec::new();
        for series in self.loaded.series(selector.fetch) {
            self.check(rows.len() + 1, steps)?;
            let mut latest = Latest::new(series, self.plan.lookback);
            let cells: Vec<Cell> = if selector.shift.is_fixed() {
                vec![latest.at(selector.shift.apply(steps.start)).map(&value); steps.count]
            } else {
                steps.times().map(|t| latest.at(selector.shift.apply(t)).map(&value)).collect()
            };
            let row = Row { labels: series.labels.clone(), cells };
            if !row.is_empty() {
                rows.push(row);
            }
        }
        Ok(rows)
    }
}

/// Walks a series forward.
pub(super) struct Latest<'a> {
    series: &'a SeriesSamples,
    lookback: i64,
    floats: usize,
    histograms: usize,
}

impl<'a> Latest<'a> {
    pub(super) fn new(series: &'a SeriesSamples, lookback: i64) -> Self {
        Self { series, lookback, floats: 0, histograms: 0 }
    }

    /// The visible sample at `time`, which must not be before the last call's.
    pub(super) fn at(&mut self, time: i64) -> Option<(Timestamp, Point)> {
        let (floats, histograms) = (&self.series.floats, &self.series.histograms);
        self.floats = advance(floats.times(), self.floats, time, |t| *t);
        self.histograms = advance(histograms, self.histograms, time, |s| s.0);
        let float = self.floats.checked_sub(1).and_then(|i| floats.get(i));
        let histogram = self.histograms.checked_sub(1).map(|i| &histograms[i]);
        let (at, point) = match (float, histogram) {
            (Some(f), Some(h)) if h.0 >= f.0 => (h.0, Point::Histogram(h.1.clone())),
            (Some(f), _) => (f.0, Point::Float(f.1)),
            (None, Some(h)) => (h.0, Point::Histogram(h.1.clone())),
            (None, None) => return None,
        };
        let stale = match &point {
            Point::Float(v) => is_stale(*v),
            Point::Histogram(h) => is_stale(h.sum),
        };
        (!stale && at.as_millis() > time.saturating_sub(self.lookback)).then_some((at, point))
    }
}

/// The number of samples at or before `time`, knowing that it is at least `from`.
pub(super) fn advance<T>(samples: &[T], from: usize, time: i64, time_of: impl Fn(&T) -> Timestamp) -> usize {
    let rest = &samples[from..];
    // Neighbouring steps are few samples apart; the first step may be far in.
    match rest.get(16) {
        Some(far) if time_of(far).as_millis() <= time => {
            from + rest.partition_point(|s| time_of(s).as_millis() <= time)
        }
        _ => from + rest.iter().take_while(|s| time_of(s).as_millis() <= time).count(),
    }
}
