//! Damage in the archive: what lies around it is served.

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::*;
use crate::base::Matcher;
use crate::promql::{Selection, Source};
use crate::store::sqlite::SqliteStore;

async fn count(rig: &Rig, name: &str) -> usize {
    let matchers = vec![Matcher::equal("__name__", name)];
    let selection = Selection { matchers, start: START, end: rig.now() };
    rig.view.select(&selection).await.unwrap().iter().map(|s| s.floats.len()).sum()
}

/// Two hours of two counters and a sample; stopped by SIGKILL in the middle of a page.
async fn two_hours(path: &std::path::Path) -> (Rig, MemoryJournal) {
    let (store, _) = SqliteStore::open(path).await.unwrap();
    let (journal, clock) = (MemoryJournal::default(), ManualClock::at(START));
    let mut rig = Rig::start(Settings::default(), &clock, Arc::new(store), Box::new(journal.clone())).await;
    for tick in 0..700u64 {
        rig.advance(10);
        let now = rig.now();
        rig.record(batch([add("a", now, 1.0), add("b", now, 1.0), sample("s", now, tick as f64)]));
        rig.tick(false).await;
    }
    (rig, journal)
}

#[tokio::test]
async fn a_damaged_page_or_tick_is_reported_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    for (what, lost, damage) in [
        ("a body", 60, "UPDATE pages SET body = zeroblob(length(body)) WHERE grp = 1 AND first_slot % 720 = 60"),
        ("a head", 60, "UPDATE pages SET head = substr(head, 1, 9) WHERE grp = 1 AND first_slot % 720 = 120"),
        (
            "a tick",
            0,
            "UPDATE ticks SET data = substr(data, 1, 20) WHERE through = (SELECT min(through) FROM ticks) + 3",
        ),
    ] {
        let _gone = std::fs::remove_file(&path);
        let (rig, journal) = two_hours(&path).await;
        let before = [count(&rig, "a").await, count(&rig, "b").await, count(&rig, "s").await];
        let clock = rig.clock.clone();
        drop(rig);
        let mut raw = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
        let damaged = sqlx::query(sqlx::AssertSqlSafe(damage)).execute(&mut raw).await.unwrap();
        assert!(damaged.rows_affected() > 0, "{what}");
        raw.close().await.unwrap();
        let (store, _) = SqliteStore::open(&path).await.unwrap();
        let rig = Rig::start(Settings::default(), &clock, Arc::new(store), Box::new(journal)).await;
        let after = [count(&rig, "a").await, count(&rig, "b").await, count(&rig, "s").await];
        if lost > 0 {
            assert_eq!(
                (before[0] - after[0], after[2]),
                (lost, before[2]),
                "{what}: the page's samples, and no others"
            );
        } else {
            // The samples of the page that was being filled; of ours only what the tick itself held.
            assert!(after[2] < before[2] && before[2] - after[2] <= 60, "{what}: {before:?} {after:?}");
        }
        assert!(rig.shared.counters.archive_damaged.get() > 0, "{what}");
    }
}

#[tokio::test]
async fn the_newest_page_of_a_group_may_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let (rig, journal) = two_hours(&path).await;
    let clock = rig.clock.clone();
    drop(rig);
    let mut raw = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let damage = "UPDATE pages SET head = x'02' WHERE grp = 1 AND first_slot = (SELECT max(first_slot) FROM pages)";
    assert_eq!(sqlx::query(damage).execute(&mut raw).await.unwrap().rows_affected(), 1);
    raw.close().await.unwrap();
    let (store, _) = SqliteStore::open(&path).await.unwrap();
    let rig = Rig::start(Settings::default(), &clock, Arc::new(store), Box::new(journal)).await;
    let a = rig.view.increases(&[Matcher::equal("__name__", "a")], START, rig.now()).await.unwrap();
    let b = rig.view.increases(&[Matcher::equal("__name__", "b")], START, rig.now()).await.unwrap();
    assert_eq!((a[0].1, b[0].1), (640.0, 700.0), "the damaged page's ten minutes are missing, no more");
}

/// What expires gives its space back to the file system.
#[tokio::test]
async fn the_file_shrinks_when_data_expires() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let (store, _) = SqliteStore::open(&path).await.unwrap();
    let page = |group| StoredPage {
        key: PageKey { group, tier: Tier::Seconds10, first: Slot::new(0), slots: SLOTS_PER_BLOCK },
        head: vec![1; 100],
        body: vec![7; 20_000],
    };
    let pages: Vec<StoredPage> = (0..1000).map(page).collect();
    store.load().await.unwrap();
    store.put_pages(Slot::new(719), &pages).await.unwrap();
    let size = || std::fs::metadata(&path).unwrap().len();
    store.expire([Slot::NONE; 3]).await.unwrap();
    let full = size();
    store.expire([Slot::new(719); 3]).await.unwrap();
    assert!(full > 20_000_000 && size() < 6_000_000, "{full} bytes, then {}", size());
}

/// So do ticks that have become pages, when they were many.
#[tokio::test]
async fn the_file_shrinks_when_many_ticks_have_become_pages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let (store, _) = SqliteStore::open(&path).await.unwrap();
    store.load().await.unwrap();
    for through in 1..=20 {
        let tick = Tick { data: vec![7; 1_000_000], ..Tick::empty(Slot::new(through), 1) };
        store.append_tick(&tick).await.unwrap();
    }
    let size = || std::fs::metadata(&path).unwrap().len();
    let full = size();
    store.put_pages(Slot::new(20), &[]).await.unwrap();
    assert!(full > 15_000_000 && size() < 6_000_000, "{full} bytes, then {}", size());
}
