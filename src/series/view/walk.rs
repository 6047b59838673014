//! Increments become samples: the cumulative value at the end of each slot in which the process lived.
//!
//! A series begins with a sample of zero at the start of its first slot, so that `rate` and `increase` see
//! its first events as growth. (A scraper would meet it with a value it cannot tell from an old one;
//! Prometheus's created timestamps, "zero ingestion", mend that in the same way.)

use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Timestamp;
use crate::promql::{FloatsBuilder, Selection, SeriesSamples, SourceError};
use crate::sketch::Histogram;

use super::super::TICK;
use super::super::codec::Corrupt;
use super::super::data::Ours;
use super::super::page::Points;
use super::super::slot::{Slot, slots_in};
use super::super::total::Total;
use super::archived::Archived;
use super::collector::Collector;
use super::points::corrupt;
use super::taken::{Taken, TakenSeries};

/// The samples of a series of ours, in all wanted forms, of which there are at most so many.
pub(super) fn samples(
    taken: &Taken,
    series: &TakenSeries,
    ours: &Ours,
    archived: &Archived,
    selection: &Selection,
    most: usize,
    floats: &mut FloatsBuilder,
) -> Result<Vec<SeriesSamples>, SourceError> {
    let mut walk = Walk::new(taken, series, archived, selection, most);
    walk.archive()?;
    walk.memory(ours)?;
    Ok(walk.forms.finish(&series.labels, floats))
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
