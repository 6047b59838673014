//! Remote write from real senders: what a real Prometheus has, we have after it sent it; what was answered 2xx
//! survives SIGKILL; and the examples of the 2.0 specification, written by hand.

mod kills;
#[path = "../../src/ingest/remote_write/tests/schema.rs"]
pub(crate) mod schema;
mod target;

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll::base::{Clock, SystemClock};
use serde_json::Value;

use crate::support::plimsoll::{Plimsoll, client};
use crate::support::process::{Process, free_port};
use crate::support::prometheus::Prometheus;
use crate::support::wait::until;
use schema::{BucketSpan, Count, Histogram, ZeroCount, packed, v1, v2};
use target::Target;

const CONFIG: &str = "objectives: []\n";
/// Every float of the last minutes. Native histograms are compared at instants: Prometheus 2.42 gives those of a
/// range memory that it uses again, so that one series shows the samples of another.
const EVERYTHING: &str = r#"{job=~".+",__name__!~"fed_.*"}[5m]"#;
const NATIVES: &str = r#"{__name__=~"fed_(int|float)"}"#;

fn now_millis() -> i64 {
    SystemClock.now().as_millis()
}

/// A GET of the query API.
async fn get(url: &str, action: &str, parameters: &[(&str, &str)]) -> Value {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let reply = client().get(format!("{url}/api/v1/{action}?{query}")).send().await.expect("a reply");
    let body: Value = reply.json().await.expect("JSON");
    assert_eq!(body["status"], "success", "{action} {parameters:?}: {body}");
    body["data"].clone()
}

/// By series: every value, native histograms as their count, sum and buckets. Floats by their bits.
type Points = BTreeMap<String, Vec<String>>;

fn points(data: &Value) -> Points {
    let result = data["result"].as_array().expect("a result");
    let of = |series: &Value| {
        let one = |key: &str| series.get(key).map(|v| vec![v.clone()]);
        let all = |key: &str| series[key].as_array().cloned();
        let floats = one("value").or_else(|| all("values")).unwrap_or_default();
        let histograms = one("histogram").or_else(|| all("histograms")).unwrap_or_default();
        let words = floats.iter().map(word).chain(histograms.iter().map(histogram)).collect();
        (series["metric"].to_string(), words)
    };
    result.iter().map(of).collect()
}

/// `time value`, however each side writes its numbers.
fn word(point: &Value) -> String {
    let value: f64 = point[1].as_str().expect("text").parse().expect("a number");
    format!("{:.3} {value:e}", point[0].as_f64().expect("a time"))
}

fn histogram(point: &Value) -> String {
    // Bounds differ in the last digit: Prometheus takes them from a table, we compute them.
    let number = |v: &Value| format!("{:.13e}", v.as_str().expect("text").parse::<f64>().expect("a number"));
    let h = &point[1];
    let buckets: Vec<String> = h["buckets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|b| format!("{} {} {} {}", b[0], number(&b[1]), number(&b[2]), number(&b[3])))
        .collect();
    format!("{:.3} {} {} {buckets:?}", point[0].as_f64().expect("a time"), number(&h["count"]), number(&h["sum"]))
}

fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Waits until both say the same of an instant query, and returns what that is.
async fn agree(there: &str, here: &str, expression: &str, at: i64) -> Points {
    let at = seconds(at);
    let parameters = [("query", expression), ("time", at.as_str())];
    until(&format!("both answer {expression} alike"), Duration::from_secs(60), || async {
        let theirs = points(&get(there, "query", &parameters).await);
        let ours = points(&get(here, "query", &parameters).await);
        if theirs == ours { Ok(ours) } else { Err(difference(&theirs, &ours)) }
    })
    .await
}

fn difference(theirs: &Points, ours: &Points) -> String {
    let differs = |name: &&String| theirs.get(*name) != ours.get(*name);
    let names: Vec<&String> = theirs.keys().chain(ours.keys()).filter(differs).collect();
    let first = names.first().map(|n| format!("{n}: theirs {:?}, ours {:?}", theirs.get(*n), ours.get(*n)));
    format!("{} of {} series differ; first {first:?}", names.len(), theirs.len())
}

/// What of the two range queries differs by more than rounding.
async fn agree_on_range(there: &str, here: &str, expression: &str, start: i64, end: i64) -> usize {
    let (start, end) = (seconds(start), seconds(end));
    let parameters = [("query", expression), ("start", &start), ("end", &end), ("step", "2")];
    let read = |data: Value| -> BTreeMap<String, Vec<(f64, f64)>> {
        let number =
            |p: &Value| (p[0].as_f64().expect("a time"), p[1].as_str().expect("text").parse().expect("a number"));
        let result = data["result"].as_array().expect("a result").clone();
        result
            .iter()
            .map(|s| (s["metric"].to_string(), s["values"].as_array().into_iter().flatten().map(number).collect()))
            .collect()
    };
    let theirs = read(get(there, "query_range", &parameters).await);
    let ours = read(get(here, "query_range", &parameters).await);
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>(), "{expression}");
    for (name, expected) in &theirs {
        let close = |(a, b): (&(f64, f64), &(f64, f64))| a.0 == b.0 && (a.1 - b.1).abs() <= 1e-9 * a.1.abs().max(1.0);
        let same = expected.len() == ours[name].len() && expected.iter().zip(&ours[name]).all(close);
        assert!(same, "{expression} {name}: theirs {expected:?}, ours {:?}", ours[name]);
    }
    theirs.values().map(Vec::len).sum()
}

/// A native histogram as a client library counts it; `step` makes it grow. Floats, when `step` says so.
fn native(step: u64, float: bool, at: i64) -> Histogram {
    let (zero, first, second, below) = (step, 2 * step, 3 * step, step);
    let span = |offset, length| BucketSpan { offset, length };
    let count = zero + first + second + below;
    let mut h = Histogram {
        sum: step as f64 * 1.25,
        schema: 3,
        zero_threshold: 1e-128,
        positive_spans: vec![span(-4, 1), span(6, 1)],
        negative_spans: vec![span(2, 1)],
        timestamp: at,
        ..Histogram::default()
    };
    if float {
        h.count = Some(Count::Float(count as f64 + 0.5));
        h.zero_count = Some(ZeroCount::Float(zero as f64 + 0.5));
        (h.positive_counts, h.negative_counts) = (vec![first as f64, second as f64], vec![below as f64]);
    } else {
        h.count = Some(Count::Int(count));
        h.zero_count = Some(ZeroCount::Int(zero));
        (h.positive_deltas, h.negative_deltas) = (vec![first as i64, (second - first) as i64], vec![below as i64]);
    }
    h
}

/// Sends a version 1 request.
async fn write(url: &str, series: Vec<v1::TimeSeries>) -> u16 {
    let body = packed(&v1::WriteRequest { timeseries: series, metadata: Vec::new() });
    let request = client().post(format!("{url}/api/v1/write")).header("content-type", "application/x-protobuf");
    let request = request.header("content-encoding", "snappy").header("x-prometheus-remote-write-version", "0.1.0");
    request.body(body).send().await.map_or(0, |reply| reply.status().as_u16())
}

/// Gives Prometheus native histograms, which it sends on like what it scrapes.
async fn feed_natives(prometheus: &str, steps: u64) {
    for step in 1..=steps {
        let at = now_millis();
        let named =
            |name: &str, float| v1::series(&[("__name__", name), ("job", "fed")], &[], vec![native(step, float, at)]);
        assert_eq!(write(prometheus, vec![named("fed_int", false), named("fed_float", true)]).await, 204);
        until("a millisecond has passed", Duration::from_secs(1), || async move {
            if now_millis() > at { Ok(()) } else { Err(String::new()) }
        })
        .await;
    }
}

fn config(here: &str, jobs: &[(&str, u16)]) -> String {
    let job = |(name, port): &(&str, u16)| {
        format!("- {{job_name: {name}, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n")
    };
    let jobs: String = jobs.iter().map(job).collect();
    format!(
        "global: {{scrape_interval: 1s}}\nremote_write:\n- url: {here}/api/v1/write\n  send_native_histograms: true\n  \
         send_exemplars: true\n  metadata_config: {{send_interval: 2s}}\n  queue_config: {{min_backoff: 50ms, max_backoff: \
         500ms, batch_send_deadline: 500ms}}\nscrape_configs:\n{jobs}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_real_prometheus_has_we_have() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Plimsoll::start(folder.path(), CONFIG).await;
    let here = service.url();
    let node_port = free_port();
    let mut node = std::process::Command::new("prometheus-node-exporter");
    node.arg(format!("--web.listen-address=127.0.0.1:{node_port}"));
    let _node = Process::start("node exporter", &mut node, &folder.path().join("node.log"));
    let mut target = Target::start();
    let own_port = here.rsplit(':').next().unwrap().parse().unwrap();
    let config = config(&here, &[("node", node_port), ("target", target.port()), ("plimsoll", own_port)]);
    let features = ["--enable-feature=native-histograms", "--web.enable-remote-write-receiver"];
    let mut prometheus = Prometheus::start_with(&config, &features);
    prometheus.wait_ready().await;
    let there = prometheus.url();

    // Some scrapes, a counter that restarts, histograms of both kinds.
    scraped(&there, 4).await;
    feed_natives(&there, 20).await;
    target.restart();
    scraped(&there, 9).await;
    let at = now_millis() - 500;
    let all = agree(&there, &here, EVERYTHING, at).await;
    assert!(all.len() > 300, "only {} series", all.len());
    let natives = agree(&there, &here, NATIVES, at).await;
    assert_eq!(natives.len(), 2, "{natives:?}");
    for expression in ["increase(target_steps_total[20s])", "sum by (mode) (rate(node_cpu_seconds_total[6s]))", "up"] {
        let compared = agree_on_range(&there, &here, expression, at - 8_000, at).await;
        assert!(compared > 0, "{expression} compared nothing");
    }
    metadata(&there, &here).await;

    // We die and come back, then Prometheus is restarted: nothing is missing afterwards.
    service.kill();
    scraped(&there, 12).await;
    service.restart().await;
    prometheus.restart().await;
    scraped(&there, 20).await;
    let at = now_millis() - 500;
    agree(&there, &here, EVERYTHING, at).await;
    assert_eq!(agree(&there, &here, NATIVES, at).await.len(), 2);

    // The target goes away: both stop showing it at once, and not after five minutes.
    target.stop();
    until("the target is gone", Duration::from_secs(30), || async {
        let gone = points(&get(&here, "query", &[("query", "target_steps_total")]).await);
        if gone.is_empty() { Ok(()) } else { Err(format!("{gone:?}")) }
    })
    .await;
    let at = now_millis();
    assert!(agree(&there, &here, "target_steps_total", at).await.is_empty());
    let tally =
        points(&get(&here, "query", &[("query", r#"plimsoll_ingest_dropped_total{endpoint="remote_write"}"#)]).await);
    let real: Vec<_> =
        tally.iter().filter(|(name, _)| !name.contains("\"job\"") && !name.contains("exemplar")).collect();
    assert!(real.is_empty(), "something of a healthy sender was dropped: {real:?}");
}

/// Waits until the target was scraped so many times.
async fn scraped(there: &str, times: u64) {
    until("prometheus scrapes", Duration::from_secs(90), || async {
        let parameters = [("query", r#"count_over_time(up{job="node"}[10m])"#)];
        let data = get(there, "query", &parameters).await;
        let count: u64 = data["result"][0]["value"][1].as_str().unwrap_or("0").parse().unwrap_or(0);
        if count >= times { Ok(()) } else { Err(format!("{count} scrapes")) }
    })
    .await;
}

async fn metadata(there: &str, here: &str) {
    for metric in ["node_cpu_seconds_total", "node_load1", "target_steps_total"] {
        let parameters = [("metric", metric)];
        until("metadata arrives", Duration::from_secs(60), || async {
            let (theirs, ours) = (get(there, "metadata", &parameters).await, get(here, "metadata", &parameters).await);
            if theirs == ours && !ours[metric][0]["help"].is_null() { Ok(()) } else { Err(format!("{theirs} {ours}")) }
        })
        .await;
    }
}

/// The request of the 2.0 specification: symbols, a counter with metadata and its start, a histogram.
fn second(at: i64) -> v2::Request {
    let mut request = v2::Request::default();
    let counter = ["__name__", "http_requests_total", "job", "shop"].map(|s| request.symbol(s.as_bytes())).to_vec();
    let (help_ref, unit_ref) = (request.symbol(b"Requests."), request.symbol(b""));
    let histogram = ["__name__", "http_seconds", "job", "shop"].map(|s| request.symbol(s.as_bytes())).to_vec();
    request.timeseries = vec![
        v2::TimeSeries {
            labels_refs: counter,
            samples: vec![schema::Sample { value: 42.0, timestamp: at }],
            metadata: Some(v2::Metadata { kind: 1, help_ref, unit_ref }),
            ..Default::default()
        },
        v2::TimeSeries { labels_refs: histogram, histograms: vec![native(3, false, at)], ..Default::default() },
    ];
    request
}

#[tokio::test]
async fn version_2_is_taken_and_told_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let service = Plimsoll::start(folder.path(), CONFIG).await;
    let at = now_millis();
    let send = |body: Vec<u8>| {
        let request = client().post(format!("{}/api/v1/write", service.url()));
        let request = request.header("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
        request
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "2.0.0")
            .body(body)
            .send()
    };
    // Twice: what comes again as it was is fine.
    for _ in 0..2 {
        let reply = send(packed(&second(at))).await.unwrap();
        let written = |kind: &str| reply.headers()[&format!("x-prometheus-remote-write-{kind}-written")].clone();
        assert_eq!(reply.status(), 204);
        assert_eq!([written("samples"), written("histograms"), written("exemplars")], ["1", "1", "0"]);
    }
    let value = get(&service.url(), "query", &[("query", r#"http_requests_total{job="shop"}"#)]).await;
    assert_eq!(value["result"][0]["value"][1], "42");
    let count = get(&service.url(), "query", &[("query", "histogram_count(http_seconds)")]).await;
    assert_eq!(count["result"][0]["value"][1], "21");
    let told = get(&service.url(), "metadata", &[("metric", "http_requests_total")]).await;
    assert_eq!(told["http_requests_total"][0]["help"], "Requests.");
    // What can never be taken is told, the rest is stored, and nothing asks for a retry.
    let reply = send(packed(&second(at + 3_600_000))).await.unwrap();
    assert_eq!(reply.status(), 400);
    assert!(reply.text().await.unwrap().starts_with("2 of 2 not stored: 2 out_of_range"), "the text says why");
}
