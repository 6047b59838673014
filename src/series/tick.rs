//! The data of a tick in bytes: for each series that has something new, what closed of it.
//!
//! ```text
//! sealed: bounds table | how many series of ours | per series: id (difference), kind, how many,
//!     then (slot difference, increment)*
//!   | how many series that are sent to us | six columns, each with its length: ids (differences), kinds, how
//!     many samples came before since the last page, how many came, how long they are, and the samples themselves
//! ```
//! Samples go as they lie in memory, each written against the one before it since the last page: so those of one
//! series from several ticks, put one after the other, are its stream again. What misses a tick in between is
//! noticed by the number of samples before it.
//! Version 1 (0.1): bounds table, how many series, per series id, kind, how many, then (slot difference,
//! increment)* or (ms difference, f64)*.

use super::codec::{BoundsTable, Corrupt, Get, Put};
use super::seal::{VERSION, seal, unseal, version};
use super::slot::Slot;
use super::stream::Slice;
use super::total::{SeriesKind, Total};
use crate::base::Timestamp;

/// Collects the data of a tick.
#[derive(Debug, Default)]
pub(super) struct TickWriter {
    bounds: BoundsTable,
    ours: Vec<u8>,
    ours_count: u64,
    last_id: u64,
    sent: [Vec<u8>; 6],
    sent_count: u64,
    last_sent: u64,
}

impl TickWriter {
    /// Ids ascend.
    pub(super) fn increments<'a>(
        &mut self,
        id: u64,
        kind: SeriesKind,
        items: impl ExactSizeIterator<Item = (Slot, &'a Total)>,
    ) {
        self.ours.put_varint(id - self.last_id);
        self.ours.push(kind.number());
        self.ours.put_varint(items.len() as u64);
        (self.last_id, self.ours_count) = (id, self.ours_count + 1);
        let mut last = 0;
        for (slot, total) in items {
            self.ours.put_zigzag(slot.index() - last);
            last = slot.index();
            match total {
                Total::Counter(v) => self.ours.put_number(*v),
                Total::Histogram(h) => {
                    let number = self.bounds.number(h.bounds());
                    self.ours.put_histogram(h, number);
                }
            }
        }
    }

    /// Ids ascend.
    pub(super) fn samples(&mut self, id: u64, kind: SeriesKind, slice: Slice<'_>) {
        let [ids, kinds, before, counts, lengths, bytes] = &mut self.sent;
        ids.put_varint(id - self.last_sent);
        kinds.push(kind.number());
        before.put_varint(u64::from(slice.before));
        counts.put_varint(u64::from(slice.count));
        lengths.put_varint(slice.bytes.len() as u64);
        bytes.extend_from_slice(slice.bytes);
        (self.last_sent, self.sent_count) = (id, self.sent_count + 1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ours_count == 0 && self.sent_count == 0
    }

    pub(super) fn finish(self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::with_capacity(self.ours.len() + self.sent.iter().map(Vec::len).sum::<usize>() + 64);
        self.bounds.put(&mut out);
        out.put_varint(self.ours_count);
        out.extend_from_slice(&self.ours);
        out.put_varint(self.sent_count);
        for column in &self.sent {
            out.put_varint(column.len() as u64);
            out.extend_from_slice(column);
        }
        seal(out)
    }
}

/// Takes what a tick holds.
pub(super) trait Take {
    /// What closed of a series of ours, ascending.
    fn increments(&mut self, id: u64, items: Vec<(Slot, Total)>);
    /// What closed of a series that is sent to us.
    fn slice(&mut self, id: u64, kind: SeriesKind, slice: Slice<'_>);
}

/// What one series brought to a tick of version 0.1.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OldItem {
    Increments(Vec<(Slot, Total)>),
    Samples(Vec<(Timestamp, f64)>),
}

/// Whether version 0.1 wrote this.
pub(super) fn is_old(bytes: &[u8]) -> bool {
    version(bytes).is_some_and(|v| v < VERSION)
}

/// Reads what [`TickWriter::finish`] wrote.
pub(super) fn read(bytes: &[u8], into: &mut impl Take) -> Result<(), Corrupt> {
    let body = unseal(bytes)?;
    let mut from = Get(&body);
    let bounds = BoundsTable::get(&mut from)?;
    let mut id = 0u64;
    for _ in 0..from.count()? {
        id = id.checked_add(from.varint()?).ok_or(Corrupt)?;
        let kind = SeriesKind::from_number(from.byte()?).ok_or(Corrupt)?;
        into.increments(id, increments(&mut from, kind, &bounds)?);
    }
    let (count, mut id) = (from.count()?, 0u64);
    let mut columns = [Get(&[]); 6];
    for column in &mut columns {
        let length = from.count()?;
        *column = Get(from.bytes(length)?);
    }
    let [ids, kinds, before, counts, lengths, bytes] = &mut columns;
    let small = |n: u64| u32::try_from(n).map_err(|_| Corrupt);
    for _ in 0..count {
        id = id.checked_add(ids.varint()?).ok_or(Corrupt)?;
        let kind = SeriesKind::from_number(kinds.byte()?).ok_or(Corrupt)?;
        let (before, count) = (small(before.varint()?)?, small(counts.varint()?)?);
        let bytes = bytes.bytes(small(lengths.varint()?)? as usize)?;
        into.slice(id, kind, Slice { before, count, bytes });
    }
    from.is_empty().then_some(()).ok_or(Corrupt)
}

/// Reads what version 0.1 wrote.
pub(super) fn read_old(bytes: &[u8]) -> Result<Vec<(u64, OldItem)>, Corrupt> {
    let body = unseal(bytes)?;
    let mut from = Get(&body);
    let bounds = BoundsTable::get(&mut from)?;
    let series = from.count()?;
    let mut out = Vec::with_capacity(series);
    for _ in 0..series {
        let id = from.varint()?;
        let kind = SeriesKind::from_number(from.byte()?).filter(|k| *k != SeriesKind::Native).ok_or(Corrupt)?;
        out.push((
            id,
            if kind.is_ours() {
                OldItem::Increments(increments(&mut from, kind, &bounds)?)
            } else {
                OldItem::Samples(old_samples(&mut from)?)
            },
        ));
    }
    Ok(out)
}

fn increments(from: &mut Get<'_>, kind: SeriesKind, bounds: &BoundsTable) -> Result<Vec<(Slot, Total)>, Corrupt> {
    let count = from.count()?;
    let (mut out, mut slot) = (Vec::with_capacity(count), 0i64);
    for _ in 0..count {
        slot = slot.checked_add(from.zigzag()?).ok_or(Corrupt)?;
        let total = match kind {
            SeriesKind::Histogram => Total::Histogram(from.histogram(bounds)?),
            _ => Total::Counter(from.number()?),
        };
        out.push((Slot::new(slot), total));
    }
    Ok(out)
}

fn old_samples(from: &mut Get<'_>) -> Result<Vec<(Timestamp, f64)>, Corrupt> {
    let count = from.count()?;
    let (mut out, mut time) = (Vec::with_capacity(count), 0i64);
    for _ in 0..count {
        time = time.checked_add(from.zigzag()?).ok_or(Corrupt)?;
        out.push((Timestamp::from_millis(time), from.f64()?));
    }
    Ok(out)
}
