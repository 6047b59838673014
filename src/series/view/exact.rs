//! Exact increases: differences of cumulative values, which are sums of integers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{Labels, Matcher, Timestamp};
use crate::promql::{Selection, SourceError, source::is_stale};
use crate::sketch::{Histogram, format_le};

use super::super::archive::StoredChunk;
use super::super::chunk::Chunk;
use super::super::data::Mark;
use super::super::slot::Slot;
use super::super::stream::Place;
use super::super::total::Total;
use super::forms::{Forms, bucket, derived};
use super::points::corrupt;
use super::taken::{Chunks, Taken, TakenSeries, storage};
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
) -> Result<Vec<(Labels, Forms, Total)>, SourceError> {
    let taken = Taken::new(&view.shared, matchers, view.clock.now())?;
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

/// One end of the range: the last slot at or before it, and the chunks that know the value there.
struct Edge {
    slot: Slot,
    /// Everything that was counted so far belongs to it.
    present: bool,
    chunks: Chunks,
}

impl Edge {
    async fn fetch(view: &View, taken: &Taken, at: Timestamp, is_end: bool) -> Result<Self, SourceError> {
        let slot = if Slot::of(at).end() == at { Slot::of(at) } else { Slot::of(at).plus(-1) };
        let present = is_end && at > taken.current().start();
        let in_memory = |s: &&TakenSeries| !s.retired && (present || slot.block() >= taken.memory_from);
        let mut ids: Vec<u64> = taken.series.iter().filter(|s| !in_memory(s)).map(|s| s.id).collect();
        ids.sort_unstable();
        let chunks = match ids.is_empty() {
            true => Vec::new(),
            false => view.archive.nearest(&ids, slot.block()).await.map_err(storage)?,
        };
        Ok(Self { slot, present, chunks: Chunks(chunks) })
    }

    /// The cumulative value of a series here; nothing when it had not begun.
    fn total(&self, taken: &Taken, series: &TakenSeries) -> Result<Option<Total>, SourceError> {
        if !series.retired && (self.present || self.slot > taken.closed) {
            let near = series.near.iter().filter(|(slot, _)| self.present || *slot <= self.slot);
            let mut sum = series.base.as_deref().cloned();
            near.for_each(|(_, increment)| Total::add_to(&mut sum, increment));
            return Ok(sum);
        }
        let block = self.slot.block();
        if !series.retired && block >= taken.memory_from {
            let found = series.blocks.iter().find(|b| b.index == block);
            let (base, place) = match Mark::before(&series.marks, block, self.slot) {
                Some(mark) => (mark.total.as_deref(), mark.place),
                None => (series.base_of(block), Place::default()),
            };
            let increments = found.into_iter().flat_map(|b| b.stream.increments_from(place));
            return sum_until(base.cloned(), increments, self.slot);
        }
        match self.chunks.of(series.id).first() {
            Some(stored) => self.in_chunk(stored),
            None => Ok(series.base_of(taken.memory_from).cloned()),
        }
    }

    fn in_chunk(&self, stored: &StoredChunk) -> Result<Option<Total>, SourceError> {
        let chunk = Chunk::decode(&stored.bytes).map_err(corrupt)?;
        sum_until(chunk.base.clone(), chunk.stream.increments(), self.slot)
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
    let mut taken = Taken::new(&view.shared, matchers, view.clock.now())?;
    taken.series.retain(|s| !s.kind.is_ours());
    let chunks = taken.archived(view.archive.as_ref(), &selection).await?;
    let (mut samples, mut budget) = (Vec::new(), super::MAX_SAMPLES);
    for series in &taken.series {
        super::points::samples(&taken, series, chunks.of(series.id), &selection, &mut budget, &mut samples)?;
    }
    let floats = super::points::join(samples).into_iter().filter(|s| s.histograms.is_empty());
    Ok(floats.map(|s| (s.labels, rises(&s.floats, start))).collect())
}

/// The sum of rises after `start`; a fall is a reset, after which the counter began at zero.
fn rises(samples: &[(Timestamp, f64)], start: Timestamp) -> f64 {
    let samples: Vec<(Timestamp, f64)> = samples.iter().copied().filter(|(_, v)| !is_stale(*v)).collect();
    let pairs = samples.windows(2).filter(|w| w[1].0 > start);
    pairs.map(|w| if w[1].1 < w[0].1 { w[1].1 } else { w[1].1 - w[0].1 }).sum()
}
