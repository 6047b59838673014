//! From what closed to pages, and from pages to longer and coarser ones: what is to be done, step by step. The
//! [`cycle`](super::cycle) does it.

use std::collections::{BTreeMap, HashMap};

use super::archive::{GroupId, Merge, PageKey, StoredPage, Tier};
use super::codec::Corrupt;
use super::counters::Counters;
use super::head::Head;
use super::index::SeriesRef;
use super::page::Page;
use super::page::coarse::{Nature, join};
use super::page::write::PageWriter;
use super::slot::{SLOTS_PER_BLOCK, SLOTS_PER_DAY, SLOTS_PER_EPOCH, SLOTS_PER_PAGE, Slot};

/// The pages that grow with age, in the order in which they do. Those of 5 minutes come last: their day may have
/// lost its beginning by then, and whoever asks for that needs the hours of the whole day.
pub(super) const MERGES: [Merge; 4] = [
    Merge { tier: Tier::Seconds10, slots: SLOTS_PER_PAGE, into: SLOTS_PER_BLOCK },
    Merge { tier: Tier::Hour1, slots: SLOTS_PER_BLOCK, into: SLOTS_PER_DAY },
    Merge { tier: Tier::Hour1, slots: SLOTS_PER_DAY, into: SLOTS_PER_EPOCH },
    Merge { tier: Tier::Minutes5, slots: SLOTS_PER_BLOCK, into: SLOTS_PER_DAY },
];

/// The pages of what closed that are to be made now.
#[derive(Debug)]
pub(super) struct Due {
    /// What they and the ticks before hold.
    pub(super) through: Slot,
    first: Slot,
    pub(super) groups: Vec<(GroupId, Vec<SeriesRef>)>,
}

impl Due {
    /// The groups in which something closed, if their window is over.
    pub(super) fn of(head: &Head) -> Option<Self> {
        let through = head.page_due()?;
        let first = head.filled?.first_of_window(SLOTS_PER_PAGE);
        let mut all: BTreeMap<GroupId, (bool, Vec<SeriesRef>)> = BTreeMap::new();
        // Ascending by id, as a page lists them.
        let all_series = head.by_id.values().filter_map(|r| Some((*r, head.get(*r)?)));
        for (r, series) in all_series.filter(|(_, s)| s.retired.is_none()) {
            let (news, members) = all.entry(series.group).or_default();
            *news |= series.has_closed();
            members.push(r);
        }
        let groups = all.into_iter().filter(|(_, (news, _))| *news).map(|(group, (_, members))| (group, members));
        Some(Self { through, first, groups: groups.collect() })
    }

    /// The pages of some groups.
    pub(super) fn pages(&self, head: &Head, groups: &[(GroupId, Vec<SeriesRef>)]) -> Vec<StoredPage> {
        let page = |(group, members): &(GroupId, Vec<SeriesRef>)| match self.page(head, *group, members) {
            Ok(page) => Some(page),
            Err(error) => {
                tracing::error!(%error, group, "what closed in a group could not be read and is left out");
                None
            }
        };
        groups.iter().filter_map(page).collect()
    }

    fn page(&self, head: &Head, group: GroupId, members: &[SeriesRef]) -> Result<StoredPage, Corrupt> {
        let key = PageKey { group, tier: Tier::Seconds10, first: self.first, slots: SLOTS_PER_PAGE };
        let mut writer = PageWriter::new(key);
        for series in members.iter().filter_map(|r| head.get(*r)) {
            let (ends, points) = series.page()?;
            writer.push(series.id, series.kind, &ends, &points, &[]);
        }
        Ok(writer.finish())
    }
}

/// What the samples of each group are, by their metrics.
pub(super) type Natures = HashMap<GroupId, Nature>;

/// What the samples of a metric are, by its name.
pub(super) fn nature(metric: &str) -> Nature {
    let counted = metric.is_empty() || ["_total", "_count", "_sum", "_bucket"].iter().any(|s| metric.ends_with(s));
    if counted { Nature::Counter } else { Nature::Gauge }
}

/// Opens pages; those that are damaged are reported and left out.
pub(super) fn open_whole(stored: Vec<StoredPage>, counters: &Counters) -> Vec<Page> {
    let open = |page: StoredPage| {
        let key = page.key;
        match Page::open(page).and_then(|page| page.check().map(|()| page)) {
            Ok(page) => Some(page),
            Err(_) => {
                report(counters, &key);
                None
            }
        }
    };
    stored.into_iter().filter_map(open).collect()
}

/// Reports a page that cannot be read. What lies around it is served.
pub(super) fn report(counters: &Counters, key: &PageKey) {
    counters.archive_damaged.add(1);
    let (from, to) = (key.first.start(), key.last().end());
    tracing::error!(group = key.group, tier = ?key.tier, %from, %to, "a page of the archive is damaged and left out");
}

/// The longer pages that these, of several groups, become; of the finest tier also the coarser ones.
pub(super) fn merged(merge: Merge, pages: &[Page], natures: &Natures) -> Result<Vec<StoredPage>, Corrupt> {
    let mut out = Vec::new();
    for group in pages.chunk_by(|a, b| a.key.group == b.key.group) {
        let Some(one) = group.first() else { continue };
        let first = one.key.first.first_of_window(merge.into);
        let key = |tier| PageKey { group: one.key.group, tier, first, slots: merge.into };
        let mut keys = vec![(key(merge.tier), None)];
        if merge.tier == Tier::Seconds10 {
            keys.extend([Tier::Minutes5, Tier::Hour1].map(|tier| (key(tier), Some(tier.step()))));
        }
        let nature = natures.get(&one.key.group).copied().unwrap_or(Nature::Counter);
        out.extend(join(group, &keys, nature)?);
    }
    Ok(out)
}
