//! What Grafana's Prometheus data source sends, written down as requests of our own: the test of the data source,
//! the metrics browser, variables, and panels.

use serde_json::json;

use super::{Pair, Reply, ask, form};

async fn get(pair: &Pair, path: &str) -> Reply {
    ask(&pair.service.url(), "GET", path, None).await
}

async fn post(pair: &Pair, path: &str, pairs: &[(&str, &str)]) -> Reply {
    ask(&pair.service.url(), "POST", path, Some(&form(pairs))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_the_data_source_tests_it() {
    let pair = Pair::start().await;
    let health = post(&pair, "/api/v1/query", &[("query", "1+1"), ("time", "4")]).await;
    assert_eq!((health.status, &health.json["data"]), (200, &json!({"resultType": "scalar", "result": [4, "2"]})));
    let build = get(&pair, "/api/v1/status/buildinfo").await;
    let version = build.json["data"]["version"].as_str().unwrap();
    let numbers: Vec<u32> = version.split('.').map(|n| n.parse().unwrap()).collect();
    assert!(numbers.len() == 3 && numbers[0] >= 3, "{version}");
    // From 2.24 on it asks for labels with matchers; features of Mimir are told by a field that must be absent.
    assert_eq!(build.json["data"].get("features"), None);
    let rules = get(&pair, "/api/v1/rules").await;
    assert_eq!((rules.status, &rules.json["data"]), (200, &json!({"groups": []})));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_browser_finds_its_way() {
    let pair = Pair::start().await;
    let (start, end) = (pair.seconds(0), pair.seconds(1200));
    let window = [("start", start.as_str()), ("end", end.as_str()), ("limit", "40000")];
    let names = get(&pair, &format!("/api/v1/label/__name__/values?{}", form(&window))).await;
    let names = names.json["data"].as_array().unwrap();
    assert!(names.contains(&json!("latency_seconds_bucket")) && names.contains(&json!("odd")), "{names:?}");
    let selector = [&window[..], &[("match[]", "{__name__=\"latency_seconds_bucket\"}")]].concat();
    let labels = post(&pair, "/api/v1/labels", &selector).await;
    assert_eq!(labels.json["data"], json!(["__name__", "job", "le"]));
    let values = get(&pair, &format!("/api/v1/label/le/values?{}", form(&selector))).await;
    assert_eq!(values.json["data"], json!(["+Inf", "0.1", "0.5", "1"]));
    let series = post(&pair, "/api/v1/series", &[&window[..2], &[("match[]", "odd"), ("limit", "1")]].concat()).await;
    assert_eq!(series.json["data"], json!([{"__name__": "odd", "job": "numbers"}]));
    let metadata = get(&pair, "/api/v1/metadata?limit=40000").await;
    assert!(metadata.json["data"]["odd"][0]["type"].is_string(), "{}", metadata.json);
    let limited = get(&pair, "/api/v1/metadata?limit=2").await;
    assert_eq!(limited.json["data"].as_object().map(|m| m.len()), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_filled() {
    let pair = Pair::start().await;
    let window = [("start", pair.seconds(0)), ("end", pair.seconds(1200))];
    let window: Vec<(&str, &str)> = window.iter().map(|(n, v)| (*n, v.as_str())).collect();
    for (label, selector, expected) in [
        ("job", "requests_total", json!(["api", "web"])),
        ("code", "requests_total{job=~\"web|none\"}", json!(["200", "404"])),
        ("job", "{__name__=~\"latency_seconds_(bucket|sum)\",le!=\"1\"}", json!(["api"])),
    ] {
        let parameters = [&window[..], &[("match[]", selector)]].concat();
        let values = get(&pair, &format!("/api/v1/label/{label}/values?{}", form(&parameters))).await;
        assert_eq!(values.json["data"], expected, "{selector}");
    }
    // `query_result(…)`
    let time = pair.seconds(900);
    let result = post(&pair, "/api/v1/query", &[("query", "count by (job) (requests_total)"), ("time", &time)]).await;
    assert_eq!(result.json["data"]["result"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn panels_are_drawn() {
    let pair = Pair::start().await;
    // Grafana aligns both ends to the step.
    let align = |seconds: i64| ((pair.base / 1000 + seconds) / 15 * 15).to_string();
    let (start, end) = (align(313), align(1111));
    let panel = [
        ("query", "sum by (job) (rate(requests_total{job=~\"api|web\"}[1m0s]))"),
        ("start", start.as_str()),
        ("end", end.as_str()),
        ("step", "15"),
        ("timeout", "60s"),
    ];
    let reply = post(&pair, "/api/v1/query_range", &panel).await;
    let result = reply.json["data"]["result"].as_array().unwrap();
    assert_eq!((reply.status, result.len()), (200, 2));
    let times: Vec<i64> = result[0]["values"].as_array().unwrap().iter().map(|v| v[0].as_i64().unwrap()).collect();
    assert_eq!((times[0].to_string(), times.last().unwrap().to_string()), (start.clone(), end.clone()));
    assert!(times.windows(2).all(|w| w[1] - w[0] == 15), "{times:?}");
    let heat = [("query", "sum by (le) (increase(latency_seconds_bucket[5m]))"), ("time", &end)];
    let heat = post(&pair, "/api/v1/query", &heat).await;
    assert_eq!(heat.json["data"]["result"].as_array().map(Vec::len), Some(4));
    let exemplars = [("query", "latency_seconds_bucket"), ("start", &start), ("end", &end)];
    assert_eq!(post(&pair, "/api/v1/query_exemplars", &exemplars).await.json["data"], json!([]));
    let wrong =
        post(&pair, "/api/v1/query_range", &[("query", "sum("), ("start", &start), ("end", &end), ("step", "15")])
            .await;
    assert_eq!((wrong.status, &wrong.json["errorType"]), (400, &json!("bad_data")));
}
