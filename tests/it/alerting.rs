//! From a fault to a page: the whole way, through the real binary.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::plimsoll::{Plimsoll, client, run};
use crate::support::receiver::Receiver;
use crate::support::wait;

const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

fn config(receiver: &str) -> String {
    format!(
        "objectives: [rules.yaml]\n\
         evaluate_every: 1s\n\
         channels:\n\
         \x20 - {{name: pagerduty, pagerduty: {{routing_key_env: TEST_ROUTING_KEY, url: '{receiver}/pagerduty'}}}}\n\
         \x20 - {{name: hook, webhook: {{url: '{receiver}/hook', send_resolved: true}}}}\n"
    )
}

const RULES: &str = r#"
objectives:
  - name: errors
    title: Orders do not fail
    indicator:
      ratio:
        good: http_server_request_duration_seconds_count{service_name="shop",http_response_status_code!~"5.."}
        total: http_server_request_duration_seconds_count{service_name="shop"}
        over: 30s
    critical: {below: 90%, for: 0s}
    escalation: on-call
escalations:
  - name: on-call
    levels:
      - {after: 0s, notify: [pagerduty]}
      - {after: 3s, notify: [hook]}
"#;

async fn start(folder: &Path, receiver: &Receiver) -> Plimsoll {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    Plimsoll::start_with(folder, &config(&receiver.url()), &[("TEST_ROUTING_KEY", ROUTING_KEY)]).await
}

/// Posts ten requests with this status.
async fn traffic(service: &Plimsoll, status: u16) {
    let line = json!({"kind": "http", "service": "shop", "route": "/orders", "method": "POST", "status": status, "duration_ms": 3});
    let body = Value::Array(vec![line; 10]).to_string();
    let url = format!("{}/ingest/timings", service.url());
    let reply = client().post(url).header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(reply.status(), 204);
}

async fn incidents(service: &Plimsoll) -> Vec<Value> {
    let url = format!("{}/api/incidents?state=all", service.url());
    let answer: Value = client().get(url).send().await.unwrap().json().await.unwrap();
    answer["incidents"].as_array().cloned().unwrap_or_default()
}

async fn wait_for_state(service: &Plimsoll, state: &str) -> Value {
    wait::until(&format!("an incident that is {state}"), Duration::from_secs(40), || async {
        let all = incidents(service).await;
        all.iter().find(|i| i["state"] == state).cloned().ok_or_else(|| format!("{all:?}"))
    })
    .await
}

#[tokio::test]
async fn a_fault_becomes_a_page_climbs_and_everyone_hears_of_the_end() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let service = start(folder.path(), &receiver).await;
    for _ in 0..3 {
        traffic(&service, 200).await;
    }
    #[expect(clippy::disallowed_methods, reason = "the figure that is reported")]
    let first_bad = Instant::now();
    traffic(&service, 500).await;
    let pages = receiver.wait_for("/pagerduty", 1, Duration::from_secs(20)).await;
    println!("from the first bad event to the page: {:?}", pages[0].at.duration_since(first_bad));
    let page = &pages[0].body;
    assert_eq!((&page["routing_key"], &page["event_action"]), (&json!(ROUTING_KEY), &json!("trigger")));
    assert_eq!(page["payload"]["severity"], "critical");
    assert!(page["payload"]["summary"].as_str().unwrap().contains("errors"), "{page}");
    // Nobody answers: the second level hears of it.
    let hooks = receiver.wait_for("/hook", 1, Duration::from_secs(20)).await;
    assert_eq!(
        (&hooks[0].body["status"], &hooks[0].body["alerts"][0]["labels"]["objective"]),
        (&json!("firing"), &json!("errors"))
    );
    assert!(hooks[0].at.duration_since(pages[0].at) >= Duration::from_secs(2), "level 2 came too early");
    // It ends by itself; both are told, with the same key.
    for _ in 0..40 {
        traffic(&service, 200).await;
    }
    let resolved = wait_for_state(&service, "resolved").await;
    assert!(resolved["resolved_at"].is_string(), "{resolved}");
    let pages = receiver.wait_for("/pagerduty", 2, Duration::from_secs(20)).await;
    assert_eq!((&pages[1].body["event_action"], &pages[1].body["dedup_key"]), (&json!("resolve"), &page["dedup_key"]));
    let hooks = receiver.wait_for("/hook", 2, Duration::from_secs(20)).await;
    assert_eq!(hooks[1].body["status"], "resolved");
}

#[tokio::test]
async fn an_acknowledgement_stops_the_climbing() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let service = start(folder.path(), &receiver).await;
    traffic(&service, 500).await;
    receiver.wait_for("/pagerduty", 1, Duration::from_secs(20)).await;
    let id = wait_for_state(&service, "firing").await["id"].as_str().unwrap().to_owned();
    let url = service.url();
    let (status, out, err) = run(folder.path(), &["ack", &id, "--by", "ada", "--server", &url]);
    assert!(status == 0 && out.contains("ada"), "{out}{err}");
    // A second one changes nothing and names the first.
    let again: Value = client()
        .post(format!("{url}/api/incidents/{id}/ack"))
        .json(&json!({"by": "bob"}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!((&again["acknowledged_by"], &again["state"]), (&json!("ada"), &json!("acknowledged")));
    // PagerDuty hears of it; level 2 would have come 3 s after the fire.
    let pages = receiver.wait_for("/pagerduty", 2, Duration::from_secs(20)).await;
    assert_eq!(pages[1].body["event_action"], "acknowledge");
    for _ in 0..40 {
        traffic(&service, 200).await;
    }
    wait_for_state(&service, "resolved").await;
    receiver.wait_for("/pagerduty", 3, Duration::from_secs(20)).await;
    assert!(receiver.at("/hook").is_empty(), "level 2 was told although someone had answered");
    let late = client().post(format!("{url}/api/incidents/{id}/ack")).json(&json!({"by": "eve"})).send().await.unwrap();
    assert_eq!(late.status(), 409);
}

#[tokio::test]
async fn a_killed_process_loses_no_page() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    receiver.refuse_with(503);
    let mut service = start(folder.path(), &receiver).await;
    traffic(&service, 500).await;
    let refused = receiver.wait_for("/pagerduty", 1, Duration::from_secs(20)).await;
    service.kill();
    receiver.refuse_with(0);
    let before = receiver.at("/pagerduty").len();
    service.restart().await;
    let pages = receiver.wait_for("/pagerduty", before + 1, Duration::from_secs(60)).await;
    let triggers: Vec<&Value> = pages.iter().map(|m| &m.body).filter(|b| b["event_action"] == "trigger").collect();
    assert!(
        triggers.iter().all(|t| t["dedup_key"] == refused[0].body["dedup_key"]),
        "one incident, one key: {triggers:?}"
    );
    let detail = incidents(&service).await;
    assert_eq!(detail.len(), 1, "{detail:?}");
}
