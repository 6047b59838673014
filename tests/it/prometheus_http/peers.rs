//! A real Prometheus that gets its samples from us: by federation, and by remote read.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Pair, form, send};
use crate::remote_write::schema::v1;
use crate::support::prometheus::Prometheus;
use crate::support::wait::until;
use plimsoll::base::{Clock, SystemClock};

/// By labels: time and value.
fn samples(data: &Value) -> BTreeMap<String, Value> {
    let result = data["result"].as_array().cloned().unwrap_or_default();
    result.iter().map(|s| (s["metric"].to_string(), s["values"].clone())).collect()
}

fn address(url: &str) -> &str {
    url.trim_start_matches("http://")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_federates_from_us() {
    let pair = Pair::start().await;
    let at = SystemClock.now().as_millis();
    let series = |name: &str, labels: &[(&str, &str)], value: f64| {
        v1::series(&[&[("__name__", name)], labels].concat(), &[(value, at)], vec![])
    };
    let fresh = vec![
        series("fed_value", &[("job", "own"), ("instance", "i:1")], 0.1 + 0.2),
        series("fed_value", &[("job", "own"), ("text", "\"\\\nä")], -1e-9),
        series("fed_other", &[("job", "own")], 12.0),
    ];
    assert_eq!(send(&pair.service.url(), fresh).await, 204);
    let url = pair.service.url();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: federate\n  honor_labels: true\n  \
         metrics_path: /federate\n  params: {{'match[]': ['{{__name__=~\"fed_.*\"}}']}}\n  \
         static_configs: [{{targets: ['{}']}}]\n",
        address(&url)
    );
    let prometheus = Prometheus::start(&config, &[]);
    prometheus.wait_ready().await;
    let path = format!("/api/v1/query?{}", form(&[("query", "{job=\"own\"}[5m]")]));
    let ours = samples(&pair.ours(&path).await);
    assert_eq!(ours.len(), 3);
    until("Prometheus has what we have", Duration::from_secs(30), || async {
        let theirs = samples(&prometheus.get_json(&path).1["data"]);
        if theirs == ours { Ok(()) } else { Err(format!("theirs {theirs:?}, ours {ours:?}")) }
    })
    .await;
    let up = prometheus.get_json("/api/v1/query?query=up").1["data"]["result"][0]["value"][1].clone();
    assert_eq!(up, json!("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_reads_from_us() {
    let pair = Pair::start().await;
    let config = format!("remote_read: [{{url: '{}/api/v1/read', read_recent: true}}]\n", pair.service.url());
    let reader = Prometheus::start(&config, &[]);
    reader.wait_ready().await;
    let (start, end) = (pair.seconds(300), pair.seconds(900));
    for expression in [
        "{job=~\"api|numbers|rooms\"}",
        "sum by (job) (rate(requests_total[5m]))",
        "histogram_quantile(0.9, rate(latency_seconds_bucket{le!~\"x.*\"}[5m]))",
        "temperature{room!=\"a\"}",
    ] {
        let parameters = form(&[("query", expression), ("start", &start), ("end", &end), ("step", "30")]);
        let path = format!("/api/v1/query_range?{parameters}");
        let (status, theirs) = reader.get_json(&path);
        assert_eq!(status, 200, "{theirs}");
        let (theirs, ours) = (samples(&theirs["data"]), samples(&pair.ours(&path).await));
        assert!(!ours.is_empty() && theirs == ours, "{expression}: theirs {theirs:?}, ours {ours:?}");
    }
    let names = reader.get_json("/api/v1/query?query=count(%7Bjob=%22none%22%7D)").1;
    assert_eq!(names["data"]["result"], json!([]));
}
