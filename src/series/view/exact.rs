//! Exact increases: differences of cumulative values, which are sums of integers.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Labels, Matcher, Timestamp};
use crate::promql::{Floats, Selection, SourceError, source::is_stale};
use crate::sketch::{Histogram, format_le};

use super::super::archive::GroupId;
use super::super::page::{Page, Points};
use super::super::slot::Slot;
use super::super::total::Total;
use super::archived::{nearest, retired_before};
use super::forms::{Forms, bucket, derived};
use super::points::corrupt;
use super::taken::{Taken, TakenSeries};
use super::{LOOKBACK, View};

pub(super) async fn histograms(
    view: &View,
    matchers: &[Matcher],
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<(Labels, Histogram)>, SourceError> {
    let mut out: BTreeMap<Labels, Histogram> = BTreeMap::new();
    for (labels, _, increase) in differences(view, matchers, start, end).await? {
        if let Total::Histogram(h) = increase
            && h.count() > 0
        {
            match out.get_mut(&labels) {
                Some(sum) => sum.merge(&h),
                None => drop(out.insert(labels, h)),
            }
        }
    }
    Ok(out.into_iter().collect())
}

pub(super) async fn increases(
    view: &View,
    matchers: &[Matcher],
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<(Labels, f64)>, SourceError> {
    let mut out: BTreeMap<Labels, f64> = BTreeMap::new();
    for (labels, forms, increase) in differences(view, matchers, start, end).await? {
        match increase {
            Total::Counter(v) => *out.entry(labels).or_default() += v,
            Total::Histogram(h) => forms_of(&labels, &forms, &h, &mut out),
        }
    }
    for (labels, increase) in foreign(view, matchers, start, end).await? {
        *out.entry(labels).or_default() += increase;
    }
    Ok(out.into_iter().collect())
}

fn forms_of(labels: &Labels, forms: &Forms, h: &Histogram, out: &mut BTreeMap<Labels, f64>) {
    if forms.count {
        *out.entry(derived(labels, "_count")).or_default() += h.count() as f64;
    }
    if forms.sum {
        *out.entry(derived(labels, "_sum")).or_default() += h.sum();
    }
    if forms.buckets.is_some() {
        for (bound, count) in h.cumulative().chain([(f64::INFINITY, h.count())]) {
            let le = format_le(bound);
            if forms.wants_bucket(&le) {
                *out.entry(bucket(labels, &le)).or_default() += count as f64;
            }
        }
    }
}

/// The increase of each series of ours that had begun by `end`.
async fn differences(
    view: &View,
    matchers: &[Matcher],
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<(Labels, Arc<Forms>, Total)>, SourceError> {
    let taken = Taken::read(view, &Selection { matchers: matchers.to_vec(), start, end }).await?;
    let before = Edge::fetch(view, &taken, start, false).await?;
    let after = Edge::fetch(view, &taken, end, true).await?;
    let mut out = Vec::new();
    for series in taken.series.iter().filter(|s| s.kind.is_ours()) {
        let Some(last) = after.total(&taken, series)? else { continue };
        let increase = difference(before.total(&taken, series)?, last);
        out.extend(increase.map(|i| (series.labels.clone(), series.forms.clone(), i)));
    }
    Ok(out)
}

fn difference(first: Option<Total>, last: Total) -> Option<Total> {
    match (first, last) {
        (None, last) => Some(last),
        (Some(Total::Counter(first)), Total::Counter(last)) => Some(Total::Counter((last - first).max(0.0))),
        (Some(Total::Histogram(first)), Total::Histogram(mut last)) => {
            last.widen(first.bounds());
            last.subtract(&first).ok().map(|()| Total::Histogram(last))
        }
        _ => None,
    }
}

/// One end of the range: the last slot at or before it, and the pages that know the value there.
struct Edge {
    slot: Slot,
    /// Everything that was counted so far belongs to it.
    present: bool,
    pages: HashMap<(GroupId, Slot), Page>,
    /// Retired series whose page is one before.
    moved: HashMap<u64, Slot>,
}

impl Edge {
    async fn fetch(view: &View, taken: &Taken, at: Timestamp, is_end: bool) -> Result<Self, SourceError> {
        let slot = if Slot::of(at).end() == at { Slot::of(at) } else { Slot::of(at).plus(-1) };
        let present = is_end && at > taken.current().start();
        let mut edge = Self { slot, present, pages: HashMap::new(), moved: HashMap::new() };
        for series in taken.series.iter().filter(|s| s.kind.is_ours()) {
            if !edge.in_memory(taken, series) {
                edge.fetch_page(view, series).await?;
            }
        }
        Ok(edge)
    }

    /// Fetches the page that knows the value of a series here.
    async fn fetch_page(&mut self, view: &View, series: &TakenSeries) -> Result<(), SourceError> {
        loop {
            let place = (series.group, self.place(series));
            let page = match self.pages.entry(place) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(vacant) => {
                    let found = nearest(view.archive.as_ref(), &view.shared.counters, place.0, place.1).await?;
                    let Some(page) = found else { return Ok(()) };
                    vacant.insert(page)
                }
            };
            let Some(before) = retired_before(page, series, place.1)? else { return Ok(()) };
            self.moved.insert(series.id, before);
        }
    }

    fn in_memory(&self, taken: &Taken, series: &TakenSeries) -> bool {
        series.until.is_none() && (self.present || self.slot >= taken.paged)
    }

    /// Where the pages of a series say what it amounted to here.
    fn place(&self, series: &TakenSeries) -> Slot {
        let moved = self.moved.get(&series.id).copied();
        moved.unwrap_or_else(|| series.until.map_or(self.slot, |until| self.slot.min(until)))
    }

    /// The cumulative value of a series here; nothing when it had not begun.
    fn total(&self, taken: &Taken, series: &TakenSeries) -> Result<Option<Total>, SourceError> {
        let Some(ours) = series.ours() else { return Ok(None) };
        if !self.in_memory(taken, series) {
            return match self.pages.get(&(series.group, self.place(series))) {
                Some(page) => self.in_page(page, series),
                None => Ok(ours.before.as_deref().cloned()),
            };
        }
        if self.present || self.slot > taken.closed {
            let near = ours.near.iter().filter(|(slot, _)| self.present || *slot <= self.slot);
            let mut sum = ours.base.as_deref().cloned();
            near.for_each(|(_, increment)| Total::add_to(&mut sum, increment));
            return Ok(sum);
        }
        let increments = ours.closed.iter().flat_map(|c| c.iter(series.kind));
        sum_until(ours.before.as_deref().cloned(), increments, self.slot)
    }

    fn in_page(&self, page: &Page, series: &TakenSeries) -> Result<Option<Total>, SourceError> {
        let slot = self.place(series);
        let Some(ends) = page.ends(series.id).map_err(corrupt)? else { return Ok(None) };
        if page.key.last() <= slot {
            return Ok(ends.after);
        }
        match page.points(series.id).map_err(corrupt)? {
            Some((Points::Increments(increments), _)) => sum_until(ends.before, increments.into_iter().map(Ok), slot),
            _ => Ok(ends.before),
        }
    }
}

fn sum_until(
    base: Option<Total>,
    increments: impl Iterator<Item = Result<(Slot, Total), super::super::codec::Corrupt>>,
    last: Slot,
) -> Result<Option<Total>, SourceError> {
    let mut sum = base;
    for increment in increments {
        let (slot, increment) = increment.map_err(corrupt)?;
        if slot > last {
            break;
        }
        Total::add_to(&mut sum, &increment);
    }
    Ok(sum)
}

/// Counters that others keep: the sum of their rises, from the last sample at or before `start` on. One that
/// we first saw in between counts from that sample: what it had before is not ours to book here.
async fn foreign(
    view: &View,
    matchers: &[Matcher],
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<(Labels, f64)>, SourceError> {
    let selection = Selection { matchers: matchers.to_vec(), start: start - LOOKBACK - Duration::from_millis(1), end };
    let mut taken = Taken::read(view, &selection).await?;
    taken.series.retain(|s| !s.kind.is_ours());
    let samples = view.samples_of(Arc::new(taken), &selection).await?;
    let floats = samples.into_iter().filter(|s| s.histograms.is_empty());
    Ok(floats.map(|s| (s.labels, rises(&s.floats, start))).collect())
}

/// The sum of rises after `start`; a fall is a reset, after which the counter began at zero.
fn rises(samples: &Floats, start: Timestamp) -> f64 {
    let samples: Vec<(Timestamp, f64)> = samples.iter().filter(|(_, v)| !is_stale(*v)).collect();
    let pairs = samples.windows(2).filter(|w| w[1].0 > start);
    pairs.map(|w| if w[1].1 < w[0].1 { w[1].1 } else { w[1].1 - w[0].1 }).sum()
}
