//! The contract of [`Archive`], on memory and SQLite.

use crate::base::{Labels, Timestamp};
use crate::series::{
    Archive, Merge, PageKey, Retired, RetiredQuery, Rewrite, SeriesDef, SeriesKind, Slot, StoredPage, Tick, Tier,
    VitalKey, VitalState,
};
use crate::store::memory::MemoryArchive;
use crate::store::sqlite::SqliteStore;

#[tokio::test]
async fn memory_keeps_the_contract() {
    contract(&MemoryArchive::new()).await;
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
    contract(&store).await;
}

async fn contract(archive: &dyn Archive) {
    let first = archive.load().await.unwrap();
    assert_eq!((first.through, first.entry, first.paged), (None, 0, None));
    let labels = Labels::metric("x", [("route", "/\"ä\"")]);
    let key = |id: &str| VitalKey { site: "shop".into(), id: id.into(), metric: "LCP".into() };
    let tick = Tick {
        through: Slot::new(719),
        entry: 7,
        series: vec![SeriesDef {
            id: 1,
            group: 7,
            labels,
            kind: SeriesKind::Histogram,
            born: Slot::new(690),
            retired: None,
        }],
        retired: vec![],
        live: vec![(Slot::new(700), Slot::new(719))],
        data: vec![1, 2, 3],
        vitals: vec![
            (key("a"), VitalState::Pending(vec![9])),
            (key("b"), VitalState::Settled(Timestamp::from_secs(5))),
            (key("c"), VitalState::Settled(Timestamp::from_secs(9))),
        ],
        forget_settled_before: Timestamp::MIN,
        history: Rewrite::default(),
    };
    archive.append_tick(&tick).await.unwrap();
    let again = Tick { entry: 99, data: vec![4], ..tick.clone() };
    archive.append_tick(&again).await.unwrap();
    assert_eq!(archive.load().await.unwrap().series, tick.series);
    let gone = Retired { listed: Slot::new(659), ended: Slot::new(650) };
    let next = Tick {
        through: Slot::new(721),
        entry: 8,
        series: vec![],
        retired: vec![(1, gone)],
        live: vec![(Slot::new(720), Slot::new(720)), (Slot::new(721), Slot::new(721))],
        data: vec![5],
        vitals: vec![(key("a"), VitalState::Settled(Timestamp::from_secs(20)))],
        forget_settled_before: Timestamp::from_secs(5),
        history: Rewrite::default(),
    };
    archive.append_tick(&next).await.unwrap();
    let mut loaded = archive.load().await.unwrap();
    loaded.vitals.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(loaded.archive, first.archive);
    assert_eq!((loaded.through, loaded.entry), (Some(Slot::new(721)), 8));
    assert_eq!((loaded.series.len(), loaded.last_series, loaded.last_group), (0, 1, 7));
    let gone = SeriesDef { retired: Some(gone), ..tick.series[0].clone() };
    assert_eq!((loaded.ended, all_retired(archive).await), (Some(Slot::new(650)), vec![gone]));
    assert_eq!(archive.metrics(&[7, 8]).await.unwrap(), [(7, "x".to_owned())]);
    assert_eq!(loaded.live, [(Slot::new(700), Slot::new(721))]);
    assert_eq!(loaded.ticks, [(Slot::new(719), vec![1, 2, 3]), (Slot::new(721), vec![5])]);
    let settled = |s| VitalState::Settled(Timestamp::from_secs(s));
    assert_eq!(loaded.vitals, [(key("a"), settled(20)), (key("c"), settled(9))]);
    pages_contract(archive).await;
}

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
    assert_eq!(archive.expire([Slot::new(1439), Slot::NONE, Slot::NONE]).await.unwrap(), 0);
    let scanned = archive.scan(&[7, 8], Slot::new(0), Slot::new(2000)).await.unwrap();
    assert_eq!(scanned.pages, merged[1..]);
    assert_eq!(scanned.horizons, [Slot::new(1439), Slot::NONE, Slot::NONE]);
    // Where a tier has expired, a coarser one knows more: the longer page may have lost its beginning.
    let (cut, whole) = (page(9, coarse, 0, DAY, 8), page(9, Tier::Hour1, 0, DAY, 9));
    archive.merge(&[], &[cut.clone(), whole.clone()]).await.unwrap();
    assert_eq!(archive.nearest(&[(9, Slot::new(700))]).await.unwrap(), [Some(cut.clone())]);
    let expired = [Slot::new(1439), Slot::new(1439), Slot::NONE];
    assert_eq!(archive.expire(expired).await.unwrap(), 0);
    let nearest = archive.nearest(&[(9, Slot::new(700)), (9, Slot::new(1440))]).await.unwrap();
    assert_eq!(nearest, [Some(whole), Some(cut)]);
    assert_eq!(archive.expire([Slot::new(1439); 3]).await.unwrap(), 1);
    assert!(all_retired(archive).await.is_empty());
    let loaded = archive.load().await.unwrap();
    assert_eq!((loaded.ended, loaded.last_series, loaded.last_group), (None, 1, 7), "ids are never used again");
    retired_contract(archive).await;
    history_contract(archive).await;
}

/// A tick brings pages that hold what came of the past.
async fn history_contract(archive: &dyn Archive) {
    const BLOCK: i64 = 720;
    let page = |tier, first, slots, byte: u8| StoredPage {
        key: PageKey { group: 900, tier, first: Slot::new(first), slots },
        head: vec![byte],
        body: vec![byte, byte],
    };
    let def = SeriesDef {
        id: 90_000,
        group: 900,
        labels: Labels::metric("past", [("n", "1")]),
        kind: SeriesKind::Sample,
        born: Slot::new(200_000),
        retired: None,
    };
    let (short, day) = (page(Tier::Seconds10, 144_000, 60, 1), page(Tier::Hour1, 138_240, 8_640, 2));
    archive.merge(&[], &[short.clone(), day.clone()]).await.unwrap();
    let found = archive.overlapping(900, Slot::new(144_059), Slot::new(144_100)).await.unwrap();
    assert_eq!(found, [short.clone(), day.clone()]);
    assert_eq!(archive.overlapping(900, Slot::new(146_880), Slot::LAST).await.unwrap(), []);
    let pages = vec![page(Tier::Seconds10, 144_000, BLOCK, 3)];
    let history = Rewrite { sources: vec![short.key], pages, born: vec![(90_000, Slot::new(144_000))] };
    let tick = Tick { series: vec![def], history: history.clone(), ..Tick::empty(Slot::new(300_000), 10) };
    archive.append_tick(&tick).await.unwrap();
    let found = archive.overlapping(900, Slot::new(144_000), Slot::new(144_000)).await.unwrap();
    assert_eq!(found, [history.pages[0].clone(), day]);
    let loaded = archive.load().await.unwrap();
    assert_eq!(loaded.series.last().map(|s| (s.id, s.born)), Some((90_000, Slot::new(144_000))));
}

async fn all_retired(archive: &dyn Archive) -> Vec<SeriesDef> {
    let query = RetiredQuery { metrics: None, first: Slot::NONE, last: Slot::LAST, limit: 10 };
    archive.retired(&query).await.unwrap()
}

/// More series than one statement takes, which retire one after the other.
async fn retired_contract(archive: &dyn Archive) {
    const SERIES: u64 = 1_234;
    let metric = |id: u64| if id.is_multiple_of(2) { "even" } else { "odd" };
    let def = |id: u64| SeriesDef {
        id,
        group: 100 + id % 2,
        labels: Labels::metric(metric(id), [("n", id.to_string())]),
        kind: SeriesKind::Sample,
        born: Slot::new(10 * id as i64),
        retired: None,
    };
    let ends = |id: u64| Retired { listed: Slot::new(10 * id as i64 + 50), ended: Slot::new(10 * id as i64 + 20) };
    let all: Vec<SeriesDef> = (1000..1000 + SERIES).map(def).collect();
    let tick = Tick { series: all.clone(), ..Tick::empty(Slot::new(100_000), 9) };
    archive.append_tick(&tick).await.unwrap();
    assert_eq!(archive.load().await.unwrap().series, all);
    let retired = (1000..1000 + SERIES - 1).map(|id| (id, ends(id))).collect();
    let next = Tick { through: Slot::new(100_001), series: Vec::new(), retired, ..tick };
    archive.append_tick(&next).await.unwrap();
    let loaded = archive.load().await.unwrap();
    assert_eq!((loaded.series, loaded.last_series), (all[all.len() - 1..].to_vec(), 999 + SERIES));
    assert_eq!(loaded.ended, Some(ends(998 + SERIES).ended));
    let found = async |metrics: Option<&[&str]>, first: i64, last: i64, limit: usize| {
        let metrics = metrics.map(|names| names.iter().map(|n| (*n).to_owned()).collect());
        let query = RetiredQuery { metrics, first: Slot::new(first), last: Slot::new(last), limit };
        let mut found = archive.retired(&query).await.unwrap();
        found.sort_by_key(|d| d.id);
        assert!(found.iter().all(|d| *d == SeriesDef { retired: Some(ends(d.id)), ..def(d.id) }));
        found.into_iter().map(|d| d.id).collect::<Vec<_>>()
    };
    assert_eq!(found(None, 10_500, 10_520, 99).await, [1048, 1049, 1050, 1051, 1052]);
    assert_eq!(found(Some(&["odd", "none"]), 10_500, 10_520, 99).await, [1049, 1051]);
    assert_eq!(found(Some(&["odd", "even"]), 10_501, 10_509, 99).await, [1049, 1050]);
    assert_eq!(found(None, 0, 1_000_000, 7).await.len(), 7);
    assert_eq!(found(Some(&["even"]), 0, 1_000_000, 7).await.len(), 7);
    let mut metrics = archive.metrics(&[100, 101, 102]).await.unwrap();
    metrics.sort_unstable();
    assert_eq!(metrics, [(100, "even".to_owned()), (101, "odd".to_owned())]);
}
