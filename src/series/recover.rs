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

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::{Labels, Timestamp};

use super::archive::{Archive, ArchiveError, Restored, StoredPage};
use super::codec::Corrupt;
use super::counters::Counters;
use super::data::{Data, Series};
use super::entry::{Archived, Change, Dictionary, Entry};
use super::head::{GRACE, Head};
use super::index::SeriesRef;
use super::journal::{Damage, Journal, JournalError, SegmentId};
use super::old::{OldTicks, convert_chunks};
use super::page::Page;
use super::pages;
use super::slot::{SLOTS_PER_PAGE, Slot, slots_in};
use super::stream::Slice;
use super::tick;
use super::total::{SeriesKind, Total};
use super::writer::SegmentUse;

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
    #[error(
        "the journal belongs to another database, perhaps the one that this is a copy of: \
         give each database a `journal.dir` of its own, or move the other one's segments away"
    )]
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
    /// Entries that were acknowledged and are nowhere: a segment was removed, or damage took them.
    pub missing: u64,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// Up to when something is stored; `None` when nothing is.
    pub newest: Option<Timestamp>,
}

/// Puts the archive's state into the head.
async fn restore(
    head: &mut Head,
    archive: &dyn Archive,
    restored: Restored,
    counters: &Counters,
) -> Result<(), OpenError> {
    head.entry = restored.entry;
    for (first, last) in restored.live {
        Arc::make_mut(&mut head.live).mark_range(first, last);
    }
    head.next_id = restored.last_series + 1;
    head.groups.start_after(restored.last_group);
    head.retirement.newest = restored.ended.unwrap_or(Slot::NONE);
    for def in restored.series {
        head.insert(def);
    }
    let away = restored.through.map_or(0, |through| (head.closed.index() - through.index()).max(0));
    for stored in restored.heads {
        go_on_from(head, archive, stored, away, counters).await?;
    }
    let Some(through) = restored.through else {
        head.paged = head.closed;
        return head.ledger.restore(restored.vitals).map_err(damaged("a web vital"));
    };
    let paged = restored.paged;
    head.paged = paged.unwrap_or(Slot::NONE);
    let mut old = OldTicks::default();
    for (tick_through, data) in restored.ticks {
        match tick::is_old(&data) {
            true => match tick::read_old(&data) {
                Ok(items) => old.enter(tick_through, paged, items),
                Err(error) => lost(counters, tick_through, error),
            },
            false => {
                std::mem::take(&mut old).replay(head, archive).await?;
                closed_again(head, tick_through, &data, counters);
            }
        }
    }
    old.replay(head, archive).await?;
    head.closed = through;
    head.paged = match head.filled {
        Some(filled) if head.paged == Slot::NONE => filled.first_of_window(SLOTS_PER_PAGE).plus(-1),
        Some(_) => head.paged,
        None => through,
    };
    head.sample_floor = through.plus(-slots_in(GRACE));
    head.ledger.restore(restored.vitals).map_err(damaged("a web vital"))
}

fn damaged(what: &'static str) -> impl Fn(Corrupt) -> OpenError {
    move |source| OpenError::Damaged { what, source }
}

/// Takes the values of a group from its newest page, or from one before if that is damaged.
async fn go_on_from(
    head: &mut Head,
    archive: &dyn Archive,
    stored: StoredPage,
    away: i64,
    counters: &Counters,
) -> Result<(), OpenError> {
    let mut next = Some(stored);
    while let Some(stored) = next {
        let key = stored.key;
        if Page::open(stored).and_then(|page| values(head, &page, away)).is_ok() {
            return Ok(());
        }
        pages::report(counters, &key);
        let before = archive.nearest(&[(key.group, key.first.plus(-1))]).await?;
        next = before.into_iter().flatten().next().filter(|page| page.key.first < key.first);
    }
    Ok(())
}

/// Nothing in the page's group had news after it. For so many slots the process was away, which is not held against
/// who had none.
fn values(head: &mut Head, page: &Page, away: i64) -> Result<(), Corrupt> {
    let idle_since = page.key.last().plus(away);
    for (id, _) in page.series() {
        let series = head.by_id.get(&id).and_then(|r| head.series.get_mut(*r as usize));
        if let Some(series) = series
            && let Some(ends) = page.ends(id)?
        {
            series.go_on_from(ends);
            series.touched = series.touched.min(match series.kind.is_ours() {
                true => idle_since,
                false if series.closed_sample() == Timestamp::MIN => idle_since,
                false => idle_since.min(Slot::of(series.closed_sample()).plus(away)),
            });
        }
    }
    Ok(())
}

/// A tick could not be read.
fn lost(counters: &Counters, through: Slot, error: Corrupt) {
    counters.archive_damaged.add(1);
    tracing::error!(%error, through = %through.end(), "a tick of the archive is damaged and left out");
}

fn closed_again(head: &mut Head, through: Slot, data: &[u8], counters: &Counters) {
    let mut again = Again { head, missing: 0 };
    if let Err(error) = tick::read(data, &mut again) {
        lost(counters, through, error);
    }
    if again.missing > 0 {
        counters.archive_damaged.add(1);
        let series = again.missing;
        tracing::error!(series, through = %through.end(), "samples after a damaged tick are left out until the next page");
    }
    head.filled.get_or_insert(through);
}

/// Closes again what a tick holds.
struct Again<'a> {
    head: &'a mut Head,
    missing: u64,
}

impl Again<'_> {
    fn series(&mut self, id: u64) -> Option<&mut Series> {
        self.head.by_id.get(&id).and_then(|r| self.head.series.get_mut(*r as usize))
    }
}

impl tick::Take for Again<'_> {
    fn increments(&mut self, id: u64, items: Vec<(Slot, Total)>) {
        let closed = self.head.closed;
        let Some(series) = self.series(id) else { return };
        series.touched = closed;
        if let Data::Ours(ours) = &mut series.data {
            items.iter().for_each(|(slot, increment)| ours.close(*slot, increment));
            if series.kind == SeriesKind::Histogram {
                series.widen_to_base();
            }
        }
    }

    fn slice(&mut self, id: u64, _: SeriesKind, slice: Slice<'_>) {
        let closed = self.head.closed;
        let Some(series) = self.series(id) else { return };
        series.touched = closed;
        let taken = match &mut series.data {
            Data::Ours(_) => Ok(false),
            Data::Samples(sent) => {
                let taken = sent.stream.append_closed(slice);
                sent.closed = sent.stream.last().map_or(sent.closed, |last| last.0);
                taken
            }
            Data::Natives(sent) => {
                let taken = sent.stream.append_closed(slice);
                sent.closed = sent.stream.last_time().unwrap_or(sent.closed);
                taken
            }
        };
        self.missing += u64::from(taken != Ok(true));
    }
}

/// Applies the journal's entries to a restored head.
struct Replay<'a> {
    head: &'a mut Head,
    archive: u128,
    archived: Archived,
    segment: Option<SegmentId>,
    /// The number of the last entry that was read.
    last: Option<u64>,
    dictionary: Dictionary,
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
    let through = through.unwrap_or(Slot::NONE);
    let archived = Archived { entry: head.entry, through };
    let mut replay = Replay {
        head,
        archive,
        archived,
        segment: None,
        last: None,
        dictionary: Dictionary::default(),
        segments: VecDeque::new(),
        found: Recovery::default(),
        foreign: false,
    };
    let mut entry = Entry::default();
    let replayed = journal.replay(&mut |segment, bytes| replay.bytes(segment, bytes, &mut entry))?;
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
    counters.recovered_missing.set(found.missing);
    for damage in &found.damage {
        tracing::warn!(%damage, "a part of the journal could not be read");
    }
    tracing::info!(entries = found.entries, applied = found.applied, lost = found.lost, "journal replayed");
    Ok((found, segments))
}

/// Before the first tick nothing has closed, however long ago it was that the journal was written: else what
/// is still open would count as closed, and a page be made without it.
fn reopen(head: &mut Head) {
    if let Some(first) = head.series.iter().filter_map(Series::first_open).min() {
        head.closed = head.closed.min(first.plus(-1));
    }
    head.paged = head.closed;
}

impl Replay<'_> {
    /// `entry` is where it is read to, again and again.
    fn bytes(&mut self, segment: SegmentId, bytes: &[u8], entry: &mut Entry) {
        if self.segment != Some(segment) {
            self.segment = Some(segment);
            self.dictionary = Dictionary::default();
            self.segments.push_back(SegmentUse { id: segment, last_slot: Slot::NONE, last_entry: 0, bytes: 0 });
        }
        match self.dictionary.decode(bytes, self.archived, entry) {
            Ok(()) => self.entry(entry),
            Err(Corrupt) => self.found.lost += 1,
        }
    }

    fn entry(&mut self, entry: &mut Entry) {
        self.foreign |= entry.archive.is_some_and(|a| a != self.archive);
        if self.foreign {
            return;
        }
        let newer = entry.number > self.archived.entry;
        self.follows(entry.number);
        self.found.newest = self.found.newest.max(Some(entry.at));
        self.lived(entry);
        for (number, settlement) in entry.settlements.drain(..) {
            if newer {
                self.head.ledger.settle(&settlement.key, entry.at);
            }
            if newer || settlement.slot > self.archived.through {
                let observation = super::Observation { value: settlement.value, weight: settlement.weight };
                self.change(number, &Change::Observe(settlement.slot, vec![observation]));
            }
        }
        for (number, change) in entry.changes.drain(..) {
            self.change(number, &change);
        }
        for (number, report) in entry.reports.drain(..).filter(|_| newer) {
            if self.resolve(number).is_some() {
                self.found.applied += 1;
                // Whether it counted was answered before the crash; the ledger decides the same again.
                let _same_as_before = self.head.ledger.report(report, entry.at);
            }
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.last_slot = segment.last_slot.max(entry.last_slot);
            segment.last_entry = segment.last_entry.max(entry.number);
        }
    }

    /// Entries are numbered without gaps, and the journal has all that are later than the archive's last.
    fn follows(&mut self, number: u64) {
        let after = self.last.unwrap_or(self.archived.entry);
        self.last = Some(number);
        let missing = number.saturating_sub(after + 1);
        if missing > 0 {
            let segment = self.segment.unwrap_or_default();
            tracing::error!(
                missing,
                "entries {} to {} are missing before segment {segment} goes on: what they held is lost unless the \
                 missing segment can be put back into the journal's folder before the next start",
                after + 1,
                number - 1
            );
            self.found.missing += missing;
        }
        self.head.entry = self.head.entry.max(number);
    }

    /// The process lived at this entry; and since the one before, unless it had started anew.
    fn lived(&mut self, entry: &Entry) {
        let slot = Slot::of(entry.at);
        if slot > self.archived.through {
            let live = Arc::make_mut(&mut self.head.live);
            if entry.starts {
                live.interrupt();
            }
            live.carry_on(slot);
        }
    }

    fn change(&mut self, number: u64, change: &Change) {
        if let Some(series) = self.resolve(number) {
            self.found.applied += 1;
            self.head.change(series, change);
        }
    }

    fn resolve(&mut self, number: u64) -> Option<SeriesRef> {
        let Some(known) = self.dictionary.get_mut(number) else {
            self.found.lost += 1;
            return None;
        };
        if known.place.is_none() {
            known.place = place_of(self.head, &known.labels, known.kind);
        }
        known.place
    }
}

/// The place of a series, created now if it is new; `None` when it is there as another kind.
fn place_of(head: &mut Head, labels: &Labels, kind: SeriesKind) -> Option<SeriesRef> {
    match head.by_labels.get(labels) {
        Some(r) => head.get(*r).is_some_and(|s| s.kind == kind).then_some(*r),
        None => {
            let place = head.place_of_new(0);
            head.create([(labels.clone(), kind)]);
            Some(place)
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
    let mut restored = archive.load().await?;
    let (identity, through) = (restored.archive, restored.through);
    if convert_chunks(archive, counters).await? {
        restored = archive.load().await?;
    }
    restore(head, archive, restored, counters).await?;
    let (mut found, segments) = replay(head, identity, through, journal, counters)?;
    found.newest = found.newest.max(through.map(Slot::end));
    Arc::make_mut(&mut head.live).interrupt();
    Ok((identity, found, segments))
}
