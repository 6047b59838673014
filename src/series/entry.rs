//! The payload of a journal entry.
//!
//! ```text
//! number | time (ms) | flags (1: first of its segment, 2: first of its process, 4: changes in steps)
//! | flag 1: archive id, 16 bytes
//! | first new dictionary number | new series: kind, labels …
//! | settlements: dictionary number, slot difference to the entry's slot, site, id, metric, value, weight …
//! | changes: as `changes` describes them …
//! | reports: dictionary number, site, id, metric, report …
//! ```
//! Labels are written once for each segment and named by number after that. Every change carries its slot:
//! a replay decides nothing, so it decides nothing differently. A change whose dictionary number is unknown
//! (the entry that explained it was damaged) is lost and counted as such; the rest is served.
//!
//! Entries without flag 4 are of version 0.1 and are read for ever. That version does not know the flag, so it
//! would misread what has it: the segments that hold such entries have a version that it refuses.

mod changes;
mod dictionary;

use std::sync::Arc;

use crate::base::{Labels, Timestamp};
use crate::sketch::NativeHistogram;

use super::batch::Observation;
use super::codec::{Corrupt, Get, Put};
use super::index::SeriesRef;
use super::ledger::put_report;
use super::slot::Slot;
use super::total::SeriesKind;
use super::vitals::{VitalKey, VitalReport};

use changes::PutChanges;
pub(super) use dictionary::{Archived, Dictionary};

/// What happens to one series, with its place in time decided.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Add(Slot, f64),
    Observe(Slot, Vec<Observation>),
    Sample(Timestamp, f64),
    /// Older than what readers look for around a slot.
    Past(Timestamp, f64),
    Distribution(Timestamp, Arc<NativeHistogram>),
}

/// A web vital settles: its value enters its series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settlement {
    pub(super) key: VitalKey,
    pub(super) slot: Slot,
    pub(super) value: f64,
    pub(super) weight: u32,
}

/// An entry before it is written: series are numbers in the head.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) settlements: Vec<(SeriesRef, Settlement)>,
    pub(super) changes: Vec<(SeriesRef, Change)>,
    pub(super) reports: Vec<(SeriesRef, VitalReport)>,
}

impl Draft {
    pub(super) fn is_empty(&self) -> bool {
        self.settlements.is_empty() && self.changes.is_empty() && self.reports.is_empty()
    }
}

/// An entry as it was read: series are numbers in the [`Dictionary`]. Read into again, it keeps its room.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) archive: Option<u128>,
    pub(super) starts: bool,
    /// The last slot that anything in it names, the changes included that the archive has.
    pub(super) last_slot: Slot,
    pub(super) settlements: Vec<(u64, Settlement)>,
    /// Those that the archive does not have.
    pub(super) changes: Vec<(u64, Change)>,
    pub(super) reports: Vec<(u64, VitalReport)>,
}

/// Writes entries, and knows which series the present segment has explained.
#[derive(Debug)]
pub(super) struct Encoder {
    archive: u128,
    numbers: Vec<u32>,
    next: u32,
    uncommitted: Vec<SeriesRef>,
    first: bool,
    starts: bool,
    definitions: Vec<u8>,
    body: Vec<u8>,
    out: Vec<u8>,
}

const FIRST: u8 = 1;
const STARTS: u8 = 2;
const STEPS: u8 = 4;
const ARCHIVE_BYTES: usize = 16;

impl Encoder {
    pub(super) fn new(archive: u128) -> Self {
        Self {
            archive,
            numbers: Vec::new(),
            next: 1,
            uncommitted: Vec::new(),
            first: true,
            starts: true,
            definitions: Vec::new(),
            body: Vec::new(),
            out: Vec::new(),
        }
    }

    /// A new segment begins: nothing is explained in it.
    pub(super) fn new_segment(&mut self) {
        self.numbers.clear();
        self.next = 1;
        self.first = true;
    }

    /// Other series may come to these places.
    pub(super) fn forget(&mut self, places: &[SeriesRef]) {
        for place in places {
            if let Some(number) = self.numbers.get_mut(*place as usize) {
                *number = 0;
            }
        }
    }

    /// Encodes an entry into [`Encoder::bytes`]. Followed by [`Encoder::written`] or [`Encoder::failed`].
    pub(super) fn encode<'a>(
        &mut self,
        number: u64,
        at: Timestamp,
        draft: &Draft,
        series: impl Fn(SeriesRef) -> (&'a Labels, SeriesKind),
    ) {
        self.definitions.clear();
        self.body.clear();
        let first_new = self.next;
        let slot = Slot::of(at);
        self.put_settlements(draft, slot, &series);
        self.put_changes(draft, at, &series);
        self.put_reports(draft, &series);
        self.put_head(number, at, first_new);
    }

    /// The bytes of the entry that was encoded last.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.out
    }

    fn put_head(&mut self, number: u64, at: Timestamp, first_new: u32) {
        self.out.clear();
        self.out.put_varint(number);
        self.out.put_zigzag(at.as_millis());
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        self.out.push(flag(self.first, FIRST) | flag(self.starts, STARTS) | STEPS);
        if self.first {
            self.out.extend_from_slice(&self.archive.to_le_bytes());
        }
        self.out.put_varint(u64::from(first_new));
        self.out.put_varint(u64::from(self.next - first_new));
        self.out.extend_from_slice(&self.definitions);
        self.out.extend_from_slice(&self.body);
    }

    fn put_settlements<'a>(
        &mut self,
        draft: &Draft,
        slot: Slot,
        series: &impl Fn(SeriesRef) -> (&'a Labels, SeriesKind),
    ) {
        self.body.put_varint(draft.settlements.len() as u64);
        for (r, settlement) in &draft.settlements {
            let number = self.number(*r, series);
            self.body.put_varint(u64::from(number));
            self.body.put_zigzag(settlement.slot.index() - slot.index());
            put_key(&mut self.body, &settlement.key);
            self.body.put_f64(settlement.value);
            self.body.put_varint(u64::from(settlement.weight));
        }
    }

    fn put_changes<'a>(
        &mut self,
        draft: &Draft,
        at: Timestamp,
        series: &impl Fn(SeriesRef) -> (&'a Labels, SeriesKind),
    ) {
        self.body.put_varint(draft.changes.len() as u64);
        let mut changes = PutChanges::new(at);
        for (r, change) in &draft.changes {
            let number = self.number(*r, series);
            changes.put(&mut self.body, number, change);
        }
    }

    fn put_reports<'a>(&mut self, draft: &Draft, series: &impl Fn(SeriesRef) -> (&'a Labels, SeriesKind)) {
        self.body.put_varint(draft.reports.len() as u64);
        for (r, report) in &draft.reports {
            let number = self.number(*r, series);
            self.body.put_varint(u64::from(number));
            put_key(&mut self.body, &report.key);
            put_report(&mut self.body, report);
        }
    }

    /// The dictionary number of a series, explained now if this segment has not yet.
    fn number<'a>(&mut self, r: SeriesRef, series: &impl Fn(SeriesRef) -> (&'a Labels, SeriesKind)) -> u32 {
        let i = r as usize;
        if let Some(number) = self.numbers.get(i).filter(|n| **n > 0) {
            return *number;
        }
        if self.numbers.len() <= i {
            self.numbers.resize(i + 1, 0);
        }
        let (labels, kind) = series(r);
        self.definitions.push(kind.number());
        self.definitions.put_labels(labels);
        self.numbers[i] = self.next;
        self.next += 1;
        self.uncommitted.push(r);
        self.numbers[i]
    }

    /// The entry is in the journal.
    pub(super) fn written(&mut self) {
        self.uncommitted.clear();
        (self.first, self.starts) = (false, false);
    }

    /// The entry is not in the journal, and what it explained is not explained.
    pub(super) fn failed(&mut self) {
        for r in self.uncommitted.drain(..) {
            self.numbers[r as usize] = 0;
            self.next -= 1;
        }
    }
}

fn put_key(out: &mut Vec<u8>, key: &VitalKey) {
    out.put_str(&key.site);
    out.put_str(&key.id);
    out.put_str(&key.metric);
}

fn get_key(from: &mut Get<'_>) -> Result<VitalKey, Corrupt> {
    Ok(VitalKey { site: from.str()?.to_owned(), id: from.str()?.to_owned(), metric: from.str()?.to_owned() })
}

fn get_settlement(from: &mut Get<'_>, slot: Slot) -> Result<(u64, Settlement), Corrupt> {
    let number = from.varint()?;
    let slot = slot.plus(from.zigzag()?);
    let key = get_key(from)?;
    let value = from.f64()?;
    let weight = u32::try_from(from.varint()?).map_err(|_| Corrupt)?;
    Ok((number, Settlement { key, slot, value, weight }))
}

#[cfg(test)]
mod tests;
