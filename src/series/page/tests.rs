use std::time::Duration;

use proptest::prelude::*;

use super::coarse::{Nature, coarser, join};
use super::write::PageWriter;
use super::*;
use crate::series::archive::Tier;
use crate::series::slot::{SLOTS_PER_BLOCK, SLOTS_PER_PAGE};
use crate::sketch::{Bounds, Histogram, NativeBuckets};

fn key(window: i64, slots: i64) -> PageKey {
    PageKey { group: 3, tier: Tier::Seconds10, first: Slot::new(window * slots), slots }
}

fn histogram(values: &[f64]) -> Total {
    let mut h = Histogram::new(Bounds::new([0.1, 1.0]).unwrap());
    values.iter().for_each(|v| h.observe(*v));
    Total::Histogram(h)
}

fn native(n: u32) -> Arc<NativeHistogram> {
    Arc::new(NativeHistogram {
        schema: 3,
        zero_threshold: 0.0,
        zero_count: 0.0,
        count: f64::from(n),
        sum: f64::from(n) / 3.0,
        positive: NativeBuckets(vec![(2, f64::from(n))]),
        negative: NativeBuckets::default(),
        ..NativeHistogram::default()
    })
}

fn ms(slot: i64, offset: i64) -> Timestamp {
    Timestamp::from_millis(slot * 10_000 + offset)
}

/// A page with a series of each kind, and two that are idle.
fn all_kinds(window: i64) -> (StoredPage, Vec<(u64, SeriesKind, Ends, Points)>) {
    let first = window * SLOTS_PER_PAGE;
    let counter = |v| Some(Total::Counter(v));
    let series = vec![
        (
            1,
            SeriesKind::Counter,
            Ends { before: counter(7.0), after: counter(10.5), last: None },
            Points::Increments(vec![
                (Slot::new(first), Total::Counter(1.0)),
                (Slot::new(first + 9), Total::Counter(2.5)),
            ]),
        ),
        (
            2,
            SeriesKind::Counter,
            Ends { before: counter(4.0), after: counter(4.0), last: None },
            Points::Increments(vec![]),
        ),
        (
            5,
            SeriesKind::Histogram,
            Ends { before: None, after: Some(histogram(&[0.05, 3.0])), last: None },
            Points::Increments(vec![(Slot::new(first + 3), histogram(&[0.05, 3.0]))]),
        ),
        (
            6,
            SeriesKind::Sample,
            Ends { last: Some((ms(first + 2, 7), -0.25)), ..Ends::default() },
            Points::Samples(vec![(ms(first + 1, 7), 5.0), (ms(first + 2, 7), -0.25)]),
        ),
        (
            7,
            SeriesKind::Sample,
            Ends { last: Some((ms(first + 2, 7), 5.0)), ..Ends::default() },
            Points::Samples(vec![(ms(first + 1, 7), 5.0), (ms(first + 2, 7), 5.0)]),
        ),
        (
            9,
            SeriesKind::Native,
            Ends { last: Some((ms(first + 2, 8), 1.0)), ..Ends::default() },
            Points::Natives(vec![(ms(first + 1, 8), native(4)), (ms(first + 2, 8), native(6))]),
        ),
    ];
    let mut writer = PageWriter::new(key(window, SLOTS_PER_PAGE));
    series.iter().for_each(|(id, kind, ends, points)| writer.push(*id, *kind, ends, points, &[]));
    (writer.finish(), series)
}

#[test]
fn a_page_says_what_was_written() {
    let (stored, series) = all_kinds(11);
    let page = Page::open(stored).unwrap();
    for (id, _, ends, points) in series {
        assert_eq!(page.ends(id), Ok(Some(ends)), "{id}");
        assert_eq!(page.points(id), Ok(Some((points, vec![]))), "{id}");
    }
    assert_eq!((page.ends(3), page.points(8)), (Ok(None), Ok(None)));
}

/// The bytes of version 2 never change.
#[test]
fn version_2_is_read() {
    let kept = |name: &str| std::fs::read(format!("{}/tests/compat/v2/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (stored, series) = all_kinds(11);
    let page = Page::open(StoredPage { head: kept("page-head.bin"), body: kept("page-body.bin"), ..stored }).unwrap();
    for (id, _, ends, points) in series {
        assert_eq!((page.ends(id), page.points(id)), (Ok(Some(ends)), Ok(Some((points, vec![])))), "{id}");
    }
}

#[test]
fn a_flipped_bit_is_noticed() {
    let (stored, _) = all_kinds(11);
    for i in 0..stored.head.len() * 8 {
        let mut damaged = stored.clone();
        damaged.head[i / 8] ^= 1 << (i % 8);
        assert!(Page::open(damaged).is_err(), "bit {i} of the head");
    }
    for i in 0..stored.body.len() * 8 {
        let mut damaged = stored.clone();
        damaged.body[i / 8] ^= 1 << (i % 8);
        assert!(Page::open(damaged).unwrap().check().is_err(), "bit {i} of the body");
    }
}

#[test]
fn pages_become_one() {
    let pages: Vec<Page> = [12, 13].map(|w| Page::open(all_kinds(w).0).unwrap()).into();
    let merged = join(&pages, &[(key(1, SLOTS_PER_BLOCK), None)], Nature::Counter).unwrap().remove(0);
    let merged = Page::open(merged).unwrap();
    for (id, kind, ends, points) in all_kinds(13).1 {
        let (_, _, first_ends, first_points) = all_kinds(12).1.into_iter().find(|s| s.0 == id).unwrap();
        let mut expected = first_points;
        expected.extend(points);
        assert_eq!(merged.points(id).unwrap().unwrap().0, expected, "{kind:?}");
        assert_eq!(merged.ends(id), Ok(Some(Ends { before: first_ends.before, ..ends })), "{kind:?}");
    }
}

fn rises(samples: &[(Timestamp, f64)]) -> f64 {
    samples.windows(2).map(|w| if w[1].1 < w[0].1 { w[1].1 } else { w[1].1 - w[0].1 }).sum()
}

proptest! {
    /// From any step's end to any later one, with resets anywhere.
    #[test]
    fn coarse_counters_rise_as_fine_ones(steps in prop::collection::vec((1i64..20, 0u32..50, prop::bool::weighted(0.1)), 2..200)) {
        let (mut at, mut value) = (0, 0.0);
        let mut fine = Vec::new();
        for (gap, add, reset) in steps {
            at += gap * 1000;
            value = if reset { 0.0 } else { value } + f64::from(add);
            fine.push((Timestamp::from_millis(at), value));
        }
        let step = Duration::from_secs(300);
        let (coarse, _) = coarser(&Points::Samples(fine.clone()), step, Nature::Counter);
        let Points::Samples(coarse) = coarse else { panic!() };
        for end in (300_000..at + 300_000).step_by(300_000) {
            for start in (0..end).step_by(300_000) {
                let from_before = |s: &[(Timestamp, f64)]| {
                    let from = s.partition_point(|x| x.0.as_millis() <= start).saturating_sub(1);
                    let to = s.partition_point(|x| x.0.as_millis() <= end);
                    rises(&s[from.min(to)..to])
                };
                prop_assert_eq!(from_before(&fine), from_before(&coarse), "{} to {}", start, end);
            }
        }
    }

    #[test]
    fn coarse_gauges_know_each_step(values in prop::collection::vec(-50i32..50, 1..300)) {
        let fine: Vec<_> = (0..).zip(&values).map(|(i, v)| (ms(i + 1, 0), f64::from(*v))).collect();
        let (coarse, folds) = coarser(&Points::Samples(fine.clone()), Duration::from_secs(300), Nature::Gauge);
        let Points::Samples(coarse) = coarse else { panic!() };
        prop_assert_eq!(folds.len(), coarse.len());
        for ((chunk, fold), last) in values.chunks(30).zip(&folds).zip(&coarse) {
            let f = |v: &i32| f64::from(*v);
            prop_assert_eq!(fold.count, chunk.len() as u64);
            prop_assert_eq!(fold.sum, chunk.iter().map(f).sum::<f64>());
            prop_assert_eq!((Some(fold.min), Some(fold.max)), (chunk.iter().min().map(f), chunk.iter().max().map(f)));
            prop_assert_eq!(last.1, f64::from(*chunk.last().unwrap()));
        }
    }
}
