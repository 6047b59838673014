//! The data of one series in memory: what is open, what closed since the last page, and what it amounts to.
//!
//! Of a series of ours the open slots hold increments as they are. A slot that closes is appended to `closed`
//! and added to `base`; when a page has been made, `closed` is empty again and `before` is what `base` was. So
//! the cumulative value now is `base` and the open slots, and the value at a slot since the last page is
//! `before` and the increments up to it.

use std::sync::Arc;

use crate::base::{Labels, Timestamp};
use crate::sketch::{Bounds, Histogram, NativeHistogram};

use super::archive::{GroupId, Retired, SeriesDef};
use super::batch::Observation;
use super::codec::Corrupt;
use super::page::{Ends, Points};
use super::slot::Slot;
use super::stream::{Increments, Natives, Samples};
use super::total::{SeriesKind, Total};

/// One series.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) id: u64,
    pub(super) group: GroupId,
    pub(super) labels: Labels,
    pub(super) kind: SeriesKind,
    /// Only the archive has its data, whose pages list it up to this slot; what comes for its labels is a new
    /// series.
    pub(super) retired: Option<Slot>,
    /// The first slot with news, or one before.
    pub(super) born: Slot,
    /// The last slot with news, or one after; of a retired series the last in which it has something to read.
    pub(super) touched: Slot,
    pub(super) data: Data,
}

/// By what a series is fed with.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Ours(Ours),
    Samples(Sent<Samples>),
    Natives(Box<Sent<Natives>>),
}

/// A counter or histogram of ours.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    /// Cumulative through what is in pages.
    pub(super) before: Option<Arc<Total>>,
    /// What closed since.
    pub(super) closed: Option<Arc<Increments>>,
    /// Cumulative through the closed slots.
    pub(super) base: Option<Arc<Total>>,
    /// Increments of open slots, ascending.
    pub(super) near: Vec<(Slot, Arc<Total>)>,
    /// Where its histograms count exactly; only grows.
    pub(super) bounds: Bounds,
}

/// A series that is sent to us.
#[derive(Debug, Clone)]
pub(super) struct Sent<S> {
    pub(super) stream: S,
    /// The last sample that is in pages; before the first one the earliest time there is.
    pub(super) paged: (Timestamp, f64),
    /// The newest closed sample's time.
    pub(super) closed: Timestamp,
}

impl<S: Default> Sent<S> {
    fn new() -> Self {
        Self { stream: S::default(), paged: (Timestamp::MIN, f64::NAN), closed: Timestamp::MIN }
    }
}

impl Series {
    pub(super) fn new(id: u64, group: GroupId, labels: Labels, kind: SeriesKind, bounds: Bounds) -> Self {
        let data = match kind {
            SeriesKind::Counter | SeriesKind::Histogram => {
                Data::Ours(Ours { before: None, closed: None, base: None, near: Vec::new(), bounds })
            }
            SeriesKind::Sample => Data::Samples(Sent::new()),
            SeriesKind::Native => Data::Natives(Box::new(Sent::new())),
        };
        Self { id, group, labels, kind, retired: None, born: Slot::NONE, touched: Slot::NONE, data }
    }

    pub(super) fn add(&mut self, slot: Slot, value: f64) {
        if let Some(Total::Counter(sum)) = self.open(slot) {
            *sum += value;
        }
    }

    pub(super) fn observe(&mut self, slot: Slot, observations: &[Observation]) {
        if let Some(Total::Histogram(histogram)) = self.open(slot) {
            for o in observations {
                histogram.observe_n(o.value, u64::from(o.weight));
            }
        }
    }

    /// The increment of an open slot, begun if there is none.
    fn open(&mut self, slot: Slot) -> Option<&mut Total> {
        self.note_news(slot);
        let Data::Ours(ours) = &mut self.data else { return None };
        let place = ours.near.iter().rposition(|(s, _)| *s <= slot);
        let at = match place {
            Some(i) if ours.near[i].0 == slot => i,
            _ => {
                let empty = match self.kind {
                    SeriesKind::Histogram => Total::Histogram(Histogram::new(ours.bounds.clone())),
                    _ => Total::Counter(0.0),
                };
                let at = place.map_or(0, |i| i + 1);
                ours.near.insert(at, (slot, Arc::new(empty)));
                at
            }
        };
        Some(Arc::make_mut(&mut ours.near[at].1))
    }

    /// Takes a sample; of two with one time the later counts. One that is not later than all closed is left out.
    pub(super) fn sample(&mut self, at: Timestamp, value: f64) {
        self.note_news(Slot::of(at));
        if let Data::Samples(sent) = &mut self.data
            && at > sent.closed
        {
            sent.stream.insert(at, value);
        }
    }

    /// A sample of the past is about to be in a page: what comes now must be later.
    pub(super) fn has_past(&mut self, at: Timestamp, value: f64, closed: Slot) {
        self.note_news(Slot::of(at));
        self.touched = self.touched.max(closed);
        if let Data::Samples(sent) = &mut self.data
            && at > sent.closed
        {
            (sent.paged, sent.closed) = ((at, value), at);
        }
    }

    /// Takes a native histogram, as a sample is taken.
    pub(super) fn native(&mut self, at: Timestamp, histogram: Arc<NativeHistogram>) {
        self.note_news(Slot::of(at));
        if let Data::Natives(sent) = &mut self.data
            && at > sent.closed
        {
            sent.stream.insert(at, histogram);
        }
    }

    /// The newest closed sample's time, of a series that is sent to us.
    pub(super) fn closed_sample(&self) -> Timestamp {
        match &self.data {
            Data::Ours(_) => Timestamp::MIN,
            Data::Samples(sent) => sent.closed,
            Data::Natives(sent) => sent.closed,
        }
    }

    /// The newest sample, open or closed.
    pub(super) fn newest(&self) -> Option<(Timestamp, f64)> {
        let Data::Samples(sent) = &self.data else { return None };
        sent.stream.last().or((sent.paged.0 > Timestamp::MIN).then_some(sent.paged))
    }

    fn note_news(&mut self, slot: Slot) {
        self.born = self.born.min(slot);
        self.touched = self.touched.max(slot);
    }

    /// Whether it may have a sample within `(start, end]`. What we count has one in each slot from its first
    /// to its last; gaps of a series that is sent to us are not looked at.
    pub(super) fn may_have(&self, start: Timestamp, end: Timestamp) -> bool {
        let last = match &self.data {
            _ if self.retired.is_some() => self.touched.end(),
            Data::Ours(_) => Timestamp::MAX,
            // After a start nothing is known of one that has a past only.
            Data::Samples(_) => self.newest().map_or(self.touched.end(), |(at, _)| at),
            Data::Natives(sent) if sent.stream.first_open().is_some() => Timestamp::MAX,
            Data::Natives(sent) => sent.closed,
        };
        self.born.start() <= end && start < last
    }

    /// Counts at more bounds from now on.
    pub(super) fn widen(&mut self, bounds: Bounds) {
        let Data::Ours(ours) = &mut self.data else { return };
        for (_, increment) in &mut ours.near {
            if let Total::Histogram(h) = Arc::make_mut(increment) {
                h.widen(&bounds);
            }
        }
        ours.bounds = bounds;
    }

    /// The bounds it counts at.
    pub(super) fn bounds(&self) -> Bounds {
        if let Data::Ours(ours) = &self.data { ours.bounds.clone() } else { Bounds::none() }
    }

    /// Goes on from what the archive has: its value, or its last sample.
    pub(super) fn go_on_from(&mut self, ends: Ends) {
        match &mut self.data {
            Data::Ours(ours) => {
                ours.base = ends.after.map(Arc::new);
                ours.before = ours.base.clone();
            }
            Data::Samples(sent) => {
                sent.paged = ends.last.unwrap_or(sent.paged);
                sent.closed = sent.paged.0;
            }
            Data::Natives(sent) => {
                sent.paged = ends.last.unwrap_or(sent.paged);
                sent.closed = sent.paged.0;
            }
        }
        self.widen_to_base();
    }

    /// It counts at least where it has counted.
    pub(super) fn widen_to_base(&mut self) {
        if let Data::Ours(ours) = &self.data
            && let Some(Total::Histogram(h)) = ours.base.as_deref()
        {
            let bounds = ours.bounds.union(h.bounds());
            self.widen(bounds);
        }
    }

    /// The slot of the first thing that is open.
    pub(super) fn first_open(&self) -> Option<Slot> {
        match &self.data {
            Data::Ours(ours) => ours.near.first().map(|(slot, _)| *slot),
            Data::Samples(sent) => sent.stream.first_open(),
            Data::Natives(sent) => sent.stream.first_open(),
        }
    }

    /// Whether something closed since the last page.
    pub(super) fn has_closed(&self) -> bool {
        match &self.data {
            Data::Ours(ours) => ours.closed.is_some(),
            Data::Samples(sent) => sent.stream.has_closed(),
            Data::Natives(sent) => sent.stream.has_closed(),
        }
    }

    /// Whether nothing of it is in memory but its name and what it amounts to.
    pub(super) fn is_quiet(&self) -> bool {
        match &self.data {
            Data::Ours(ours) => ours.closed.is_none() && ours.near.is_empty(),
            Data::Samples(sent) => sent.stream.is_empty(),
            Data::Natives(sent) => sent.stream.is_empty(),
        }
    }

    /// What it takes in memory beyond its labels and what it shares with others, in bytes.
    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        let own = match &self.data {
            Data::Ours(_) => 0,
            Data::Samples(sent) => sent.stream.heap_bytes(),
            Data::Natives(sent) => size_of_val(&**sent) + sent.stream.heap_bytes(),
        };
        size_of::<Self>() + own
    }

    /// A series that the archive knows.
    pub(super) fn of(def: SeriesDef, bounds: Bounds) -> Self {
        let mut series = Self::new(def.id, def.group, def.labels, def.kind, bounds);
        series.born = def.born;
        if let Some(Retired { listed, ended }) = def.retired {
            (series.retired, series.touched) = (Some(listed), ended);
        }
        series
    }

    /// All that it had is in pages, which list it up to this slot. Its bounds stay: they are part of its names.
    pub(super) fn let_go(&mut self, listed: Slot) -> Retired {
        let is_known = !self.kind.is_ours() && self.closed_sample() > Timestamp::MIN;
        let ended = if is_known { Slot::of(self.closed_sample()).min(listed) } else { listed };
        let (labels, bounds, born) = (self.labels.clone(), self.bounds(), self.born);
        *self = Self::new(self.id, self.group, labels, self.kind, bounds);
        (self.born, self.retired, self.touched) = (born, Some(listed), ended);
        Retired { listed, ended }
    }

    /// Nothing is here any more.
    pub(super) fn vacate(&mut self) {
        *self = Self::new(0, 0, Labels::default(), SeriesKind::Counter, Bounds::none());
        self.retired = Some(Slot::NONE);
    }

    /// What a page is to hold: what the series amounts to around it, and what closed in it.
    pub(super) fn page(&self) -> Result<(Ends, Points), Corrupt> {
        Ok(match &self.data {
            Data::Ours(ours) => {
                let closed = ours.closed.iter().flat_map(|c| c.iter(self.kind));
                let total = |t: &Option<Arc<Total>>| t.as_deref().cloned();
                let ends = Ends { before: total(&ours.before), after: total(&ours.base), last: None };
                (ends, Points::Increments(closed.collect::<Result<_, _>>()?))
            }
            Data::Samples(sent) => {
                let samples: Vec<_> = sent.stream.closed().collect::<Result<_, _>>()?;
                let last = samples.last().copied().or((sent.paged.0 > Timestamp::MIN).then_some(sent.paged));
                (Ends { last, ..Ends::default() }, Points::Samples(samples))
            }
            Data::Natives(sent) => {
                let last = (sent.closed > Timestamp::MIN).then_some((sent.closed, f64::NAN));
                (Ends { last, ..Ends::default() }, Points::Natives(sent.stream.closed().collect::<Result<_, _>>()?))
            }
        })
    }

    /// What closed is in a page.
    pub(super) fn drop_closed(&mut self) {
        match &mut self.data {
            Data::Ours(ours) => {
                ours.closed = None;
                ours.before = ours.base.clone();
            }
            Data::Samples(sent) => {
                if let Some(Ok(last)) = sent.stream.closed().last() {
                    sent.paged = last;
                    sent.stream.drop_closed();
                }
            }
            Data::Natives(sent) => {
                if sent.stream.has_closed() {
                    sent.paged = (sent.closed, f64::NAN);
                    sent.stream.drop_closed();
                }
            }
        }
    }
}

impl Ours {
    /// Closes an increment that is later than all closed before.
    pub(super) fn close(&mut self, slot: Slot, increment: &Total) {
        Arc::make_mut(self.closed.get_or_insert_default()).push(slot, increment);
        match &mut self.base {
            Some(sum) => Arc::make_mut(sum).add(increment),
            None => self.base = Some(Arc::new(increment.clone())),
        }
    }

    /// The cumulative value now, open slots included.
    pub(super) fn total(&self) -> Option<Total> {
        let mut sum = self.base.as_deref().cloned();
        self.near.iter().for_each(|(_, increment)| Total::add_to(&mut sum, increment));
        sum
    }
}
