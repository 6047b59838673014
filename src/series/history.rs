//! Samples of the past: what is sent with a time before the one up to which readers look for late samples. They
//! are journalled like all others, wait here until the next tick, and then enter the pages of their own time, in
//! the very step of the archive that stores the tick ([`fold`]). So a Prometheus that was cut off for a day, or
//! the export of another system, can be sent by remote write and is there once.
//!
//! Nothing of it can be read before that tick. A sample that a page already has at its time is left as it is: to
//! send the same again changes nothing.

pub(super) mod fold;
mod store;

use std::collections::BTreeMap;

use crate::base::Timestamp;

use super::codec::{Corrupt, Get};
use super::index::SeriesRef;
use super::number::State;

/// At most about so many samples wait: two bytes each, mostly. Who sends more before the next tick is told to come
/// again.
pub(super) const ROOM: u64 = 32_000_000;

/// What waits, by series.
#[derive(Debug, Default)]
pub(super) struct History {
    series: BTreeMap<SeriesRef, Past>,
    samples: usize,
}

/// The past of one series, packed, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Past {
    bytes: Vec<u8>,
    state: State,
    count: usize,
}

impl History {
    pub(super) fn push(&mut self, series: SeriesRef, at: Timestamp, value: f64) {
        let past = self.series.entry(series).or_default();
        past.state.put(&mut past.bytes, at.as_millis(), value);
        past.count += 1;
        self.samples += 1;
    }

    /// Takes back what could not be stored, before what came since.
    pub(super) fn take_back(&mut self, earlier: Self) {
        let later = std::mem::replace(self, earlier);
        for (series, past) in later.series {
            // What was packed can be unpacked; were it not so, the start would find it in the journal.
            let samples = past.samples().unwrap_or_default();
            samples.into_iter().for_each(|(at, value)| self.push(series, at, value));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// How many samples wait.
    pub(super) fn len(&self) -> usize {
        self.samples
    }

    pub(super) fn series(&self) -> impl Iterator<Item = (SeriesRef, &Past)> {
        self.series.iter().map(|(r, past)| (*r, past))
    }
}

impl Past {
    /// In the order of time; of two samples at one time the first that came.
    pub(super) fn samples(&self) -> Result<Vec<(Timestamp, f64)>, Corrupt> {
        let (mut from, mut state) = (Get(&self.bytes), State::default());
        let mut samples = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            let (at, value) = state.get(&mut from)?;
            samples.push((Timestamp::from_millis(at), value));
        }
        if !samples.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            samples.sort_by_key(|s| s.0);
            samples.dedup_by_key(|s| s.0);
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_at_a_time_stays() {
        let mut history = History::default();
        let at = Timestamp::from_secs;
        for (t, v) in [(20, 2.0), (10, 1.0), (20, 9.0), (30, 0.5)] {
            history.push(3, at(t), v);
        }
        assert_eq!((history.len(), history.is_empty()), (4, false));
        let (series, past) = history.series().next().unwrap();
        assert_eq!(series, 3);
        assert_eq!(past.samples().unwrap(), [(at(10), 1.0), (at(20), 2.0), (at(30), 0.5)]);
    }
}
