//! Increments become samples: the cumulative value at the end of each slot in which the process lived.
//!
//! A series begins with a sample of zero at the start of its first slot, so that `rate` and `increase` see
//! its first events as growth. (A scraper would meet it with a value it cannot tell from an old one;
//! Prometheus's created timestamps, "zero ingestion", mend that in the same way.)

use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Labels, Timestamp};
use crate::promql::source::is_stale;
use crate::promql::{Selection, SeriesSamples, SourceError};
use crate::sketch::{Histogram, NativeHistogram, format_le};

use super::super::TICK;
use super::super::archive::StoredChunk;
use super::super::chunk::Chunk;
use super::super::codec::Corrupt;
use super::super::data::Mark;
use super::super::slot::{Slot, slots_in};
use super::super::stream::Place;
use super::super::total::{SeriesKind, Total};
use super::forms::{Forms, bucket, derived};
use super::taken::{Taken, TakenSeries};

/// A chunk's bytes could not be understood.
pub(super) fn corrupt(error: Corrupt) -> SourceError {
    SourceError::Storage(Box::new(error))
}

/// Adds the samples of one series, in all wanted forms.
pub(super) fn samples(
    taken: &Taken,
    series: &TakenSeries,
    chunks: &[StoredChunk],
    selection: &Selection,
    budget: &mut usize,
    out: &mut Vec<SeriesSamples>,
) -> Result<(), SourceError> {
    let found = match series.kind {
        SeriesKind::Sample => vec![foreign(series, chunks, selection)?],
        SeriesKind::Native => natives(series, chunks, selection)?,
        SeriesKind::Counter | SeriesKind::Histogram => {
            let mut walk = Walk::new(taken, series, selection, *budget);
            walk.archive(chunks)?;
            walk.memory()?;
            walk.forms.finish(&series.labels)
        }
    };
    for samples in found.into_iter().filter(|s| !s.floats.is_empty() || !s.histograms.is_empty()) {
        let loaded = samples.floats.len() + samples.histograms.len();
        *budget = budget.checked_sub(loaded).ok_or(SourceError::TooManySamples { limit: super::MAX_SAMPLES })?;
        out.push(samples);
    }
    Ok(())
}

/// Samples with a time of their own, as they came.
fn foreign(series: &TakenSeries, chunks: &[StoredChunk], selection: &Selection) -> Result<SeriesSamples, SourceError> {
    let wanted = |at: Timestamp| selection.start < at && at <= selection.end;
    let mut floats = Vec::new();
    for chunk in chunks {
        let chunk = Chunk::decode(&chunk.bytes).map_err(corrupt)?;
        for sample in chunk.stream.samples() {
            let (at, value) = sample.map_err(corrupt)?;
            wanted(at).then(|| floats.push((at, value)));
        }
    }
    for sample in series.blocks.iter().flat_map(|b| b.stream.samples()) {
        let (at, value) = sample.map_err(corrupt)?;
        wanted(at).then(|| floats.push((at, value)));
    }
    floats.extend(series.samples.iter().filter(|(at, _)| wanted(*at)));
    Ok(SeriesSamples { labels: series.labels.clone(), floats, histograms: Vec::new() })
}

/// Native histograms with a time of their own, as they came, under the names that are wanted.
fn natives(
    series: &TakenSeries,
    chunks: &[StoredChunk],
    selection: &Selection,
) -> Result<Vec<SeriesSamples>, SourceError> {
    let mut out = Vec::new();
    let mut keep = |sample: Result<(Timestamp, Arc<NativeHistogram>), Corrupt>| {
        let (at, histogram) = sample.map_err(corrupt)?;
        (selection.start < at && at <= selection.end).then(|| out.push((at, histogram)));
        Ok::<(), SourceError>(())
    };
    for stored in chunks {
        Chunk::decode(&stored.bytes).map_err(corrupt)?.stream.natives().try_for_each(&mut keep)?;
    }
    series.blocks.iter().flat_map(|b| b.stream.natives()).try_for_each(&mut keep)?;
    series.natives.iter().cloned().map(Ok).try_for_each(&mut keep)?;
    Ok(forms_of_natives(series, out))
}

/// A marker of staleness ends each of the names.
fn forms_of_natives(series: &TakenSeries, natives: Vec<(Timestamp, Arc<NativeHistogram>)>) -> Vec<SeriesSamples> {
    let floats = |suffix: &str, of: fn(&NativeHistogram) -> f64| SeriesSamples {
        labels: derived(&series.labels, suffix),
        floats: natives.iter().map(|(at, h)| (*at, if is_stale(h.sum) { h.sum } else { of(h) })).collect(),
        histograms: Vec::new(),
    };
    let mut out = Vec::new();
    out.extend(series.forms.count.then(|| floats("_count", |h| h.count)));
    out.extend(series.forms.sum.then(|| floats("_sum", |h| h.sum)));
    if series.forms.plain {
        out.push(SeriesSamples { labels: series.labels.clone(), floats: Vec::new(), histograms: natives });
    }
    out
}

/// Walks through a series of ours in time.
struct Walk<'a> {
    taken: &'a Taken,
    series: &'a TakenSeries,
    selection: &'a Selection,
    sum: Option<Total>,
    changed: bool,
    forms: Collector,
    left: usize,
}

impl<'a> Walk<'a> {
    fn new(taken: &'a Taken, series: &'a TakenSeries, selection: &'a Selection, budget: usize) -> Self {
        let forms = Collector::new(series.forms.clone());
        Self { taken, series, selection, sum: None, changed: true, forms, left: budget }
    }

    fn archive(&mut self, chunks: &[StoredChunk]) -> Result<(), SourceError> {
        for stored in chunks {
            let chunk = Chunk::decode(&stored.bytes).map_err(corrupt)?;
            self.rebase(chunk.base.as_ref());
            let (after, through) = (Slot::last_of_block(stored.block - 1), Slot::last_of_block(stored.block));
            self.piece(chunk.stream.increments(), after, through, stored.tier.step())?;
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<(), SourceError> {
        let (taken, series) = (self.taken, self.series);
        if series.retired {
            return Ok(());
        }
        let first = Slot::of(self.selection.start).block().max(taken.memory_from);
        let last = Slot::of(self.selection.end).block().min(taken.closed.block());
        for block in first..=last {
            let (after, through) = (Slot::last_of_block(block - 1), Slot::last_of_block(block).min(taken.closed));
            // The first sample wanted is after the start's own slot, if that has not ended yet.
            let mark = Mark::before(&series.marks, block, Slot::of(self.selection.start).plus(-1));
            let (base, place) = match mark {
                Some(mark) => (mark.total.as_deref(), mark.place),
                None => (series.base_of(block), Place::default()),
            };
            self.rebase(base);
            match series.blocks.iter().find(|b| b.index == block) {
                Some(found) => self.piece(found.stream.increments_from(place), after, through, TICK)?,
                None => self.piece(std::iter::empty(), after, through, TICK)?,
            }
        }
        if self.selection.end > taken.closed.end() {
            self.rebase(series.base.as_deref());
            self.open_slots()?;
        }
        Ok(())
    }

    /// The slots that are not closed, and the sample that stands for the present.
    fn open_slots(&mut self) -> Result<(), SourceError> {
        let (taken, near) = (self.taken, &self.series.near);
        let current = taken.current();
        let ended = near.iter().filter(|(slot, _)| *slot < current).map(|(slot, t)| Ok((*slot, t.as_ref().clone())));
        self.piece(ended, taken.closed, current.plus(-1), TICK)?;
        if self.selection.end > current.start() {
            for (slot, increment) in near.iter().filter(|(slot, _)| *slot >= current) {
                self.grow((*slot).min(current).start(), increment)?;
            }
            self.emit(self.selection.end.min(taken.now))?;
        }
        Ok(())
    }

    /// Starts over from a value that is known.
    fn rebase(&mut self, base: Option<&Total>) {
        self.sum = base.cloned();
        self.changed = true;
    }

    /// Emits the samples of the slots within `(after, through]`.
    fn piece(
        &mut self,
        increments: impl Iterator<Item = Result<(Slot, Total), Corrupt>>,
        after: Slot,
        through: Slot,
        step: Duration,
    ) -> Result<(), SourceError> {
        let through = through.min(Slot::of(self.selection.end));
        let from = after.max(Slot::of(self.selection.start).plus(-slots_in(step)));
        let mut increments = increments.peekable();
        let taken = self.taken;
        for stamp in taken.live.stamps(from, through, step) {
            self.grow_until(&mut increments, stamp, step)?;
            self.emit(stamp)?;
        }
        self.grow_until(&mut increments, through.end(), step)
    }

    fn grow_until(
        &mut self,
        increments: &mut Peekable<impl Iterator<Item = Result<(Slot, Total), Corrupt>>>,
        until: Timestamp,
        step: Duration,
    ) -> Result<(), SourceError> {
        while let Some(next) = increments.next_if(|i| i.as_ref().map_or(true, |(slot, _)| slot.end() <= until)) {
            let (slot, increment) = next.map_err(corrupt)?;
            self.grow(slot.plus(1 - slots_in(step)).start(), &increment)?;
        }
        Ok(())
    }

    /// Adds an increment; a series that begins has been zero at the start of its first slot.
    fn grow(&mut self, slot_start: Timestamp, increment: &Total) -> Result<(), SourceError> {
        if self.sum.is_none() {
            self.sum = Some(match increment {
                Total::Counter(_) => Total::Counter(0.0),
                Total::Histogram(h) => Total::Histogram(Histogram::new(h.bounds().clone())),
            });
            self.changed = true;
            self.emit(slot_start)?;
        }
        Total::add_to(&mut self.sum, increment);
        self.changed = true;
        Ok(())
    }

    fn emit(&mut self, at: Timestamp) -> Result<(), SourceError> {
        if at <= self.selection.start || at > self.selection.end {
            return Ok(());
        }
        let Some(sum) = &self.sum else { return Ok(()) };
        self.left = self.left.checked_sub(1).ok_or(SourceError::TooManySamples { limit: super::MAX_SAMPLES })?;
        self.forms.push(at, sum, self.changed);
        self.changed = false;
        Ok(())
    }
}

type Floats = Vec<(Timestamp, f64)>;

/// Collects the samples of one series in all wanted forms.
struct Collector {
    forms: Forms,
    plain: Floats,
    native: Vec<(Timestamp, Arc<NativeHistogram>)>,
    count: Floats,
    sum: Floats,
    /// By bound, ascending; `None`: not wanted.
    buckets: Vec<(f64, Option<(String, Floats)>)>,
}

impl Collector {
    fn new(forms: Forms) -> Self {
        Self { forms, plain: Vec::new(), native: Vec::new(), count: Vec::new(), sum: Vec::new(), buckets: Vec::new() }
    }

    fn push(&mut self, at: Timestamp, total: &Total, changed: bool) {
        match total {
            Total::Counter(v) => self.plain.push((at, *v)),
            Total::Histogram(h) => self.histogram(at, h, changed),
        }
    }

    fn histogram(&mut self, at: Timestamp, h: &Histogram, changed: bool) {
        if self.forms.plain {
            let same = self.native.last().filter(|_| !changed).map(|(_, n)| n.clone());
            self.native.push((at, same.unwrap_or_else(|| Arc::new(h.to_native()))));
        }
        if self.forms.count {
            self.count.push((at, h.count() as f64));
        }
        if self.forms.sum {
            self.sum.push((at, h.sum()));
        }
        if self.forms.buckets.is_some() {
            for (bound, count) in h.cumulative().chain([(f64::INFINITY, h.count())]) {
                self.bucket(bound, at, count);
            }
        }
    }

    fn bucket(&mut self, bound: f64, at: Timestamp, count: u64) {
        let place = match self.buckets.binary_search_by(|(b, _)| b.total_cmp(&bound)) {
            Ok(place) => place,
            Err(place) => {
                let le = format_le(bound);
                let wanted = self.forms.wants_bucket(&le).then(|| (le, Floats::new()));
                self.buckets.insert(place, (bound, wanted));
                place
            }
        };
        if let Some((_, floats)) = &mut self.buckets[place].1 {
            floats.push((at, count as f64));
        }
    }

    fn finish(self, labels: &Labels) -> Vec<SeriesSamples> {
        let floats = |labels, floats| SeriesSamples { labels, floats, histograms: Vec::new() };
        let mut out = vec![SeriesSamples { labels: labels.clone(), floats: self.plain, histograms: self.native }];
        if self.forms.count {
            out.push(floats(derived(labels, "_count"), self.count));
        }
        if self.forms.sum {
            out.push(floats(derived(labels, "_sum"), self.sum));
        }
        let buckets = self.buckets.into_iter().filter_map(|(_, wanted)| wanted);
        out.extend(buckets.map(|(le, values)| floats(bucket(labels, &le), values)));
        out
    }
}

/// Makes one of stored series with the same labels, and sorts by labels.
pub(super) fn join(mut all: Vec<SeriesSamples>) -> Vec<SeriesSamples> {
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut out: Vec<SeriesSamples> = Vec::with_capacity(all.len());
    for next in all {
        match out.last_mut().filter(|last| last.labels == next.labels) {
            Some(last) => {
                last.floats.extend(next.floats);
                last.floats.sort_by_key(|(at, _)| *at);
                last.floats.dedup_by_key(|(at, _)| *at);
                last.histograms.extend(next.histograms);
                last.histograms.sort_by_key(|(at, _)| *at);
                last.histograms.dedup_by_key(|(at, _)| *at);
            }
            None => out.push(next),
        }
    }
    out
}
