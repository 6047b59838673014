//! Graceful stops and starts in quick succession.

use super::*;
use crate::base::Matcher;
use crate::promql::{Engine, LocalEngine, QueryOptions, Selection, Source, Value};

struct World {
    clock: ManualClock,
    archive: MemoryArchive,
    journal: MemoryJournal,
    rig: Rig,
}

impl World {
    async fn new() -> Self {
        let (rig, archive, journal) = Rig::memory().await;
        Self { clock: rig.clock.clone(), archive, journal, rig }
    }

    /// SIGTERM, as the loop obeys it, and a new start.
    async fn restart(&mut self) {
        self.rig.tick(true).await;
        self.rig.tick(true).await;
        self.start().await;
    }

    async fn start(&mut self) {
        let storage = (Arc::new(self.archive.clone()), Box::new(self.journal.clone()));
        self.rig = Rig::start(Settings::default(), &self.clock, storage.0, storage.1).await;
    }

    /// All samples of a metric up to now: seconds since START and value.
    async fn counter(&self, name: &str) -> Vec<(f64, f64)> {
        let matchers = vec![Matcher::equal("__name__", name)];
        let selection = Selection { matchers, start: START - Duration::from_secs(60), end: self.rig.now() };
        let found = self.rig.view.select(&selection).await.unwrap();
        found.iter().flat_map(|s| s.floats.iter()).map(|(t, v)| (seconds(t), v)).collect()
    }

    /// A query's one number, now.
    async fn query(&self, expression: &str) -> f64 {
        let view = View::new(self.rig.shared.clone(), self.rig.archive.clone(), Arc::new(self.clock.clone()));
        let engine = LocalEngine::new(Arc::new(view));
        let answer = engine.instant(expression, self.rig.now(), &QueryOptions::default()).await.unwrap();
        match answer.value {
            Value::Vector(samples) if samples.len() == 1 => samples[0].float().unwrap(),
            other => panic!("{expression}: {other:?}"),
        }
    }
}

fn seconds(at: Timestamp) -> f64 {
    (at.as_millis() - START.as_millis()) as f64 / 1000.0
}

#[tokio::test]
async fn what_was_counted_is_seen_at_once_after_a_graceful_restart() {
    let mut world = World::new().await;
    world.clock.advance(Duration::from_secs(3));
    world.rig.record(batch([add("c", world.rig.now(), 2.0), observe("h", world.rig.now(), &[0.1])]));
    let before = world.counter("c").await;
    assert_eq!(before, [(0.0, 0.0), (3.0, 2.0)]);
    world.restart().await;
    assert_eq!(world.counter("c").await, before);
    assert_eq!(world.counter("h_count").await, [(0.0, 0.0), (3.0, 1.0)]);
    // Once the slot is over its sample is where it always is.
    world.clock.advance(Duration::from_secs(9));
    assert_eq!(world.counter("c").await, [(0.0, 0.0), (10.0, 2.0), (12.0, 2.0)]);
}

/// Also when the slot is the first of a block, and not the first in which the series has something.
#[tokio::test]
async fn restarts_within_one_slot_hide_and_delay_nothing() {
    for begin in [7_201u64, 1_001] {
        let mut world = World::new().await;
        world.clock.advance(Duration::from_secs(begin - 61));
        world.rig.record(batch([add("c", world.rig.now(), 100.0), observe("h", world.rig.now(), &[0.1; 100])]));
        world.clock.advance(Duration::from_secs(61));
        let mut sent = 100.0;
        for round in 0..8 {
            let now = world.rig.now();
            world.rig.record(batch([add("c", now, 1.0), observe("h", now, &[0.1])]));
            sent += 1.0;
            if round == 5 {
                world.start().await
            } else {
                world.restart().await
            }
            for name in ["c", "h_count"] {
                let samples = world.counter(name).await;
                assert_eq!(samples.last(), Some(&(seconds(now), sent)), "{name} in round {round}");
                assert!(samples.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{samples:?}");
            }
            assert!(world.rig.shared.head.read().closed < Slot::of(now), "no slot closes before its end");
            assert_eq!(world.rig.shared.counters.late.get(), 0);
            world.clock.advance(Duration::from_secs(1));
        }
        // Two slots later everything is where it stays, and the same when it has closed.
        world.clock.advance(Duration::from_secs(20));
        let before = world.counter("c").await;
        world.clock.advance(Duration::from_secs(200));
        world.rig.tick(false).await;
        let after = world.counter("c").await;
        assert!(after.starts_with(&before[..before.len() - 1]), "{before:?} {after:?}");
        world.restart().await;
        assert_eq!(world.counter("c").await, after);
        let slot_end = (begin as f64 / 10.0).ceil() * 10.0;
        assert!(after.contains(&(slot_end, 108.0)), "each event counts in its own slot: {after:?}");
        assert_eq!(after.last().map(|s| s.1), Some(108.0));
    }
}

/// One event a second and a restart every seven seconds: the rate stays what it is.
#[tokio::test]
async fn rates_go_on_through_graceful_restarts() {
    let mut world = World::new().await;
    for second in 1..=300u64 {
        world.clock.advance(Duration::from_secs(1));
        let now = world.rig.now();
        world.rig.record(batch([add("c", now, 1.0), observe("h", now, &[0.1])]));
        if second % 10 == 1 {
            world.rig.tick(false).await;
        }
        if second % 7 == 0 {
            world.restart().await;
        }
        if second > 60 {
            for name in ["c", "h_count"] {
                let matchers = [Matcher::equal("__name__", name)];
                let all = world.rig.view.increases(&matchers, START, now).await.unwrap();
                assert_eq!(all[0].1, second as f64, "{name} at {second} s");
                assert_eq!(world.query(&format!("sum({name})")).await, second as f64);
                let rate = world.query(&format!("sum(rate({name}[1m]))")).await;
                assert!((rate - 1.0).abs() < 1e-9, "{name} at {second} s: {rate}");
            }
        }
    }
}

/// A clock that was set back hides nothing either.
#[tokio::test]
async fn what_closed_after_the_present_counts_as_present() {
    for back in [200u64, 3000, 7000] {
        let (mut rig, archive, journal) = Rig::memory().await;
        rig.advance(7_100);
        rig.record(batch([add("c", rig.now(), 2.0)]));
        rig.advance(400);
        rig.record(batch([add("c", rig.now(), 3.0)]));
        rig.advance(10);
        rig.tick(true).await;
        let clock = ManualClock::at(rig.now() - Duration::from_secs(back));
        let rig = Rig::start(Settings::default(), &clock, Arc::new(archive.clone()), Box::new(journal.clone())).await;
        let world = World { clock, archive, journal, rig };
        assert_eq!(world.counter("c").await.last().map(|s| s.1), Some(5.0), "{back} s back");
    }
}
