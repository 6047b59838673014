use std::time::Duration;

use super::*;
use crate::alert::model::{IncidentState, StatusKind};
use crate::alert::testkit::{Rig, START, api_latency, on_call, rule, shop};
use crate::base::Severity;
use crate::notify::Kind;
use crate::slo::RuleKind;

fn owned(all: &[(u64, &'static str, &str)]) -> Vec<(u64, &'static str, String)> {
    all.iter().map(|(t, k, c)| (*t, *k, (*c).to_owned())).collect()
}

async fn act(rig: &Rig, id: IncidentId, action: Action, by: &str) -> Result<Incident, ActError> {
    rig.desk.act(id, action, by, "api", None, rig.now()).await
}

#[tokio::test]
async fn a_breach_climbs_for_half_an_hour() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.734);
    rig.minutes(40).await;
    let expected = owned(&[
        (5, "trigger", "pagerduty"),
        (5, "trigger", "slack"),
        (905, "trigger", "senior"),
        (1805, "trigger", "manager"),
        (1805, "trigger", "sms"),
    ]);
    assert_eq!(rig.sent(), expected);
    let incident = rig.incident().await;
    assert_eq!(
        incident.summary,
        "api-latency: p95 of http_server_request_duration_seconds is 734 ms (critical above 500 ms) for shop-api"
    );
    assert_eq!((incident.level, incident.next_level_at), (3, None));
    assert_eq!(rig.desk.open_incidents(), [Severity::Critical]);
    assert_eq!(incident.url, format!("https://slo.example/incidents/{}", incident.id));
    let labels = incident.labels.to_string();
    assert_eq!(labels, r#"{objective="api-latency", service_name="shop-api", severity="critical"}"#);
    assert_eq!(incident.annotations["description"], "is 734 ms on shop-api");
    let keys: std::collections::BTreeSet<_> = rig.ledger.outbox().into_iter().map(|p| p.envelope.key).collect();
    assert_eq!(keys.len(), 1, "one incident, one key");
}

#[tokio::test]
async fn acknowledging_stops_the_climb_and_tells_whoever_was_told() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.6);
    rig.minutes(10).await;
    let id = rig.incident().await.id;
    let acknowledged = act(&rig, id, Action::Acknowledge, "ann").await.unwrap();
    assert_eq!(acknowledged.state, IncidentState::Acknowledged);
    let (at, commits) = (rig.now(), rig.ledger.commits());
    let again = act(&rig, id, Action::Acknowledge, "bob").await.unwrap();
    assert_eq!(again.acknowledged_by.as_deref(), Some("ann"), "the first is named");
    assert_eq!((again.acknowledged_at, rig.ledger.commits()), (Some(at), commits), "nothing changed");
    rig.minutes(40).await;
    let acks = [(600, "acknowledge", "pagerduty"), (600, "acknowledge", "slack")];
    let expected = [&[(5, "trigger", "pagerduty"), (5, "trigger", "slack")][..], &acks].concat();
    assert_eq!(rig.sent(), owned(&expected));
    rig.set_latency(0.1);
    rig.minutes(1).await;
    let resolves: Vec<_> = rig.sent().into_iter().filter(|s| s.1 == "resolve").map(|s| s.2).collect();
    assert_eq!(resolves, ["pagerduty", "slack"], "those who were told, nobody else");
    assert!(matches!(act(&rig, id, Action::Acknowledge, "bob").await, Err(ActError::Resolved(_))));
    let unknown = IncidentId::new(START);
    assert!(matches!(act(&rig, unknown, Action::Note, "bob").await, Err(ActError::NotFound(_))));
}

#[tokio::test]
async fn what_was_never_sent_is_cancelled_and_not_resolved() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.6);
    rig.tick(5).await;
    let first = rig.ledger.outbox()[0].envelope.id;
    rig.ledger.mark(first, "pending");
    rig.set_latency(0.1);
    rig.tick(5).await;
    let outbox = rig.ledger.outbox();
    let seen: Vec<_> = outbox.iter().map(|p| (p.envelope.kind, p.envelope.channel.as_str(), p.status)).collect();
    let expected = [
        (Kind::Trigger, "pagerduty", "cancelled"),
        (Kind::Trigger, "slack", "cancelled"),
        (Kind::Resolve, "pagerduty", "pending"),
    ];
    assert_eq!(seen, expected, "tried once, it may have arrived: only there it is resolved");
}

#[tokio::test]
async fn taking_the_answer_back_starts_again_at_level_1() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.6);
    rig.minutes(1).await;
    let id = rig.incident().await.id;
    act(&rig, id, Action::Acknowledge, "ann").await.unwrap();
    rig.minutes(20).await;
    let back = act(&rig, id, Action::Unacknowledge, "ann").await.unwrap();
    assert_eq!((back.state, back.acknowledged_by, back.level), (IncidentState::Firing, None, 1));
    let commits = rig.ledger.commits();
    act(&rig, id, Action::Unacknowledge, "ann").await.unwrap();
    assert_eq!(rig.ledger.commits(), commits);
    rig.minutes(16).await;
    let later: Vec<_> = rig.sent().into_iter().filter(|s| s.0 > 60 && s.1 == "trigger").collect();
    assert_eq!(
        later,
        owned(&[(1260, "trigger", "pagerduty"), (1260, "trigger", "slack"), (2160, "trigger", "senior")])
    );
}

#[tokio::test]
async fn people_escalate_note_and_resolve() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.6);
    rig.minutes(1).await;
    let id = rig.incident().await.id;
    let escalated = act(&rig, id, Action::Escalate, "ann").await.unwrap();
    let double_click = act(&rig, id, Action::Escalate, "ann").await.unwrap();
    assert_eq!((escalated.level, double_click.level), (2, 2));
    assert_eq!(escalated.next_level_at, Some(START + Duration::from_secs(1805)), "level 3 keeps its time");
    rig.desk.act(id, Action::Note, "ann", "page", Some("  it is the cache "), rig.now()).await.unwrap();
    act(&rig, id, Action::Resolve, "ann").await.unwrap();
    rig.minutes(40).await;
    assert!(OnCall::incidents(&*rig.desk, false).await.unwrap().is_empty(), "what a person closed stays closed");
    let detail = OnCall::incident(&*rig.desk, id).await.unwrap().unwrap();
    let story: Vec<_> = detail.timeline.iter().map(|e| e.event.as_str()).collect();
    assert_eq!(story, ["fired", "level", "escalated", "level", "note", "resolved"]);
    assert_eq!(detail.timeline[4].text, "it is the cache");
    assert_eq!(detail.why.last().unwrap(), "Level 3 (manager, sms) was not told: it was over before it was due.");
    let audit = rig.desk.audit(START, 100).await.unwrap();
    let actions: Vec<_> = audit.iter().map(|e| (e.action.as_str(), e.actor.as_str())).collect();
    assert!(actions.contains(&("resolved", "ann")) && actions.contains(&("opened", "evaluator")), "{actions:?}");
    // A new breach is a new episode with a key of its own.
    rig.set_latency(0.1);
    rig.tick(5).await;
    rig.set_latency(0.6);
    rig.tick(5).await;
    assert_ne!(rig.incident().await.id, id);
}

#[tokio::test]
async fn worse_than_acknowledged_pages_again() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.3);
    rig.minutes(1).await;
    let id = rig.incident().await.id;
    act(&rig, id, Action::Acknowledge, "ann").await.unwrap();
    rig.minutes(1).await;
    rig.set_latency(0.6);
    rig.minutes(1).await;
    let incident = rig.incident().await;
    assert_eq!((incident.id, incident.state, incident.severity), (id, IncidentState::Firing, Severity::Critical));
    assert_eq!((incident.acknowledged_by.as_deref(), incident.level), (None, 1));
    assert!(incident.summary.contains("critical above 500 ms"), "{}", incident.summary);
    let pages = |rig: &Rig| rig.sent().iter().filter(|s| s.1 == "trigger").count();
    assert_eq!(pages(&rig), 4);
    // Less bad does not page, nor does coming back to what was acknowledged.
    act(&rig, id, Action::Acknowledge, "ann").await.unwrap();
    for latency in [0.3, 0.6] {
        rig.set_latency(latency);
        rig.minutes(1).await;
    }
    let incident = rig.incident().await;
    assert_eq!((incident.state, incident.severity), (IncidentState::Acknowledged, Severity::Critical));
    assert_eq!(pages(&rig), 4);
}

#[tokio::test]
async fn worse_while_nobody_answered_tells_the_same_people_and_keeps_the_timers() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.3);
    rig.minutes(16).await;
    rig.set_latency(0.6);
    rig.minutes(1).await;
    let incident = rig.incident().await;
    assert_eq!((incident.level, incident.next_level_at), (2, Some(START + Duration::from_secs(1805))));
    let again: Vec<_> = rig.sent().into_iter().filter(|s| s.0 == 965).map(|s| s.2).collect();
    assert_eq!(again, ["pagerduty", "slack", "senior"]);
}

#[tokio::test]
async fn a_restart_in_the_middle_loses_no_page_and_doubles_none() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.6);
    rig.minutes(10).await;
    rig.restart().await;
    rig.minutes(10).await;
    rig.restart().await;
    rig.minutes(20).await;
    let times: Vec<_> = rig.sent().into_iter().map(|s| s.0).collect();
    assert_eq!(times, [5, 5, 905, 1805, 1805]);
}

#[tokio::test]
async fn after_downtime_missed_levels_are_told_once_in_one_pass() {
    let mut rig = Rig::with(vec![api_latency(Duration::ZERO)], on_call(Some(Duration::from_secs(3600)))).await;
    rig.set_latency(0.6);
    rig.minutes(1).await;
    rig.clock.advance(Duration::from_secs(7200));
    rig.restart().await;
    rig.minutes(10).await;
    let later: Vec<_> = rig.sent().into_iter().filter(|s| s.0 > 60).collect();
    let expected = [(7265, "trigger", "senior"), (7265, "trigger", "manager"), (7265, "trigger", "sms")];
    assert_eq!(later, owned(&expected));
    let detail = OnCall::incident(&*rig.desk, rig.incident().await.id).await.unwrap().unwrap();
    assert_eq!(detail.timeline.last().unwrap().text, "levels 2 to 3: telling senior, manager, sms (106m late)");
    // The repeat counts from there.
    rig.minutes(60).await;
    let repeated: Vec<_> = rig.sent().into_iter().filter(|s| s.0 > 7265).collect();
    assert_eq!(repeated, owned(&[(10_865, "trigger", "pagerduty"), (10_865, "trigger", "slack")]));
}

#[tokio::test]
async fn a_failed_commit_changes_nothing_and_is_made_again() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.6);
    rig.ledger.fail(true);
    rig.tick(5).await;
    rig.tick(5).await;
    assert!(rig.sent().is_empty());
    assert_eq!(rig.stats.snapshot().failed_commits, 2);
    rig.ledger.fail(false);
    rig.tick(5).await;
    assert_eq!(rig.sent(), owned(&[(15, "trigger", "pagerduty"), (15, "trigger", "slack")]));
    let id = rig.incident().await.id;
    rig.ledger.fail(true);
    assert!(matches!(act(&rig, id, Action::Acknowledge, "ann").await, Err(ActError::Store(_))));
    rig.ledger.fail(false);
    assert_eq!(rig.incident().await.state, IncidentState::Firing);
    assert_eq!(act(&rig, id, Action::Acknowledge, "ann").await.unwrap().state, IncidentState::Acknowledged);
}

#[tokio::test]
async fn rules_of_one_group_share_an_incident_and_groups_do_not() {
    let mut objective = (*api_latency(Duration::ZERO)).clone();
    let minutes = |m: u64| Duration::from_secs(60 * m);
    let burn = RuleKind::Burn { factor: 14.4, long: minutes(60), short: minutes(5) };
    objective.rules.insert(0, rule("burn-1h", Severity::Critical, burn, Duration::ZERO));
    let mut rig = Rig::with(vec![Arc::new(objective)], on_call(None)).await;
    // Burn rates read recorded counters, which carry the objective's label: the group is the same.
    rig.world.answer("burn-1h", &[(shop().with("objective", "api-latency"), 20.0)]);
    rig.tick(5).await;
    rig.set_latency(0.6);
    rig.tick(5).await;
    let incident = rig.incident().await;
    assert_eq!(
        incident.summary,
        "api-latency: error budget of 99 % burns more than 14.4 times too fast over 1h and 5m for shop-api"
    );
    rig.world.answer("burn-1h", &[]);
    rig.tick(5).await;
    assert_eq!(rig.incident().await.id, incident.id, "the level still fires");
    let other = crate::base::Labels::new([("service_name", "search")]);
    rig.world.answer("critical", &[(shop(), 0.6), (other, 0.9)]);
    rig.tick(5).await;
    assert_eq!(OnCall::incidents(&*rig.desk, false).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_reload_keeps_what_stays_and_ends_what_is_gone() {
    let mut rig = Rig::new(Duration::from_secs(60)).await;
    rig.set_latency(0.6);
    rig.minutes(2).await;
    let id = rig.incident().await.id;
    // The same objective with another threshold: no resolve, no second page.
    rig.objectives = vec![api_latency(Duration::from_secs(120))];
    rig.desk.reload(rig.objectives.clone(), rig.escalations.clone(), rig.now()).await.unwrap();
    rig.minutes(1).await;
    assert_eq!(rig.incident().await.id, id);
    assert_eq!(rig.sent().len(), 2);
    rig.desk.reload(Vec::new(), rig.escalations.clone(), rig.now()).await.unwrap();
    rig.deliver();
    let over = OnCall::incident(&*rig.desk, id).await.unwrap().unwrap();
    assert_eq!(over.incident.state, IncidentState::Resolved);
    assert_eq!(over.timeline.last().unwrap().text, "the objective was removed from the configuration");
    assert_eq!(rig.sent().iter().filter(|s| s.1 == "resolve").count(), 2);
    assert!(rig.desk.statuses().is_empty() && rig.desk.book().await.alerts.is_empty());
}

#[tokio::test]
async fn without_an_escalation_the_incident_says_that_nobody_is_told() {
    let mut rig = Rig::with(vec![api_latency(Duration::ZERO)], Vec::new()).await;
    rig.set_latency(0.6);
    rig.minutes(1).await;
    let detail = OnCall::incident(&*rig.desk, rig.incident().await.id).await.unwrap().unwrap();
    assert_eq!(detail.why, ["Nobody was told: no escalation is configured."]);
    assert!(rig.sent().is_empty());
}

#[tokio::test]
async fn statuses_say_what_is_seen() {
    let mut rig = Rig::new(Duration::ZERO).await;
    assert_eq!(rig.desk.statuses()[0].status, StatusKind::NoData);
    rig.tick(5).await;
    assert_eq!((rig.desk.statuses()[0].status, rig.desk.last_evaluation()), (StatusKind::NoData, Some(rig.now())));
    for (latency, expected) in [(0.1, StatusKind::Ok), (0.3, StatusKind::Warning), (0.6, StatusKind::Critical)] {
        rig.set_latency(latency);
        rig.tick(5).await;
        let status = &rig.desk.statuses()[0];
        assert_eq!((status.status, status.value, status.groups.len()), (expected, Some(latency), 1));
        assert_eq!((status.unit.as_str(), status.target, status.error.as_deref()), ("seconds", Some(0.2), None));
    }
    rig.world.fail("value");
    rig.world.fail("critical");
    rig.tick(5).await;
    let status = &rig.desk.statuses()[0];
    assert_eq!((status.status, status.value), (StatusKind::Critical, Some(0.6)), "an error keeps the state");
    assert_eq!(status.error.as_deref(), Some("the source is gone"));
    assert_eq!(rig.incident().await.state, IncidentState::Firing);
}

#[tokio::test]
async fn the_gate_stops_pages_of_an_incident_that_moved_on() {
    let mut rig = Rig::new(Duration::ZERO).await;
    rig.set_latency(0.6);
    rig.tick(5).await;
    let page = rig.ledger.outbox()[0].envelope.clone();
    assert_eq!(rig.desk.verdict(&page, rig.now()).await, Decision::Send);
    let id = rig.incident().await.id;
    act(&rig, id, Action::Acknowledge, "ann").await.unwrap();
    let stopped = |reason: &str| Decision::Cancel(reason.to_owned());
    assert_eq!(rig.desk.verdict(&page, rig.now()).await, stopped("acknowledged by ann before it was sent"));
    act(&rig, id, Action::Unacknowledge, "ann").await.unwrap();
    assert_eq!(rig.desk.verdict(&page, rig.now()).await, stopped("superseded by a newer page before it was sent"));
    let newest = rig.ledger.outbox().last().unwrap().envelope.clone();
    assert_eq!(rig.desk.verdict(&newest, rig.now()).await, Decision::Send);
    act(&rig, id, Action::Resolve, "ann").await.unwrap();
    assert_eq!(rig.desk.verdict(&newest, rig.now()).await, stopped("resolved before it was sent"));
}
