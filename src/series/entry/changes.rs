//! The changes of an entry.
//!
//! ```text
//! in steps: zigzag(dictionary number - that of the change before, 0 at first) << 3 | what, then
//!     add (0): slot difference to the entry's slot, number
//!     observe (1): slot difference, how many << 1 | have they weights, then f64 (and weight) …
//!     sample (2): millisecond difference to the sample or distribution before, the entry's time at first; number
//!     distribution (3): millisecond difference as in 2, a whole native histogram as `series::native` writes it
//!     sample (4), distribution (5): at the time of the one before, otherwise as 2 and 3
//!     sample of the past: as 2 (6), as 4 (7)
//! of version 0.1: dictionary number << 2 | what, then
//!     add (0): slot difference to the entry's slot, number
//!     observe (1): slot difference, how many, (f64, weight) …
//!     sample (2): millisecond difference to the entry's time, f64
//!     distribution (3): millisecond difference to the entry's time, a native histogram
//! ```
//! A scrape brings the same series in the same order with one time again and again: in steps a sample of it
//! takes a byte and its value, which is a byte or a few where it is a whole number.
//!
//! Differences of times wrap, so that every time comes back.

use std::sync::Arc;

use crate::base::Timestamp;
use crate::series::Observation;
use crate::series::codec::{Corrupt, Get, Put, unzigzag, zigzag};
use crate::series::native;
use crate::series::slot::Slot;

use super::Change;

const ADD: u64 = 0;
const OBSERVE: u64 = 1;
const SAMPLE: u64 = 2;
const DISTRIBUTION: u64 = 3;
/// Added to the two above.
const SAME_TIME: u64 = 2;
const SAMPLE_AGAIN: u64 = SAMPLE + SAME_TIME;
const DISTRIBUTION_AGAIN: u64 = DISTRIBUTION + SAME_TIME;
const PAST: u64 = 6;
const PAST_AGAIN: u64 = 7;

/// Writes changes in steps.
pub(super) struct PutChanges {
    slot: Slot,
    number: i64,
    time: Timestamp,
}

impl PutChanges {
    /// For an entry of this time.
    pub(super) fn new(at: Timestamp) -> Self {
        Self { slot: Slot::of(at), number: 0, time: at }
    }

    pub(super) fn put(&mut self, out: &mut Vec<u8>, number: u32, change: &Change) {
        match change {
            Change::Add(slot, v) => {
                self.put_head(out, number, ADD);
                self.put_slot(out, *slot);
                out.put_number(*v);
            }
            Change::Observe(slot, observations) => {
                self.put_head(out, number, OBSERVE);
                self.put_slot(out, *slot);
                put_observations(out, observations);
            }
            Change::Sample(time, v) => {
                self.put_timed(out, number, [SAMPLE, SAMPLE_AGAIN], *time);
                out.put_number(*v);
            }
            Change::Past(time, v) => {
                self.put_timed(out, number, [PAST, PAST_AGAIN], *time);
                out.put_number(*v);
            }
            Change::Distribution(time, histogram) => {
                self.put_timed(out, number, [DISTRIBUTION, DISTRIBUTION_AGAIN], *time);
                native::put(out, histogram, None);
            }
        }
    }

    fn put_head(&mut self, out: &mut Vec<u8>, number: u32, what: u64) {
        let number = i64::from(number);
        out.put_varint(zigzag(number - self.number) << 3 | what);
        self.number = number;
    }

    fn put_slot(&self, out: &mut Vec<u8>, slot: Slot) {
        out.put_zigzag(slot.index() - self.slot.index());
    }

    fn put_timed(&mut self, out: &mut Vec<u8>, number: u32, [first, again]: [u64; 2], time: Timestamp) {
        if time == self.time {
            return self.put_head(out, number, again);
        }
        self.put_head(out, number, first);
        out.put_zigzag(time.as_millis().wrapping_sub(self.time.as_millis()));
        self.time = time;
    }
}

/// Nearly all weights are 1, so weights are written for all of them or none.
fn put_observations(out: &mut Vec<u8>, observations: &[Observation]) {
    let weighted = observations.iter().any(|o| o.weight != 1);
    out.put_varint((observations.len() as u64) << 1 | u64::from(weighted));
    for o in observations {
        out.put_f64(o.value);
        if weighted {
            out.put_varint(u64::from(o.weight));
        }
    }
}

/// A change as it was read.
pub(super) struct Read {
    pub(super) number: u64,
    pub(super) slot: Slot,
    pub(super) change: Change,
}

/// Reads changes.
pub(super) struct GetChanges {
    at: Timestamp,
    slot: Slot,
    number: i64,
    time: Timestamp,
    slot_of_time: Slot,
}

impl GetChanges {
    /// Of an entry of this time.
    pub(super) fn new(at: Timestamp) -> Self {
        let slot = Slot::of(at);
        Self { at, slot, number: 0, time: at, slot_of_time: slot }
    }

    /// The next one, written in steps.
    pub(super) fn get(&mut self, from: &mut Get<'_>) -> Result<Read, Corrupt> {
        let head = from.varint()?;
        self.number = self.number.checked_add(unzigzag(head >> 3)).ok_or(Corrupt)?;
        let what = head & 7;
        let (slot, change) = match what {
            ADD => {
                let slot = self.get_slot(from)?;
                (slot, Change::Add(slot, from.number()?))
            }
            OBSERVE => {
                let slot = self.get_slot(from)?;
                (slot, Change::Observe(slot, get_observations(from)?))
            }
            SAMPLE | DISTRIBUTION | PAST | SAMPLE_AGAIN | DISTRIBUTION_AGAIN | PAST_AGAIN => {
                if matches!(what, SAMPLE | DISTRIBUTION | PAST) {
                    self.step_time(from.zigzag()?);
                }
                (self.slot_of_time, self.get_timed(from, what)?)
            }
            _ => return Err(Corrupt),
        };
        Ok(Read { number: u64::try_from(self.number).map_err(|_| Corrupt)?, slot, change })
    }

    fn get_timed(&self, from: &mut Get<'_>, what: u64) -> Result<Change, Corrupt> {
        Ok(match what {
            SAMPLE | SAMPLE_AGAIN => Change::Sample(self.time, from.number()?),
            PAST | PAST_AGAIN => Change::Past(self.time, from.number()?),
            _ => Change::Distribution(self.time, Arc::new(native::get(from, None)?)),
        })
    }

    fn step_time(&mut self, difference: i64) {
        self.time = Timestamp::from_millis(self.time.as_millis().wrapping_add(difference));
        self.slot_of_time = Slot::of(self.time);
    }

    fn get_slot(&self, from: &mut Get<'_>) -> Result<Slot, Corrupt> {
        Ok(self.slot.plus(from.zigzag()?))
    }

    /// The next one, written by version 0.1.
    pub(super) fn get_old(&self, from: &mut Get<'_>) -> Result<Read, Corrupt> {
        let head = from.varint()?;
        let difference = from.zigzag()?;
        let time = || self.at.as_millis().checked_add(difference).map(Timestamp::from_millis).ok_or(Corrupt);
        let slot = self.slot.plus(difference);
        let (slot, change) = match head & 3 {
            ADD => (slot, Change::Add(slot, from.number()?)),
            OBSERVE => (slot, Change::Observe(slot, get_old_observations(from)?)),
            SAMPLE => (Slot::of(time()?), Change::Sample(time()?, from.f64()?)),
            _ => (Slot::of(time()?), Change::Distribution(time()?, Arc::new(native::get(from, None)?))),
        };
        Ok(Read { number: head >> 2, slot, change })
    }
}

fn get_observations(from: &mut Get<'_>) -> Result<Vec<Observation>, Corrupt> {
    let head = from.varint()?;
    let count = usize::try_from(head >> 1).map_err(|_| Corrupt)?;
    // Each takes eight bytes at least: no allocation outgrows the input.
    if count > from.0.len() / size_of::<f64>() {
        return Err(Corrupt);
    }
    let one = |from: &mut Get<'_>| match head & 1 {
        0 => Ok(Observation { value: from.f64()?, weight: 1 }),
        _ => get_weighted(from),
    };
    (0..count).map(|_| one(from)).collect()
}

fn get_old_observations(from: &mut Get<'_>) -> Result<Vec<Observation>, Corrupt> {
    (0..from.count()?).map(|_| get_weighted(from)).collect()
}

fn get_weighted(from: &mut Get<'_>) -> Result<Observation, Corrupt> {
    let value = from.f64()?;
    let weight = u32::try_from(from.varint()?).map_err(|_| Corrupt)?;
    Ok(Observation { value, weight })
}
