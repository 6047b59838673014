//! Storage in memory: for tests and for `demo` runs that are to leave nothing behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::clock::BoxFuture;
use crate::series::{
    Archive, ArchiveError, GroupId, Journal, JournalError, Merge, PageKey, Replayed, Restored, Scanned, SegmentId,
    SeriesDef, Slot, StoredChunk, StoredPage, Tick, Tier, VitalKey, VitalState,
};

/// An archive that ends with the process. Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryArchive(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    through: Option<Slot>,
    entry: u64,
    paged: Option<Slot>,
    series: BTreeMap<u64, SeriesDef>,
    live: Vec<(Slot, Slot)>,
    ticks: BTreeMap<Slot, Vec<u8>>,
    pages: BTreeMap<(GroupId, Tier, Slot), StoredPage>,
    horizons: Option<[Slot; 3]>,
    vitals: HashMap<VitalKey, VitalState>,
}

impl MemoryArchive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Contents {
    fn append(&mut self, tick: &Tick) {
        if self.through.is_some_and(|t| t >= tick.through) {
            return;
        }
        (self.through, self.entry) = (Some(tick.through), tick.entry);
        self.series.extend(tick.series.iter().map(|def| (def.id, def.clone())));
        for (id, listed) in &tick.retired {
            if let Some(def) = self.series.get_mut(id) {
                def.retired = Some(*listed);
            }
        }
        for (first, last) in &tick.live {
            match self.live.last_mut() {
                Some(range) if range.1.plus(1) == *first => range.1 = *last,
                _ => self.live.push((*first, *last)),
            }
        }
        if !tick.data.is_empty() {
            self.ticks.insert(tick.through, tick.data.clone());
        }
        self.vitals.extend(tick.vitals.iter().cloned());
        let gone = tick.forget_settled_before;
        self.vitals.retain(|_, state| !matches!(state, VitalState::Settled(at) if *at <= gone));
    }

    fn add(&mut self, pages: &[StoredPage]) {
        self.pages.extend(pages.iter().map(|p| ((p.key.group, p.key.tier, p.key.first), p.clone())));
    }

    /// The newest page of a group at the finest tier that has one.
    fn head(&self, group: GroupId) -> Option<StoredPage> {
        let of_tier = |tier| {
            let pages = self.pages.range((group, tier, Slot::NONE)..=(group, tier, Slot::new(i64::MAX)));
            pages.map(|(_, page)| page).next_back()
        };
        let newest = Tier::ALL.into_iter().find_map(of_tier)?;
        Some(StoredPage { body: Vec::new(), ..newest.clone() })
    }

    fn mergeable(&self, merge: Merge, through: Slot, groups: usize) -> Vec<StoredPage> {
        let fits = |p: &&StoredPage| p.key.tier == merge.tier && p.key.slots == merge.slots;
        let Some(oldest) = self.pages.values().filter(fits).map(|p| p.key.first).min() else { return Vec::new() };
        let (first, last) = (oldest.first_of_window(merge.into), oldest.last_of_window(merge.into));
        if last > through {
            return Vec::new();
        }
        let found = self.pages.values().filter(fits).filter(|p| first <= p.key.first && p.key.first <= last);
        let found: Vec<&StoredPage> = found.collect();
        let by_group = found.chunk_by(|a, b| a.key.group == b.key.group).take(groups);
        by_group.flatten().map(|p| (*p).clone()).collect()
    }

    fn scan(&self, groups: &[GroupId], first: Slot, last: Slot) -> Scanned {
        let horizons = self.horizons.unwrap_or([Slot::NONE; 3]);
        let (mut pages, mut last) = (Vec::new(), last);
        for (tier, horizon) in Tier::ALL.into_iter().zip(horizons) {
            let from = first.max(horizon.plus(1));
            let overlaps = |p: &&StoredPage| p.key.tier == tier && p.key.first <= last && p.key.last() >= from;
            pages.extend(self.pages.values().filter(overlaps).filter(|p| groups.contains(&p.key.group)).cloned());
            last = last.min(horizon);
        }
        pages.sort_by_key(|p| p.key);
        Scanned { pages, horizons }
    }

    fn nearest(&self, group: GroupId, slot: Slot) -> Option<StoredPage> {
        let horizons = self.horizons.unwrap_or([Slot::NONE; 3]);
        let of_group = || self.pages.values().filter(|p| p.key.group == group);
        let before = of_group().filter(|p| p.key.first <= slot);
        let rank = |p: &StoredPage| std::cmp::Reverse(p.key.tier.rank(slot, horizons));
        let reach = |p: &&StoredPage| (p.key.last().min(slot), rank(p), p.key.first);
        let after = || of_group().filter(|p| p.key.first > slot).min_by_key(|p| (p.key.first, p.key.tier));
        before.max_by_key(reach).or_else(after).cloned()
    }

    fn expire(&mut self, through: [Slot; 3]) -> Vec<u64> {
        let of = |tier: Tier| through.get(usize::from(tier.number())).copied().unwrap_or(Slot::NONE);
        self.pages.retain(|_, p| p.key.last() > of(p.key.tier) || p.key.slots < crate::series::SLOTS_PER_BLOCK);
        let before = self.horizons.unwrap_or([Slot::NONE; 3]);
        self.horizons = Some(std::array::from_fn(|i| before[i].max(through[i])));
        let oldest = through.into_iter().min().unwrap_or(Slot::NONE);
        self.live.retain(|(_, last)| *last > oldest);
        let listed =
            |d: &SeriesDef, until: Slot| self.pages.values().any(|p| p.key.group == d.group && p.key.first <= until);
        let gone = self.series.values().filter(|d| d.retired.is_some_and(|until| until <= oldest && !listed(d, until)));
        let gone: Vec<u64> = gone.map(|d| d.id).collect();
        gone.iter().for_each(|id| drop(self.series.remove(id)));
        gone
    }
}

impl Archive for MemoryArchive {
    fn load(&self) -> BoxFuture<'_, Result<Restored, ArchiveError>> {
        Box::pin(async move {
            let c = self.0.lock();
            let groups: BTreeSet<GroupId> =
                c.series.values().filter(|d| d.retired.is_none()).map(|d| d.group).collect();
            Ok(Restored {
                archive: 1,
                through: c.through,
                entry: c.entry,
                paged: c.paged,
                series: c.series.values().cloned().collect(),
                live: c.live.clone(),
                heads: groups.into_iter().filter_map(|g| c.head(g)).collect(),
                ticks: c.ticks.iter().map(|(through, data)| (*through, data.clone())).collect(),
                vitals: c.vitals.iter().map(|(k, s)| (k.clone(), s.clone())).collect(),
            })
        })
    }

    fn append_tick<'a>(&'a self, tick: &'a Tick) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            self.0.lock().append(tick);
            Ok(())
        })
    }

    fn put_pages<'a>(&'a self, through: Slot, pages: &'a [StoredPage]) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            let mut c = self.0.lock();
            c.add(pages);
            c.paged = c.paged.max(Some(through));
            c.ticks.retain(|tick, _| *tick > through);
            Ok(())
        })
    }

    fn mergeable(
        &self,
        merge: Merge,
        through: Slot,
        groups: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredPage>, ArchiveError>> {
        Box::pin(async move { Ok(self.0.lock().mergeable(merge, through, groups)) })
    }

    fn merge<'a>(
        &'a self,
        sources: &'a [PageKey],
        merged: &'a [StoredPage],
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            let mut c = self.0.lock();
            sources.iter().for_each(|key| drop(c.pages.remove(&(key.group, key.tier, key.first))));
            c.add(merged);
            Ok(())
        })
    }

    fn scan<'a>(
        &'a self,
        groups: &'a [GroupId],
        first: Slot,
        last: Slot,
    ) -> BoxFuture<'a, Result<Scanned, ArchiveError>> {
        Box::pin(async move { Ok(self.0.lock().scan(groups, first, last)) })
    }

    fn nearest<'a>(
        &'a self,
        places: &'a [(GroupId, Slot)],
    ) -> BoxFuture<'a, Result<Vec<Option<StoredPage>>, ArchiveError>> {
        Box::pin(async move {
            let c = self.0.lock();
            Ok(places.iter().map(|(group, slot)| c.nearest(*group, *slot)).collect())
        })
    }

    fn expire<'a>(&'a self, through: [Slot; 3]) -> BoxFuture<'a, Result<Vec<u64>, ArchiveError>> {
        Box::pin(async move { Ok(self.0.lock().expire(through)) })
    }

    fn old_chunks(&self) -> BoxFuture<'_, Result<Vec<StoredChunk>, ArchiveError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn convert<'a>(&'a self, _: i64, pages: &'a [StoredPage]) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            self.0.lock().add(pages);
            Ok(())
        })
    }
}

/// A journal that ends with the process. Clones share what they hold, as a restarted process would find it.
#[derive(Debug, Clone)]
pub struct MemoryJournal(Arc<Mutex<BTreeMap<SegmentId, Vec<Vec<u8>>>>>);

impl Default for MemoryJournal {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(BTreeMap::from([(1, Vec::new())]))))
    }
}

impl MemoryJournal {
    /// How many entries it holds.
    pub fn entries(&self) -> usize {
        self.0.lock().values().map(Vec::len).sum()
    }
}

impl Journal for MemoryJournal {
    fn replay(&mut self, entry: &mut dyn FnMut(SegmentId, &[u8])) -> Result<Replayed, JournalError> {
        let segments = self.0.lock().clone();
        let mut replayed = Replayed::default();
        for (segment, entries) in &segments {
            for bytes in entries {
                replayed.entries += 1;
                replayed.bytes += bytes.len() as u64;
                entry(*segment, bytes);
            }
        }
        self.rotate()?;
        Ok(replayed)
    }

    fn append(&mut self, entry: &[u8]) -> Result<(), JournalError> {
        let segment = self.segment();
        self.0.lock().entry(segment).or_default().push(entry.to_vec());
        Ok(())
    }

    fn rotate(&mut self) -> Result<SegmentId, JournalError> {
        let next = self.segment() + 1;
        self.0.lock().insert(next, Vec::new());
        Ok(next)
    }

    fn segment(&self) -> SegmentId {
        self.0.lock().keys().next_back().copied().unwrap_or_default()
    }

    fn trim(&mut self, through: SegmentId) -> Result<(), JournalError> {
        let present = self.segment();
        let mut segments = self.0.lock();
        segments.retain(|id, _| *id > through || *id == present);
        segments.range_mut(..=through).for_each(|(_, entries)| entries.clear());
        Ok(())
    }
}

/// What every archive must do; run by the tests of each.
#[cfg(test)]
pub(crate) async fn contract(archive: &dyn Archive) {
    use crate::base::{Labels, Timestamp};
    use crate::series::SeriesKind;

    let first = archive.load().await.unwrap();
    assert_eq!((first.through, first.entry, first.paged), (None, 0, None));
    let labels = Labels::metric("x", [("route", "/\"ä\"")]);
    let key = |id: &str| VitalKey { site: "shop".into(), id: id.into(), metric: "LCP".into() };
    let tick = Tick {
        through: Slot::new(719),
        entry: 7,
        series: vec![SeriesDef { id: 1, group: 7, labels, kind: SeriesKind::Histogram, retired: None }],
        retired: vec![],
        live: vec![(Slot::new(700), Slot::new(719))],
        data: vec![1, 2, 3],
        vitals: vec![
            (key("a"), VitalState::Pending(vec![9])),
            (key("b"), VitalState::Settled(Timestamp::from_secs(5))),
            (key("c"), VitalState::Settled(Timestamp::from_secs(9))),
        ],
        forget_settled_before: Timestamp::MIN,
    };
    archive.append_tick(&tick).await.unwrap();
    let again = Tick { entry: 99, data: vec![4], ..tick.clone() };
    archive.append_tick(&again).await.unwrap();
    let next = Tick {
        through: Slot::new(721),
        entry: 8,
        series: vec![],
        retired: vec![(1, Slot::new(659))],
        live: vec![(Slot::new(720), Slot::new(720)), (Slot::new(721), Slot::new(721))],
        data: vec![5],
        vitals: vec![(key("a"), VitalState::Settled(Timestamp::from_secs(20)))],
        forget_settled_before: Timestamp::from_secs(5),
    };
    archive.append_tick(&next).await.unwrap();
    let mut loaded = archive.load().await.unwrap();
    loaded.vitals.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(loaded.archive, first.archive);
    assert_eq!((loaded.through, loaded.entry), (Some(Slot::new(721)), 8));
    assert_eq!(loaded.series, [SeriesDef { retired: Some(Slot::new(659)), ..tick.series[0].clone() }]);
    assert_eq!(loaded.live, [(Slot::new(700), Slot::new(721))]);
    assert_eq!(loaded.ticks, [(Slot::new(719), vec![1, 2, 3]), (Slot::new(721), vec![5])]);
    let settled = |s| VitalState::Settled(Timestamp::from_secs(s));
    assert_eq!(loaded.vitals, [(key("a"), settled(20)), (key("c"), settled(9))]);
    pages_contract(archive).await;
}

#[cfg(test)]
async fn pages_contract(archive: &dyn Archive) {
    use crate::series::{SLOTS_PER_BLOCK as BLOCK, SLOTS_PER_DAY as DAY, SLOTS_PER_PAGE as PAGE};
    let page = |group, tier, first, slots, byte| StoredPage {
        key: PageKey { group, tier, first: Slot::new(first), slots },
        head: vec![byte],
        body: vec![byte, byte],
    };
    let (fine, coarse) = (Tier::Seconds10, Tier::Minutes5);
    let pages = [page(7, fine, 0, PAGE, 1), page(7, fine, 660, PAGE, 2), page(8, fine, 0, PAGE, 3)];
    archive.put_pages(Slot::new(719), &pages).await.unwrap();
    let loaded = archive.load().await.unwrap();
    assert_eq!((loaded.paged, loaded.ticks), (Some(Slot::new(719)), vec![(Slot::new(721), vec![5])]));
    // The only series of group 7 has retired; nobody needs its values.
    assert_eq!(loaded.heads, []);
    archive.put_pages(Slot::new(779), &[page(8, fine, 720, PAGE, 4)]).await.unwrap();
    // The oldest window that is over, group by group.
    let merge = Merge { tier: fine, slots: PAGE, into: BLOCK };
    assert_eq!(archive.mergeable(merge, Slot::new(718), 9).await.unwrap(), []);
    assert_eq!(archive.mergeable(merge, Slot::new(719), 1).await.unwrap(), pages[..2]);
    let merged = [page(7, fine, 0, BLOCK, 5), page(7, coarse, 0, BLOCK, 6)];
    archive.merge(&[pages[0].key, pages[1].key], &merged).await.unwrap();
    assert_eq!(archive.mergeable(merge, Slot::new(719), 1).await.unwrap(), pages[2..]);
    archive.merge(&[pages[2].key], &[page(8, fine, 0, BLOCK, 7)]).await.unwrap();
    assert_eq!(archive.mergeable(merge, Slot::new(800), 1).await.unwrap(), []);
    // The finest there is.
    let scanned = archive.scan(&[7, 9], Slot::new(700), Slot::new(2000)).await.unwrap();
    assert_eq!(scanned.pages, merged[..1]);
    assert_eq!(archive.scan(&[7], Slot::new(720), Slot::new(2000)).await.unwrap().pages, []);
    let nearest =
        archive.nearest(&[(7, Slot::new(9999)), (8, Slot::new(719)), (9, Slot::new(1)), (8, Slot::new(-5))]).await;
    let found = [Some(merged[0].clone()), Some(page(8, fine, 0, BLOCK, 7)), None, Some(page(8, fine, 0, BLOCK, 7))];
    assert_eq!(nearest.unwrap(), found);
    // A tier expires; what is not merged stays.
    assert_eq!(archive.expire([Slot::new(1439), Slot::NONE, Slot::NONE]).await.unwrap(), Vec::<u64>::new());
    let scanned = archive.scan(&[7, 8], Slot::new(0), Slot::new(2000)).await.unwrap();
    assert_eq!(scanned.pages, merged[1..]);
    assert_eq!(scanned.horizons, [Slot::new(1439), Slot::NONE, Slot::NONE]);
    // Where a tier has expired, a coarser one knows more: the longer page may have lost its beginning.
    let (cut, whole) = (page(9, coarse, 0, DAY, 8), page(9, Tier::Hour1, 0, DAY, 9));
    archive.merge(&[], &[cut.clone(), whole.clone()]).await.unwrap();
    assert_eq!(archive.nearest(&[(9, Slot::new(700))]).await.unwrap(), [Some(cut.clone())]);
    let expired = [Slot::new(1439), Slot::new(1439), Slot::NONE];
    assert_eq!(archive.expire(expired).await.unwrap(), Vec::<u64>::new());
    let nearest = archive.nearest(&[(9, Slot::new(700)), (9, Slot::new(1440))]).await.unwrap();
    assert_eq!(nearest, [Some(whole), Some(cut)]);
    assert_eq!(archive.expire([Slot::new(1439); 3]).await.unwrap(), [1]);
    assert!(archive.load().await.unwrap().series.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        contract(&MemoryArchive::new()).await;
    }
}
