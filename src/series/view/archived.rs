//! What a read takes from the archive: the pages of some groups over a range, in the order of time, each part of
//! the range from the finest tier that has it. A page that is damaged is reported and leaves a gap.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::promql::{Selection, SourceError};

use super::super::archive::{Archive, GroupId, Scanned, StoredPage, Tier};
use super::super::counters::Counters;
use super::super::head::GRACE;
use super::super::page::{Ends, Page};
use super::super::pages::report;
use super::super::slot::{SLOTS_PER_PAGE, Slot, slots_in};
use super::View;
use super::each::INLINE_BYTES;
use super::points::corrupt;
use super::taken::{Taken, TakenSeries, storage};

/// A part of the range, `(after, through]`.
pub(super) struct Part {
    pub(super) after: Slot,
    pub(super) through: Slot,
    pub(super) step: Duration,
    /// What lies in it; nothing when it is damaged.
    pub(super) page: Option<Page>,
}

/// What was read of some groups.
#[derive(Default)]
pub(super) struct Archived {
    groups: HashMap<GroupId, Vec<Part>>,
    /// Finest first: where each tier begins.
    horizons: [Slot; 3],
    bytes: usize,
    /// Where memory goes on. A page that was made since the head was looked at may reach beyond.
    paged: Slot,
    /// What retired series amount to that no page of the range lists.
    carried: HashMap<u64, Ends>,
}

impl Archived {
    /// Reads what the archive has of these series, which ascend by group.
    pub(super) async fn read(
        view: &View,
        taken: &Taken,
        series: &[TakenSeries],
        selection: &Selection,
    ) -> Result<Self, SourceError> {
        let (archive, counters) = (view.archive.as_ref(), &view.shared.counters);
        let first = Slot::of(selection.start);
        if first > taken.paged || series.is_empty() {
            return Ok(Self { horizons: [Slot::NONE; 3], ..Self::default() });
        }
        // What is sent to us may lie in a later page than its time says.
        let late = if series.iter().all(|s| s.kind.is_ours()) { 0 } else { slots_in(GRACE) + SLOTS_PER_PAGE };
        let last = Slot::of(selection.end).plus(late).min(taken.paged);
        let mut groups: Vec<GroupId> = series.iter().map(|s| s.group).collect();
        groups.dedup();
        let scanned = archive.scan(&groups, first, last).await.map_err(storage)?;
        let mut read = Self::open(scanned, taken.paged, counters.clone()).await?;
        for series in series.iter().filter(|s| s.kind.is_ours() && s.until.is_some_and(|until| until >= first)) {
            read.carry(archive, counters, series, first).await?;
        }
        Ok(read)
    }

    /// Opens what was scanned, on a thread of its own when that is much.
    async fn open(scanned: Scanned, paged: Slot, counters: Arc<Counters>) -> Result<Self, SourceError> {
        let bytes = scanned.pages.iter().map(|page| page.body.len()).sum();
        let work = move || {
            let mut read = Self { horizons: scanned.horizons, paged, bytes, ..Self::default() };
            scanned.pages.into_iter().for_each(|stored| read.enter(stored, &counters));
            // Coarse pages come after fine ones by their key, and before them in time.
            read.groups.values_mut().for_each(|parts| parts.sort_by_key(|p| p.through));
            read
        };
        if bytes <= INLINE_BYTES {
            return Ok(work());
        }
        tokio::task::spawn_blocking(work).await.map_err(|e| SourceError::Storage(Box::new(e)))
    }

    /// How many bytes the pages have as they are stored.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn enter(&mut self, stored: StoredPage, counters: &Counters) {
        let key = stored.key;
        let tier = usize::from(key.tier.number());
        let after = key.first.plus(-1).max(self.horizons[tier]);
        let through = key.last().min(self.end_of(tier)).min(self.paged);
        let page = Page::open(stored).and_then(|page| page.check().map(|()| page)).ok();
        if page.is_none() {
            report(counters, &key);
        }
        if after < through {
            let part = Part { after, through, step: key.tier.step(), page };
            self.groups.entry(key.group).or_default().push(part);
        }
    }

    /// The last slot that a tier is to be read for: finer ones have what follows.
    fn end_of(&self, tier: usize) -> Slot {
        self.horizons[..tier].iter().copied().min().unwrap_or(Slot::new(i64::MAX))
    }

    /// A retired series that was idle over the whole range: its value lies before.
    async fn carry(
        &mut self,
        archive: &dyn Archive,
        counters: &Counters,
        series: &TakenSeries,
        first: Slot,
    ) -> Result<(), SourceError> {
        let lists = |part: &Part| part.page.as_ref().is_some_and(|p| matches!(p.ends(series.id), Ok(Some(_))));
        if self.of(series.group).iter().any(lists) {
            return Ok(());
        }
        let mut at = first;
        while let Some(page) = nearest(archive, counters, series.group, at).await? {
            if let Some(before) = retired_before(&page, series, at)? {
                at = before;
                continue;
            }
            if let Ok(Some(ends)) = page.ends(series.id)
                && page.key.last() < first
            {
                self.carried.insert(series.id, ends);
            }
            break;
        }
        Ok(())
    }

    /// The parts of a group, ascending.
    pub(super) fn of(&self, group: GroupId) -> &[Part] {
        self.groups.get(&group).map_or(&[], Vec::as_slice)
    }

    /// What a retired series amounts to that no page of the range lists.
    pub(super) fn carried(&self, series: u64) -> Option<&Ends> {
        self.carried.get(&series)
    }

    /// The steps at which samples are shown within `(after, through]`, in the order of time.
    pub(super) fn steps(&self, after: Slot, through: Slot) -> impl Iterator<Item = (Slot, Slot, Duration)> + '_ {
        let coarsest_first = Tier::ALL.into_iter().enumerate().rev();
        let clipped = coarsest_first.map(move |(i, tier)| {
            // The coarsest reaches back as far as there is anything.
            let begin = if i + 1 == Tier::ALL.len() { Slot::NONE } else { self.begin_of(i) };
            (after.max(begin), through.min(self.end_of(i)), tier.step())
        });
        clipped.filter(|(after, through, _)| after < through)
    }

    /// The slot after which a tier is read.
    fn begin_of(&self, tier: usize) -> Slot {
        self.end_of(tier + 1)
    }
}

/// Where to look for a series that retired in the window of the page that was found for a slot, before the first of
/// the pages that this one was merged from.
pub(super) fn retired_before(page: &Page, series: &TakenSeries, at: Slot) -> Result<Option<Slot>, SourceError> {
    let key = page.key;
    let is_within = series.until.is_some_and(|until| key.first <= until && until <= key.last());
    if !is_within || key.first > at || page.ends(series.id).map_err(corrupt)?.is_some() {
        return Ok(None);
    }
    Ok(Some(key.first.plus(-1)))
}

/// The page that knows the values of a group at a slot, or one before if that is damaged.
pub(super) async fn nearest(
    archive: &dyn Archive,
    counters: &Counters,
    group: GroupId,
    slot: Slot,
) -> Result<Option<Page>, SourceError> {
    let mut at = slot;
    loop {
        let found = archive.nearest(&[(group, at)]).await.map_err(storage)?;
        let Some(stored) = found.into_iter().flatten().next() else { return Ok(None) };
        let key = stored.key;
        match Page::open(stored).and_then(|page| page.check().map(|()| page)) {
            Ok(page) => return Ok(Some(page)),
            Err(_) => report(counters, &key),
        }
        if key.first > at {
            return Ok(None);
        }
        at = key.first.plus(-1);
    }
}
