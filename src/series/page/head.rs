//! The head of a page: which series it has, and what they amount to before and after.

use std::ops::Range;

use crate::base::Timestamp;
use crate::series::codec::{BoundsTable, Corrupt, Get, Put};
use crate::series::seal::{seal, unseal};
use crate::series::slot::Slot;
use crate::series::total::{SeriesKind, Total};

use super::Ends;

const BEFORE: u8 = 1;
const CHANGED: u8 = 2;
const LAST: u8 = 4;

/// Collects a head.
#[derive(Debug, Default)]
pub(super) struct DirectoryWriter {
    bounds: BoundsTable,
    entries: Vec<u8>,
    count: u64,
    last_id: u64,
    scratch: Vec<u8>,
}

impl DirectoryWriter {
    /// Lists a series with an id higher than all before.
    pub(super) fn push(&mut self, id: u64, kind: SeriesKind, ends: &Ends, first: Slot) {
        let changed = ends.after != ends.before;
        let flags = (u8::from(ends.before.is_some()) * BEFORE)
            | (u8::from(changed && ends.after.is_some()) * CHANGED)
            | (u8::from(ends.last.is_some()) * LAST);
        self.scratch.clear();
        self.scratch.push(flags);
        self.total(ends.before.as_ref());
        self.total(ends.after.as_ref().filter(|_| changed));
        if let Some((at, value)) = ends.last {
            self.scratch.put_zigzag(at.as_millis() - first.start().as_millis());
            self.scratch.put_number(value);
        }
        self.entries.put_varint(id - self.last_id);
        self.entries.push(kind.number());
        self.entries.put_varint(self.scratch.len() as u64);
        self.entries.extend_from_slice(&self.scratch);
        (self.last_id, self.count) = (id, self.count + 1);
    }

    fn total(&mut self, total: Option<&Total>) {
        match total {
            None => {}
            Some(Total::Counter(v)) => self.scratch.put_number(*v),
            Some(Total::Histogram(h)) => {
                let number = self.bounds.number(h.bounds());
                self.scratch.put_histogram(h, number);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() + 64);
        self.bounds.put(&mut out);
        out.put_varint(self.count);
        out.extend_from_slice(&self.entries);
        seal(out)
    }
}

/// A head that is being read: entries are decoded when they are asked for.
#[derive(Debug)]
pub(super) struct Directory {
    bytes: Vec<u8>,
    bounds: BoundsTable,
    entries: Vec<(u64, SeriesKind, Range<usize>)>,
}

impl Directory {
    pub(super) fn open(sealed: &[u8]) -> Result<Self, Corrupt> {
        let bytes = unseal(sealed)?;
        let mut from = Get(&bytes);
        let bounds = BoundsTable::get(&mut from)?;
        let count = from.count()?;
        let mut entries = Vec::with_capacity(count);
        let mut id = 0u64;
        for _ in 0..count {
            id = id.checked_add(from.varint()?).ok_or(Corrupt)?;
            let kind = SeriesKind::from_number(from.byte()?).ok_or(Corrupt)?;
            let length = from.count()?;
            let start = bytes.len() - from.0.len();
            from.bytes(length)?;
            entries.push((id, kind, start..start + length));
        }
        from.is_empty().then_some(()).ok_or(Corrupt)?;
        Ok(Self { bounds, entries, bytes })
    }

    pub(super) fn series(&self) -> impl ExactSizeIterator<Item = (u64, SeriesKind)> + '_ {
        self.entries.iter().map(|(id, kind, _)| (*id, *kind))
    }

    /// The place of a series in the order of the page.
    pub(super) fn place(&self, id: u64) -> Option<(usize, SeriesKind)> {
        let place = self.entries.binary_search_by_key(&id, |e| e.0).ok()?;
        Some((place, self.entries.get(place)?.1))
    }

    pub(super) fn ends(&self, id: u64, first: Slot) -> Result<Option<Ends>, Corrupt> {
        let Some((place, kind)) = self.place(id) else { return Ok(None) };
        let mut from = Get(self.entries.get(place).and_then(|e| self.bytes.get(e.2.clone())).ok_or(Corrupt)?);
        let flags = from.byte()?;
        let before = if flags & BEFORE != 0 { Some(self.total(&mut from, kind)?) } else { None };
        let after = if flags & CHANGED != 0 { Some(self.total(&mut from, kind)?) } else { before.clone() };
        let last = match flags & LAST {
            0 => None,
            _ => {
                let at = first.start().as_millis().checked_add(from.zigzag()?).ok_or(Corrupt)?;
                Some((Timestamp::from_millis(at), from.number()?))
            }
        };
        from.is_empty().then_some(Some(Ends { before, after, last })).ok_or(Corrupt)
    }

    fn total(&self, from: &mut Get<'_>, kind: SeriesKind) -> Result<Total, Corrupt> {
        Ok(match kind {
            SeriesKind::Histogram => Total::Histogram(from.histogram(&self.bounds)?),
            _ => Total::Counter(from.number()?),
        })
    }
}
