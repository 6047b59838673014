//! The data of one series in bytes, ascending in time: increments by slot, or samples by millisecond.
//!
//! Written one by one as slots close, read from the front. An increment takes the difference to the slot
//! before and the number or histogram; a sample takes the difference in milliseconds and its bits XOR the
//! bits before, byte-swapped so that what is equal or round ends in few bytes.

use std::sync::Arc;

use crate::base::Timestamp;
use crate::sketch::NativeHistogram;

use super::codec::{BoundsTable, Corrupt, Get, Put};
use super::native;
use super::slot::Slot;
use super::total::{SeriesKind, Total};

/// A place between two items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    offset: usize,
    time: i64,
    item: usize,
}

/// The data of one series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stream {
    kind: SeriesKind,
    bytes: Vec<u8>,
    bounds: BoundsTable,
    last_time: i64,
    last_bits: u64,
    last_native: native::Before,
    len: usize,
}

impl Stream {
    pub(super) fn new(kind: SeriesKind) -> Self {
        Self {
            kind,
            bytes: Vec::new(),
            bounds: BoundsTable::default(),
            last_time: 0,
            last_bits: 0,
            last_native: None,
            len: 0,
        }
    }

    pub(super) fn kind(&self) -> SeriesKind {
        self.kind
    }

    /// Appends the increment of a slot that is later than all before.
    pub(super) fn push_increment(&mut self, slot: Slot, increment: &Total) {
        self.step(slot.index());
        match increment {
            Total::Counter(v) => self.bytes.put_number(*v),
            Total::Histogram(h) => {
                let number = self.bounds.number(h.bounds());
                self.bytes.put_histogram(h, number);
            }
        }
    }

    /// Appends a sample that is later than all before.
    pub(super) fn push_sample(&mut self, at: Timestamp, value: f64) {
        self.step(at.as_millis());
        self.bytes.put_varint((value.to_bits() ^ self.last_bits).swap_bytes());
        self.last_bits = value.to_bits();
    }

    /// Appends a native histogram that is later than all before.
    pub(super) fn push_native(&mut self, at: Timestamp, histogram: &Arc<NativeHistogram>) {
        self.step(at.as_millis());
        native::put(&mut self.bytes, histogram, self.last_native.as_deref());
        self.last_native = native::remembered(histogram.clone());
    }

    fn step(&mut self, time: i64) {
        self.bytes.put_zigzag(time - self.last_time);
        self.last_time = time;
        self.len += 1;
    }

    /// The end: where the next item will be.
    pub(super) fn end(&self) -> Place {
        Place { offset: self.bytes.len(), time: self.last_time, item: self.len }
    }

    /// The increments; empty when this holds samples.
    pub(super) fn increments(&self) -> impl Iterator<Item = Result<(Slot, Total), Corrupt>> + '_ {
        self.increments_from(Place::default())
    }

    /// The increments from a place on.
    pub(super) fn increments_from(&self, place: Place) -> impl Iterator<Item = Result<(Slot, Total), Corrupt>> + '_ {
        let count = if self.kind.is_ours() { self.len.saturating_sub(place.item) } else { 0 };
        let mut from = Get(self.bytes.get(place.offset..).unwrap_or_default());
        let mut time = place.time;
        (0..count).map(move |_| {
            time += from.zigzag()?;
            let total = match self.kind {
                SeriesKind::Histogram => Total::Histogram(from.histogram(&self.bounds)?),
                _ => Total::Counter(from.number()?),
            };
            Ok((Slot::new(time), total))
        })
    }

    /// The samples; empty when this holds increments.
    pub(super) fn samples(&self) -> impl Iterator<Item = Result<(Timestamp, f64), Corrupt>> + '_ {
        let count = if self.kind == SeriesKind::Sample { self.len } else { 0 };
        let mut from = Get(&self.bytes);
        let (mut time, mut bits) = (0, 0);
        (0..count).map(move |_| {
            time += from.zigzag()?;
            bits ^= from.varint()?.swap_bytes();
            Ok((Timestamp::from_millis(time), f64::from_bits(bits)))
        })
    }

    /// The native histograms; empty when this holds anything else.
    pub(super) fn natives(&self) -> impl Iterator<Item = Result<(Timestamp, Arc<NativeHistogram>), Corrupt>> + '_ {
        let count = if self.kind == SeriesKind::Native { self.len } else { 0 };
        let mut from = Get(&self.bytes);
        let (mut time, mut before) = (0i64, None);
        (0..count).map(move |_| {
            time = time.checked_add(from.zigzag()?).ok_or(Corrupt)?;
            let histogram = Arc::new(native::get(&mut from, Option::as_deref(&before))?);
            before = native::remembered(histogram.clone());
            Ok((Timestamp::from_millis(time), histogram))
        })
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.push(self.kind.number());
        self.bounds.put(out);
        out.put_varint(self.len as u64);
        out.put_varint(self.bytes.len() as u64);
        out.extend_from_slice(&self.bytes);
    }

    pub(super) fn get(from: &mut Get<'_>) -> Result<Self, Corrupt> {
        let kind = SeriesKind::from_number(from.byte()?).ok_or(Corrupt)?;
        let bounds = BoundsTable::get(from)?;
        let len = usize::try_from(from.varint()?).map_err(|_| Corrupt)?;
        let size = from.count()?;
        let bytes = from.bytes(size)?.to_vec();
        Ok(Self { kind, bytes, bounds, len, last_time: 0, last_bits: 0, last_native: None })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn samples_come_back(steps in prop::collection::vec((1i64..100_000, any::<u64>()), 0..100)) {
            let mut stream = Stream::new(SeriesKind::Sample);
            let mut at = 1_763_640_000_000i64;
            let mut expected = Vec::new();
            for (step, bits) in steps {
                at += step;
                stream.push_sample(Timestamp::from_millis(at), f64::from_bits(bits));
                expected.push((at, bits));
            }
            let mut out = Vec::new();
            stream.put(&mut out);
            let read = Stream::get(&mut Get(&out)).unwrap();
            let got: Vec<_> = read.samples().map(|s| s.map(|(t, v)| (t.as_millis(), v.to_bits())).unwrap()).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
