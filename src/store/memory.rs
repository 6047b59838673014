//! Storage in memory: for tests and for `demo` runs that are to leave nothing behind.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::base::clock::BoxFuture;
use crate::series::{
    Archive, ArchiveError, Journal, JournalError, Replayed, Restored, SLOTS_PER_BLOCK, SegmentId, SeriesDef, Slot,
    StoredChunk, Tick, Tier, VitalKey, VitalState,
};

/// An archive that ends with the process. Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct MemoryArchive(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    through: Option<Slot>,
    entry: u64,
    compacted: Option<i64>,
    series: BTreeMap<u64, SeriesDef>,
    live: Vec<(Slot, Slot)>,
    ticks: BTreeMap<Slot, Vec<u8>>,
    chunks: BTreeMap<(u64, i64, Tier), Vec<u8>>,
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
        for id in &tick.retired {
            if let Some(def) = self.series.get_mut(id) {
                def.retired = true;
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

    fn stored(&self, series: u64, block: i64) -> Option<StoredChunk> {
        let mut tiers = self.chunks.range((series, block, Tier::Seconds10)..=(series, block, Tier::Hour1));
        tiers.next().map(|((_, _, tier), bytes)| StoredChunk { series, block, tier: *tier, bytes: bytes.clone() })
    }

    fn blocks(&self, series: u64, first: i64, last: i64) -> Vec<i64> {
        let range = self.chunks.range((series, first, Tier::Seconds10)..=(series, last, Tier::Hour1));
        let mut blocks: Vec<i64> = range.map(|((_, block, _), _)| *block).collect();
        blocks.dedup();
        blocks
    }

    fn nearest(&self, series: u64, block: i64) -> Option<StoredChunk> {
        let before = self.blocks(series, i64::MIN, block).last().copied();
        let found = before.or_else(|| self.blocks(series, block, i64::MAX).first().copied());
        found.and_then(|block| self.stored(series, block))
    }

    fn expire(&mut self, before: &[(Tier, i64)]) -> Vec<u64> {
        let kept = |(_, block, tier): &(u64, i64, Tier)| !before.iter().any(|(t, b)| t == tier && block < b);
        self.chunks.retain(|key, _| kept(key));
        if let Some(oldest) = before.iter().map(|(_, block)| *block).min() {
            self.live.retain(|(_, last)| last.index() >= oldest.saturating_mul(SLOTS_PER_BLOCK));
        }
        let there: Vec<u64> = self.chunks.keys().map(|(series, ..)| *series).collect();
        let gone = self.series.values().filter(|d| d.retired && !there.contains(&d.id)).map(|d| d.id);
        let gone: Vec<u64> = gone.collect();
        gone.iter().for_each(|id| drop(self.series.remove(id)));
        gone
    }
}

impl Archive for MemoryArchive {
    fn load(&self) -> BoxFuture<'_, Result<Restored, ArchiveError>> {
        Box::pin(async move {
            let c = self.0.lock();
            let chunks = c.compacted.map(|b| c.series.keys().filter_map(|id| c.stored(*id, b)).collect());
            Ok(Restored {
                archive: 1,
                through: c.through,
                entry: c.entry,
                compacted: c.compacted,
                series: c.series.values().cloned().collect(),
                live: c.live.clone(),
                chunks: chunks.unwrap_or_default(),
                ticks: c.ticks.values().cloned().collect(),
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

    fn put_chunks<'a>(&'a self, chunks: &'a [StoredChunk]) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            let new = chunks.iter().map(|c| ((c.series, c.block, c.tier), c.bytes.clone()));
            self.0.lock().chunks.extend(new);
            Ok(())
        })
    }

    fn finish_block(&self, block: i64) -> BoxFuture<'_, Result<(), ArchiveError>> {
        Box::pin(async move {
            let mut c = self.0.lock();
            c.compacted = c.compacted.max(Some(block));
            c.ticks.retain(|through, _| *through > Slot::last_of_block(block));
            Ok(())
        })
    }

    fn scan<'a>(
        &'a self,
        series: &'a [u64],
        first: i64,
        last: i64,
    ) -> BoxFuture<'a, Result<Vec<StoredChunk>, ArchiveError>> {
        Box::pin(async move {
            let c = self.0.lock();
            let of = |id: u64| c.blocks(id, first, last).into_iter().map(move |b| (id, b));
            Ok(series.iter().flat_map(|id| of(*id)).filter_map(|(id, b)| c.stored(id, b)).collect())
        })
    }

    fn nearest<'a>(&'a self, series: &'a [u64], block: i64) -> BoxFuture<'a, Result<Vec<StoredChunk>, ArchiveError>> {
        Box::pin(async move {
            let c = self.0.lock();
            Ok(series.iter().filter_map(|id| c.nearest(*id, block)).collect())
        })
    }

    fn expire<'a>(&'a self, before: &'a [(Tier, i64)]) -> BoxFuture<'a, Result<Vec<u64>, ArchiveError>> {
        Box::pin(async move { Ok(self.0.lock().expire(before)) })
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
        self.0.lock().retain(|id, _| *id > through || *id == present);
        Ok(())
    }
}

/// What every archive must do; run by the tests of each.
#[cfg(test)]
pub(crate) async fn contract(archive: &dyn Archive) {
    use crate::base::{Labels, Timestamp};
    use crate::series::SeriesKind;

    let first = archive.load().await.unwrap();
    assert_eq!((first.through, first.entry, first.compacted), (None, 0, None));
    let labels = Labels::metric("x", [("route", "/\"ä\"")]);
    let key = |id: &str| VitalKey { site: "shop".into(), id: id.into(), metric: "LCP".into() };
    let tick = Tick {
        through: Slot::new(719),
        entry: 7,
        series: vec![SeriesDef { id: 1, labels, kind: SeriesKind::Histogram, retired: false }],
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
        retired: vec![1],
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
    assert_eq!(loaded.series, [SeriesDef { retired: true, ..tick.series[0].clone() }]);
    assert_eq!(loaded.live, [(Slot::new(700), Slot::new(721))]);
    assert_eq!(loaded.ticks, [vec![1, 2, 3], vec![5]]);
    let settled = |s| VitalState::Settled(Timestamp::from_secs(s));
    assert_eq!(loaded.vitals, [(key("a"), settled(20)), (key("c"), settled(9))]);
    chunks_contract(archive).await;
}

#[cfg(test)]
async fn chunks_contract(archive: &dyn Archive) {
    let chunk = |series, block, tier, byte| StoredChunk { series, block, tier, bytes: vec![byte] };
    let (fine, coarse) = (Tier::Seconds10, Tier::Hour1);
    let chunks = [chunk(1, 0, fine, 1), chunk(1, 0, coarse, 2), chunk(1, 2, coarse, 3), chunk(2, 5, fine, 4)];
    archive.put_chunks(&chunks).await.unwrap();
    archive.put_chunks(&[chunk(1, 0, fine, 7)]).await.unwrap();
    archive.finish_block(0).await.unwrap();
    let loaded = archive.load().await.unwrap();
    assert_eq!((loaded.compacted, loaded.ticks), (Some(0), vec![vec![5]]));
    assert_eq!(loaded.chunks, [chunk(1, 0, fine, 7)]);
    let scanned = archive.scan(&[1, 2], 0, 4).await.unwrap();
    assert_eq!(scanned, [chunk(1, 0, fine, 7), chunk(1, 2, coarse, 3)]);
    let nearest = archive.nearest(&[1, 2, 3], 1).await.unwrap();
    assert_eq!(nearest, [chunk(1, 0, fine, 7), chunk(2, 5, fine, 4)]);
    assert_eq!(archive.expire(&[(fine, 1), (coarse, 0)]).await.unwrap(), Vec::<u64>::new());
    assert_eq!(archive.scan(&[1], 0, 0).await.unwrap(), [chunk(1, 0, coarse, 2)]);
    assert_eq!(archive.expire(&[(fine, 1), (coarse, 9)]).await.unwrap(), [1]);
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
