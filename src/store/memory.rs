//! Storage in memory: for tests and for `demo` runs that are to leave nothing behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::clock::BoxFuture;
use crate::series::{
    Archive, ArchiveError, GroupId, Journal, JournalError, Merge, PageKey, Replayed, Restored, RetiredQuery, Scanned,
    SegmentId, SeriesDef, Slot, StoredChunk, StoredPage, Tick, Tier, VitalKey, VitalState,
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
    last_series: u64,
    last_group: GroupId,
    metrics: HashMap<GroupId, String>,
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
        for def in &tick.series {
            (self.last_series, self.last_group) = (self.last_series.max(def.id), self.last_group.max(def.group));
            self.metrics.entry(def.group).or_insert_with(|| def.labels.metric_name().to_owned());
        }
        for (id, retired) in &tick.retired {
            if let Some(def) = self.series.get_mut(id) {
                def.retired = Some(*retired);
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
        self.replace(&tick.history.sources, &tick.history.pages);
        for (id, born) in &tick.history.born {
            if let Some(def) = self.series.get_mut(id) {
                def.born = def.born.min(*born);
            }
        }
        let gone = tick.forget_settled_before;
        self.vitals.retain(|_, state| !matches!(state, VitalState::Settled(at) if *at <= gone));
    }

    fn replace(&mut self, sources: &[PageKey], pages: &[StoredPage]) {
        sources.iter().for_each(|key| drop(self.pages.remove(&(key.group, key.tier, key.first))));
        self.add(pages);
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

    fn retired(&self, query: &RetiredQuery) -> Vec<SeriesDef> {
        let wanted = |d: &&SeriesDef| {
            let of_metric = |m: &Vec<String>| m.iter().any(|metric| metric == d.labels.metric_name());
            let in_time = d.retired.is_some_and(|r| r.ended >= query.first) && d.born <= query.last;
            in_time && query.metrics.as_ref().is_none_or(of_metric)
        };
        self.series.values().filter(wanted).take(query.limit).cloned().collect()
    }

    fn expire(&mut self, through: [Slot; 3]) -> u64 {
        let of = |tier: Tier| through.get(usize::from(tier.number())).copied().unwrap_or(Slot::NONE);
        self.pages.retain(|_, p| p.key.last() > of(p.key.tier) || p.key.slots < crate::series::SLOTS_PER_BLOCK);
        let before = self.horizons.unwrap_or([Slot::NONE; 3]);
        self.horizons = Some(std::array::from_fn(|i| before[i].max(through[i])));
        let oldest = through.into_iter().min().unwrap_or(Slot::NONE);
        self.live.retain(|(_, last)| *last > oldest);
        let listed =
            |d: &SeriesDef, until: Slot| self.pages.values().any(|p| p.key.group == d.group && p.key.first <= until);
        let is_gone = |d: &SeriesDef| d.retired.is_some_and(|r| r.listed <= oldest && !listed(d, r.listed));
        let gone: Vec<u64> = self.series.values().filter(|d| is_gone(d)).map(|d| d.id).collect();
        gone.iter().for_each(|id| drop(self.series.remove(id)));
        let groups: BTreeSet<GroupId> = self.series.values().map(|d| d.group).collect();
        self.metrics.retain(|group, _| groups.contains(group));
        gone.len() as u64
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
                series: c.series.values().filter(|d| d.retired.is_none()).cloned().collect(),
                last_series: c.last_series,
                last_group: c.last_group,
                ended: c.series.values().filter_map(|d| d.retired).map(|r| r.ended).max(),
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
            self.0.lock().replace(sources, merged);
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

    fn overlapping(
        &self,
        group: GroupId,
        first: Slot,
        last: Slot,
    ) -> BoxFuture<'_, Result<Vec<StoredPage>, ArchiveError>> {
        let holds = |p: &&StoredPage| p.key.group == group && p.key.first <= last && p.key.last() >= first;
        let mut pages: Vec<_> = self.0.lock().pages.values().filter(holds).cloned().collect();
        pages.sort_by_key(|p| p.key);
        Box::pin(std::future::ready(Ok(pages)))
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

    fn retired<'a>(&'a self, query: &'a RetiredQuery) -> BoxFuture<'a, Result<Vec<SeriesDef>, ArchiveError>> {
        Box::pin(async move { Ok(self.0.lock().retired(query)) })
    }

    fn metrics<'a>(&'a self, groups: &'a [GroupId]) -> BoxFuture<'a, Result<Vec<(GroupId, String)>, ArchiveError>> {
        Box::pin(async move {
            let metrics = &self.0.lock().metrics;
            Ok(groups.iter().filter_map(|g| Some((*g, metrics.get(g)?.clone()))).collect())
        })
    }

    fn expire<'a>(&'a self, through: [Slot; 3]) -> BoxFuture<'a, Result<u64, ArchiveError>> {
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
