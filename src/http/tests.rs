mod browsers;

use std::io::Write as _;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::ingest::testkit::{NOW, World};
use super::*;
use crate::alert::model::{BudgetLeft, ObjectiveStatus, StatusKind};
use crate::base::{DropReason, Labels, Secret};
use crate::ingest::Endpoint;
use crate::series::{PendingVital, RecordError};
use crate::sketch::Histogram;

const TIMING: &str = r#"{"kind":"http","service":"a","route":"/x","duration_ms":1}"#;
const BEACON: &str = r#"{"v":1,"site":"shop","view":"a","metrics":[{"name":"LCP","value":1200}]}"#;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Checks the form of a problem document and returns its reason.
    fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{:?}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document = self.json();
        assert_eq!(document["status"], status);
        assert!(document["detail"].as_str().is_some_and(|d| !d.is_empty()));
        document["reason"].as_str().unwrap_or_default().to_owned()
    }
}

impl World {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = router(self.api.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const PAGE: (&str, &str) = ("origin", "https://shop.example");

fn open() -> World {
    World::new(Settings::default(), crate::ingest::Settings::default())
}

fn key(secret: &str, origins: &[&str], service: Option<&str>) -> IngestKey {
    IngestKey {
        secret: Secret::new(secret),
        origins: origins.iter().map(|o| auth::Origin::parse(o).unwrap()).collect(),
        service: service.map(str::to_owned),
        rate: None,
    }
}

fn locked() -> World {
    let keys = Keys { ingest: vec![key("shop", &["https://shop.example"], None)], admin: vec![Secret::new("root")] };
    World::new(Settings { keys, ..Settings::default() }, crate::ingest::Settings::default())
}

#[tokio::test]
async fn good_bodies_are_204() {
    let world = open();
    for (path, headers, body) in [
        ("/ingest/timings", &[JSON][..], format!("[{TIMING},{TIMING}]")),
        ("/ingest/timings", &[("content-type", "application/x-ndjson")], format!("{TIMING}\n{TIMING}")),
        ("/ingest/vitals", &[("content-type", "text/plain;charset=UTF-8"), PAGE], BEACON.to_owned()),
        ("/ingest/vitals", &[JSON], BEACON.to_owned()),
        ("/ingest/vitals", &[], BEACON.to_owned()),
        ("/api/performance/metrics", &[JSON], r#"{"type":"api_performance","duration":1}"#.to_owned()),
        ("/api/performance/metrics", &[JSON], BEACON.to_owned()),
    ] {
        let answer = world.post(path, headers, body).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert_eq!(world.behind.recorded(), 9);
    assert_eq!(world.tally(Endpoint::Timings), (4, 4, vec![]));
    assert_eq!(world.tally(Endpoint::Vitals), (3, 3, vec![]));
    assert_eq!(world.tally(Endpoint::Performance), (2, 2, vec![]));
}

#[tokio::test]
async fn some_bad_lines_are_200_with_their_errors() {
    let world = open();
    let body = format!("{TIMING}\n{{\"kind\":\"http\"}}\nrubbish\n{TIMING}");
    let answer = world.post("/ingest/timings", &[("content-type", "application/x-ndjson")], body).await;
    assert_eq!(answer.status, StatusCode::OK);
    let reply = answer.json();
    assert_eq!(reply["accepted"], 2);
    let lines: Vec<u64> = reply["rejected"].as_array().unwrap().iter().map(|e| e["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 3]);
    assert_eq!(reply["rejected"][0]["error"], "duration_ms is missing");
    assert_eq!(world.tally(Endpoint::Timings), (4, 2, vec![(DropReason::Malformed, 1), (DropReason::Invalid, 1)]));
}

#[tokio::test]
async fn what_is_all_bad_is_400_or_422() {
    let world = open();
    for (path, body, status, reason) in [
        ("/ingest/timings", "{", 400, "malformed"),
        ("/ingest/timings", "", 400, "malformed"),
        ("/ingest/timings", r#"{"kind":"http","duration_ms":NaN}"#, 400, "malformed"),
        ("/ingest/timings", r#"{"kind":"http","duration_ms":"5"}"#, 422, "invalid"),
        ("/ingest/timings", r#"{"kind":"http","duration_ms":1e999}"#, 422, "implausible"),
        ("/ingest/timings", r#"{"kind":"http","duration_ms":-1}"#, 422, "implausible"),
        ("/ingest/timings", r#"{"kind":"fax","duration_ms":1}"#, 422, "unknown_metric"),
        ("/ingest/vitals", "nonsense", 400, "malformed"),
        ("/ingest/vitals", r#"{"v":1,"view":"a","metrics":[{"name":"XYZ","value":1}]}"#, 422, "unknown_metric"),
        ("/ingest/vitals", r#"{"v":1,"view":"a","metrics":[{"name":"LCP","value":-1}]}"#, 422, "implausible"),
        ("/ingest/vitals", r#"{"v":9,"metrics":[]}"#, 422, "invalid"),
        ("/api/performance/metrics", r#"{"type":"x_performance","duration":1}"#, 422, "unknown_metric"),
        ("/api/performance/metrics", "<xml/>", 400, "malformed"),
    ] {
        let answer = world.post(path, &[JSON], body).await;
        assert_eq!(answer.problem(status), reason, "{path} {body}");
        assert_eq!(answer.json()["accepted"], 0);
    }
    let long = format!(r#"{{"kind":"http","duration_ms":1,"route":"/{}"}}"#, "x".repeat(300));
    assert_eq!(world.post("/ingest/timings", &[JSON], long).await.problem(422), "too_long");
    assert_eq!(world.behind.recorded(), 0);
    world.tally(Endpoint::Timings);
    world.tally(Endpoint::Vitals);
}

#[tokio::test]
async fn bots_are_dropped_with_204() {
    let world = open();
    let answer = world.post("/ingest/vitals", &[JSON, ("user-agent", "HeadlessChrome/142")], BEACON).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(world.tally(Endpoint::Vitals), (1, 0, vec![(DropReason::Bot, 1)]));
    assert!(world.behind.batches.lock().is_empty());
}

#[tokio::test]
async fn hints_of_the_browser_decide_the_device() {
    let world = open();
    world.post("/ingest/vitals?site=other", &[JSON, ("sec-ch-ua-mobile", "?1")], BEACON).await;
    let bare = BEACON.replace(r#""site":"shop","#, "");
    world.post("/ingest/vitals?a=b&site=query", &[JSON, ("sec-ch-ua-mobile", "?0")], bare).await;
    let batches = world.behind.batches.lock();
    let labels = |i: usize| (batches[i].vitals[0].labels.value("device"), batches[i].vitals[0].key.site.as_str());
    assert_eq!((labels(0), labels(1)), (("phone", "shop"), ("desktop", "query")));
}

#[tokio::test]
async fn wrong_types_encodings_methods_and_paths() {
    let world = open();
    for (path, content_type) in
        [("/ingest/timings", "text/plain"), ("/ingest/timings", "application/xml"), ("/ingest/vitals", "image/png")]
    {
        let answer = world.post(path, &[("content-type", content_type)], TIMING).await;
        assert_eq!(answer.problem(415), "unsupported_type");
    }
    assert_eq!(world.post("/ingest/timings", &[], TIMING).await.problem(415), "unsupported_type");
    let packed = [JSON, ("content-encoding", "br")];
    assert_eq!(world.post("/ingest/timings", &packed, TIMING).await.problem(415), "unsupported_type");
    let wrong = world.get("/ingest/timings").await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), "POST");
    let wrong = world.send(Request::delete("/ingest/vitals").body(Body::empty()).unwrap()).await;
    wrong.problem(405);
    let mut allowed: Vec<&str> = wrong.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["OPTIONS", "POST"]);
    world.get("/nowhere").await.problem(404);
    let prometheus = world.get("/api/v1/nowhere").await;
    assert_eq!(prometheus.status, StatusCode::NOT_FOUND);
    assert_eq!((&prometheus.json()["status"], &prometheus.json()["errorType"]), (&json!("error"), &json!("not_found")));
    assert_eq!(world.tally(Endpoint::Timings), (4, 0, vec![(DropReason::UnsupportedType, 4)]));
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn packed_bodies_are_unpacked_and_bombs_are_not() {
    let world = open();
    let lines = vec![TIMING; 1000].join("\n");
    let zstd = zstd::encode_all(lines.as_bytes(), 3).unwrap();
    for (encoding, body) in [("gzip", gzip(lines.as_bytes())), ("zstd", zstd)] {
        let answer = world.post("/ingest/timings", &[JSON, ("content-encoding", encoding)], body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.behind.recorded(), 2000);
    let zeros = vec![b' '; 100 << 20];
    let zstd = zstd::encode_all(&zeros[..], 3).unwrap();
    for (encoding, bomb) in [("gzip", gzip(&zeros)), ("zstd", zstd)] {
        assert!(bomb.len() < 1 << 20);
        for path in ["/ingest/timings", "/api/performance/metrics"] {
            let answer = world.post(path, &[JSON, ("content-encoding", encoding)], bomb.clone()).await;
            assert_eq!(answer.problem(413), "too_large");
        }
    }
    let answer = world.post("/ingest/timings", &[JSON, ("content-encoding", "gzip")], TIMING).await;
    assert_eq!(answer.problem(400), "malformed");
    world.tally(Endpoint::Timings);
}

#[tokio::test]
async fn bodies_over_the_limit_are_413_declared_or_not() {
    let world = open();
    let ten_mb = vec![b'x'; 10 << 20];
    let declared = [JSON, ("content-length", "10485760")];
    assert_eq!(world.post("/ingest/timings", &declared, ten_mb.clone()).await.problem(413), "too_large");
    let chunks = ten_mb.chunks(1 << 16).map(|c| Ok::<_, std::io::Error>(bytes::Bytes::copy_from_slice(c)));
    let stream = Body::from_stream(futures::stream::iter(chunks.collect::<Vec<_>>()));
    assert_eq!(world.post("/ingest/timings", &[JSON], stream).await.problem(413), "too_large");
    let beacon = vec![b' '; (64 << 10) + 1];
    assert_eq!(world.post("/ingest/vitals", &[JSON], beacon).await.problem(413), "too_large");
    assert_eq!(world.tally(Endpoint::Timings), (2, 0, vec![(DropReason::TooLarge, 2)]));
    assert_eq!(world.tally(Endpoint::Vitals), (1, 0, vec![(DropReason::TooLarge, 1)]));
}

#[tokio::test]
async fn preflights_are_answered_for_two_hours() {
    let options = |origin: &str| {
        let request = Request::options("/ingest/vitals").header("origin", origin.to_owned());
        request.header("access-control-request-method", "POST").body(Body::empty()).unwrap()
    };
    let answer = open().send(options("https://anyone.example")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-origin"), "https://anyone.example");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let world = locked();
    let answer = world.send(options("https://shop.example")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    for (name, value) in [
        ("access-control-allow-origin", "https://shop.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "POST"),
        ("access-control-max-age", "7200"),
        ("vary", "Origin"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    assert!(answer.header("access-control-allow-headers").contains("content-type"));
    let refused = world.send(options("https://evil.example")).await;
    refused.problem(403);
    assert_eq!(refused.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn keys_and_origins_are_checked_on_the_server() {
    let world = locked();
    let send = |headers: Vec<(&'static str, &'static str)>, body: &'static str| {
        world.post("/ingest/vitals", leak(headers), body)
    };
    let answer = send(vec![JSON, PAGE], BEACON).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (PAGE.1, "Origin"));
    assert_eq!(
        send(vec![JSON, ("origin", "https://shop.example.evil")], BEACON).await.problem(403),
        "forbidden_origin"
    );
    assert_eq!(send(vec![JSON, ("origin", "null")], BEACON).await.problem(403), "forbidden_origin");
    assert_eq!(send(vec![JSON], BEACON).await.problem(403), "forbidden_origin");
    let other = r#"{"v":1,"site":"other","view":"a","metrics":[{"name":"LCP","value":1}]}"#;
    let answer = send(vec![JSON, PAGE], other).await;
    assert_eq!(answer.problem(401), "unauthorized");
    assert_eq!(answer.header("access-control-allow-origin"), PAGE.1, "the page can read why");
    let record = r#"{"type":"api_performance","duration":1}"#;
    assert_eq!(world.post("/api/performance/metrics", &[JSON, PAGE], record).await.problem(401), "unauthorized");
    let bearer = ("authorization", "Bearer shop");
    assert_eq!(world.post("/api/performance/metrics", &[JSON, bearer], record).await.status, StatusCode::NO_CONTENT);
    let by_query = world.post("/api/performance/metrics?site=shop", &[JSON, PAGE], record).await;
    assert_eq!(by_query.status, StatusCode::NO_CONTENT);
    let missing = world.post("/ingest/timings", &[JSON], TIMING).await;
    assert_eq!((missing.problem(401).as_str(), missing.header("www-authenticate")), ("unauthorized", "Bearer"));
    let wrong = world.post("/ingest/timings", &[JSON, ("authorization", "Bearer nope")], TIMING).await;
    assert_eq!(wrong.problem(401), "unauthorized");
    assert_eq!(world.post("/ingest/timings", &[JSON, bearer], TIMING).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.behind.recorded(), 4);
    world.tally(Endpoint::Vitals);
    world.tally(Endpoint::Performance);
}

/// Test code only: header lists that live as long as the requests.
fn leak(headers: Vec<(&'static str, &'static str)>) -> &'static [(&'static str, &'static str)] {
    headers.leak()
}

#[tokio::test]
async fn pushed_snapshots_pass_the_same_door() {
    let info = "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:7\r\n# Clients\r\nconnected_clients:3\r\n";
    let rows = r#"{"version":160003,"views":{"pg_stat_database":[{"datname":"a","numbackends":1,"xact_commit":5}]}}"#;
    for (endpoint, path, content_type, body) in [
        (Endpoint::Redis, "/ingest/redis?instance=a", "text/plain", info),
        (Endpoint::Postgres, "/ingest/postgres?instance=a", "application/json", rows),
    ] {
        let kind = ("content-type", content_type);
        let world = locked();
        assert_eq!(world.post(path, &[kind], body).await.problem(401), "unauthorized");
        let bearer = ("authorization", "Bearer shop");
        let answer = world.post(path, &[kind, bearer], body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{:?}", String::from_utf8_lossy(&answer.body));
        let (received, accepted, dropped) = world.tally(endpoint);
        assert!(accepted > 1 && received > accepted, "{received} {accepted}");
        assert!(dropped.contains(&(DropReason::Unauthorized, 1)));
        assert_eq!(world.behind.recorded() as u64, accepted);
        assert!(world.post(path, &[kind, bearer], "rubbish").await.status.is_client_error());
        world.post(path.split('?').next().unwrap(), &[kind, bearer], body).await.problem(400);
        assert_eq!(world.post(path, &[kind, bearer], "x".repeat(5 << 20)).await.problem(413), "too_large");
        *world.behind.failure.lock() = Some(|| RecordError::Full);
        assert_eq!(world.post(path, &[kind, bearer], body).await.problem(503), "overloaded");
        let other_site = [kind, ("sec-fetch-site", "cross-site")];
        assert_eq!(open().post(path, &other_site, body).await.problem(403), "forbidden_origin");
        world.tally(endpoint);
    }
}

#[tokio::test]
async fn admin_keys_guard_actions() {
    let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
        pairs.iter().map(|(n, v)| (http::HeaderName::from_static(n), v.parse().unwrap())).collect()
    };
    let world = locked();
    assert!(auth::require_admin(&world.api, &headers(&[("authorization", "Bearer root")])).is_ok());
    let basic = ("authorization", "Basic YWRhOnJvb3Q="); // ada:root
    assert!(auth::require_admin(&world.api, &headers(&[basic])).is_ok());
    let elsewhere = headers(&[basic, ("sec-fetch-site", "cross-site")]);
    assert_eq!(auth::require_admin(&world.api, &elsewhere).unwrap_err().status(), StatusCode::FORBIDDEN);
    for wrong in [&[][..], &[("authorization", "Bearer shop")], &[("authorization", "Basic YWRhOng=")]] {
        assert_eq!(auth::require_admin(&world.api, &headers(wrong)).unwrap_err().status(), StatusCode::UNAUTHORIZED);
    }
    let path = "/api/incidents/0199d5f0-0000-7000-8000-000000000001/ack";
    world.post(path, &[JSON], "{}").await.problem(401);
    world.post(path, &[JSON, ("authorization", "Bearer root")], "{}").await.problem(404);
    assert!(auth::require_admin(&open().api, &HeaderMap::new()).is_ok());
    for (pairs, allowed) in [
        (&[("sec-fetch-site", "cross-site")][..], false),
        (&[("sec-fetch-site", "same-origin"), ("origin", "https://proxy.example"), ("host", "inner")], true),
        (&[("origin", "http://evil.example"), ("host", "10.0.0.1:1876")], false),
        (&[("origin", "null"), ("host", "10.0.0.1:1876")], false),
        (&[("origin", "http://10.0.0.1:1876"), ("host", "10.0.0.1:1876")], true),
    ] {
        assert_eq!(auth::require_admin(&open().api, &headers(pairs)).is_ok(), allowed, "{pairs:?}");
    }
}

#[tokio::test]
async fn browsers_are_limited_and_services_are_not() {
    let mut settings = Settings::default();
    settings.limits.per_client = Some(Rate { requests: NonZeroU32::new(2).unwrap(), per: Duration::from_secs(1) });
    let world = World::new(settings, crate::ingest::Settings::default());
    for _ in 0..2 {
        assert_eq!(world.post("/ingest/vitals", &[JSON, PAGE], BEACON).await.status, StatusCode::NO_CONTENT);
    }
    let answer = world.post("/ingest/vitals", &[JSON, PAGE, ("x-forwarded-for", "9.9.9.9")], BEACON).await;
    assert_eq!(answer.problem(429), "rate_limited");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("access-control-allow-origin"), PAGE.1);
    assert_eq!(answer.header("access-control-expose-headers"), "retry-after");
    for _ in 0..9 {
        assert_eq!(world.post("/ingest/timings", &[JSON], TIMING).await.status, StatusCode::NO_CONTENT);
    }
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.post("/ingest/vitals", &[JSON], BEACON).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.tally(Endpoint::Vitals), (4, 3, vec![(DropReason::RateLimited, 1)]));
}

#[tokio::test]
async fn a_key_may_have_a_rate_of_its_own() {
    let rate = Some(Rate { requests: NonZeroU32::MIN, per: Duration::from_secs(10) });
    let ingest = vec![key("free", &[], None), IngestKey { rate, ..key("slow", &[], None) }];
    let keys = Keys { ingest, admin: Vec::new() };
    let world = World::new(Settings { keys, ..Settings::default() }, crate::ingest::Settings::default());
    let slow = [JSON, ("authorization", "Bearer slow")];
    assert_eq!(world.post("/ingest/timings", &slow, TIMING).await.status, StatusCode::NO_CONTENT);
    let answer = world.post("/ingest/timings", &slow, TIMING).await;
    assert_eq!((answer.problem(429).as_str(), answer.header("retry-after")), ("rate_limited", "10"));
    let free = [JSON, ("authorization", "Bearer free")];
    assert_eq!(world.post("/ingest/timings", &free, TIMING).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_journal_that_cannot_take_more_is_503() {
    let world = open();
    type Failure = fn() -> RecordError;
    let failures: [(Failure, &str); 3] = [
        (|| RecordError::Full, "1"),
        (|| RecordError::Stopped, "1"),
        (|| RecordError::Journal("disk full".to_owned()), "10"),
    ];
    for (failure, wait) in failures {
        *world.behind.failure.lock() = Some(failure);
        for (path, body) in [("/ingest/timings", TIMING), ("/ingest/vitals", BEACON)] {
            let answer = world.post(path, &[JSON], body).await;
            assert_eq!((answer.problem(503).as_str(), answer.header("retry-after")), ("overloaded", wait));
            assert!(!String::from_utf8_lossy(&answer.body).contains("disk full"), "no inner errors outside");
        }
    }
    assert_eq!(world.tally(Endpoint::Timings), (3, 0, vec![(DropReason::Overloaded, 3)]));
}

#[tokio::test]
async fn prefixes_move_paths() {
    let settings = Settings { route_prefix: "/mark/".into(), browser_prefix: Some("/b".into()), ..Settings::default() };
    let world = World::new(settings, crate::ingest::Settings::default());
    assert_eq!(world.post("/mark/b/vitals", &[JSON], BEACON).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.post("/mark/ingest/vitals", &[JSON], BEACON).await.status, StatusCode::NO_CONTENT);
    world.post("/ingest/vitals", &[JSON], BEACON).await.problem(404);
    assert_eq!(world.get("/mark/healthz").await.status, StatusCode::OK);
    let page = String::from_utf8_lossy(&world.get("/mark").await.body).into_owned();
    assert!(page.contains("href=\"/mark/vitals\"") && page.contains("href=\"/mark/assets/style.css\""), "{page}");
    assert!(!page.contains("href=\"/vitals\"") && !page.contains("href=\"/mark/mark"), "{page}");
    let typed = world.get("/mark/").await;
    assert_eq!((typed.status, typed.header("location")), (StatusCode::PERMANENT_REDIRECT, "/mark"));
    assert_eq!(world.get("/mark/assets/style.css").await.status, StatusCode::OK);
    let prometheus = world.get("/mark/api/v1/nowhere").await;
    assert_eq!((prometheus.status, &prometheus.json()["status"]), (StatusCode::NOT_FOUND, &json!("error")));
}

#[tokio::test]
async fn health_and_readiness() {
    let world = open();
    assert_eq!(world.get("/healthz").await.json()["status"], "ok");
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    let check = |name, ok| Check { name, ok, reason: format!("{name} says so") };
    *world.behind.checks.lock() = vec![check("database", true), check("journal", false)];
    let answer = world.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let expected = json!({"status": "not ready", "checks": [
        {"name": "database", "ok": true, "reason": "database says so"},
        {"name": "journal", "ok": false, "reason": "journal says so"}]});
    assert_eq!(answer.json(), expected);
}

fn histogram(labels: &Labels, values: &[f64]) -> (Labels, Histogram) {
    let mut histogram = Histogram::new(crate::series::MetricCatalog::default().bounds(labels.metric_name()));
    values.iter().for_each(|v| histogram.observe(*v));
    (labels.clone(), histogram)
}

#[tokio::test]
async fn the_summary_has_its_shape() {
    let world = open();
    let lcp = Labels::metric("web_vitals_lcp_seconds", [("service_name", "shop")]);
    let soft = lcp.with("navigation_type", "soft-navigation");
    let http = Labels::metric("http_server_request_duration_seconds", [("http_route", "/x"), ("service_name", "shop")]);
    let failed = http.with("http_response_status_code", "503");
    *world.behind.histograms.lock() = vec![
        histogram(&lcp, &[1.0, 1.0]),
        histogram(&soft, &[0.02; 50]),
        histogram(&http, &[0.1; 9]),
        histogram(&failed, &[0.1]),
        histogram(&Labels::metric("http_server_request_duration_seconds", [("service_name", "b")]), &[9.0]),
    ];
    let pending = |labels: &Labels, value| PendingVital { labels: labels.clone(), value, weight: 1, start: NOW };
    *world.behind.pending.lock() = vec![pending(&lcp, 1.0), pending(&lcp, 3.0), pending(&soft, 3.0)];
    *world.behind.statuses.lock() = vec![ObjectiveStatus {
        name: "api-latency".into(),
        title: "API answers fast".into(),
        team: None,
        status: StatusKind::Critical,
        value: Some(0.6),
        unit: "seconds".into(),
        target: Some(0.2),
        groups: vec![],
        budget: Some(BudgetLeft { remaining: Some(0.5), window: "30d".into() }),
        evaluated_at: None,
        error: None,
        took: std::time::Duration::ZERO,
        rules: Vec::new(),
    }];
    let answer = world.get("/api/performance/metrics?window=1h&service=shop").await;
    assert_eq!(answer.status, StatusCode::OK);
    let summary = answer.json();
    let lcp = &summary["web_vitals"]["LCP"];
    assert_eq!((&lcp["count"], &lcp["average"], &lcp["unit"]), (&json!(4), &json!(1500.0), &json!("ms")));
    assert_eq!((&lcp["rating"], &lcp["good_share"]), (&json!("good"), &json!(0.75)));
    assert!((lcp["p50"].as_f64().unwrap() / 1000.0 - 1.0).abs() < 0.011);
    assert!((lcp["p99"].as_f64().unwrap() / 3000.0 - 1.0).abs() < 0.011);
    let cls = &summary["web_vitals"]["CLS"];
    assert_eq!(
        (&cls["count"], &cls["p75"], &cls["rating"], cls.get("unit")),
        (&json!(0), &Value::Null, &Value::Null, None)
    );
    assert!(summary["web_vitals"].get("FID").is_none());
    assert_eq!((&summary["api"]["count"], &summary["api"]["error_rate"]), (&json!(10), &json!(0.1)));
    assert_eq!((&summary["api"]["slow"][0]["route"], &summary["api"]["slow"][0]["count"]), (&json!("/x"), &json!(10)));
    assert_eq!((&summary["database"]["count"], &summary["cache"]["hit_ratio"]), (&json!(0), &Value::Null));
    let budget = &summary["budgets"][0];
    assert_eq!(
        (&budget["name"], &budget["status"], &budget["violated"]),
        (&json!("api-latency"), &json!("critical"), &json!(true))
    );
    assert_eq!((&budget["value"], &budget["target"], &budget["unit"]), (&json!(600.0), &json!(200.0), &json!("ms")));
    for bad in ["0", "-1h", "1e400", "500d", "x"] {
        world.get(&format!("/api/performance/metrics?window={bad}")).await.problem(400);
    }
}
