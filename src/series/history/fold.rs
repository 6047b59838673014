//! Samples of the past become part of pages.
//!
//! A page that is there is written anew with what it had and what came, at the length that it has. Where there is
//! none, the finest tier gets a page for two hours, or for ten minutes while the two hours are not over, and so do
//! the coarser ones; [`pages`](crate::series::pages) merges them as all others. The finest tier gets nothing where
//! it has expired.

use std::collections::BTreeMap;

use crate::base::Timestamp;
use crate::series::archive::{GroupId, PageKey, Rewrite, StoredPage, Tier};
use crate::series::codec::Corrupt;
use crate::series::counters::Counters;
use crate::series::head::Head;
use crate::series::page::coarse::{Nature, coarser};
use crate::series::page::write::PageWriter;
use crate::series::page::{Ends, Fold, Page, Points};
use crate::series::pages::{nature, open_whole};
use crate::series::slot::{SLOTS_PER_BLOCK, SLOTS_PER_PAGE, Slot};
use crate::series::total::SeriesKind;

use super::{History, Past};

/// What decides which pages there may be.
#[derive(Debug, Clone, Copy)]
pub(in crate::series) struct Ages {
    /// Every slot up to this one is in pages.
    pub(in crate::series) paged: Slot,
    /// For each tier the last slot that has expired.
    pub(in crate::series) expired: [Slot; 3],
}

/// Samples of one series with what coarser ones stand for.
type Folded = Vec<(Timestamp, f64, Fold)>;

/// A group's past, packed.
#[derive(Debug)]
pub(in crate::series) struct GroupPast<'a> {
    pub(in crate::series) group: GroupId,
    nature: Nature,
    series: Vec<(u64, &'a Past)>,
}

/// What waits, by group; series that are gone are left out.
pub(in crate::series) fn by_group<'a>(head: &Head, history: &'a History) -> Vec<GroupPast<'a>> {
    let mut groups: BTreeMap<GroupId, GroupPast<'a>> = BTreeMap::new();
    for (r, past) in history.series() {
        let Some(series) = head.get(r) else { continue };
        let (group, nature) = (series.group, nature(series.labels.metric_name()));
        let new = || GroupPast { group, nature, series: Vec::new() };
        groups.entry(group).or_insert_with(new).series.push((series.id, past));
    }
    groups.into_values().collect()
}

impl GroupPast<'_> {
    /// The samples of each series, ascending.
    pub(in crate::series) fn unpack(&self) -> Result<Unpacked, Corrupt> {
        let samples = |(id, past): &(u64, &Past)| Ok((*id, past.samples()?));
        let series = self.series.iter().map(samples).collect::<Result<BTreeMap<_, _>, Corrupt>>()?;
        Ok(Unpacked { group: self.group, nature: self.nature, series })
    }
}

/// A group's past, ready to be written.
#[derive(Debug)]
pub(in crate::series) struct Unpacked {
    pub(in crate::series) group: GroupId,
    nature: Nature,
    series: BTreeMap<u64, Vec<(Timestamp, f64)>>,
}

impl Unpacked {
    /// The first and the last slot.
    pub(in crate::series) fn span(&self) -> Option<(Slot, Slot)> {
        let first = self.series.values().filter_map(|s| s.first()).map(|s| s.0).min()?;
        let last = self.series.values().filter_map(|s| s.last()).map(|s| s.0).max()?;
        Some((Slot::of(first), Slot::of(last)))
    }

    /// The pages to write, and those that they take the place of. `stored` are all pages of the group that
    /// reach into the span.
    pub(in crate::series) fn rewrite(
        self,
        stored: Vec<StoredPage>,
        ages: Ages,
        counters: &Counters,
    ) -> Result<Rewrite, Corrupt> {
        let mut out = Rewrite::default();
        let Some((first, last)) = self.span() else { return Ok(out) };
        let there = open_whole(stored, counters);
        for (id, samples) in &self.series {
            out.born.extend(samples.first().map(|s| (*id, Slot::of(s.0))));
        }
        for tier in Tier::ALL {
            for key in self.keys(tier, first, last, &there, ages) {
                self.page(key, &there, &mut out)?;
            }
        }
        Ok(out)
    }

    /// The pages of a tier that are to be written.
    fn keys(&self, tier: Tier, first: Slot, last: Slot, there: &[Page], ages: Ages) -> Vec<PageKey> {
        let mut keys: Vec<PageKey> = Vec::new();
        let mut at = first;
        while at <= last {
            let key = self.key(tier, at, there, ages);
            at = key.last().plus(1);
            let is_kept = key.last() > ages.expired[usize::from(tier.number())];
            let is_made = tier == Tier::Seconds10 || key.last() <= ages.paged || there.iter().any(|p| p.key == key);
            if is_kept && is_made {
                keys.push(key);
            }
        }
        keys
    }

    /// The page of a tier that holds a slot: the one that is there, of several the longest.
    fn key(&self, tier: Tier, at: Slot, there: &[Page], ages: Ages) -> PageKey {
        let holds = |key: &&PageKey| key.tier == tier && key.first <= at && at <= key.last();
        let block = at.first_of_window(SLOTS_PER_BLOCK);
        let (first, slots) = if tier == Tier::Seconds10 && block.plus(SLOTS_PER_BLOCK - 1) > ages.paged {
            (at.first_of_window(SLOTS_PER_PAGE), SLOTS_PER_PAGE)
        } else {
            (block, SLOTS_PER_BLOCK)
        };
        let new = PageKey { group: self.group, tier, first, slots };
        there
            .iter()
            .map(|p| &p.key)
            .filter(holds)
            .max_by_key(|k| k.slots)
            .filter(|k| k.slots > slots)
            .copied()
            .unwrap_or(new)
    }

    /// Writes one page with what the pages of its window had and what came.
    fn page(&self, key: PageKey, there: &[Page], out: &mut Rewrite) -> Result<(), Corrupt> {
        let is_within = |k: &PageKey| k.tier == key.tier && key.first <= k.first && k.last() <= key.last();
        let before: Vec<&Page> = there.iter().filter(|p| is_within(&p.key)).collect();
        let (page, is_changed) = self.written(key, &before)?;
        if is_changed {
            out.sources.extend(before.iter().map(|p| p.key));
            out.pages.push(page);
        }
        Ok(())
    }

    /// A page with what these have and what came, and whether anything came.
    fn written(&self, key: PageKey, before: &[&Page]) -> Result<(StoredPage, bool), Corrupt> {
        let mut ids: Vec<u64> = before.iter().flat_map(|p| p.series().map(|s| s.0)).collect();
        ids.extend(self.series.keys());
        ids.sort_unstable();
        ids.dedup();
        let (mut writer, mut is_changed) = (PageWriter::new(key), false);
        for id in ids {
            let (mut last, mut samples) = gather(before, id)?;
            let new = self.new_samples(id, key);
            is_changed |= !new.is_empty();
            last = last.max_by_time(self.newest_until(id, key.last().end()));
            merge(&mut samples, new);
            let folds = samples.iter().map(|s| s.2).collect::<Vec<_>>();
            let folds = if folds.iter().any(|f| f.count > 1) { folds } else { Vec::new() };
            let points = Points::Samples(samples.into_iter().map(|s| (s.0, s.1)).collect());
            writer.push(id, SeriesKind::Sample, &Ends { last: last.0, ..Ends::default() }, &points, &folds);
        }
        Ok((writer.finish(), is_changed))
    }

    /// The newest sample of a series that came, up to an instant.
    fn newest_until(&self, id: u64, end: Timestamp) -> Option<(Timestamp, f64)> {
        let all = self.series.get(&id)?;
        all.get(all.partition_point(|s| s.0 <= end).checked_sub(1)?).copied()
    }

    /// What came of a series in a window, at the resolution of its tier.
    fn new_samples(&self, id: u64, key: PageKey) -> Folded {
        let Some(all) = self.series.get(&id) else { return Vec::new() };
        let from = all.partition_point(|s| s.0 <= key.first.start());
        let to = all.partition_point(|s| s.0 <= key.last().end());
        let inside = all.get(from..to).unwrap_or_default().to_vec();
        let (points, folds) = match key.tier {
            Tier::Seconds10 => (Points::Samples(inside), Vec::new()),
            tier => coarser(&Points::Samples(inside), tier.step(), self.nature),
        };
        folded(points, folds)
    }
}

/// One page with what several of the same window have; where they have a sample of the same time, the first counts.
pub(in crate::series) fn union(key: PageKey, pages: &[Page]) -> Result<StoredPage, Corrupt> {
    let series = BTreeMap::new();
    let nothing = Unpacked { group: key.group, nature: Nature::Counter, series };
    let pages: Vec<&Page> = pages.iter().collect();
    Ok(nothing.written(key, &pages)?.0)
}

/// The newest sample.
struct Newest(Option<(Timestamp, f64)>);

impl Newest {
    fn max_by_time(self, other: Option<(Timestamp, f64)>) -> Self {
        Self(self.0.into_iter().chain(other).max_by_key(|s| s.0))
    }
}

/// What these pages have of a series.
fn gather(pages: &[&Page], id: u64) -> Result<(Newest, Folded), Corrupt> {
    let (mut newest, mut samples) = (Newest(None), Folded::new());
    for page in pages {
        if let (Some(ends), Some((points, folds))) = (page.ends(id)?, page.points(id)?) {
            newest = newest.max_by_time(ends.last);
            samples.extend(folded(points, folds));
        }
    }
    Ok((newest, samples))
}

fn folded(points: Points, folds: Vec<Fold>) -> Folded {
    let Points::Samples(samples) = points else { return Vec::new() };
    let alone = |(at, v)| (at, v, Fold { min: v, max: v, sum: v, count: 1 });
    if folds.len() != samples.len() {
        return samples.into_iter().map(alone).collect();
    }
    samples.into_iter().zip(folds).map(|((at, v), fold)| (at, v, fold)).collect()
}

/// Of two samples at one time the one that was there stays.
fn merge(samples: &mut Folded, new: Folded) {
    samples.extend(new);
    if !samples.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        samples.sort_by_key(|s| s.0);
        samples.dedup_by_key(|s| s.0);
    }
}
