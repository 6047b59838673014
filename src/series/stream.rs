//! The data of one series in memory since its last page, in bytes, ascending in time.
//!
//! [`Increments`] hold what closed of a counter or histogram of ours. [`Samples`] and [`Natives`] hold what
//! others sent: what has closed, and after it what is still open, so that a sample is written once. A tick takes
//! the bytes between the two as they are. Each begins anew after a page.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::Timestamp;
use crate::promql::FloatsBuilder;
use crate::sketch::NativeHistogram;

use super::codec::{BoundsTable, Corrupt, Get, Put};
use super::native;
use super::number::State;
use super::slot::Slot;
use super::total::{SeriesKind, Total};

/// Increments by slot.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Increments {
    bytes: Vec<u8>,
    bounds: BoundsTable,
    last: i64,
    len: u32,
}

impl Increments {
    /// Appends the increment of a slot that is later than all before.
    pub(super) fn push(&mut self, slot: Slot, increment: &Total) {
        self.bytes.put_zigzag(slot.index() - self.last);
        self.last = slot.index();
        self.len += 1;
        match increment {
            Total::Counter(v) => self.bytes.put_number(*v),
            Total::Histogram(h) => {
                let number = self.bounds.number(h.bounds());
                self.bytes.put_histogram(h, number);
            }
        }
    }

    /// The increments of a series of this kind.
    pub(super) fn iter(&self, kind: SeriesKind) -> impl Iterator<Item = Result<(Slot, Total), Corrupt>> + '_ {
        let mut from = Get(&self.bytes);
        let mut slot = 0;
        (0..self.len).map(move |_| {
            slot += from.zigzag()?;
            let total = match kind {
                SeriesKind::Histogram => Total::Histogram(from.histogram(&self.bounds)?),
                _ => Total::Counter(from.number()?),
            };
            Ok((Slot::new(slot), total))
        })
    }
}

/// What closes of a stream of samples: how many came before since the last page, how many, their bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slice<'a> {
    pub(super) before: u32,
    pub(super) count: u32,
    pub(super) bytes: &'a [u8],
}

/// Samples by millisecond.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Samples {
    bytes: Vec<u8>,
    len: u32,
    end: State,
    /// How many are closed, their bytes, and how to go on after them.
    closed: u32,
    closed_bytes: u32,
    closed_end: State,
}

impl Samples {
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn has_open(&self) -> bool {
        self.len > self.closed
    }

    pub(super) fn has_closed(&self) -> bool {
        self.closed > 0
    }

    /// Takes an open sample, wherever it belongs among them; of two with one time the later counts.
    pub(super) fn insert(&mut self, at: Timestamp, value: f64) {
        if !self.has_open() || at.as_millis() > self.end.time() {
            return self.push(at, value);
        }
        let mut open: Vec<(Timestamp, f64)> = self.open().filter_map(Result::ok).collect();
        match open.binary_search_by_key(&at, |s| s.0) {
            Ok(i) => open[i].1 = value,
            Err(i) => open.insert(i, (at, value)),
        }
        self.bytes.truncate(self.closed_bytes as usize);
        (self.len, self.end) = (self.closed, self.closed_end);
        open.into_iter().for_each(|(at, value)| self.push(at, value));
    }

    fn push(&mut self, at: Timestamp, value: f64) {
        if self.bytes.len() == self.bytes.capacity() {
            self.bytes.reserve_exact(16 + self.bytes.len() / 4);
        }
        self.end.put(&mut self.bytes, at.as_millis(), value);
        self.len += 1;
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = Result<(Timestamp, f64), Corrupt>> + '_ {
        read(&self.bytes, self.len, State::default())
    }

    /// Adds those with `start < t <= end`.
    pub(super) fn add_to(&self, start: Timestamp, end: Timestamp, out: &mut FloatsBuilder) -> Result<(), Corrupt> {
        State::default().run(&mut Get(&self.bytes), self.len as usize, |time, value| {
            let at = Timestamp::from_millis(time);
            if start < at && at <= end {
                out.push(at, value);
            }
        })
    }

    /// Those that are not closed.
    pub(super) fn open(&self) -> impl Iterator<Item = Result<(Timestamp, f64), Corrupt>> + '_ {
        read(&self.bytes[self.closed_bytes as usize..], self.len - self.closed, self.closed_end)
    }

    /// Those that are.
    pub(super) fn closed(&self) -> impl Iterator<Item = Result<(Timestamp, f64), Corrupt>> + '_ {
        read(&self.bytes, self.closed, State::default())
    }

    /// The slot of the first that is open.
    pub(super) fn first_open(&self) -> Option<Slot> {
        self.open().next().and_then(Result::ok).map(|(at, _)| Slot::of(at))
    }

    /// Closes the samples in the slots up to `through`; they, and the last one's time.
    pub(super) fn close(&mut self, through: Slot) -> Option<(Slice<'_>, Timestamp)> {
        let (before, from) = (self.closed, self.closed_bytes as usize);
        let limit = through.end().as_millis();
        let mut rest = Get(&self.bytes[from..]);
        while self.closed < self.len {
            let mut next = self.closed_end;
            let Ok((at, _)) = next.get(&mut rest) else { break };
            if at > limit {
                break;
            }
            self.closed_end = next;
            self.closed += 1;
            self.closed_bytes = (self.bytes.len() - rest.0.len()) as u32;
        }
        let bytes = &self.bytes[from..self.closed_bytes as usize];
        let slice = Slice { before, count: self.closed - before, bytes };
        (slice.count > 0).then_some((slice, Timestamp::from_millis(self.closed_end.time())))
    }

    /// Appends what a tick took; `false` when something is missing in between.
    pub(super) fn append_closed(&mut self, slice: Slice<'_>) -> Result<bool, Corrupt> {
        if slice.before != self.len || self.has_open() {
            return Ok(false);
        }
        let (mut from, mut end) = (Get(slice.bytes), self.end);
        for _ in 0..slice.count {
            end.get(&mut from)?;
        }
        from.is_empty().then_some(()).ok_or(Corrupt)?;
        self.bytes.reserve_exact(slice.bytes.len());
        self.bytes.extend_from_slice(slice.bytes);
        (self.len, self.end) = (self.len + slice.count, end);
        (self.closed, self.closed_bytes, self.closed_end) = (self.len, self.bytes.len() as u32, self.end);
        Ok(true)
    }

    /// The last one.
    pub(super) fn last(&self) -> Option<(Timestamp, f64)> {
        (self.len > 0).then(|| (Timestamp::from_millis(self.end.time()), self.end.value()))
    }

    /// What is closed is in a page: only the open ones are left.
    pub(super) fn drop_closed(&mut self) {
        let open: Vec<(Timestamp, f64)> = self.open().filter_map(Result::ok).collect();
        *self = Self { bytes: Vec::with_capacity(self.bytes.len()), ..Self::default() };
        open.into_iter().for_each(|(at, value)| self.push(at, value));
        if self.bytes.capacity() > 2 * self.bytes.len() + 256 {
            self.bytes.shrink_to_fit();
        }
    }
}

fn read(bytes: &[u8], len: u32, mut state: State) -> impl Iterator<Item = Result<(Timestamp, f64), Corrupt>> + '_ {
    let mut from = Get(bytes);
    (0..len).map(move |_| state.get(&mut from).map(|(at, value)| (Timestamp::from_millis(at), value)))
}

/// Room for the next native histogram, in bytes; most take less.
const ROOM: usize = 256;

/// Native histograms by millisecond.
#[derive(Debug, Clone, Default)]
pub(super) struct Natives {
    bytes: Vec<u8>,
    len: u32,
    closed_bytes: u32,
    /// Of the open ones, the time and where their bytes end.
    open: VecDeque<(Timestamp, u32)>,
    end: i64,
    last: native::Before,
}

type Distribution = (Timestamp, Arc<NativeHistogram>);

impl Natives {
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let last = self.last.as_ref().map_or(0, |h| 16 * (h.positive.0.capacity() + h.negative.0.capacity()));
        self.bytes.capacity() + self.open.capacity() * size_of::<(Timestamp, u32)>() + last
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn has_closed(&self) -> bool {
        self.len as usize > self.open.len()
    }

    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes an open histogram, wherever it belongs among them; of two with one time the later counts.
    pub(super) fn insert(&mut self, at: Timestamp, histogram: Arc<NativeHistogram>) {
        if self.open.back().is_none_or(|last| last.0 < at) {
            return self.push(at, histogram);
        }
        let mut all: Vec<Distribution> = self.iter().filter_map(Result::ok).collect();
        let closed = all.len() - self.open.len();
        match all[closed..].binary_search_by_key(&at, |s| s.0) {
            Ok(i) => all[closed + i].1 = histogram,
            Err(i) => all.insert(closed + i, (at, histogram)),
        }
        *self = Self::default();
        for (i, (at, histogram)) in all.into_iter().enumerate() {
            self.push(at, histogram);
            if i < closed {
                self.settle(1);
            }
        }
    }

    fn push(&mut self, at: Timestamp, histogram: Arc<NativeHistogram>) {
        if self.bytes.capacity() - self.bytes.len() < ROOM {
            self.bytes.reserve_exact(ROOM + self.bytes.len() / 4);
        }
        self.bytes.put_zigzag(at.as_millis() - self.end);
        native::put(&mut self.bytes, &histogram, self.last.as_deref());
        self.end = at.as_millis();
        self.last = native::remembered(histogram);
        self.len += 1;
        self.open.push_back((at, self.bytes.len() as u32));
    }

    /// The first so many open ones are closed.
    fn settle(&mut self, count: usize) {
        self.closed_bytes = self.open.drain(..count).next_back().map_or(self.closed_bytes, |last| last.1);
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Result<Distribution, Corrupt>> + '_ {
        read_natives(&self.bytes, self.len)
    }

    /// Those that are closed.
    pub(super) fn closed(&self) -> impl Iterator<Item = Result<Distribution, Corrupt>> + '_ {
        read_natives(&self.bytes, self.len - self.open.len() as u32)
    }

    /// The slot of the first that is open.
    pub(super) fn first_open(&self) -> Option<Slot> {
        self.open.front().map(|(at, _)| Slot::of(*at))
    }

    /// Closes the histograms in the slots up to `through`; they, and the last one's time.
    pub(super) fn close(&mut self, through: Slot) -> Option<(Slice<'_>, Timestamp)> {
        let before = self.len - self.open.len() as u32;
        let count = self.open.iter().take_while(|(at, _)| Slot::of(*at) <= through).count();
        let last = self.open.get(count.checked_sub(1)?)?.0;
        let from = self.closed_bytes as usize;
        self.settle(count);
        let bytes = &self.bytes[from..self.closed_bytes as usize];
        Some((Slice { before, count: count as u32, bytes }, last))
    }

    /// Appends what a tick took; `false` when something is missing in between.
    pub(super) fn append_closed(&mut self, slice: Slice<'_>) -> Result<bool, Corrupt> {
        if slice.before != self.len || self.has_open() {
            return Ok(false);
        }
        let (mut from, mut end, mut last) = (Get(slice.bytes), self.end, self.last.clone());
        for _ in 0..slice.count {
            end = end.checked_add(from.zigzag()?).ok_or(Corrupt)?;
            last = native::remembered(Arc::new(native::get(&mut from, last.as_deref())?));
        }
        from.is_empty().then_some(()).ok_or(Corrupt)?;
        self.bytes.extend_from_slice(slice.bytes);
        (self.len, self.end, self.last) = (self.len + slice.count, end, last);
        self.closed_bytes = self.bytes.len() as u32;
        Ok(true)
    }

    /// The last one's time.
    pub(super) fn last_time(&self) -> Option<Timestamp> {
        (self.len > 0).then(|| Timestamp::from_millis(self.end))
    }

    /// What is closed is in a page: only the open ones are left.
    pub(super) fn drop_closed(&mut self) {
        let closed = self.len as usize - self.open.len();
        let open: Vec<Distribution> = self.iter().skip(closed).filter_map(Result::ok).collect();
        *self = Self::default();
        open.into_iter().for_each(|(at, histogram)| self.push(at, histogram));
    }
}

fn read_natives(bytes: &[u8], len: u32) -> impl Iterator<Item = Result<Distribution, Corrupt>> + '_ {
    let (mut from, mut time, mut before) = (Get(bytes), 0i64, None);
    (0..len).map(move |_| {
        time = time.checked_add(from.zigzag()?).ok_or(Corrupt)?;
        let histogram = Arc::new(native::get(&mut from, Option::as_deref(&before))?);
        before = native::remembered(histogram.clone());
        Ok((Timestamp::from_millis(time), histogram))
    })
}

#[cfg(test)]
mod tests;
