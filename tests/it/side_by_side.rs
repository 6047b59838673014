//! One definition, one meaning: a real Prometheus scrapes us, evaluates the exported rules, and sees the same
//! alerts fire and resolve as we do.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::plimsoll::{Plimsoll, client, run};
use crate::support::prometheus::Prometheus;
use crate::support::wait;

const RULES: &str = r#"
objectives:
  - name: orders-succeed
    indicator:
      ratio:
        good: http_server_request_duration_seconds_count{service_name="shop",http_response_status_code!~"5.."}
        total: http_server_request_duration_seconds_count{service_name="shop"}
        over: 20s
    critical: {below: 90%, for: 2s}
  - name: orders-fast
    indicator:
      percentile: {of: http_server_request_duration_seconds, p: 95, where: 'service_name="shop"', over: 20s, by: [http_route]}
    target: 200ms
    warning: {above: 200ms, for: 2s}
"#;

/// `(alert name, route)` of what fires in the Prometheus at `url`.
async fn firing_there(url: &str) -> Vec<(String, String)> {
    let answer: Value = client().get(format!("{url}/api/v1/alerts")).send().await.unwrap().json().await.unwrap();
    let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<_> = alerts.iter().filter(|a| a["state"] == "firing").map(|a| name(&a["labels"])).collect();
    names.sort();
    names
}

/// The same of our own open incidents.
async fn firing_here(url: &str) -> Vec<(String, String)> {
    let answer: Value = client().get(format!("{url}/api/incidents")).send().await.unwrap().json().await.unwrap();
    let incidents = answer["incidents"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<_> = incidents.iter().map(|i| name(&i["labels"])).collect();
    names.sort();
    names
}

fn name(labels: &Value) -> (String, String) {
    let text = |key: &str| labels[key].as_str().unwrap_or_default().to_owned();
    (format!("{} {}", text("objective"), text("severity")), text("http_route"))
}

/// Posts a few requests and waits until `done`; traffic goes on all the time, as in a real service.
async fn traffic_until(
    service: &Plimsoll,
    status: u16,
    duration_ms: f64,
    there: &str,
    done: impl Fn(&[(String, String)]) -> bool,
) {
    wait::until("both say the same", Duration::from_secs(90), || async {
        let request = |route: &str, ms: f64| {
            json!({"kind": "http", "service": "shop", "route": route, "method": "GET", "status": status, "duration_ms": ms})
        };
        let body = json!([request("/a", duration_ms), request("/a", duration_ms), request("/b", 4.0)]).to_string();
        let post = client().post(format!("{}/ingest/timings", service.url())).header("content-type", "application/json");
        assert_eq!(post.body(body).send().await.unwrap().status(), 204);
        let (here, there) = (firing_here(&service.url()).await, firing_there(there).await);
        if done(&here) && done(&there) { Ok(()) } else { Err(format!("here {here:?}, there {there:?}")) }
    })
    .await;
}

#[tokio::test]
async fn exported_rules_fire_and_resolve_with_ours() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), RULES).unwrap();
    let service = Plimsoll::start(folder.path(), "objectives: [rules.yaml]\nevaluate_every: 1s\n").await;
    let (status, rules, err) = run(folder.path(), &["export", "rules"]);
    assert_eq!(status, 0, "{err}");
    let target = service.url().replace("http://", "");
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\nscrape_configs:\n\
         - {{job_name: plimsoll, honor_labels: true, static_configs: [{{targets: ['{target}']}}]}}\n"
    );
    let prometheus = Prometheus::start(&config, &[("rules.yml", &rules)]);
    prometheus.wait_ready().await;
    let there = prometheus.url();
    let only = |expected: &'static [(&'static str, &'static str)]| {
        move |seen: &[(String, String)]| seen.iter().map(|(a, r)| (a.as_str(), r.as_str())).eq(expected.iter().copied())
    };
    traffic_until(&service, 200, 5.0, &there, only(&[])).await;
    traffic_until(
        &service,
        500,
        350.0,
        &there,
        only(&[("orders-fast warning", "/a"), ("orders-succeed critical", "")]),
    )
    .await;
    traffic_until(&service, 200, 5.0, &there, only(&[])).await;
    let up: Value = client().get(format!("{there}/api/v1/query?query=up")).send().await.unwrap().json().await.unwrap();
    assert_eq!(up["data"]["result"][0]["value"][1], "1", "Prometheus could not scrape us");
}
