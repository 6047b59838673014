use std::io::Write as _;

use axum::body::Body;
use http::{HeaderMap, Request};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message as _;
use tower::ServiceExt;

use super::status::Code;
use super::*;
use crate::base::Secret;
use crate::http::ingest::testkit::{NOW, World};
use crate::http::{IngestKey, Rate, Settings, router};
use crate::ingest::Endpoint;
use crate::series::RecordError;

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    fn error(&self) -> (u16, i32) {
        assert_eq!(self.headers["content-type"], "application/x-protobuf");
        let status = Status::decode(self.body.as_slice()).unwrap();
        assert!(!status.message.is_empty());
        (self.status, status.code)
    }
}

async fn post(world: &World, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router(world.api.clone()).oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap().to_vec();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

fn world() -> World {
    World::new(Settings::default(), crate::ingest::Settings::default())
}

/// A request with a good counter and one that only its sender could understand.
fn two_metrics() -> String {
    let now = format!("{}000000", NOW.as_millis());
    let point = format!(r#"{{"asInt":"3","timeUnixNano":"{now}"}}"#);
    let sum = |temporality| {
        format!(r#""sum":{{"aggregationTemporality":{temporality},"isMonotonic":false,"dataPoints":[{point}]}}"#)
    };
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"shop"}}}}]}},
        "scopeMetrics":[{{"metrics":[{{"name":"good",{}}},{{"name":"bad",{}}}]}}]}}]}}"#,
        sum(2),
        sum(1)
    )
}

#[tokio::test]
async fn both_forms_are_taken_and_answered_in_kind() {
    let world = world();
    let json = post(&world, "/v1/metrics", &[JSON], two_metrics()).await;
    let partial = &json.json()["partialSuccess"];
    assert_eq!((json.status, partial["rejectedDataPoints"].as_i64()), (200, Some(1)));
    let message = partial["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("number 2: metric \"bad\"") && message.ends_with("(unsupported)"), "{message}");

    let request: ExportMetricsServiceRequest = serde_json::from_str(&two_metrics()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&request.encode_to_vec()).unwrap();
    let headers = [PROTOBUF, ("content-encoding", "gzip")];
    let protobuf = post(&world, "/v1/metrics", &headers, gzip.finish().unwrap()).await;
    let response = ExportMetricsServiceResponse::decode(protobuf.body.as_slice()).unwrap();
    assert_eq!((protobuf.status, response.partial_success.unwrap().rejected_data_points), (200, 1));
    let batches = world.behind.batches.lock();
    assert_eq!(batches[0].items, batches[1].items, "both forms say the same");
    assert_eq!(world.tally(Endpoint::OtlpMetrics), (4, 2, vec![(DropReason::Unsupported, 2)]));
}

#[tokio::test]
async fn spans_of_no_use_are_counted_and_not_complained_about() {
    let world = world();
    let example = include_str!("../../../../tests/golden/otlp/trace.json");
    let answer = post(&world, "/v1/traces", &[JSON], example).await;
    assert_eq!((answer.status, answer.json()), (200, serde_json::json!({})));
    let request: ExportTraceServiceRequest = serde_json::from_str(example).unwrap();
    let answer = post(&world, "/v1/traces", &[PROTOBUF], request.encode_to_vec()).await;
    let response = ExportTraceServiceResponse::decode(answer.body.as_slice()).unwrap();
    assert_eq!((answer.status, response.partial_success), (200, None));
    assert_eq!(world.tally(Endpoint::OtlpTraces), (2, 0, vec![(DropReason::Unsupported, 2)]));
}

#[tokio::test]
async fn errors_are_statuses_in_the_form_of_the_request() {
    let world = world();
    for (headers, body, expected) in [
        (vec![PROTOBUF], b"\xff\xff".to_vec(), (400, Code::InvalidArgument)),
        (vec![PROTOBUF, ("content-encoding", "gzip")], b"no gzip".to_vec(), (400, Code::InvalidArgument)),
        (vec![PROTOBUF], vec![0; LIMIT + 1], (413, Code::ResourceExhausted)),
        (vec![("content-type", "text/plain")], b"x".to_vec(), (415, Code::Unimplemented)),
    ] {
        let answer = post(&world, "/v1/metrics", &headers, body).await;
        assert_eq!(answer.error(), (expected.0, expected.1 as i32), "{headers:?}");
        assert!(!answer.headers.contains_key("retry-after"), "not to be sent again");
    }
    let answer = post(&world, "/v1/metrics", &[JSON], "{").await;
    assert_eq!((answer.status, answer.json()["code"].as_i64()), (400, Some(3)));
    let reasons = vec![(DropReason::Malformed, 3), (DropReason::TooLarge, 1), (DropReason::UnsupportedType, 1)];
    assert_eq!(world.tally(Endpoint::OtlpMetrics), (5, 0, reasons));
}

#[tokio::test]
async fn a_full_queue_may_be_tried_again_and_counts_nothing() {
    let world = world();
    *world.behind.failure.lock() = Some(|| RecordError::Full);
    let request: ExportMetricsServiceRequest = serde_json::from_str(&two_metrics()).unwrap();
    let answer = post(&world, "/v1/metrics", &[PROTOBUF], request.encode_to_vec()).await;
    assert_eq!(answer.error(), (503, Code::Unavailable as i32));
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(
        world.tally(Endpoint::OtlpMetrics),
        (2, 0, vec![(DropReason::Unsupported, 1), (DropReason::Overloaded, 1)])
    );
}

#[tokio::test]
async fn keys_and_their_rates_hold_here_too() {
    let rate = Some(Rate { requests: std::num::NonZeroU32::MIN, per: std::time::Duration::from_secs(10) });
    let key = IngestKey { secret: Secret::new("k"), origins: Vec::new(), service: Some("mine".to_owned()), rate };
    let mut settings = Settings::default();
    settings.keys.ingest = vec![key];
    let world = World::new(settings, crate::ingest::Settings::default());
    assert_eq!(post(&world, "/v1/metrics", &[PROTOBUF], "").await.error(), (401, Code::Unauthenticated as i32));
    let bearer = ("authorization", "Bearer k");
    assert_eq!(post(&world, "/v1/metrics", &[JSON, bearer], two_metrics()).await.status, 200);
    assert_eq!(world.behind.batches.lock()[0].items[0].labels.value("service_name"), "mine");
    let again = post(&world, "/v1/metrics", &[PROTOBUF, bearer], "").await;
    assert_eq!(again.error(), (429, Code::ResourceExhausted as i32));
    assert_eq!(again.headers["retry-after"], "10");
}

#[tokio::test]
async fn an_empty_request_is_fine() {
    let world = world();
    for (path, endpoint) in
        [("/v1/metrics", Endpoint::OtlpMetrics), ("/v1/traces", Endpoint::OtlpTraces), ("/v1/logs", Endpoint::OtlpLogs)]
    {
        assert_eq!(post(&world, path, &[PROTOBUF], "").await.status, 200);
        assert_eq!(post(&world, path, &[JSON], "{}").await.body, b"{}");
        assert_eq!(world.tally(endpoint), (0, 0, vec![]));
    }
}

#[tokio::test]
async fn a_pages_web_vitals_are_reports_and_other_records_are_left_out() {
    let text = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
    let vital = |field: &str, attribute: &str| {
        let attributes = [
            text("browser.web_vital.name", "lcp"),
            r#"{"key":"browser.web_vital.value","value":{"doubleValue":1834.5}}"#.to_owned(),
            text("browser.web_vital.id", "v5-1"),
            text("url.full", "https://shop.example/product/123?q=secret"),
            attribute.to_owned(),
        ];
        format!(r#"{{{field}"attributes":[{}]}}"#, attributes.join(","))
    };
    let body = format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{}]}},"scopeLogs":[{{"logRecords":[{},{},{{"body":{{"stringValue":"x"}}}}]}}]}}]}}"#,
        text("service.name", "shop"),
        vital(r#""eventName":"browser.web_vital","#, &text("k", "v")),
        vital("", &text("event.name", "browser.web_vital")),
    );
    let world = world();
    let answer = post(&world, "/v1/logs", &[JSON, ("origin", "https://shop.example")], body).await;
    assert_eq!((answer.status, answer.json()), (200, serde_json::json!({})));
    assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example");
    let batches = world.behind.batches.lock();
    let report = &batches[0].vitals[0];
    assert_eq!((report.value, report.labels.metric_name()), (1.8345, "web_vitals_lcp_seconds"));
    assert_eq!((report.labels.value("route"), report.labels.value("service_name")), ("/product/*", "shop"));
    assert_eq!(world.tally(Endpoint::OtlpLogs), (3, 2, vec![(DropReason::Unsupported, 1)]));
}
