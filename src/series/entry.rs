//! The payload of a journal entry.
//!
//! ```text
//! number | time (ms) | flags (1: first of its segment, 2: first of its process) | flag 1: archive id, 16 bytes
//! | first new dictionary number | new series: kind, labels …
//! | settlements: dictionary number, slot difference to the entry's slot, site, id, metric, value, weight …
//! | changes: dictionary number << 2 | what, then
//!     add (0): slot difference to the entry's slot, number
//!     observe (1): slot difference, how many, (f64, weight) …
//!     sample (2): millisecond difference to the entry's time, f64
//!     distribution (3): millisecond difference, a whole native histogram as `series::native` writes it
//! | reports: dictionary number, site, id, metric, report …
//! ```
//! Labels are written once for each segment and named by number after that. Every change carries its slot:
//! a replay decides nothing, so it decides nothing differently. A change whose dictionary number is unknown
//! (the entry that explained it was damaged) is lost and counted as such; the rest is served.

use std::sync::Arc;

use crate::base::{Labels, Timestamp};
use crate::sketch::NativeHistogram;

use super::batch::Observation;
use super::codec::{Corrupt, Get, Put};
use super::index::SeriesRef;
use super::ledger::{get_report, put_report};
use super::native;
use super::slot::Slot;
use super::total::SeriesKind;
use super::vitals::{VitalKey, VitalReport};

/// What happens to one series, with its place in time decided.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Add(Slot, f64),
    Observe(Slot, Vec<Observation>),
    Sample(Timestamp, f64),
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

/// An entry as it was read: series are numbers in the [`Dictionary`].
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) archive: Option<u128>,
    pub(super) starts: bool,
    pub(super) settlements: Vec<(u64, Settlement)>,
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

const ADD: u64 = 0;
const OBSERVE: u64 = 1;
const SAMPLE: u64 = 2;
const DISTRIBUTION: u64 = 3;

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
        self.put_changes(draft, at, slot, &series);
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
        self.out.push(u8::from(self.first) | u8::from(self.starts) << 1);
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
        slot: Slot,
        series: &impl Fn(SeriesRef) -> (&'a Labels, SeriesKind),
    ) {
        self.body.put_varint(draft.changes.len() as u64);
        for (r, change) in &draft.changes {
            let number = u64::from(self.number(*r, series)) << 2;
            let body = &mut self.body;
            match change {
                Change::Add(in_slot, v) => {
                    body.put_varint(number | ADD);
                    body.put_zigzag(in_slot.index() - slot.index());
                    body.put_number(*v);
                }
                Change::Observe(in_slot, observations) => {
                    body.put_varint(number | OBSERVE);
                    body.put_zigzag(in_slot.index() - slot.index());
                    body.put_varint(observations.len() as u64);
                    for o in observations {
                        body.put_f64(o.value);
                        body.put_varint(u64::from(o.weight));
                    }
                }
                Change::Sample(time, v) => {
                    body.put_varint(number | SAMPLE);
                    body.put_zigzag(time.as_millis() - at.as_millis());
                    body.put_f64(*v);
                }
                Change::Distribution(time, histogram) => {
                    body.put_varint(number | DISTRIBUTION);
                    body.put_zigzag(time.as_millis() - at.as_millis());
                    native::put(body, histogram, None);
                }
            }
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

/// The series that a segment has explained so far.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    known: std::collections::HashMap<u64, (Labels, SeriesKind)>,
}

impl Dictionary {
    pub(super) fn get(&self, number: u64) -> Option<&(Labels, SeriesKind)> {
        self.known.get(&number)
    }

    /// Reads an entry. The dictionary must be new at the start of each segment.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Entry, Corrupt> {
        let mut from = Get(bytes);
        let number = from.varint()?;
        let at = Timestamp::from_millis(from.zigzag()?);
        let flags = from.byte()?;
        let archive = match flags & 1 {
            0 => None,
            _ => Some(u128::from_le_bytes(from.bytes(16)?.try_into().map_err(|_| Corrupt)?)),
        };
        let first = from.varint()?;
        for i in 0..from.count()? as u64 {
            let kind = SeriesKind::from_number(from.byte()?).ok_or(Corrupt)?;
            self.known.insert(first + i, (from.labels()?, kind));
        }
        let slot = Slot::of(at);
        let settlements = (0..from.count()?).map(|_| get_settlement(&mut from, slot)).collect::<Result<_, _>>()?;
        let changes = (0..from.count()?).map(|_| get_change(&mut from, at, slot)).collect::<Result<_, _>>()?;
        let reports = (0..from.count()?).map(|_| self.get_report(&mut from)).collect::<Result<_, _>>()?;
        from.is_empty().then_some(()).ok_or(Corrupt)?;
        Ok(Entry { number, at, archive, starts: flags & 2 != 0, settlements, changes, reports })
    }

    fn get_report(&self, from: &mut Get<'_>) -> Result<(u64, VitalReport), Corrupt> {
        let number = from.varint()?;
        let key = get_key(from)?;
        let mut report = get_report(from, key)?;
        report.labels = self.known.get(&number).map(|(l, _)| l.clone()).unwrap_or_default();
        Ok((number, report))
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

fn get_change(from: &mut Get<'_>, at: Timestamp, slot: Slot) -> Result<(u64, Change), Corrupt> {
    let head = from.varint()?;
    let difference = from.zigzag()?;
    let change = match head & 3 {
        ADD => Change::Add(slot.plus(difference), from.number()?),
        OBSERVE => Change::Observe(
            slot.plus(difference),
            (0..from.count()?).map(|_| get_observation(from)).collect::<Result<_, _>>()?,
        ),
        SAMPLE => {
            let millis = at.as_millis().checked_add(difference).ok_or(Corrupt)?;
            Change::Sample(Timestamp::from_millis(millis), from.f64()?)
        }
        _ => {
            let millis = at.as_millis().checked_add(difference).ok_or(Corrupt)?;
            Change::Distribution(Timestamp::from_millis(millis), Arc::new(native::get(from, None)?))
        }
    };
    Ok((head >> 2, change))
}

fn get_observation(from: &mut Get<'_>) -> Result<Observation, Corrupt> {
    let value = from.f64()?;
    let weight = u32::try_from(from.varint()?).map_err(|_| Corrupt)?;
    Ok(Observation { value, weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never changes: what version 1 wrote is read for ever.
    const KEPT: &[u8] = include_bytes!("../../tests/compat/v1/entry.bin");

    fn series(r: SeriesRef) -> (Labels, SeriesKind) {
        match r {
            0 => (Labels::metric("orders_total", [("tier", "gold")]), SeriesKind::Counter),
            1 => (Labels::metric("web_vitals_cls", [("route", "/ä")]), SeriesKind::Histogram),
            _ => (Labels::metric("temperature", [("", "")]), SeriesKind::Sample),
        }
    }

    fn draft(at: Timestamp) -> Draft {
        let key = VitalKey { site: "shop".into(), id: "f3b1".into(), metric: "CLS".into() };
        let report = VitalReport {
            key: key.clone(),
            sequence: Some(2),
            value: 0.25,
            delta: Some(-0.05),
            is_final: true,
            start: at,
            received: at,
            weight: 3,
            labels: series(1).0,
        };
        let slot = Slot::of(at);
        let observations = vec![Observation { value: 0.1, weight: 1 }, Observation { value: 0.2, weight: 7 }];
        Draft {
            settlements: vec![(1, Settlement { key, slot, value: 0.125, weight: 2 })],
            changes: vec![
                (0, Change::Add(slot.plus(-3), 2.0)),
                (1, Change::Observe(slot, observations)),
                (2, Change::Sample(Timestamp::from_millis(1_763_640_000_007), -1.5)),
                (0, Change::Add(slot, 0.5)),
            ],
            reports: vec![(1, report)],
        }
    }

    fn encode(at: Timestamp) -> Vec<u8> {
        let known: Vec<(Labels, SeriesKind)> = (0..3).map(series).collect();
        let mut encoder = Encoder::new(0x0123_4567_89ab_cdef);
        encoder.encode(77, at, &draft(at), |r| (&known[r as usize].0, known[r as usize].1));
        encoder.bytes().to_vec()
    }

    #[test]
    fn version_1_is_written_and_read() {
        let at = Timestamp::from_millis(1_763_640_004_321);
        assert_eq!(encode(at), KEPT);
        let entry = Dictionary::default().decode(KEPT).unwrap();
        // The dictionary numbers series in the order in which they appear.
        let number = |r: SeriesRef| [2, 1, 3][r as usize];
        let draft = draft(at);
        let numbered = Entry {
            number: 77,
            at,
            archive: Some(0x0123_4567_89ab_cdef),
            starts: true,
            settlements: draft.settlements.into_iter().map(|(r, s)| (number(r), s)).collect(),
            changes: draft.changes.into_iter().map(|(r, c)| (number(r), c)).collect(),
            reports: draft.reports.into_iter().map(|(r, v)| (number(r), v)).collect(),
        };
        assert_eq!(entry, numbered);
    }

    #[test]
    fn what_failed_to_be_written_is_explained_again() {
        let known: Vec<(Labels, SeriesKind)> = (0..3).map(series).collect();
        let of = |r: SeriesRef| (&known[r as usize].0, known[r as usize].1);
        let at = Timestamp::from_secs(0);
        let mut encoder = Encoder::new(1);
        encoder.encode(1, at, &draft(at), of);
        encoder.failed();
        encoder.encode(1, at, &draft(at), of);
        let again = encoder.bytes().to_vec();
        encoder.written();
        encoder.encode(2, at, &draft(at), of);
        let mut dictionary = Dictionary::default();
        assert_eq!(dictionary.decode(&again).unwrap().number, 1);
        assert!(encoder.bytes().len() < again.len());
        assert_eq!(dictionary.decode(encoder.bytes()).unwrap().changes.len(), 4);
        assert_eq!(dictionary.get(2), Some(&series(0)));
    }

    #[test]
    fn native_histograms_are_written_whole_and_read() {
        let labels = Labels::metric("n", [("a", "b")]);
        let buckets = crate::sketch::NativeBuckets(vec![(-3, 2.0), (7, 1.0)]);
        let histogram = NativeHistogram { schema: 3, count: 3.0, positive: buckets, ..native::stale_marker() };
        let histogram = Arc::new(NativeHistogram { sum: -0.5, ..histogram });
        let at = Timestamp::from_secs(100);
        let change = Change::Distribution(Timestamp::from_millis(99_500), histogram);
        let draft = Draft { changes: vec![(0, change.clone())], ..Draft::default() };
        let mut encoder = Encoder::new(1);
        encoder.encode(1, at, &draft, |_| (&labels, SeriesKind::Native));
        let mut dictionary = Dictionary::default();
        assert_eq!(dictionary.decode(encoder.bytes()).unwrap().changes, [(1, change)]);
        assert_eq!(dictionary.get(1), Some(&(labels, SeriesKind::Native)));
    }

    #[test]
    fn rubbish_is_refused() {
        for length in 0..KEPT.len() {
            assert_eq!(Dictionary::default().decode(&KEPT[..length]), Err(Corrupt), "cut at {length}");
        }
    }
}
