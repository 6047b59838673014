//! The data of one series in memory.
//!
//! Open slots hold increments as they are; closed ones are appended to the block of their two hours and
//! added to `base`. So the cumulative value now is `base` plus the open slots, and the value at any slot
//! since the last compaction is the base of its block plus the block's increments up to it. Most reads look
//! at the last few minutes, so a few [`Mark`]s spare them the way from the block's start.

use std::sync::Arc;

use crate::base::{Labels, Timestamp};
use crate::sketch::{Bounds, Histogram, NativeHistogram};

use super::batch::Observation;
use super::slot::Slot;
use super::stream::{Place, Stream};
use super::total::{SeriesKind, Total};

/// What closed in two hours.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) index: i64,
    /// The cumulative value before it; absent when the series had not begun.
    pub(super) base: Option<Arc<Total>>,
    pub(super) stream: Stream,
}

/// The closed slots between two marks, and how many marks are kept: together they reach back ten minutes.
const MARK_EVERY: i64 = 30;
const MARKS: usize = 3;

/// The cumulative value at a place in a block.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) block: i64,
    /// Every slot up to this one is contained.
    pub(super) through: Slot,
    pub(super) total: Option<Arc<Total>>,
    pub(super) place: Place,
}

impl Mark {
    /// The last mark in a block that contains nothing after `through`.
    pub(super) fn before(marks: &[Self], block: i64, through: Slot) -> Option<&Self> {
        marks.iter().rfind(|m| m.block == block && m.through <= through)
    }
}

/// One series.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) id: u64,
    pub(super) labels: Labels,
    pub(super) kind: SeriesKind,
    /// Only the archive has its data; what comes for its labels is a new series.
    pub(super) retired: bool,
    pub(super) blocks: Vec<Arc<Block>>,
    pub(super) marks: Vec<Mark>,
    /// Cumulative through the closed slots.
    pub(super) base: Option<Arc<Total>>,
    /// Increments of open slots, ascending.
    pub(super) near: Vec<(Slot, Arc<Total>)>,
    /// Samples that are not closed yet, ascending.
    pub(super) open_samples: Vec<(Timestamp, f64)>,
    /// The same of native histograms.
    pub(super) open_natives: Vec<(Timestamp, Arc<NativeHistogram>)>,
    /// The newest closed sample's time.
    pub(super) closed_sample: Timestamp,
    /// The newest sample.
    pub(super) newest: Option<(Timestamp, f64)>,
    /// The last slot with news.
    pub(super) touched: Slot,
    /// Where its histograms count exactly; only grows.
    pub(super) bounds: Bounds,
}

impl Series {
    pub(super) fn new(id: u64, labels: Labels, kind: SeriesKind, bounds: Bounds) -> Self {
        Self {
            id,
            labels,
            kind,
            retired: false,
            blocks: Vec::new(),
            marks: Vec::new(),
            base: None,
            near: Vec::new(),
            open_samples: Vec::new(),
            open_natives: Vec::new(),
            closed_sample: Timestamp::MIN,
            newest: None,
            touched: Slot::NONE,
            bounds,
        }
    }

    pub(super) fn add(&mut self, slot: Slot, value: f64) {
        if let Total::Counter(sum) = self.open(slot) {
            *sum += value;
        }
    }

    pub(super) fn observe(&mut self, slot: Slot, observations: &[Observation]) {
        if let Total::Histogram(histogram) = self.open(slot) {
            for o in observations {
                histogram.observe_n(o.value, u64::from(o.weight));
            }
        }
    }

    /// The increment of an open slot, begun if there is none.
    fn open(&mut self, slot: Slot) -> &mut Total {
        self.touched = self.touched.max(slot);
        let place = self.near.iter().rposition(|(s, _)| *s <= slot);
        let at = match place {
            Some(i) if self.near[i].0 == slot => i,
            _ => {
                let empty = match self.kind {
                    SeriesKind::Histogram => Total::Histogram(Histogram::new(self.bounds.clone())),
                    _ => Total::Counter(0.0),
                };
                let at = place.map_or(0, |i| i + 1);
                self.near.insert(at, (slot, Arc::new(empty)));
                at
            }
        };
        Arc::make_mut(&mut self.near[at].1)
    }

    /// Takes a sample; of two with one time the later counts.
    pub(super) fn sample(&mut self, at: Timestamp, value: f64) {
        self.touched = self.touched.max(Slot::of(at));
        if at <= self.closed_sample {
            return;
        }
        match self.open_samples.binary_search_by_key(&at, |s| s.0) {
            Ok(i) => self.open_samples[i].1 = value,
            Err(i) => self.open_samples.insert(i, (at, value)),
        }
        if self.newest.is_none_or(|n| n.0 <= at) {
            self.newest = Some((at, value));
        }
    }

    /// Takes a native histogram; of two with one time the later counts.
    pub(super) fn native(&mut self, at: Timestamp, histogram: Arc<NativeHistogram>) {
        self.touched = self.touched.max(Slot::of(at));
        if at <= self.closed_sample {
            return;
        }
        match self.open_natives.binary_search_by_key(&at, |s| s.0) {
            Ok(i) => self.open_natives[i].1 = histogram,
            Err(i) => self.open_natives.insert(i, (at, histogram)),
        }
    }

    /// Counts at more bounds from now on.
    pub(super) fn widen(&mut self, bounds: Bounds) {
        for (_, increment) in &mut self.near {
            if let Total::Histogram(h) = Arc::make_mut(increment) {
                h.widen(&bounds);
            }
        }
        self.bounds = bounds;
    }

    /// Closes an increment that is later than all closed before.
    pub(super) fn close_increment(&mut self, slot: Slot, increment: &Total) {
        let base = self.base.clone();
        let place = self.block(slot.block(), base).stream.end();
        self.mark(slot, place);
        self.block(slot.block(), None).stream.push_increment(slot, increment);
        match &mut self.base {
            Some(sum) => Arc::make_mut(sum).add(increment),
            None => self.base = Some(Arc::new(increment.clone())),
        }
    }

    /// Marks the place before a slot's increment.
    fn mark(&mut self, slot: Slot, place: Place) {
        let (block, through) = (slot.block(), slot.plus(-1));
        if self.marks.last().is_some_and(|m| m.block == block && through.index() - m.through.index() < MARK_EVERY) {
            return;
        }
        if self.marks.len() == MARKS {
            self.marks.remove(0);
        }
        self.marks.push(Mark { block, through, total: self.base.clone(), place });
    }

    /// Closes a sample that is later than all closed before.
    pub(super) fn close_sample(&mut self, at: Timestamp, value: f64) {
        if at > self.closed_sample {
            self.closed_sample = at;
            self.block(Slot::of(at).block(), None).stream.push_sample(at, value);
        }
    }

    /// Closes a native histogram that is later than all closed before.
    pub(super) fn close_native(&mut self, at: Timestamp, histogram: &Arc<NativeHistogram>) {
        if at > self.closed_sample {
            self.closed_sample = at;
            self.block(Slot::of(at).block(), None).stream.push_native(at, histogram);
        }
    }

    fn block(&mut self, index: i64, base: Option<Arc<Total>>) -> &mut Block {
        if self.blocks.last().is_none_or(|b| b.index < index) {
            self.blocks.push(Arc::new(Block { index, base, stream: Stream::new(self.kind) }));
        }
        let last = self.blocks.len() - 1;
        Arc::make_mut(&mut self.blocks[last])
    }

    /// The cumulative value before a block that is not compacted.
    pub(super) fn base_of(&self, block: i64) -> Option<&Arc<Total>> {
        match self.blocks.iter().find(|b| b.index >= block) {
            Some(found) => found.base.as_ref(),
            None => self.base.as_ref(),
        }
    }

    /// The cumulative value now, open slots included.
    pub(super) fn total(&self) -> Option<Total> {
        let mut sum = self.base.as_deref().cloned();
        self.near.iter().for_each(|(_, increment)| Total::add_to(&mut sum, increment));
        sum
    }

    /// Whether nothing of it is in memory but its name and its total.
    pub(super) fn is_quiet(&self) -> bool {
        self.blocks.is_empty() && self.near.is_empty() && self.open_samples.is_empty() && self.open_natives.is_empty()
    }
}
