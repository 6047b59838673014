//! Recovery: the archive's state, then what the journal has beyond it.
//!
//! The archive knows two marks: `through`, the last closed slot, and `entry`, the last journal entry that
//! its last tick was made after. Of the journal counts
//! - an increment or sample when its entry is later than `entry` **or** its slot later than `through`: in
//!   every other case it is in a tick, because a tick holds all entries before it and all slots up to it, and
//!   nothing enters a slot that has closed;
//! - a settlement's mark and a report when the entry is later than `entry`: a tick holds the whole ledger.
//!
//! A settlement's observation is an increment like any other. So whatever the crash interrupted, each
//! acknowledged event is counted once: the journal is trimmed only of what both marks have passed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::archive::{Archive, ArchiveError, Restored, StoredChunk};
use super::chunk::Chunk;
use super::codec::Corrupt;
use super::counters::Counters;
use super::entry::{Change, Dictionary, Entry};
use super::head::{GRACE, Head};
use super::index::SeriesRef;
use super::journal::{Damage, Journal, JournalError, SegmentId};
use super::slot::{Slot, slots_in};
use super::tick::{self, TickItem};
use super::total::{SeriesKind, Total};
use super::writer::{SegmentUse, slot_of};

/// Why the series could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The archive could not be read.
    #[error("the archive could not be loaded")]
    Archive(#[from] ArchiveError),
    /// The archive's data could not be understood.
    #[error("the archive holds damaged data ({what})")]
    Damaged {
        /// Where.
        what: &'static str,
        /// What is wrong with it.
        source: Corrupt,
    },
    /// The journal could not be read.
    #[error("the journal could not be replayed")]
    Journal(#[from] JournalError),
    /// The journal was written for another database.
    #[error("the journal belongs to another database: give each database a `journal.dir` of its own")]
    ForeignJournal,
    /// The writer's thread could not be started.
    #[error("the journal's thread could not be started")]
    Thread(#[source] std::io::Error),
}

/// What recovery found in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Entries read.
    pub entries: u64,
    /// Changes and reports that were not in the archive yet.
    pub applied: u64,
    /// Changes and reports whose series could not be known because of damage before them.
    pub lost: u64,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// Puts the archive's state into the head.
pub(super) fn restore(head: &mut Head, restored: Restored) -> Result<(), OpenError> {
    let damaged = |what| move |source| OpenError::Damaged { what, source };
    if let Some(through) = restored.through {
        head.closed = through;
        head.memory_from = restored.compacted.map_or(Slot::NONE.block(), |b| b + 1);
    }
    head.entry = restored.entry;
    for (first, last) in restored.live {
        Arc::make_mut(&mut head.live).mark_range(first, last);
    }
    for def in restored.series {
        head.insert(def);
    }
    for chunk in restored.chunks {
        base_from(head, &chunk).map_err(damaged("a chunk"))?;
    }
    for data in restored.ticks {
        for (id, item) in tick::read(&data).map_err(damaged("a tick"))? {
            closed_again(head, id, item);
        }
    }
    if let (Some(through), None) = (restored.through, restored.compacted) {
        head.memory_from = first_block(head).min(through.plus(-slots_in(GRACE)).block());
    }
    head.sample_floor = Slot::last_of_block(head.memory_from.max(head.compactable() + 1) - 1);
    head.ledger.restore(restored.vitals).map_err(damaged("a web vital"))
}

/// The first block that anything restored lies in.
fn first_block(head: &Head) -> i64 {
    let data = head.series.iter().filter_map(|s| s.blocks.first()).map(|b| b.index);
    let lived = head.live.first().map(Slot::block);
    data.chain(lived).min().unwrap_or(i64::MAX)
}

/// The cumulative value at the end of the block that was compacted last.
fn base_from(head: &mut Head, stored: &StoredChunk) -> Result<(), Corrupt> {
    let Some(series) = head.by_id.get(&stored.series).and_then(|r| head.series.get_mut(*r as usize)) else {
        return Ok(());
    };
    let chunk = Chunk::decode(&stored.bytes)?;
    let mut sum = chunk.base;
    for increment in chunk.stream.increments() {
        Total::add_to(&mut sum, &increment?.1);
    }
    for native in chunk.stream.natives() {
        series.closed_sample = native?.0;
    }
    for sample in chunk.stream.samples() {
        let sample = sample?;
        (series.closed_sample, series.newest) = (sample.0, Some(sample));
    }
    if let Some(Total::Histogram(h)) = &sum {
        let bounds = series.bounds.union(h.bounds());
        series.widen(bounds);
    }
    series.base = sum.map(Arc::new);
    Ok(())
}

fn closed_again(head: &mut Head, id: u64, item: TickItem) {
    let memory_from = head.memory_from;
    let Some(series) = head.by_id.get(&id).and_then(|r| head.series.get_mut(*r as usize)) else { return };
    match item {
        TickItem::Increments(items) => {
            for (slot, increment) in items.iter().filter(|(slot, _)| slot.block() >= memory_from) {
                series.close_increment(*slot, increment);
            }
            if let Some(Total::Histogram(h)) = series.base.as_deref() {
                let bounds = series.bounds.union(h.bounds());
                series.widen(bounds);
            }
        }
        TickItem::Samples(items) => {
            for (at, value) in items.iter().filter(|(at, _)| Slot::of(*at).block() >= memory_from) {
                series.close_sample(*at, *value);
                series.newest = Some((*at, *value));
            }
        }
        TickItem::Natives(items) => {
            for (at, histogram) in items.iter().filter(|(at, _)| Slot::of(*at).block() >= memory_from) {
                series.close_native(*at, histogram);
            }
        }
    }
}

/// Applies the journal's entries to a restored head.
struct Replay<'a> {
    head: &'a mut Head,
    archive: u128,
    through: Slot,
    entry: u64,
    segment: Option<SegmentId>,
    dictionary: Dictionary,
    refs: HashMap<u64, SeriesRef>,
    segments: VecDeque<SegmentUse>,
    found: Recovery,
    foreign: bool,
}

/// Replays the journal into a restored head; what was found, and the segments in use.
pub(super) fn replay(
    head: &mut Head,
    archive: u128,
    through: Option<Slot>,
    journal: &mut dyn Journal,
    counters: &Counters,
) -> Result<(Recovery, VecDeque<SegmentUse>), OpenError> {
    let (through, entry) = (through.unwrap_or(Slot::NONE), head.entry);
    let mut replay = Replay {
        head,
        archive,
        through,
        entry,
        segment: None,
        dictionary: Dictionary::default(),
        refs: HashMap::new(),
        segments: VecDeque::new(),
        found: Recovery::default(),
        foreign: false,
    };
    let replayed = journal.replay(&mut |segment, bytes| replay.bytes(segment, bytes))?;
    if replay.foreign {
        return Err(OpenError::ForeignJournal);
    }
    let (mut found, segments) = (replay.found, replay.segments);
    if through == Slot::NONE {
        reopen(head);
    }
    (found.entries, found.damage) = (replayed.entries, replayed.damage);
    counters.recovered_entries.set(found.entries);
    counters.recovered_damage.set(found.damage.len() as u64);
    for damage in &found.damage {
        tracing::warn!(%damage, "a part of the journal could not be read");
    }
    tracing::info!(entries = found.entries, applied = found.applied, lost = found.lost, "journal replayed");
    Ok((found, segments))
}

/// Before the first tick nothing has closed, however long ago it was that the journal was written: else what
/// is still open in a block would count as closed, and the block be compacted without it.
fn reopen(head: &mut Head) {
    let increments = head.series.iter().filter_map(|s| s.near.first()).map(|(slot, _)| *slot);
    let samples = head.series.iter().filter_map(|s| s.open_samples.first()).map(|(at, _)| Slot::of(*at));
    let natives = head.series.iter().filter_map(|s| s.open_natives.first()).map(|(at, _)| Slot::of(*at));
    if let Some(first) = increments.chain(samples).chain(natives).min() {
        head.closed = head.closed.min(first.plus(-1));
    }
    head.memory_from = head.memory_from.min(head.closed.plus(1).block());
}

impl Replay<'_> {
    fn bytes(&mut self, segment: SegmentId, bytes: &[u8]) {
        if self.segment != Some(segment) {
            self.segment = Some(segment);
            (self.dictionary, self.refs) = (Dictionary::default(), HashMap::new());
            self.segments.push_back(SegmentUse { id: segment, last_slot: Slot::NONE, last_entry: 0 });
        }
        match self.dictionary.decode(bytes) {
            Ok(entry) => self.entry(entry),
            Err(Corrupt) => self.found.lost += 1,
        }
    }

    fn entry(&mut self, entry: Entry) {
        self.foreign |= entry.archive.is_some_and(|a| a != self.archive);
        if self.foreign {
            return;
        }
        let newer = entry.number > self.entry;
        self.head.entry = self.head.entry.max(entry.number);
        self.lived(&entry);
        for (number, settlement) in entry.settlements {
            if newer {
                self.head.ledger.settle(&settlement.key, entry.at);
            }
            let observation = super::Observation { value: settlement.value, weight: settlement.weight };
            self.change(number, newer, Change::Observe(settlement.slot, vec![observation]));
        }
        for (number, change) in entry.changes {
            self.change(number, newer, change);
        }
        for (number, report) in entry.reports.into_iter().filter(|_| newer) {
            if self.resolve(number).is_some() {
                self.found.applied += 1;
                // Whether it counted was answered before the crash; the ledger decides the same again.
                let _same_as_before = self.head.ledger.report(report, entry.at);
            }
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.last_entry = segment.last_entry.max(entry.number);
        }
    }

    /// The process lived at this entry; and since the one before, unless it had started anew.
    fn lived(&mut self, entry: &Entry) {
        let slot = Slot::of(entry.at);
        if slot > self.through {
            let live = Arc::make_mut(&mut self.head.live);
            if entry.starts {
                live.interrupt();
            }
            live.carry_on(slot);
        }
    }

    fn change(&mut self, number: u64, newer: bool, change: Change) {
        let slot = slot_of(&change);
        if let Some(segment) = self.segments.back_mut() {
            segment.last_slot = segment.last_slot.max(slot);
        }
        if !newer && slot <= self.through {
            return;
        }
        if let Some(series) = self.resolve(number) {
            self.found.applied += 1;
            self.head.change(series, &change);
        }
    }

    fn resolve(&mut self, number: u64) -> Option<SeriesRef> {
        if let Some(series) = self.refs.get(&number) {
            return Some(*series);
        }
        let Some((labels, kind)) = self.dictionary.get(number).cloned() else {
            self.found.lost += 1;
            return None;
        };
        let series = self.series(labels, kind);
        if let Some(series) = series {
            self.refs.insert(number, series);
        }
        series
    }

    fn series(&mut self, labels: crate::base::Labels, kind: SeriesKind) -> Option<SeriesRef> {
        match self.head.by_labels.get(&labels) {
            Some(r) => self.head.get(*r).is_some_and(|s| s.kind == kind).then_some(*r),
            None => Some(self.head.create(labels, kind)),
        }
    }
}

/// Loads the archive and replays the journal.
pub(super) async fn recover(
    head: &mut Head,
    archive: &dyn Archive,
    journal: &mut dyn Journal,
    counters: &Counters,
) -> Result<(u128, Recovery, VecDeque<SegmentUse>), OpenError> {
    let restored = archive.load().await?;
    let (identity, through) = (restored.archive, restored.through);
    restore(head, restored)?;
    let (found, segments) = replay(head, identity, through, journal, counters)?;
    Arc::make_mut(&mut head.live).interrupt();
    Ok((identity, found, segments))
}
