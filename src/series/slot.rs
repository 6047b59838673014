//! Slots: time cut into steps of [`TICK`](super::TICK), counted from the epoch; and blocks of slots.

use std::time::Duration;

use crate::base::Timestamp;
use crate::base::time::millis;

use super::TICK;

/// How many slots the first page of what closed has: ten minutes.
pub const SLOTS_PER_PAGE: i64 = 60;
/// How many slots one block has: two hours.
pub const SLOTS_PER_BLOCK: i64 = 720;
/// How many slots a day has.
pub const SLOTS_PER_DAY: i64 = 8_640;
/// How many slots the longest page has: 32 days.
pub const SLOTS_PER_EPOCH: i64 = 32 * SLOTS_PER_DAY;

/// One step of time. Slot `i` is `(i * TICK, (i + 1) * TICK]`: its end belongs to it and stamps its sample, so
/// that the samples of a selection `(start, end]` are made of the events in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(i64);

/// Before every slot that can hold something.
impl Default for Slot {
    fn default() -> Self {
        Self::NONE
    }
}

impl Slot {
    /// Before every slot that can hold something.
    pub const NONE: Self = Self(i64::MIN / 100_000);

    /// After every slot that can hold something.
    pub const LAST: Self = Self(i64::MAX / 100_000);

    /// The slot with this number.
    pub const fn new(index: i64) -> Self {
        Self(index)
    }

    /// Its number, counted from the epoch.
    pub const fn index(self) -> i64 {
        self.0
    }

    /// The slot that holds an instant.
    pub fn of(at: Timestamp) -> Self {
        Self((at.as_millis().saturating_sub(1)).div_euclid(millis(TICK)))
    }

    /// The last slot whose end lies before `at`.
    pub fn ended_by(at: Timestamp) -> Self {
        Self::of(at).plus(-1)
    }

    /// The instant before it: the end of the slot before.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(millis(TICK)))
    }

    /// Its end, its last instant, which stamps its sample.
    pub fn end(self) -> Timestamp {
        self.plus(1).start()
    }

    /// The slot so many later.
    pub const fn plus(self, slots: i64) -> Self {
        Self(self.0.saturating_add(slots))
    }

    /// The block that holds it.
    pub const fn block(self) -> i64 {
        self.0.div_euclid(SLOTS_PER_BLOCK)
    }

    /// The last slot of the step (`step` a multiple of [`TICK`](super::TICK)) that holds it.
    pub fn last_of_step(self, step: Duration) -> Self {
        let slots = slots_in(step);
        Self((self.0.div_euclid(slots) + 1) * slots - 1)
    }

    /// The first slot of the window of so many slots that holds it; windows are counted from the epoch.
    pub const fn first_of_window(self, slots: i64) -> Self {
        Self(self.0.div_euclid(slots) * slots)
    }

    /// The last slot of the window of so many slots that holds it.
    pub const fn last_of_window(self, slots: i64) -> Self {
        Self((self.0.div_euclid(slots) + 1) * slots - 1)
    }

    /// The first slot of a block.
    pub const fn first_of_block(block: i64) -> Self {
        Self(block * SLOTS_PER_BLOCK)
    }

    /// The last slot of a block.
    pub const fn last_of_block(block: i64) -> Self {
        Self((block + 1) * SLOTS_PER_BLOCK - 1)
    }
}

/// How many slots a duration covers, rounded up; at least one.
pub(super) fn slots_in(duration: Duration) -> i64 {
    let tick = millis(TICK);
    ((millis(duration) + tick - 1) / tick).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_lies_in_its_slot() {
        for millis in [-10_001, -10_000, -1, 0, 1, 9_999, 10_000, 1_763_640_000_500] {
            let at = Timestamp::from_millis(millis);
            let slot = Slot::of(at);
            assert!(slot.start() < at && at <= slot.end(), "{millis}");
        }
        assert_eq!(Slot::ended_by(Timestamp::from_secs(20)), Slot::new(0));
        assert_eq!(Slot::ended_by(Timestamp::from_millis(20_001)), Slot::new(1));
        assert_eq!(Slot::new(31).last_of_step(Duration::from_secs(300)), Slot::new(59));
        assert_eq!(Slot::new(719).block(), 0);
        assert_eq!(Slot::last_of_block(0), Slot::new(719));
    }
}
