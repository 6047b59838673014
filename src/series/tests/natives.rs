//! Native histograms from outside: absolute, with a time of their own.

use super::*;
use crate::base::{DropReason, Matcher};
use crate::promql::source::{STALE_NAN, is_stale};
use crate::promql::{Engine, LocalEngine, QueryOptions, Selection, Source, Value};
use crate::sketch::{NativeBuckets, NativeHistogram};

/// A histogram with so many values in each of three buckets.
fn histogram(n: u32) -> Arc<NativeHistogram> {
    let counts = |first: i32| NativeBuckets((0..3).map(|i| (first + 7 * i, f64::from(n))).collect());
    Arc::new(NativeHistogram {
        schema: 3,
        zero_threshold: 1e-9,
        zero_count: f64::from(n),
        count: 7.0 * f64::from(n),
        sum: 0.37 * f64::from(n),
        positive: counts(-4),
        negative: counts(2),
        ..NativeHistogram::default()
    })
}

fn stale() -> Arc<NativeHistogram> {
    Arc::new(NativeHistogram { sum: f64::from_bits(STALE_NAN), ..(*histogram(0)).clone() })
}

fn native(at: Timestamp, histogram: Arc<NativeHistogram>) -> Item {
    Item { labels: labels("n", 0), at, delta: Delta::Distribution(histogram) }
}

async fn read(rig: &Rig, name: &str) -> crate::promql::SeriesSamples {
    let selection = Selection { matchers: vec![Matcher::equal("__name__", name)], start: START, end: rig.now() };
    let mut found = rig.view.select(&selection).await.unwrap();
    assert_eq!(found.len(), 1, "{name}");
    found.remove(0)
}

#[tokio::test]
async fn native_histograms_are_kept_as_they_came_through_every_stage() {
    let (mut rig, archive, journal) = Rig::memory().await;
    let mut sent = Vec::new();
    let mut send = |rig: &mut Rig, n: u32| {
        let at = rig.now() - Duration::from_millis(u64::from(n % 3));
        rig.record(batch([native(at, histogram(n))]));
        sent.push((at, histogram(n)));
        sent.clone()
    };
    for n in 1..=700 {
        rig.advance(30);
        // A reset now and then.
        let all = send(&mut rig, if n % 90 < 45 { n } else { n % 90 });
        if n % 4 == 0 {
            rig.tick(false).await;
            rig.compact().await;
        }
        if n == 350 || n == 698 {
            let clock = rig.clock.clone();
            rig = Rig::start(Settings::default(), &clock, Arc::new(archive.clone()), Box::new(journal.clone())).await;
        }
        if n % 100 == 0 || n > 697 {
            assert_eq!(read(&rig, "n").await.histograms, all, "after {n}");
            let counts: Vec<_> = all.iter().map(|(at, h)| (*at, h.count)).collect();
            assert_eq!(read(&rig, "n_count").await.floats.to_vec(), counts);
        }
    }
}

#[tokio::test]
async fn order_and_kind_are_judged_as_for_samples() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(600);
    let now = rig.now();
    let before = |seconds: u64| now - Duration::from_secs(seconds);
    let recorded = rig.record(batch([
        native(before(20), histogram(2)),
        native(before(40), histogram(1)),
        native(before(20), histogram(3)),
        sample("n", now, 1.0),
        native(now + Duration::from_secs(700), histogram(9)),
    ]));
    assert_eq!(recorded.dropped, [(DropReason::Invalid, 1), (DropReason::OutOfRange, 1)]);
    assert_eq!(read(&rig, "n").await.histograms, [(before(40), histogram(1)), (before(20), histogram(3))]);
    rig.tick(true).await;
    let late = rig.record(batch([native(before(20), histogram(4))]));
    assert_eq!(late.dropped, [(DropReason::OutOfOrder, 1)]);
    let increases = rig.view.increases(&[Matcher::equal("__name__", "n_count")], before(30), now).await.unwrap();
    assert_eq!(increases, [(labels("n_count", 0), 14.0)]);
}

#[tokio::test]
async fn a_stale_marker_ends_the_series_until_its_next_histogram() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(600);
    let now = rig.now();
    let before = |seconds: u64| now - Duration::from_secs(seconds);
    let all = [(70, histogram(1)), (50, histogram(3)), (30, stale()), (10, histogram(4))];
    rig.record(batch(all.iter().map(|(age, h)| native(before(*age), h.clone())).collect::<Vec<_>>()));
    for closed in [false, true] {
        if closed {
            rig.tick(true).await;
        }
        let bits: Vec<bool> = read(&rig, "n").await.histograms.iter().map(|(_, h)| is_stale(h.sum)).collect();
        assert_eq!(bits, [false, false, true, false]);
        let view = View::new(rig.shared.clone(), rig.archive.clone(), Arc::new(rig.clock.clone()));
        let engine = LocalEngine::new(Arc::new(view));
        for (age, expected) in [(50u64, Some(21.0)), (31, Some(21.0)), (30, None), (11, None), (10, Some(28.0))] {
            for query in ["histogram_count(n)", "n_count"] {
                let answer = engine.instant(query, before(age), &QueryOptions::default()).await.unwrap();
                let Value::Vector(found) = answer.value else { panic!("{query}") };
                assert_eq!(found.first().and_then(|s| s.float()), expected, "{query} {age} s ago");
            }
        }
    }
}
