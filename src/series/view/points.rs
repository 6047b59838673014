//! Increments become samples: the cumulative value at the end of each slot in which the process lived.
//!
//! A series begins with a sample of zero at the start of its first slot, so that `rate` and `increase` see
//! its first events as growth. (A scraper would meet it with a value it cannot tell from an old one;
//! Prometheus's created timestamps, "zero ingestion", mend that in the same way.)

use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Timestamp;
use crate::promql::source::is_stale;
use crate::promql::{Floats, FloatsBuilder, Selection, SeriesSamples, SourceError};
use crate::sketch::{Histogram, NativeHistogram};

use super::super::TICK;
use super::super::codec::Corrupt;
use super::super::data::{Data, Ours};
use super::super::page::Points;
use super::super::slot::{Slot, slots_in};
use super::super::total::Total;
use super::archived::{Archived, Part};
use super::collector::Collector;
use super::forms::derived;
use super::taken::{Taken, TakenSeries};

/// Bytes could not be understood.
pub(super) fn corrupt(error: Corrupt) -> SourceError {
    SourceError::Storage(Box::new(error))
}

/// Adds the samples of one series, in all wanted forms.
pub(super) fn samples(
    taken: &Taken,
    series: &TakenSeries,
    archived: &Archived,
    selection: &Selection,
    floats: &mut FloatsBuilder,
    budget: &mut usize,
    out: &mut Vec<SeriesSamples>,
) -> Result<(), SourceError> {
    let found = match &series.data {
        Data::Samples(sent) => {
            archived_samples(series, archived, selection, floats)?;
            sent.stream.add_to(selection.start, selection.end, floats).map_err(corrupt)?;
            vec![SeriesSamples { labels: series.labels.clone(), floats: floats.finish(), histograms: Vec::new() }]
        }
        Data::Natives(sent) => {
            let mut natives = Vec::new();
            archived_natives(series, archived, selection, &mut natives)?;
            each_wanted(sent.stream.iter(), selection, |at, h| natives.push((at, h)))?;
            forms_of_natives(series, in_order(natives))
        }
        Data::Ours(ours) => {
            let mut walk = Walk::new(taken, series, archived, selection, *budget);
            walk.archive()?;
            walk.memory(ours)?;
            walk.forms.finish(&series.labels, floats)
        }
    };
    for samples in found.into_iter().filter(|s| !s.floats.is_empty() || !s.histograms.is_empty()) {
        let loaded = samples.floats.len() + samples.histograms.len();
        *budget = budget.checked_sub(loaded).ok_or(SourceError::TooManySamples { limit: super::MAX_SAMPLES })?;
        out.push(samples);
    }
    Ok(())
}

fn each_wanted<T>(
    samples: impl Iterator<Item = Result<(Timestamp, T), Corrupt>>,
    selection: &Selection,
    mut take: impl FnMut(Timestamp, T),
) -> Result<(), SourceError> {
    for sample in samples {
        let (at, value) = sample.map_err(corrupt)?;
        if selection.start < at && at <= selection.end {
            take(at, value);
        }
    }
    Ok(())
}

/// Where tiers meet a late sample may be in both.
fn in_order<T>(mut samples: Vec<(Timestamp, T)>) -> Vec<(Timestamp, T)> {
    if !samples.windows(2).all(|w| w[0].0 < w[1].0) {
        samples.sort_by_key(|s| s.0);
        samples.dedup_by_key(|s| s.0);
    }
    samples
}

/// Each part's page with what it has of a series.
fn pages<'a>(
    series: &'a TakenSeries,
    archived: &'a Archived,
) -> impl Iterator<Item = Result<(&'a Part, Points), SourceError>> + 'a {
    archived.of(series.group).iter().filter_map(|part| {
        let points = part.page.as_ref()?.points(series.id).map_err(corrupt).transpose()?;
        Some(points.map(|(points, _)| (part, points)))
    })
}

fn archived_samples(
    series: &TakenSeries,
    archived: &Archived,
    selection: &Selection,
    out: &mut FloatsBuilder,
) -> Result<(), SourceError> {
    for part in archived.of(series.group) {
        let Some(page) = &part.page else { continue };
        let end = selection.end.min(part.through.end());
        page.samples(series.id, selection.start, end, out).map_err(corrupt)?;
    }
    Ok(())
}

fn archived_natives(
    series: &TakenSeries,
    archived: &Archived,
    selection: &Selection,
    out: &mut Vec<(Timestamp, Arc<NativeHistogram>)>,
) -> Result<(), SourceError> {
    for found in pages(series, archived) {
        if let (part, Points::Natives(natives)) = found? {
            let inside = natives.into_iter().filter(|(at, _)| *at <= part.through.end());
            each_wanted(inside.map(Ok), selection, |at, h| out.push((at, h)))?;
        }
    }
    Ok(())
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
        out.push(SeriesSamples { labels: series.labels.clone(), floats: Floats::default(), histograms: natives });
    }
    out
}

/// Walks through a series of ours in time.
struct Walk<'a> {
    taken: &'a Taken,
    series: &'a TakenSeries,
    archived: &'a Archived,
    selection: &'a Selection,
    /// Every slot up to this one is done.
    done: Slot,
    sum: Option<Total>,
    changed: bool,
    forms: Collector,
    left: usize,
}

impl<'a> Walk<'a> {
    fn new(
        taken: &'a Taken,
        series: &'a TakenSeries,
        archived: &'a Archived,
        selection: &'a Selection,
        left: usize,
    ) -> Self {
        let forms = Collector::new(series.forms.clone());
        Self { taken, series, archived, selection, done: Slot::NONE, sum: None, changed: true, forms, left }
    }

    /// Page after page. Between two the group was idle: the value is what the next one begins with.
    fn archive(&mut self) -> Result<(), SourceError> {
        if let Some(carried) = self.archived.carried(self.series.id) {
            self.rebase(carried.after.as_ref());
        }
        for part in self.archived.of(self.series.group) {
            let Some(page) = &part.page else {
                self.idle_until(part.after)?;
                self.done = part.through;
                continue;
            };
            let (Some(ends), Some((Points::Increments(increments), _))) =
                (page.ends(self.series.id).map_err(corrupt)?, page.points(self.series.id).map_err(corrupt)?)
            else {
                continue;
            };
            let inside = increments.partition_point(|(slot, _)| *slot <= part.after);
            let mut base = ends.before;
            increments[..inside].iter().for_each(|(_, increment)| Total::add_to(&mut base, increment));
            self.rebase(base.as_ref());
            self.idle_until(part.after)?;
            let increments = increments.into_iter().skip(inside).map(Ok);
            self.piece(increments, part.after.max(self.done), part.through, part.step)?;
            self.done = part.through;
        }
        match self.series.until {
            Some(until) => self.idle_until(until.min(self.taken.paged)),
            None => Ok(()),
        }
    }

    /// Nothing happened up to here.
    fn idle_until(&mut self, through: Slot) -> Result<(), SourceError> {
        let archived = self.archived;
        for (after, through, step) in archived.steps(self.done, through) {
            self.piece(std::iter::empty(), after, through, step)?;
        }
        self.done = self.done.max(through);
        Ok(())
    }

    fn memory(&mut self, ours: &'a Ours) -> Result<(), SourceError> {
        let (taken, series) = (self.taken, self.series);
        if series.until.is_some() {
            return Ok(());
        }
        self.rebase(ours.before.as_deref());
        self.idle_until(taken.paged.min(taken.closed))?;
        if self.selection.end > taken.paged.end() {
            let increments = ours.closed.iter().flat_map(|c| c.iter(series.kind));
            self.piece(increments, taken.paged, taken.closed, TICK)?;
        }
        if self.selection.end > taken.closed.end() {
            self.rebase(ours.base.as_deref());
            self.open_slots(&ours.near)?;
        }
        Ok(())
    }

    /// The slots that are not closed, and the sample that stands for the present.
    fn open_slots(&mut self, near: &[(Slot, Arc<Total>)]) -> Result<(), SourceError> {
        let taken = self.taken;
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
        // A longer page goes on where a retired series does not: there may be another one of its labels.
        let until = self.series.until.map_or(Timestamp::MAX, Slot::end);
        for stamp in taken.live.stamps(from, through, step).take_while(|stamp| *stamp <= until) {
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

/// Makes one of stored series with the same labels, and sorts by labels.
pub(super) fn join(mut all: Vec<SeriesSamples>) -> Vec<SeriesSamples> {
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut out: Vec<SeriesSamples> = Vec::with_capacity(all.len());
    for next in all {
        match out.last_mut().filter(|last| last.labels == next.labels) {
            Some(last) => {
                let mut floats: Vec<_> = last.floats.iter().chain(next.floats.iter()).collect();
                floats.sort_by_key(|(at, _)| *at);
                keep_later(&mut floats);
                last.floats = floats.into_iter().collect();
                last.histograms.extend(next.histograms);
                last.histograms.sort_by_key(|(at, _)| *at);
                keep_later(&mut last.histograms);
            }
            None => out.push(next),
        }
    }
    out
}

/// Of two samples at one instant the later series counts: its zero is the reset that readers must see.
fn keep_later<T>(samples: &mut Vec<(Timestamp, T)>) {
    samples.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}
