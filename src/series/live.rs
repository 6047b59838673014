//! When the process lived. A series of ours holds its value while it is idle, so it has a sample at the end
//! of each slot in which the process lived; a slot in which it did not has none: that is the gap which the
//! engine's staleness rules see, as they would see missed scrapes.
//!
//! A slot counts as lived when the loop ticked or something was counted in it. Ticks that come late (up to
//! two minutes, a stalled machine) close the slots between them too; a start never does.

use std::time::Duration;

use crate::base::Timestamp;

use super::slot::{Slot, slots_in};

/// A tick may come this late without leaving a gap.
const STALL_SLOTS: i64 = 12;

/// Ranges of slots, first and last inclusive, ascending and apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Live {
    ranges: Vec<(Slot, Slot)>,
    /// The process was not there since the last mark.
    interrupted: bool,
}

impl Live {
    pub(super) fn mark(&mut self, slot: Slot) {
        self.mark_range(slot, slot);
    }

    /// The process lives on: also the slots since it was last seen, unless that is long ago.
    pub(super) fn carry_on(&mut self, slot: Slot) {
        match self.ranges.last() {
            Some((_, last)) if !self.interrupted && *last < slot && slot.index() - last.index() <= STALL_SLOTS => {
                self.mark_range(last.plus(1), slot);
            }
            _ => self.mark(slot),
        }
        self.interrupted = false;
    }

    /// The process has ended; what follows is another.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    pub(super) fn mark_range(&mut self, first: Slot, last: Slot) {
        if let Some(range) = self.ranges.last_mut()
            && range.0 <= first
            && first <= range.1.plus(1)
        {
            range.1 = range.1.max(last);
            return;
        }
        let from = self.ranges.partition_point(|r| r.1.plus(1) < first);
        let to = self.ranges.partition_point(|r| r.0 <= last.plus(1));
        let joined = self.ranges[from..to].iter().fold((first, last), |j, r| (j.0.min(r.0), j.1.max(r.1)));
        self.ranges.splice(from..to, [joined]);
    }

    /// The part of the ranges within `(after, through]`.
    pub(super) fn within(&self, after: Slot, through: Slot) -> impl Iterator<Item = (Slot, Slot)> + '_ {
        let from = self.ranges.partition_point(|r| r.1 <= after);
        let clipped = self.ranges[from..].iter().map(move |r| (r.0.max(after.plus(1)), r.1.min(through)));
        clipped.take_while(|r| r.0 <= r.1)
    }

    /// The ends of the steps within `(after, through]` that have a lived slot, ascending.
    pub(super) fn stamps(&self, after: Slot, through: Slot, step: Duration) -> impl Iterator<Item = Timestamp> + '_ {
        let slots = slots_in(step);
        let mut next = Slot::NONE;
        self.within(after, through).flat_map(move |(first, last)| {
            let begin = first.last_of_step(step).max(next);
            let end = last.last_of_step(step);
            next = end.plus(slots);
            (0..).map(move |i| begin.plus(i * slots)).take_while(move |s| *s <= end).map(Slot::end)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_the_set_of_marks(marks in prop::collection::vec((0i64..200, 0i64..6), 0..60)) {
            let mut live = Live::default();
            let mut set = BTreeSet::new();
            for (first, more) in marks {
                live.mark_range(Slot::new(first), Slot::new(first + more));
                set.extend(first..=first + more);
            }
            let stamps: Vec<_> = live.stamps(Slot::new(19), Slot::new(150), Duration::from_secs(10)).collect();
            let expected: Vec<_> = set.iter().filter(|s| (20..=150).contains(*s)).map(|s| Slot::new(*s).end()).collect();
            prop_assert_eq!(stamps, expected);
            let coarse: BTreeSet<_> = live.stamps(Slot::new(-1), Slot::new(300), Duration::from_secs(50)).collect();
            let steps: BTreeSet<_> = set.iter().map(|s| Timestamp::from_secs((s / 5 + 1) * 50)).collect();
            prop_assert_eq!(coarse, steps);
        }
    }

    #[test]
    fn a_stall_leaves_no_gap_and_a_long_absence_does() {
        let mut live = Live::default();
        for slot in [1, 5, 30] {
            live.carry_on(Slot::new(slot));
        }
        let ranges: Vec<_> = live.within(Slot::NONE, Slot::new(99)).collect();
        assert_eq!(ranges, [(Slot::new(1), Slot::new(5)), (Slot::new(30), Slot::new(30))]);
    }
}
