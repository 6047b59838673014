//! Counts the samples that a query's selectors see.

use crate::promql::engine::QueryStats;
use crate::promql::plan::{Fetch, Steps};
use crate::promql::source::{SeriesSamples, is_stale};

/// The counts; the times are somebody else's.
pub(super) fn count(fetches: &[Fetch], steps: Steps, data: &[Vec<SeriesSamples>]) -> QueryStats {
    let seen = fetches.iter().zip(data).map(|(fetch, series)| of_fetch(fetch, steps, series));
    let held = data.iter().flatten().map(|s| s.floats.len() + s.histograms.len());
    QueryStats { samples: seen.sum(), peak_samples: held.sum(), ..QueryStats::default() }
}

/// A range sees every sample of its window at each step, an instant selector the last one.
fn of_fetch(fetch: &Fetch, steps: Steps, series: &[SeriesSamples]) -> usize {
    let (window, moves) = window(fetch, steps);
    let mut seen = 0;
    for one in series {
        let times = times(one);
        let (mut first, mut behind) = (0, 0);
        for index in 0..steps.count {
            let start = fetch.start + if moves { steps.step * index as i64 } else { 0 };
            first += times[first..].iter().take_while(|(t, _)| *t <= start).count();
            behind = behind.max(first);
            behind += times[behind..].iter().take_while(|(t, _)| *t <= start + window).count();
            seen += match &times[first..behind] {
                inside if fetch.range => inside.len(),
                inside => usize::from(inside.last().is_some_and(|(_, stale)| !stale)),
            };
        }
    }
    seen
}

/// How long the window of one step is, and whether it moves with the steps: under `@` it does not.
fn window(fetch: &Fetch, steps: Steps) -> (i64, bool) {
    let (whole, moved) = (fetch.end - fetch.start, steps.last() - steps.start);
    if whole > moved { (whole - moved, true) } else { (whole, false) }
}

/// The times of all samples in order, and whether each is a staleness marker.
fn times(series: &SeriesSamples) -> Vec<(i64, bool)> {
    let floats = series.floats.iter().map(|(t, v)| (t.as_millis(), is_stale(v)));
    let histograms = series.histograms.iter().map(|(t, h)| (t.as_millis(), is_stale(h.sum)));
    let mut all: Vec<_> = floats.chain(histograms).collect();
    if !series.floats.is_empty() && !series.histograms.is_empty() {
        all.sort_unstable();
    }
    all
}
