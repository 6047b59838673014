//! How series leave memory, and whose places new ones take.
//!
//! A series that has had no news for long retires with a tick: from then on what comes for its labels is a new
//! one. Once the archive has that tick, nothing of it stays here, and its place goes to the next that comes. Until
//! then it is still in the index. Readers look here first and then into the archive, so there is no instant at
//! which they find it in neither.

use std::collections::HashSet;
use std::time::Duration;

use crate::base::Labels;

use super::archive::Retired;
use super::data::Series;
use super::head::{Head, entry_of};
use super::index::SeriesRef;
use super::slot::{SLOTS_PER_PAGE, Slot, slots_in};

/// Who retires, who is about to leave, and which places are free.
#[derive(Debug)]
pub(super) struct Retirement {
    /// Without news for so many slots a series retires.
    idle_slots: i64,
    /// Retired, and perhaps not yet in the archive as such.
    leaving: Vec<SeriesRef>,
    /// Places to be taken, the lowest last.
    free: Vec<SeriesRef>,
    /// Series that have left memory have nothing after this slot.
    pub(super) newest: Slot,
}

impl Retirement {
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle_slots: slots_in(idle), leaving: Vec::new(), free: Vec::new(), newest: Slot::NONE }
    }

    /// The lowest free place, which is taken.
    pub(super) fn take_place(&mut self) -> Option<SeriesRef> {
        self.free.pop()
    }
}

impl Head {
    /// The place that a new series will have, when `before` others are created before it.
    pub(super) fn place_of_new(&self, before: usize) -> SeriesRef {
        let free = &self.retirement.free;
        match free.len().checked_sub(before + 1) {
            Some(i) => free[i],
            None => (self.series.len() + before - free.len()) as SeriesRef,
        }
    }

    /// How many others are created before the new series that will have this place; `None` when it is taken.
    pub(super) fn new_at(&self, place: SeriesRef) -> Option<usize> {
        let free = &self.retirement.free;
        match (place as usize).checked_sub(self.series.len()) {
            Some(beyond) => Some(free.len() + beyond),
            None => free.binary_search_by(|r| place.cmp(r)).ok().map(|i| free.len() - 1 - i),
        }
    }

    /// Lets go of series that have had no news for long, once in each window of a page: before the window is over
    /// nothing more has become quiet. Those that a web vital still waits for stay.
    pub(super) fn retire(&mut self, before: Slot) -> Vec<(u64, Retired)> {
        if before.first_of_window(SLOTS_PER_PAGE) == self.closed.first_of_window(SLOTS_PER_PAGE) {
            return Vec::new();
        }
        let idle_since = self.closed.plus(-self.retirement.idle_slots);
        let is_idle = |s: &Series| s.retired.is_none() && s.touched < idle_since && s.is_quiet();
        let idle: Vec<SeriesRef> = self.by_id.values().copied().filter(|r| self.get(*r).is_some_and(is_idle)).collect();
        if idle.is_empty() {
            return Vec::new();
        }
        let listed = self.closed.first_of_window(SLOTS_PER_PAGE).plus(-1).min(self.paged);
        let awaited: HashSet<Labels> = self.ledger.pending().map(|p| p.report.labels.clone()).collect();
        idle.into_iter().filter_map(|r| self.retire_one(r, listed, &awaited)).collect()
    }

    fn retire_one(&mut self, r: SeriesRef, listed: Slot, awaited: &HashSet<Labels>) -> Option<(u64, Retired)> {
        let series = self.series.get_mut(r as usize).filter(|s| !awaited.contains(&s.labels))?;
        let retired = series.let_go(listed);
        self.by_labels.remove(&series.labels);
        self.census.leave(&series.labels);
        self.retirement.leaving.push(r);
        Some((series.id, retired))
    }

    /// Whether series retired with the tick that ends with this slot.
    pub(super) fn has_retired(&self, through: Slot) -> bool {
        // A tick before the last one says nothing of those that retired since.
        through >= self.closed && !self.retirement.leaving.is_empty()
    }

    /// The archive has the tick that ends with this slot: who retired with it leaves. The places that are free now.
    pub(super) fn leave(&mut self, through: Slot) -> Vec<SeriesRef> {
        if !self.has_retired(through) {
            return Vec::new();
        }
        let mut gone = std::mem::take(&mut self.retirement.leaving);
        gone.sort_unstable();
        self.index.remove(&gone.iter().map(|r| entry_of(&self.series, *r)).collect::<Vec<_>>());
        for r in &gone {
            let series = &mut self.series[*r as usize];
            self.by_id.remove(&series.id);
            self.retirement.newest = self.retirement.newest.max(series.touched);
            series.vacate();
        }
        self.retirement.free.extend(&gone);
        self.retirement.free.sort_unstable_by(|a, b| b.cmp(a));
        self.forget_metrics();
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::series::{MetricCatalog, SeriesKind, Settings};

    fn labels(n: usize) -> Labels {
        Labels::metric("m", [("n", n.to_string())])
    }

    #[test]
    fn new_series_take_the_lowest_free_places() {
        let mut head = Head::new(&Settings::default(), MetricCatalog::default(), Timestamp::from_secs(1_000_000));
        head.create((0..6).map(|n| (labels(n), SeriesKind::Counter)));
        head.retirement.leaving = vec![4, 1, 3];
        assert_eq!(head.leave(head.closed.plus(-1)), [0u32; 0], "a tick from before says nothing");
        assert_eq!(head.leave(head.closed), [1, 3, 4]);
        let places: Vec<SeriesRef> = (0..5).map(|before| head.place_of_new(before)).collect();
        assert_eq!(places, [1, 3, 4, 6, 7]);
        for (before, place) in places.iter().enumerate() {
            assert_eq!(head.new_at(*place), Some(before));
        }
        assert!([0, 2, 5].iter().all(|taken| head.new_at(*taken).is_none()));
        head.create((10..15).map(|n| (labels(n), SeriesKind::Counter)));
        let found: Vec<SeriesRef> = (10..15).map(|n| head.by_labels[&labels(n)]).collect();
        assert_eq!(found, places);
        assert_eq!(head.by_id.values().copied().collect::<Vec<_>>(), [0, 2, 5, 1, 3, 4, 6, 7]);
        assert!(head.index.of_metric("m").eq(0..8));
    }
}
