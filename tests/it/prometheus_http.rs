//! The HTTP API of the real binary beside a real Prometheus that was sent the same samples: numbers and their
//! text, errors, parameters; and what real clients ask.

mod classic;
mod clients;
mod differences;
mod grafana;
mod history;
mod peers;
mod replies;

use std::time::Duration;

use plimsoll::base::{Clock, SystemClock};
use serde_json::Value;

use crate::remote_write::schema::{packed, v1};
use crate::support::plimsoll::{Plimsoll, client};
use crate::support::prometheus::Prometheus;
use crate::support::wait::until;

/// Samples of each series, one each 15 s.
const SAMPLES: i64 = 80;

/// A Plimsoll and a Prometheus with the same samples of the last twenty minutes.
pub(super) struct Pair {
    pub(super) service: Plimsoll,
    pub(super) prometheus: Prometheus,
    /// Unix milliseconds, a multiple of 15 s; the samples are a little later than the multiples.
    pub(super) base: i64,
    _folder: tempfile::TempDir,
}

/// A reply: its status, headers and JSON.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) json: Value,
}

impl Pair {
    pub(super) async fn start() -> Self {
        Self::start_with_age(0).await
    }

    /// The samples are so many seconds older.
    pub(super) async fn start_with_age(seconds: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Plimsoll::start(folder.path(), "objectives: []\n").await;
        let prometheus = Prometheus::start_with("global: {}\n", &["--web.enable-remote-write-receiver"]);
        prometheus.wait_ready().await;
        let base = (SystemClock.now().as_millis() / 15_000 - SAMPLES - 1) * 15_000 - seconds * 1000;
        let pair = Self { service, prometheus, base, _folder: folder };
        for url in pair.urls() {
            assert_eq!(send(&url, samples(base)).await, 204, "{url}");
        }
        pair.wait_until_both_have_all().await;
        pair
    }

    pub(super) async fn wait_until_both_have_all(&self) {
        let query = format!("/api/v1/query?query=count(%7Bjob!=%22%22%7D)&time={}", self.seconds(600));
        until("both have all series", Duration::from_secs(30), || async {
            let counts = self.both("GET", &query, None).await.map(|r| r.json["data"]["result"][0]["value"][1].clone());
            if counts.iter().all(|c| *c == "14") { Ok(()) } else { Err(format!("{counts:?}")) }
        })
        .await;
    }

    /// Theirs, ours.
    pub(super) fn urls(&self) -> [String; 2] {
        [self.prometheus.url(), self.service.url()]
    }

    /// So many seconds after the first multiple, between two samples.
    pub(super) fn seconds(&self, after: i64) -> String {
        format!("{}", self.base / 1000 + after + 7)
    }

    /// The replies to the same request: theirs, ours.
    pub(super) async fn both(&self, method: &str, path: &str, form: Option<&str>) -> [Reply; 2] {
        let [theirs, ours] = self.urls();
        [ask(&theirs, method, path, form).await, ask(&ours, method, path, form).await]
    }

    pub(super) async fn ours(&self, path: &str) -> Value {
        let reply = ask(&self.service.url(), "GET", path, None).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.json);
        reply.json["data"].clone()
    }
}

/// One request; a body that is no JSON is null.
pub(super) async fn ask(url: &str, method: &str, path: &str, form: Option<&str>) -> Reply {
    let mut request = client().request(method.parse().unwrap(), format!("{url}{path}"));
    request = request.header("origin", "https://grafana.example");
    if let Some(form) = form {
        request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    }
    let reply = request.send().await.unwrap();
    let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
    Reply { status, headers, json: serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap_or_default() }
}

/// A form or a query string.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn send(url: &str, timeseries: Vec<v1::TimeSeries>) -> u16 {
    let body = packed(&v1::WriteRequest { timeseries, metadata: Vec::new() });
    let request = client().post(format!("{url}/api/v1/write")).header("content-type", "application/x-protobuf");
    let request = request.header("content-encoding", "snappy").header("x-prometheus-remote-write-version", "0.1.0");
    request.body(body).send().await.unwrap().status().as_u16()
}

/// Counters with resets, gauges with numbers of every size, a classic histogram.
fn samples(base: i64) -> Vec<v1::TimeSeries> {
    let series = |labels: &[(&str, &str)], value: &dyn Fn(i64) -> f64| {
        let samples: Vec<(f64, i64)> = (0..SAMPLES).map(|k| (value(k), base + 15_000 * k + 137)).collect();
        v1::series(labels, &samples, vec![])
    };
    let mut all = Vec::new();
    for (job, code, rate) in [("api", "200", 7), ("api", "500", 1), ("web", "200", 11), ("web", "404", 3)] {
        let count = move |k: i64| (if k < 50 { 1000 + k * rate } else { (k - 50) * rate }) as f64;
        all.push(series(&[("__name__", "requests_total"), ("job", job), ("code", code)], &count));
    }
    const ODD: [f64; 10] = [0.1 + 0.2, 1e-7, -0.0, 1e21, 123_456_789.125, -2.5e-9, f64::INFINITY, 1e15, 5e-324, 7.0];
    all.push(series(&[("__name__", "odd"), ("job", "numbers")], &|k| ODD[k as usize % ODD.len()]));
    all.push(series(&[("__name__", "nothing"), ("job", "numbers")], &|k| if k % 3 == 0 { f64::NAN } else { 0.5 }));
    for (room, shift) in [("a", 0.25), ("b\"\\\n\u{e4}", 1.0 / 3.0)] {
        all.push(series(&[("__name__", "temperature"), ("job", "rooms"), ("room", room)], &|k| shift + (k % 9) as f64));
    }
    for (le, rate) in [("0.1", 2), ("0.5", 5), ("1", 7), ("+Inf", 8)] {
        let labels = [("__name__", "latency_seconds_bucket"), ("job", "api"), ("le", le)];
        all.push(series(&labels, &|k| (1000 + k * rate) as f64));
    }
    all.push(series(&[("__name__", "latency_seconds_count"), ("job", "api")], &|k| (1000 + k * 8) as f64));
    all.push(series(&[("__name__", "latency_seconds_sum"), ("job", "api")], &|k| 250.0 + k as f64 * 1.75));
    all
}
