//! Whoever sets the wall clock, in whichever direction: timers neither skip nor repeat, nothing counts twice.

use super::super::*;
use crate::alert::model::OnCall;
use crate::alert::testkit::{Rig, api_latency, on_call, shop};
use crate::base::Clock;
use crate::slo::Measure;

const HOUR: i64 = 3_600;
const STEPS: [i64; 6] = [-24 * HOUR, -HOUR, -5, 5, HOUR, 24 * HOUR];

fn set(rig: &Rig, seconds: i64) {
    rig.clock.set_wall(Timestamp::from_millis(rig.clock.now().as_millis() + seconds * 1000));
}

/// Ticks every 5 s for so long; when messages were sent, in seconds that passed since the start.
async fn sent_while(rig: &mut Rig, seconds: u64, sent: &mut Vec<(u64, String)>) {
    for _ in 0..seconds / 5 {
        rig.tick(5).await;
        let now = rig.clock.monotonic().as_secs();
        let all = rig.sent();
        sent.extend(all[sent.len()..].iter().map(|(_, kind, channel)| (now, format!("{kind} {channel}"))));
        rig.deliver();
    }
}

/// Not before its time, and later by at most a twentieth of the time since the step, and a tick or two.
fn on_time(at: u64, due: u64, step_at: u64) -> bool {
    (due..=due + (due - step_at) / 19 + 20).contains(&at)
}

#[tokio::test]
async fn a_breach_holds_as_long_as_ever() {
    for step in STEPS {
        let mut rig = Rig::new(Duration::from_secs(300)).await;
        rig.set_latency(0.6);
        let mut sent = Vec::new();
        sent_while(&mut rig, 150, &mut sent).await;
        set(&rig, step);
        sent_while(&mut rig, 300, &mut sent).await;
        let names: Vec<_> = sent.iter().map(|(_, s)| s.as_str()).collect();
        assert_eq!(names, ["trigger pagerduty", "trigger slack"], "{step} s");
        assert!(on_time(sent[0].0, 305, 150), "{step} s: {sent:?}");
    }
}

#[tokio::test]
async fn levels_come_when_they_should_and_once() {
    let expected =
        [("pagerduty", 5), ("slack", 5), ("senior", 905), ("manager", 1805), ("sms", 1805), ("pagerduty", 2105)];
    for step in [-24 * HOUR, -HOUR, HOUR, 24 * HOUR] {
        let mut rig = Rig::with(vec![api_latency(Duration::ZERO)], on_call(Some(Duration::from_secs(300)))).await;
        rig.set_latency(0.6);
        let mut sent = Vec::new();
        sent_while(&mut rig, 600, &mut sent).await;
        set(&rig, step);
        sent_while(&mut rig, 1_600, &mut sent).await;
        for ((channel, due), (at, seen)) in expected.iter().zip(&sent) {
            assert_eq!(seen, &format!("trigger {channel}"), "{step} s: {sent:?}");
            assert!(on_time(*at, *due, 600.min(*due)), "{step} s: {sent:?}");
        }
        assert_eq!(sent.len(), expected.len() + 1, "{step} s: {sent:?}");
        assert_eq!(rig.stats.snapshot().missed, 0);
    }
}

/// The jump comes while nothing can be stored: the timers still move, once.
#[tokio::test]
async fn a_jump_is_not_forgotten_while_the_ledger_is_full() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.6);
    let mut sent = Vec::new();
    sent_while(&mut rig, 600, &mut sent).await;
    rig.ledger.fail(true);
    set(&rig, HOUR);
    sent_while(&mut rig, 60, &mut sent).await;
    assert!(rig.stats.snapshot().commit_failing);
    rig.ledger.fail(false);
    sent_while(&mut rig, 1_300, &mut sent).await;
    assert!(!rig.stats.snapshot().commit_failing);
    let times: Vec<u64> = sent.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [5, 5, 905, 1805, 1805]);
    assert_eq!(OnCall::incidents(&*rig.desk, true).await.unwrap().len(), 1);
}

/// Events count once for their objective; a group that was not seen for a day of the wall clock is no new one.
#[tokio::test]
async fn events_of_an_objective_count_once() {
    for step in STEPS {
        let mut rig = Rig::new(Duration::ZERO).await;
        let labels = shop().with("code", "200").with("http_route", "/pay");
        for round in 0..200 {
            if round == 100 {
                set(&rig, step);
            }
            rig.world.happen(rig.now(), "http_count", &labels, 10.0);
            rig.tick(5).await;
        }
        rig.tick(5).await;
        assert_eq!(rig.world.total(Measure::TOTAL), 2000.0, "{step} s");
    }
}
