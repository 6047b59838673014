use std::collections::BTreeMap;

use super::*;
use crate::base::clock::BoxFuture;
use crate::base::{Clock, ManualClock, Timestamp};
use crate::series::{RecordError, Recorded};

/// Keeps what is recorded.
#[derive(Default)]
struct Memory {
    batches: Mutex<Vec<Batch>>,
    is_full: std::sync::atomic::AtomicBool,
}

impl Recorder for Memory {
    fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        let result =
            if self.is_full.load(Ordering::Relaxed) { Err(RecordError::Full) } else { Ok(Recorded::default()) };
        if result.is_ok() {
            self.batches.lock().push(batch);
        }
        Box::pin(std::future::ready(result))
    }
}

impl Memory {
    /// The last value of each series in the last batch; NaN for a staleness marker.
    fn last(&self) -> BTreeMap<String, f64> {
        let batches = self.batches.lock();
        let items = batches.last().map(|b| b.items.clone()).unwrap_or_default();
        items
            .into_iter()
            .map(|i| (i.labels.to_string(), if let Delta::Sample(v) = i.delta { v } else { 0.0 }))
            .collect()
    }

    fn starts(&self) -> Vec<i64> {
        self.batches.lock().iter().map(|b| b.items[0].at.as_millis()).collect()
    }
}

/// Takes as long as its plan says, and gives the series of its plan.
struct Planned {
    clock: ManualClock,
    plan: Vec<(u64, Result<Vec<&'static str>, ()>)>,
}

impl Collector for Planned {
    fn name(&self) -> &str {
        "planned"
    }
    fn every(&self) -> Duration {
        Duration::from_secs(10)
    }
    fn collect(&mut self, now: Timestamp) -> BoxFuture<'_, Result<Vec<Item>, CollectError>> {
        Box::pin(async move {
            let (takes, result) = if self.plan.is_empty() { (0, Ok(Vec::new())) } else { self.plan.remove(0) };
            self.clock.sleep(Duration::from_secs(takes)).await;
            let item = |name| Item { labels: Labels::metric(name, [("a", "b")]), at: now, delta: Delta::Sample(1.0) };
            match result {
                Ok(names) => Ok(names.into_iter().map(item).collect()),
                Err(()) => Err(CollectError::Connect("refused".into())),
            }
        })
    }
    fn status(&mut self, cycle: &Cycle<'_>) -> Vec<Item> {
        let up = Delta::Sample(f64::from(u8::from(cycle.error.is_none())));
        vec![Item { labels: Labels::metric("up", [("a", "b")]), at: cycle.at, delta: up }]
    }
}

struct Bench {
    clock: ManualClock,
    recorder: Arc<Memory>,
    stats: Arc<CollectorStats>,
    running: tokio::task::JoinSet<()>,
    stop: CancellationToken,
}

impl Bench {
    fn start(plan: Vec<(u64, Result<Vec<&'static str>, ()>)>) -> Self {
        let clock = ManualClock::at(Timestamp::from_secs(1000));
        let recorder = Arc::new(Memory::default());
        let collector: Box<dyn Collector> = Box::new(Planned { clock: clock.clone(), plan });
        let schedule = Schedule::new(vec![collector], recorder.clone(), Arc::new(clock.clone()));
        let (stats, stop) = (schedule.stats().remove(0), CancellationToken::new());
        let mut running = tokio::task::JoinSet::new();
        running.spawn(schedule.run(stop.clone()));
        Self { clock, recorder, stats, running, stop }
    }

    /// Lets the tasks do what there is to do now.
    async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    async fn advance(&self, seconds: u64) {
        self.settle().await;
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.settle().await;
        }
    }
}

#[tokio::test]
async fn beats_do_not_shift_and_overrun_beats_are_skipped() {
    let bench = Bench::start(vec![(3, Ok(vec!["x"])), (0, Ok(vec!["x"])), (8, Ok(vec!["x"]))]);
    bench.advance(45).await;
    assert_eq!(bench.recorder.starts(), [1_000_000, 1_010_000, 1_020_000, 1_030_000, 1_040_000]);
    assert_eq!((bench.stats.cycles(), bench.stats.skipped(), bench.stats.failures()), (5, 0, 0));
}

#[tokio::test]
async fn a_cycle_that_hangs_is_dropped_before_the_next_beat() {
    let bench = Bench::start(vec![(0, Ok(vec!["x"])), (3600, Ok(vec!["x"])), (0, Ok(vec!["x"]))]);
    bench.advance(19).await;
    assert_eq!(bench.recorder.last()[r#"up{a="b"}"#], 0.0);
    assert!(bench.recorder.last()[r#"x{a="b"}"#].is_nan(), "the series ends with the failed cycle");
    assert_eq!((bench.stats.failures(), bench.stats.took()), (1, Duration::from_secs(9)));
    bench.advance(1).await;
    assert_eq!(bench.recorder.last()[r#"up{a="b"}"#], 1.0);
    assert_eq!(bench.recorder.last()[r#"x{a="b"}"#], 1.0);
}

#[tokio::test]
async fn a_series_that_is_gone_is_marked_once() {
    let bench = Bench::start(vec![(0, Ok(vec!["x", "y"])), (0, Ok(vec!["x"])), (0, Ok(vec!["x"])), (0, Err(()))]);
    bench.advance(11).await;
    let last = bench.recorder.last();
    assert!(last[r#"y{a="b"}"#].is_nan() && last[r#"x{a="b"}"#] == 1.0, "{last:?}");
    assert_eq!(last[r#"y{a="b"}"#].to_bits(), 0x7ff0_0000_0000_0002, "Prometheus's marker");
    bench.advance(10).await;
    assert!(!bench.recorder.last().contains_key(r#"y{a="b"}"#));
    bench.advance(10).await;
    assert!(bench.recorder.last()[r#"x{a="b"}"#].is_nan());
    assert_eq!(bench.recorder.last()[r#"up{a="b"}"#], 0.0);
}

#[tokio::test]
async fn what_the_journal_does_not_take_is_counted() {
    let bench = Bench::start(Vec::new());
    bench.recorder.is_full.store(true, Ordering::Relaxed);
    bench.advance(10).await;
    assert_eq!((bench.stats.unrecorded(), bench.stats.cycles()), (2, 2));
}

#[tokio::test]
async fn stops_when_asked_even_in_a_cycle() {
    let mut bench = Bench::start(vec![(3600, Ok(Vec::new()))]);
    bench.settle().await;
    bench.stop.cancel();
    assert!(bench.running.join_next().await.unwrap().is_ok());
}

#[test]
fn the_next_beat_is_a_multiple_of_the_period() {
    let secs = Duration::from_secs;
    for (due, passed, expected) in [(0, 3, (10, 0)), (0, 12, (20, 1)), (20, 21, (30, 0)), (20, 55, (60, 3))] {
        assert_eq!(next_beat(secs(due), secs(passed), secs(10)), (secs(expected.0), expected.1), "{due} {passed}");
    }
}
