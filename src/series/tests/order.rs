//! Samples that come again, too late, or too early: what their senders are told.

use super::*;
use crate::base::{DropReason, Matcher};
use crate::promql::{Selection, SeriesSamples, Source};
use crate::sketch::{NativeBuckets, NativeHistogram};

async fn read(rig: &Rig, name: &str) -> SeriesSamples {
    let matchers = vec![Matcher::equal("__name__", name)];
    let selection = Selection { matchers, start: START, end: Timestamp::MAX };
    rig.view.select(&selection).await.unwrap().remove(0)
}

#[tokio::test]
async fn what_comes_again_as_it_was_is_fine() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(600);
    let at = rig.now() - Duration::from_secs(30);
    let dropped = |rig: &mut Rig, value| rig.record(batch([sample("x", at, value)])).dropped;
    assert_eq!(dropped(&mut rig, 1.0), []);
    assert_eq!(dropped(&mut rig, 1.0), []);
    // While its slot is open the later value counts.
    assert_eq!(dropped(&mut rig, 2.0), []);
    rig.tick(true).await;
    assert_eq!(dropped(&mut rig, 2.0), []);
    assert_eq!(dropped(&mut rig, 3.0), [(DropReason::OutOfOrder, 1)]);
    assert_eq!(read(&rig, "x").await.floats.to_vec(), [(at, 2.0)]);
}

#[tokio::test]
async fn too_late_for_its_series_is_not_too_late_for_all() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(4 * 3600);
    let ago = |seconds: u64| rig.now() - Duration::from_secs(seconds);
    let (soon, late, ancient, ahead) = (ago(5), ago(60), ago(401 * 86_400), rig.now() + Duration::from_secs(601));
    rig.record(batch([sample("x", soon, 1.0)]));
    rig.advance(600);
    rig.tick(false).await;
    let dropped = |rig: &mut Rig, name, at| rig.record(batch([sample(name, at, 1.0)])).dropped;
    assert_eq!(dropped(&mut rig, "x", late), [(DropReason::OutOfOrder, 1)]);
    assert_eq!(dropped(&mut rig, "y", late), []);
    assert_eq!(dropped(&mut rig, "y", ancient), [(DropReason::OutOfRange, 1)]);
    let ahead = ahead + Duration::from_secs(600);
    assert_eq!(dropped(&mut rig, "y", ahead), [(DropReason::OutOfRange, 1)]);
}

#[tokio::test]
async fn a_plain_marker_ends_a_native_histogram() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(600);
    let now = rig.now();
    let native = NativeHistogram {
        schema: 0,
        zero_threshold: 0.0,
        zero_count: 0.0,
        count: 1.0,
        sum: 1.0,
        positive: NativeBuckets(vec![(0, 1.0)]),
        negative: NativeBuckets::default(),
        ..NativeHistogram::default()
    };
    let labels = labels("n", 0);
    let at = now - Duration::from_secs(20);
    rig.record(batch([Item { labels: labels.clone(), at, delta: Delta::Distribution(Arc::new(native)) }]));
    let recorded = rig.record(batch([Item { labels, at: now, delta: Delta::stale() }]));
    assert_eq!(recorded.dropped, []);
    let ended: Vec<bool> = read(&rig, "n").await.histograms.iter().map(|(_, h)| is_stale(h.sum)).collect();
    assert_eq!(ended, [false, true]);
}
