//! Increases across memory and all tiers, against what went in.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::base::Matcher;
use crate::promql::{Selection, Source};

fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

fn named(name: &str) -> Vec<Matcher> {
    vec![Matcher::equal("__name__", name)]
}

/// What is sent in one slot: events of ours, growth of a counter that others keep, whether that began anew.
type Sent = (u64, u64, u64, bool);

/// Sends a history with ticks, pages, merges, expiry and restarts in between.
async fn live(history: &[Sent], keep: Keep, restarts: &[usize]) -> Rig {
    let settings = Settings { keep, idle: Duration::from_secs(40 * 3600), ..Settings::default() };
    let (archive, journal, clock) = (MemoryArchive::new(), MemoryJournal::default(), ManualClock::at(START));
    let start = || Rig::start(settings.clone(), &clock, Arc::new(archive.clone()), Box::new(journal.clone()));
    let mut rig = start().await;
    let mut foreign = 0.0;
    for (i, (slot, events, growth, reset)) in history.iter().enumerate() {
        let now = at(slot * 10 + 10);
        while clock.now() < now {
            // Long pauses are not lived through tick by tick.
            let step = now.since(clock.now()).min(Duration::from_secs(600));
            clock.advance(step);
            if clock.now() < now {
                rig.tick(false).await;
                rig.compact().await;
            }
        }
        foreign = if *reset { 0.0 } else { foreign } + *growth as f64;
        let mut items = vec![sample("foreign_total", now, foreign)];
        if *events > 0 {
            items.push(add("c", now, *events as f64));
            items.push(observe("h", now, &vec![0.1; *events as usize]));
        }
        assert_eq!(rig.record(batch(items)), Recorded::default());
        rig.tick(false).await;
        if i % 16 == 0 {
            rig.compact().await;
        }
        if restarts.contains(&i) {
            rig = start().await;
        }
    }
    clock.advance(Duration::from_secs(200));
    rig.tick(false).await;
    rig.compact().await;
    rig
}

fn history() -> impl Strategy<Value = Vec<Sent>> {
    let gap = prop_oneof![20 => 1u64..8, 3 => 30u64..200, 1 => 800u64..3000];
    let one = (gap, 0u64..4, 0u64..20, prop::bool::weighted(0.08));
    prop::collection::vec(one, 20..160).prop_map(|steps| {
        let mut slot = 0;
        let slots = steps.into_iter().map(|(gap, events, growth, reset)| {
            slot += gap;
            (slot, events, growth, reset)
        });
        slots.collect()
    })
}

/// What a window on edges of hours amounts to.
fn expected(history: &[Sent], start: u64, end: u64) -> (u64, f64) {
    let inside = |slot: u64| start < slot * 10 + 10 && slot * 10 + 10 <= end;
    let ours = history.iter().filter(|s| inside(s.0)).map(|s| s.1).sum();
    let (mut value, mut seen, mut foreign) = (0.0, false, 0.0);
    for (slot, _, growth, reset) in history {
        let before = value;
        value = if *reset { 0.0 } else { value } + *growth as f64;
        if seen && inside(*slot) {
            foreign += if value < before { value } else { value - before };
        }
        seen = true;
    }
    (ours, foreign)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn increases_over_hours_are_what_went_in(
        history in history(),
        restarts in prop::collection::vec(0usize..160, 0..3),
        windows in prop::collection::vec((0u64..80, 1u64..80), 1..8),
    ) {
        let keep = Keep {
            resolution_10s: Duration::from_secs(4 * 3600),
            resolution_5m: Duration::from_secs(9 * 3600),
            resolution_1h: Duration::from_secs(400 * 86_400),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let rig = live(&history, keep, &restarts).await;
            for (start, length) in windows {
                let (start, end) = (start * 3600, (start + length) * 3600);
                let (ours, foreign) = expected(&history, start, end);
                let of = async |name: &str| {
                    let found = rig.view.increases(&named(name), at(start), at(end)).await.unwrap();
                    found.first().map_or(0.0, |(_, v)| *v)
                };
                assert_eq!(of("c").await, ours as f64, "c from {start} to {end}");
                assert_eq!(of("h_count").await, ours as f64, "h from {start} to {end}");
                let merged = rig.view.histograms(&named("h"), at(start), at(end)).await.unwrap();
                assert_eq!(merged.first().map_or(0, |(_, h)| h.count()), ours);
                // From the last sample before the window on; the view looks back five minutes for it.
                let fresh = history.iter().any(|s| s.0 * 10 + 10 <= start && s.0 * 10 + 10 + 300 > start);
                if fresh {
                    assert_eq!(of("foreign_total").await, foreign, "foreign from {start} to {end}");
                }
            }
            let selection = Selection { matchers: named("c"), start: START - TICK, end: rig.now() };
            let samples = rig.view.select(&selection).await.unwrap();
            let floats: Vec<_> = samples.iter().flat_map(|s| s.floats.clone()).collect();
            assert!(floats.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{floats:?}");
        });
    }
}

/// A series that is idle has no page of its own, and no copy in memory.
#[tokio::test]
async fn idle_groups_cost_nothing() {
    let (mut rig, archive, _) = Rig::memory().await;
    rig.advance(5);
    rig.record(batch([add("c", rig.now(), 2.0), sample("g", rig.now(), 1.0)]));
    for _ in 0..30 {
        rig.advance(600);
        rig.record(batch([add("busy", rig.now(), 1.0)]));
        rig.tick(false).await;
        rig.compact().await;
    }
    let pages = archive.scan(&[1, 2, 3], Slot::new(0), Slot::new(i64::MAX / 2)).await.unwrap().pages;
    let mut of_group: BTreeMap<GroupId, usize> = BTreeMap::new();
    pages.iter().for_each(|p| *of_group.entry(p.key.group).or_default() += 1);
    assert_eq!((of_group[&1], of_group[&2]), (1, 1));
    assert!(of_group[&3] > 2);
    let increases = rig.view.increases(&named("c"), START - TICK, rig.now()).await.unwrap();
    assert_eq!(increases, [(labels("c", 0), 2.0)]);
    let selection = Selection { matchers: named("c"), start: at(9000), end: at(9100) };
    let samples = rig.view.select(&selection).await.unwrap();
    assert!(samples[0].floats.iter().all(|s| s.1 == 2.0) && !samples[0].floats.is_empty());
}
