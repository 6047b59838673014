mod clock;

use super::*;
use crate::alert::model::{Action, Objectives, OnCall};
use crate::alert::testkit::{Rig, START, api_latency, on_call, shop};
use crate::base::Clock;
use crate::slo::Measure;

fn code(code: &str) -> Labels {
    shop().with("code", code).with("http_route", "/pay")
}

/// A second of traffic at `rig`'s present: so many good and bad requests.
fn traffic(rig: &Rig, good: f64, bad: f64) {
    rig.world.happen(rig.now(), "http_count", &code("200"), good);
    rig.world.happen(rig.now(), "http_count", &code("503"), bad);
}

#[tokio::test]
async fn counts_are_exact_and_the_budget_reads_them() {
    let mut rig = Rig::new(Duration::ZERO).await;
    for _ in 0..60 {
        traffic(&rig, 97.0, 3.0);
        rig.tick(7).await;
    }
    rig.tick(7).await;
    assert_eq!(rig.world.total(Measure::TOTAL), 6000.0);
    assert_eq!(rig.world.total(Measure::GOOD), 5820.0);
    let report = rig.desk.budget("api-latency", None, rig.now()).await.unwrap().unwrap();
    assert_eq!((report.good, report.total, report.bad), (5820.0, 6000.0, 180.0));
    assert!((report.remaining.unwrap() + 2.0).abs() < 1e-9, "three times what is allowed");
    assert_eq!((report.window.as_str(), report.target, report.exhausted_in), ("1d", 0.99, Some(0.0)));
    let burn: Vec<_> = report.burn.iter().map(|b| b.window.as_str()).collect();
    assert_eq!(burn, ["5m", "30m", "1h", "2h", "6h", "1d"]);
    assert!((report.burn[1].rate.unwrap() - 3.0).abs() < 1e-9);
    assert_eq!(report.contributors.len(), 1);
    assert_eq!((&report.contributors[0].labels, report.contributors[0].share), (&code("503"), 1.0));
    let minutes = rig.world.total(Measure::EXPECTED);
    assert!((6.0..=8.0).contains(&minutes), "{minutes} minutes of 427 s");
    assert_eq!(report.coverage, Some(1.0));
    assert_eq!(rig.desk.budget("unknown", None, rig.now()).await.unwrap(), None);
    let remaining = rig.world.gauge(&Labels::metric(REMAINING, [("objective", "api-latency")])).unwrap();
    assert!((remaining + 2.0).abs() < 1e-9);
}

#[tokio::test]
async fn late_events_are_counted_once() {
    let mut rig = Rig::new(Duration::ZERO).await;
    for round in 0..200u64 {
        // Stamped up to 100 s ago, into slots that were read already.
        let late = rig.now() - Duration::from_secs(round * 37 % 100);
        rig.world.happen(late, "http_count", &code("200"), 1.0);
        rig.tick(5).await;
    }
    rig.tick(5).await;
    assert_eq!(rig.world.total(Measure::TOTAL), 200.0);
}

/// Kills the process at every point between storing and recording: nothing is lost or counted twice.
#[tokio::test]
async fn counts_survive_a_kill_at_any_point() {
    let mut rig = Rig::new(Duration::ZERO).await;
    let mut all = 0.0;
    for round in 0..60u32 {
        traffic(&rig, 9.0, 1.0);
        all += 10.0;
        match round % 4 {
            // Stored, and killed before it was recorded.
            0 => *rig.world.full.lock() = true,
            // Killed before it was stored.
            1 => rig.ledger.fail(true),
            _ => {}
        }
        rig.tick(5).await;
        if round % 4 < 3 {
            rig.restart().await;
        }
        *rig.world.full.lock() = false;
        rig.ledger.fail(false);
    }
    rig.tick(5).await;
    rig.tick(5).await;
    assert_eq!((rig.world.total(Measure::TOTAL), rig.world.total(Measure::GOOD)), (all, all * 0.9));
}

#[tokio::test]
async fn a_full_recorder_delays_counts_and_stops_nothing_else() {
    let mut rig = Rig::new(Duration::ZERO).await;
    *rig.world.full.lock() = true;
    rig.set_latency(0.6);
    for _ in 0..10 {
        traffic(&rig, 1.0, 0.0);
        rig.tick(5).await;
    }
    assert_eq!((rig.sent().len(), rig.world.total(Measure::TOTAL)), (2, 0.0));
    assert!(rig.stats.snapshot().failed_recordings >= 10);
    *rig.world.full.lock() = false;
    rig.tick(5).await;
    rig.tick(5).await;
    assert_eq!(rig.world.total(Measure::TOTAL), 10.0);
}

#[tokio::test]
async fn one_failing_objective_does_not_stop_the_others() {
    let mut second = (*api_latency(Duration::ZERO)).clone();
    let mut definition = (*second.objective).clone();
    definition.name = "broken".into();
    second.objective = Arc::new(definition);
    second.value = "broken-value".into();
    second.rules.clear();
    second.measure = None;
    let mut rig = Rig::with(vec![Arc::new(second), api_latency(Duration::ZERO)], on_call(None)).await;
    rig.world.fail("broken-value");
    rig.set_latency(0.6);
    rig.tick(5).await;
    assert_eq!(rig.sent().len(), 2);
    let errors: Vec<_> = rig.desk.statuses().into_iter().map(|s| (s.name, s.error.is_some())).collect();
    assert_eq!(errors, [("broken".to_owned(), true), ("api-latency".to_owned(), false)]);
    assert_eq!(rig.stats.snapshot().failed_objectives, 1);
}

#[tokio::test]
async fn waits_for_the_whole_hold_across_a_restart() {
    let mut rig = Rig::new(Duration::from_secs(300)).await;
    rig.set_latency(0.6);
    rig.minutes(4).await;
    rig.clock.advance(Duration::from_secs(1800));
    rig.restart().await;
    rig.tick(5).await;
    assert!(rig.sent().is_empty(), "half an hour of downtime is no evidence");
    rig.minutes(2).await;
    let fired = rig.incident().await.started_at.since(START).as_secs();
    assert_eq!(fired, 240 + 1805 + 65, "235 s were seen before; 65 s more after the first look make 300");
}

/// The loop itself: it wakes at ticks and when a level is due between ticks, skips late ticks and counts
/// them, and ends when told to.
#[tokio::test]
async fn the_loop_ticks_climbs_between_ticks_and_ends() {
    let mut escalations = on_call(None);
    escalations[0].levels[1].after = Duration::from_secs(7);
    escalations[0].levels[2].after = Duration::from_secs(3600);
    let Rig { world, ledger, clock, desk, evaluator, stats, .. } =
        Rig::with(vec![api_latency(Duration::ZERO)], escalations).await;
    world.answer("critical", &[(shop(), 0.6)]);
    let mut outgoing = desk.outgoing();
    let stop = CancellationToken::new();
    let running = evaluator.run(stop.clone());
    let driving = async {
        let settle = || async {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        };
        settle().await;
        assert_eq!((stats.snapshot().evaluations, ledger.outbox().len()), (1, 2), "it begins at once");
        assert!(outgoing.has_changed().unwrap(), "the dispatcher is woken");
        outgoing.mark_unchanged();
        clock.advance(Duration::from_secs(5));
        settle().await;
        assert_eq!((stats.snapshot().evaluations, ledger.outbox().len()), (2, 2));
        clock.advance(Duration::from_millis(2000));
        settle().await;
        assert_eq!((stats.snapshot().evaluations, ledger.outbox().len()), (2, 3), "level 2, between ticks");
        assert_eq!(ledger.outbox()[2].envelope.created_at, START + Duration::from_secs(7));
        clock.advance(Duration::from_secs(23));
        settle().await;
        assert_eq!((stats.snapshot().evaluations, stats.snapshot().missed), (3, 4), "late ticks are skipped");
        assert_eq!(stats.snapshot().lag, Duration::from_secs(20));
        clock.set_wall(START - Duration::from_secs(86_400));
        for _ in 0..3 {
            clock.advance(Duration::from_secs(5));
            settle().await;
        }
        assert!(stats.snapshot().evaluations >= 5, "a clock set back does not stop it");
        let id = OnCall::incidents(&*desk, false).await.unwrap()[0].id;
        desk.act(id, Action::Acknowledge, "ann", "cli", None, clock.now()).await.unwrap();
        settle().await;
        stop.cancel();
    };
    futures::join!(running, driving);
}
