//! What a sample costs in bytes: of a scraped classic histogram, of a native one.

use super::*;
use crate::sketch::{Bounds, Histogram};

/// A repeatable draw within `0..n`.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const HISTOGRAMS: usize = 32;

/// About 35 log-normal durations every ten seconds in each histogram, as a scrape or a remote write brings them.
async fn fill(ticks: u64, native: bool) -> (Rig, MemoryArchive, usize) {
    let (mut rig, archive, _) = Rig::memory().await;
    let mut draw = Draw(7);
    let mut histograms = vec![Histogram::new(Bounds::new(BOUNDS).unwrap()); HISTOGRAMS];
    let mut samples = 0;
    for _ in 0..ticks {
        rig.advance(10);
        let at = rig.now();
        let mut items = Vec::new();
        for (i, h) in histograms.iter_mut().enumerate() {
            for _ in 0..20 + draw.below(30) {
                let normal: f64 = (0..12).map(|_| draw.below(1000) as f64 / 1000.0).sum::<f64>() - 6.0;
                h.observe(0.05 * (0.9 * normal).exp());
            }
            if native {
                let delta = Delta::Distribution(Arc::new(h.to_native()));
                items.push(Item { labels: labels("n", i), at, delta });
                continue;
            }
            let mut push = |name: &str, le: &str, v: f64| {
                let labels = labels(name, i).with("le", le);
                items.push(Item { labels, at, delta: Delta::Sample(v) });
            };
            h.cumulative().for_each(|(bound, n)| push("x_bucket", &bound.to_string(), n as f64));
            push("x_bucket", "+Inf", h.count() as f64);
            push("x_count", "", h.count() as f64);
            push("x_sum", "", h.sum());
        }
        samples += items.len();
        assert_eq!(rig.record(batch(items)), Recorded::default());
        rig.tick(false).await;
    }
    (rig, archive, samples)
}

async fn page_bytes(archive: &MemoryArchive) -> (usize, usize) {
    let groups: Vec<GroupId> = (1..100).collect();
    let pages = archive.scan(&groups, Slot::new(0), Slot::new(i64::MAX / 2)).await.unwrap().pages;
    (pages.len(), pages.iter().map(|p| p.head.len() + p.body.len()).sum())
}

#[tokio::test]
async fn a_scraped_sample_takes_little() {
    let (rig, archive, samples) = fill(733, false).await;
    let per_sample = |bytes: usize, slots: usize| bytes as f64 / (samples as f64 * slots as f64 / 733.0);
    let (pages, bytes) = page_bytes(&archive).await;
    let fresh = per_sample(bytes, 720);
    rig.compact().await;
    let (merged, bytes) = page_bytes(&archive).await;
    let aged = per_sample(bytes, 720);
    println!("{samples} samples: {pages} pages of {fresh:.2} B a sample, then {merged} of {aged:.2}");
    assert!(fresh < 1.5 && aged < 1.2 && merged < pages / 6, "{fresh:.2} and {aged:.2} B a sample");
}

#[tokio::test]
async fn a_native_histogram_takes_little() {
    let (_rig, archive, samples) = fill(373, true).await;
    let (_, bytes) = page_bytes(&archive).await;
    let per_sample = bytes as f64 / (samples as f64 * 360.0 / 373.0);
    // Twelve minutes closed and open, the longest there is.
    let (rig, ..) = fill(372, true).await;
    let head = rig.shared.head.read();
    let memory: usize = head.series.iter().map(Series::memory_bytes).sum::<usize>() / head.series.len();
    println!("{per_sample:.1} B a histogram sample, {memory} B of memory");
    assert!(per_sample < 50.0 && memory < 14_000, "{per_sample:.1} B a sample, {memory} B of memory");
}

#[tokio::test]
async fn a_series_in_memory_is_small() {
    let (rig, ..) = fill(372, false).await;
    let head = rig.shared.head.read();
    // Twelve minutes closed and open, the longest there is.
    let memory: usize = head.series.iter().map(Series::memory_bytes).sum::<usize>() / head.series.len();
    println!("{memory} B of memory a series beyond its labels");
    assert!(memory < 450, "{memory} B of memory a series");
}

use super::super::data::Series;
