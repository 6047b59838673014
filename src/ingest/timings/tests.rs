use super::*;
use crate::base::Labels;
use crate::ingest::gather::{Gather, SeriesCache};
use crate::ingest::routes::RouteLimit;
use crate::series::Delta;

const NOW: Timestamp = Timestamp::from_secs(1_763_680_000);

fn one(line: &str) -> Result<(Labels, Change), Reject> {
    one_with(line, &Settings::default())
}

fn one_with(line: &str, settings: &Settings) -> Result<(Labels, Change), Reject> {
    let timing = decode(line.as_bytes()).pop().expect("one element").1?;
    let event = event(timing, settings, NOW)?;
    let (cache, limit) = (SeriesCache::new(9), RouteLimit::new(9));
    Ok((Gather::new(&cache, &limit).labels(&event), event.change))
}

fn reason(line: &str) -> DropReason {
    one(line).unwrap_err().reason
}

#[test]
fn each_kind_has_its_metric_and_labels() {
    for (line, labels, change) in [
        (
            r#"{"kind":"http","service":"shop-api","route":"/products/:id","method":"get","status":200,"duration_ms":12.5,"ts":1763680000.123,"region":"eu","operation":"detail","cache":"hit"}"#,
            r#"http_server_request_duration_seconds{http_request_method="GET", http_response_status_code="200", http_route="/products/:id", operation="detail", region="eu", service_name="shop-api"}"#,
            Change::Observe(0.0125),
        ),
        (
            r#"{"kind":"http","path":"/products/123?token=x","method":"BREW","status":418,"duration_ms":1}"#,
            r#"http_server_request_duration_seconds{http_request_method="_OTHER", http_response_status_code="418", http_route="/products/*"}"#,
            Change::Observe(0.001),
        ),
        (
            r#"{"kind":"db","service":"a","operation":"simple_query","system":"postgresql","statement":"SELECT 1","duration_ms":4,"rows":10,"error":true}"#,
            r#"db_client_operation_duration_seconds{db_operation_name="simple_query", db_system_name="postgresql", error="true", service_name="a"}"#,
            Change::Observe(0.004),
        ),
        (
            r#"{"kind":"db","statement":"select * from users where id=7","duration_ms":4}"#,
            r#"db_client_operation_duration_seconds{db_operation_name="SELECT", error="false"}"#,
            Change::Observe(0.004),
        ),
        (
            r#"{"kind":"cache","layer":"memory","operation":"get","outcome":"HIT","duration_ms":0.5,"key_prefix":"user:"}"#,
            r#"cache_operation_duration_seconds{cache_layer="memory", cache_operation="get", cache_outcome="hit"}"#,
            Change::Observe(0.0005),
        ),
        (
            r#"{"kind":"operation","operation":"bom_generation","duration_ms":3200,"success":false}"#,
            r#"operation_duration_seconds{operation="bom_generation", outcome="failure"}"#,
            Change::Observe(3.2),
        ),
        (
            r#"{"kind":"gauge","name":"checkout_conversion_ratio","value":-0.031,"labels":{"country":"DE"}}"#,
            r#"checkout_conversion_ratio{country="DE"}"#,
            Change::Sample(-0.031),
        ),
        (
            r#"{"kind":"counter","name":"orders_total","add":2,"labels":{"tier":"gold"},"service":"s"}"#,
            r#"orders_total{service_name="s", tier="gold"}"#,
            Change::Add(2.0),
        ),
    ] {
        let (got, did) = one(line).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        assert_eq!((got.to_string().as_str(), did), (labels, change));
    }
}

#[test]
fn every_refusal_has_its_reason() {
    for (line, expected) in [
        (r#"{"kind":"http","duration_ms":"12"}"#, DropReason::Invalid),
        (r#"{"kind":"http"}"#, DropReason::Invalid),
        (r#"{"kind":"http","duration_ms":null}"#, DropReason::Invalid),
        (r#"{"kind":"http","duration_ms":NaN}"#, DropReason::Malformed),
        (r#"{"kind":"http","duration_ms":1e999}"#, DropReason::Implausible),
        (r#"{"kind":"http","duration_ms":-1}"#, DropReason::Implausible),
        (r#"{"kind":"http","duration_ms":1e12}"#, DropReason::Implausible),
        (r#"{"kind":"http","duration_ms":1,"status":7}"#, DropReason::Implausible),
        (r#"{"kind":"http","duration_ms":1,"status":99999}"#, DropReason::Invalid),
        (r#"{"kind":"http","duration_ms":1,"ts":1763680000123}"#, DropReason::OutOfRange),
        (r#"{"kind":"smtp","duration_ms":1}"#, DropReason::UnknownMetric),
        (r#"{"duration_ms":1}"#, DropReason::Invalid),
        (r#"{"kind":"cache","outcome":"maybe","duration_ms":1}"#, DropReason::Invalid),
        (r#"{"kind":"operation","duration_ms":1}"#, DropReason::Invalid),
        (r#"{"kind":"gauge","name":"x y","value":1}"#, DropReason::Invalid),
        (r#"{"kind":"gauge","name":"slo:x","value":1}"#, DropReason::Invalid),
        (r#"{"kind":"gauge","name":"x"}"#, DropReason::Invalid),
        (r#"{"kind":"counter","name":"x","add":-1}"#, DropReason::Implausible),
        (r#"{"kind":"counter","name":"x","labels":{"a":{}}}"#, DropReason::Invalid),
        (r#"{"kind":"http""#, DropReason::Malformed),
        ("[1]", DropReason::Invalid),
        ("nonsense", DropReason::Malformed),
    ] {
        assert_eq!(reason(line), expected, "{line}");
    }
    let long = format!(r#"{{"kind":"http","duration_ms":1,"region":"{}"}}"#, "x".repeat(129));
    assert_eq!(reason(&long), DropReason::TooLong);
}

#[test]
fn arrays_lines_and_single_objects_are_taken() {
    let good = r#"{"kind":"http","duration_ms":1}"#;
    let lines = |body: String| -> Vec<(usize, bool)> {
        decode(body.as_bytes()).into_iter().map(|(n, r)| (n, r.is_ok())).collect()
    };
    assert_eq!(lines(format!("[{good},{good}]")), [(1, true), (2, true)]);
    assert_eq!(lines(format!("[{good},{{\"kind\":1}},{good}]")), [(1, true), (2, false), (3, true)]);
    assert_eq!(lines(format!("{good}\n\n{good}\r\n")), [(1, true), (3, true)]);
    assert_eq!(lines(format!("{good}\nrubbish\n{good}")), [(1, true), (2, false), (3, true)]);
    assert_eq!(lines("{\n \"kind\": \"http\",\n \"duration_ms\": 1\n}".to_owned()), [(1, true)]);
    assert_eq!(lines(format!("[{good}")), [(1, false)]);
    assert_eq!(lines("[]".to_owned()), []);
    assert_eq!(lines(" \n".to_owned()), [(1, false)]);
}

#[test]
fn only_listed_statements_become_labels() {
    let line = r#"{"kind":"db","statement":"SELECT * FROM t WHERE id = 5","duration_ms":1}"#;
    let listed_statements = ["SELECT * FROM t WHERE id = ?".to_owned()].into();
    let (labels, _) = one_with(line, &Settings { listed_statements, ..Settings::default() }).unwrap();
    assert_eq!(labels.value("db_query_text"), "SELECT * FROM t WHERE id = ?");
    assert_eq!(one(line).unwrap().0.value("db_query_text"), "");
}

#[test]
fn a_body_of_one_series_is_one_item() {
    let body = vec![r#"{"kind":"http","service":"a","route":"/x","duration_ms":1}"#; 1000].join("\n");
    let (cache, limit) = (SeriesCache::new(9), RouteLimit::new(9));
    let mut gather = Gather::new(&cache, &limit);
    for (_, timing) in decode(body.as_bytes()) {
        gather.add(&event(timing.unwrap(), &Settings::default(), NOW).unwrap());
    }
    assert_eq!(gather.batch.items.len(), 1);
    assert!(matches!(&gather.batch.items[0].delta, Delta::Observe(values) if values.len() == 1000));
}
