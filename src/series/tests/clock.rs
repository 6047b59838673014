//! Whoever sets the wall clock, in whichever direction, does no harm to what is counted.

use super::*;
use crate::base::Matcher;

const HOUR: i64 = 3_600;
const STEPS: [i64; 6] = [-24 * HOUR, -HOUR, -30, 30, HOUR, 24 * HOUR];

struct World {
    rig: Rig,
    archive: MemoryArchive,
    journal: MemoryJournal,
    sent: f64,
}

impl World {
    async fn new() -> Self {
        let (archive, journal) = (MemoryArchive::new(), MemoryJournal::default());
        let clock = ManualClock::at(START);
        let rig = Self::rig(&clock, &archive, &journal).await;
        Self { rig, archive, journal, sent: 0.0 }
    }

    async fn rig(clock: &ManualClock, archive: &MemoryArchive, journal: &MemoryJournal) -> Rig {
        Rig::steady(Settings::default(), clock, Arc::new(archive.clone()), Box::new(journal.clone())).await
    }

    async fn restart(&mut self) {
        self.rig = Self::rig(&self.rig.clock.clone(), &self.archive, &self.journal).await;
    }

    fn set(&self, seconds: i64) {
        let wall = self.rig.clock.now().as_millis() + seconds * 1000;
        self.rig.clock.set_wall(Timestamp::from_millis(wall));
    }

    /// One event a second, and the loop's work every ten; each rate that is seen on the way.
    async fn run(&mut self, seconds: u64) -> Vec<f64> {
        let mut rates = Vec::new();
        for second in 1..=seconds {
            self.rig.advance(1);
            let now = self.rig.now();
            let recorded = self.rig.record(batch([add("c", now, 1.0), observe("h", now, &[0.1])]));
            assert_eq!(recorded, Recorded::default());
            self.sent += 1.0;
            if second % 10 == 0 {
                let closed = self.rig.shared.head.read().closed;
                self.rig.tick(false).await;
                self.rig.compact().await;
                assert!(self.rig.shared.head.read().closed >= closed, "no slot opens again");
                rates.extend(self.rig.query("sum(rate(c[1m]))").await);
                assert_eq!(self.rig.query("sum(h_count)").await, Some(self.sent));
            }
        }
        rates
    }

    async fn check(&self, step: i64) {
        for name in ["c", "h_count"] {
            let start = START - Duration::from_secs(86_400 * 3);
            let all = self.rig.view.increases(&[Matcher::equal("__name__", name)], start, self.rig.now()).await;
            assert_eq!(all.unwrap()[0].1, self.sent, "{name} after {step} s");
        }
        assert_eq!(self.rig.shared.counters.late.get(), 0, "nothing is late after {step} s");
        let matchers = vec![Matcher::equal("__name__", "c")];
        let (start, end) = (START - Duration::from_secs(86_400 * 3), self.rig.now());
        let found = self.rig.view.select(&crate::promql::Selection { matchers, start, end }).await.unwrap();
        let samples: Vec<_> = found.into_iter().flat_map(|s| s.floats).collect();
        assert!(samples.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "after {step} s: {samples:?}");
    }
}

use crate::promql::Source;

#[tokio::test]
async fn rates_stay_what_they_are() {
    for step in STEPS {
        let mut world = World::new().await;
        let before = world.run(600).await;
        assert!(before[7..].iter().all(|r| (r - 1.0).abs() < 1e-9), "{before:?}");
        world.set(step);
        let after = world.run(900).await;
        // Our time runs slower by a twentieth after a step back, and slots are whole: a minute's rate wavers around
        // that; after a step ahead the gap is like downtime.
        let settled = if step > 0 { &after[8..] } else { &after[..] };
        assert!(!settled.is_empty() && settled.iter().all(|r| (0.94..1.08).contains(r)), "{step} s: {after:?}");
        assert!(after.iter().all(|r| (0.0..1.08).contains(r)), "{step} s: {after:?}");
        world.check(step).await;
    }
}

/// Also when the process is killed while its time is ahead of the wall clock, or set back while it is down.
#[tokio::test]
async fn a_restart_goes_on_where_the_time_was() {
    for step in STEPS {
        for while_down in [false, true] {
            let mut world = World::new().await;
            world.run(600).await;
            world.set(step);
            if !while_down {
                world.run(60).await;
            }
            world.restart().await;
            let after = world.run(600).await;
            assert!(after[8..].iter().all(|r| (0.94..1.08).contains(r)), "{step} s: {after:?}");
            world.check(step).await;
        }
    }
}

/// What is provisional when the time jumps ahead is revised as ever, and settles once.
#[tokio::test]
async fn a_jump_settles_no_web_vital_before_its_time() {
    for step in STEPS {
        let mut world = World::new().await;
        let report = |world: &mut World, sequence, value, is_final| {
            let vital = super::crash::vital(1, Some(sequence), value, is_final, world.rig.now());
            world.rig.record(Batch { items: vec![], vitals: vec![vital] })
        };
        assert_eq!(report(&mut world, 1, 0.5, false), Recorded::default());
        world.run(100).await;
        world.set(step);
        world.run(100).await;
        assert_eq!(world.rig.view.pending_vitals(Timestamp::MIN).len(), 1, "{step} s");
        assert_eq!(report(&mut world, 2, 0.9, false), Recorded::default(), "{step} s");
        world.run(400).await;
        assert_eq!(world.rig.view.pending_vitals(Timestamp::MIN).len(), 0, "{step} s");
        assert_eq!(world.rig.query("sum(web_vitals_lcp_seconds_sum)").await, Some(0.9), "{step} s");
        assert_eq!(world.rig.query("sum(web_vitals_lcp_seconds_count)").await, Some(1.0), "{step} s");
    }
}
