//! Our histograms are stored once; `_bucket`, `_count` and `_sum` are series that every path knows.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::plimsoll::{Plimsoll, client};
use crate::support::wait::until;

const NAME: &str = "http_server_request_duration_seconds";

async fn data(service: &Plimsoll, path: &str, pairs: &[(&str, &str)]) -> Value {
    let url = format!("{}/api/v1/{path}?{}", service.url(), super::form(pairs));
    let reply: Value = client().get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(reply["status"], "success", "{path} {pairs:?}: {reply}");
    reply["data"].clone()
}

fn words(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

async fn start(folder: &std::path::Path) -> Plimsoll {
    let service = Plimsoll::start(folder, "objectives: []\n").await;
    let request = |ms: f64| json!({"kind": "http", "service": "shop", "route": "/", "method": "GET", "status": 200, "duration_ms": ms});
    let body = json!([request(12.5), request(80.0), request(700.0)]);
    let reply = client().post(format!("{}/ingest/timings", service.url())).json(&body).send().await.unwrap();
    assert!(reply.status().is_success());
    until("the requests are counted", Duration::from_secs(20), || async {
        let count = service.value(&format!("{NAME}_count")).await;
        if count == 3.0 { Ok(()) } else { Err(count.to_string()) }
    })
    .await;
    service
}

#[tokio::test]
async fn virtual_series_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path()).await;
    let bucket = format!("{NAME}_bucket");
    let every = [("match[]", "{service_name=\"shop\"}")];
    let names = data(&service, "label/__name__/values", &every).await;
    for suffix in ["_bucket", "_count", "_sum"] {
        assert!(words(&names).contains(format!("{NAME}{suffix}").as_str()), "{suffix}: {names}");
    }
    let bounds = data(&service, "label/le/values", &[("match[]", &bucket)]).await;
    assert!(words(&bounds).is_superset(&["+Inf", "0.1", "1"].into()), "{bounds}");
    let some = data(&service, "label/le/values", &[("match[]", &format!("{bucket}{{le=~\"0.1|1\"}}"))]).await;
    assert_eq!(some, json!(["0.1", "1"]));
    let series = data(&service, "series", &[("match[]", &bucket)]).await;
    let listed: BTreeSet<&str> = series.as_array().unwrap().iter().filter_map(|s| s["le"].as_str()).collect();
    assert_eq!(listed, words(&bounds));
    for (suffix, has_bounds) in [("_bucket", true), ("_count", false), ("_sum", false)] {
        let labels = data(&service, "labels", &[("match[]", &format!("{NAME}{suffix}"))]).await;
        assert_eq!(words(&labels).contains("le"), has_bounds, "{suffix}: {labels}");
    }
}

#[tokio::test]
async fn virtual_series_are_selected() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path()).await;
    for (expression, value) in [
        (format!("{NAME}_bucket{{le=\"+Inf\"}}"), 3.0),
        (format!("{NAME}_bucket{{le=\"0.1\"}}"), 2.0),
        (format!("count({{__name__=~\"{NAME}_(count|sum)\"}})"), 2.0),
        (format!("sum({{__name__=\"{NAME}_bucket\",le=~\"0.1|1\"}})"), 5.0),
        ("count({service_name=\"shop\",__name__=~\".+_sum\"})".to_owned(), 1.0),
    ] {
        assert_eq!(service.value(&expression).await, value, "{expression}");
    }
    let url =
        format!("{}/federate?{}", service.url(), super::form(&[("match[]", &format!("{{__name__=~\"{NAME}.*\"}}"))]));
    let text = client().get(url).send().await.unwrap().text().await.unwrap();
    let line = |start: &str| text.lines().any(|l| l.starts_with(start));
    assert!(
        line(&format!("{NAME}_count{{")) && line(&format!("{NAME}_sum{{")) && text.contains("le=\"+Inf\""),
        "{text}"
    );
}
