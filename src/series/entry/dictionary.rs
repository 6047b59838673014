//! The series that a segment has explained so far, and entries read with them.

use crate::base::{Labels, Timestamp};
use crate::series::codec::{Corrupt, Get};
use crate::series::index::SeriesRef;
use crate::series::ledger::get_report;
use crate::series::slot::Slot;
use crate::series::total::SeriesKind;
use crate::series::vitals::VitalReport;

use super::changes::GetChanges;
use super::{ARCHIVE_BYTES, Entry, FIRST, STARTS, STEPS, get_key, get_settlement};

/// A series that was explained.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::series) struct Known {
    pub(in crate::series) labels: Labels,
    pub(in crate::series) kind: SeriesKind,
    /// Its place in the head, once somebody has looked for it.
    pub(in crate::series) place: Option<SeriesRef>,
}

/// What the archive has: of the entries up to this one, the changes in the slots up to that one.
#[derive(Debug, Clone, Copy)]
pub(in crate::series) struct Archived {
    pub(in crate::series) entry: u64,
    pub(in crate::series) through: Slot,
}

/// Series by number. A segment numbers them from 1 without gaps, so they are one run; an entry that was lost to
/// damage takes its numbers with it, and another run begins behind them. What was never read takes no memory.
#[derive(Debug, Default)]
pub(in crate::series) struct Dictionary {
    /// Ascending, without overlaps.
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    first: u64,
    known: Vec<Known>,
}

impl Dictionary {
    pub(in crate::series) fn get(&self, number: u64) -> Option<&Known> {
        let run = self.runs.get(self.run_of(number)?)?;
        run.known.get(usize::try_from(number - run.first).ok()?)
    }

    pub(in crate::series) fn get_mut(&mut self, number: u64) -> Option<&mut Known> {
        let run = self.run_of(number)?;
        let run = self.runs.get_mut(run)?;
        run.known.get_mut(usize::try_from(number - run.first).ok()?)
    }

    /// The last run that begins at this number or before.
    fn run_of(&self, number: u64) -> Option<usize> {
        self.runs.partition_point(|run| run.first <= number).checked_sub(1)
    }

    /// Explains a number, again if it must: an entry that was refused may have left its own explanation.
    fn explain(&mut self, number: u64, labels: Labels, kind: SeriesKind) {
        let known = Known { labels, kind, place: None };
        let at = self.run_of(number);
        if let Some(run) = at.and_then(|at| self.runs.get_mut(at)) {
            let place = number - run.first;
            if place == run.known.len() as u64 {
                return run.known.push(known);
            }
            if let Some(before) = usize::try_from(place).ok().and_then(|place| run.known.get_mut(place)) {
                *before = known;
                return;
            }
        }
        self.runs.insert(at.map_or(0, |at| at + 1), Run { first: number, known: vec![known] });
    }

    /// Reads an entry, without the changes that the archive has. The dictionary must be new at the start of
    /// each segment. After an error `entry` holds nothing of use: no entry is applied by half.
    pub(in crate::series) fn decode(
        &mut self,
        bytes: &[u8],
        archived: Archived,
        entry: &mut Entry,
    ) -> Result<(), Corrupt> {
        let mut from = Get(bytes);
        let flags = get_head(&mut from, entry)?;
        let first = from.varint()?;
        for i in 0..from.count()? as u64 {
            let kind = SeriesKind::from_number(from.byte()?).ok_or(Corrupt)?;
            self.explain(first.checked_add(i).ok_or(Corrupt)?, from.labels()?, kind);
        }
        get_settlements(&mut from, entry)?;
        get_changes(&mut from, flags & STEPS != 0, archived, entry)?;
        entry.reports.clear();
        for _ in 0..from.count()? {
            entry.reports.push(self.get_report(&mut from)?);
        }
        from.is_empty().then_some(()).ok_or(Corrupt)
    }

    fn get_report(&self, from: &mut Get<'_>) -> Result<(u64, VitalReport), Corrupt> {
        let number = from.varint()?;
        let key = get_key(from)?;
        let mut report = get_report(from, key)?;
        report.labels = self.get(number).map(|known| known.labels.clone()).unwrap_or_default();
        Ok((number, report))
    }
}

/// Reads what comes before the new series; the flags.
fn get_head(from: &mut Get<'_>, entry: &mut Entry) -> Result<u8, Corrupt> {
    entry.number = from.varint()?;
    entry.at = Timestamp::from_millis(from.zigzag()?);
    let flags = from.byte()?;
    entry.starts = flags & STARTS != 0;
    entry.archive = match flags & FIRST {
        0 => None,
        _ => Some(u128::from_le_bytes(from.bytes(ARCHIVE_BYTES)?.try_into().map_err(|_| Corrupt)?)),
    };
    entry.last_slot = Slot::NONE;
    Ok(flags)
}

fn get_settlements(from: &mut Get<'_>, entry: &mut Entry) -> Result<(), Corrupt> {
    let slot = Slot::of(entry.at);
    entry.settlements.clear();
    for _ in 0..from.count()? {
        let (number, settlement) = get_settlement(from, slot)?;
        entry.last_slot = entry.last_slot.max(settlement.slot);
        entry.settlements.push((number, settlement));
    }
    Ok(())
}

fn get_changes(from: &mut Get<'_>, in_steps: bool, archived: Archived, entry: &mut Entry) -> Result<(), Corrupt> {
    let through = (entry.number <= archived.entry).then_some(archived.through);
    let mut changes = GetChanges::new(entry.at);
    entry.changes.clear();
    for _ in 0..from.count()? {
        let read = if in_steps { changes.get(from)? } else { changes.get_old(from)? };
        entry.last_slot = entry.last_slot.max(read.slot);
        if through.is_none_or(|through| read.slot > through) {
            entry.changes.push((read.number, read.change));
        }
    }
    Ok(())
}
