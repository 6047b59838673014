use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Status;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_763_640_000);

fn pairs(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let value = |v: &str| match v.parse() {
        Ok(n) => Value::IntValue(n),
        Err(_) => Value::StringValue(v.to_owned()),
    };
    let any = |v: &str| Some(AnyValue { value: Some(value(v)) });
    pairs.iter().map(|(k, v)| KeyValue { key: (*k).to_owned(), value: any(v), ..Default::default() }).collect()
}

fn span(kind: SpanKind, attributes: &[(&str, &str)], failed: bool) -> Span {
    let end = NOW.as_millis() as u64 * 1_000_000;
    let code = if failed { StatusCode::Error } else { StatusCode::Unset } as i32;
    Span {
        name: "a span".into(),
        kind: kind as i32,
        attributes: pairs(attributes),
        start_time_unix_nano: end - 12_500_000,
        end_time_unix_nano: end,
        status: Some(Status { code, ..Default::default() }),
        ..Default::default()
    }
}

/// The event as text: `metric{labels} change`.
fn text(span: &Span) -> Result<String, DropReason> {
    let resource = pairs(&[("service.name", "api"), ("cloud.region", "eu-1")]);
    let settings = Settings::default();
    let event = event(span, &resource, &settings, NOW).map_err(|r| r.reason)?;
    assert_eq!((event.service.as_ref(), event.at), ("api", NOW));
    let labels = event.labels.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| format!("{n}={v}"));
    Ok(format!("{}{{{}}} {:?}", event.metric, labels.collect::<Vec<_>>().join(","), event.change))
}

#[test]
fn servers_spans_are_requests_by_new_names_and_old() {
    let expected = "http_server_request_duration_seconds{http_route=/orders/{id},http_request_method=GET,\
        http_response_status_code=500,region=eu-1} Observe(0.0125)";
    for names in [
        [("http.request.method", "GET"), ("http.response.status_code", "500"), ("http.route", "/orders/{id}")],
        [("http.method", "get"), ("http.status_code", "500"), ("http.route", "/orders/{id}")],
    ] {
        assert_eq!(text(&span(SpanKind::Server, &names, true)).as_deref(), Ok(expected));
    }
    let by_path = [("http.request.method", "PURGE"), ("url.path", "/orders/123?x=secret")];
    let expected = "http_server_request_duration_seconds{http_route=/orders/*,http_request_method=_OTHER,region=eu-1} Observe(0.0125)";
    assert_eq!(text(&span(SpanKind::Server, &by_path, false)).as_deref(), Ok(expected));
}

#[test]
fn calls_of_databases_are_db_timings_by_new_names_and_old() {
    let expected = "db_client_operation_duration_seconds{db_system_name=postgresql,db_operation_name=SELECT,error=true} Observe(0.0125)";
    for names in [
        vec![("db.system.name", "postgresql"), ("db.operation.name", "SELECT")],
        vec![("db.system", "postgresql"), ("db.statement", "select * from t where id = 7")],
        vec![("db.system.name", "postgresql"), ("db.query.text", "SELECT 1")],
    ] {
        assert_eq!(text(&span(SpanKind::Client, &names, true)).as_deref(), Ok(expected), "{names:?}");
    }
    let redis = [("db.system.name", "redis"), ("db.operation.name", "GET")];
    let expected =
        "db_client_operation_duration_seconds{db_system_name=redis,db_operation_name=GET,error=false} Observe(0.0125)";
    assert_eq!(text(&span(SpanKind::Client, &redis, false)).as_deref(), Ok(expected));
}

#[test]
fn rpc_servers_spans_are_operations() {
    for names in [
        vec![("rpc.system", "grpc"), ("rpc.service", "shop.Cart"), ("rpc.method", "Add")],
        vec![("rpc.system.name", "grpc"), ("rpc.method", "shop.Cart/Add")],
    ] {
        let expected = "operation_duration_seconds{operation=shop.Cart/Add,outcome=failure} Observe(0.0125)";
        assert_eq!(text(&span(SpanKind::Server, &names, true)).as_deref(), Ok(expected));
    }
}

#[test]
fn other_spans_are_unsupported() {
    for (kind, attributes) in [
        (SpanKind::Client, &[("http.request.method", "GET")][..]),
        (SpanKind::Internal, &[]),
        (SpanKind::Producer, &[("messaging.system", "kafka")]),
        (SpanKind::Server, &[]),
        (SpanKind::Server, &[("db.system", "redis")]),
    ] {
        assert_eq!(text(&span(kind, attributes, false)), Err(DropReason::Unsupported), "{kind:?}");
    }
    let example = include_str!("../../../../tests/golden/otlp/trace.json");
    let request: ExportTraceServiceRequest = serde_json::from_str(example).unwrap();
    let example = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((example.trace_id.len(), example.span_id.len(), example.kind), (16, 8, SpanKind::Server as i32));
    assert_eq!(text(example), Err(DropReason::Unsupported));
}

#[test]
fn a_sampled_span_stands_for_several() {
    let mut sampled = span(SpanKind::Server, &[("http.request.method", "GET")], false);
    sampled.trace_state = "ot=th:c".into();
    assert!(text(&sampled).unwrap().ends_with("ObserveMany { value: 0.0125, weight: 4 }"));
}

#[test]
fn impossible_times_are_refused() {
    let http = [("http.request.method", "GET")];
    let backwards = Span { start_time_unix_nano: u64::MAX, ..span(SpanKind::Server, &http, false) };
    assert_eq!(text(&backwards), Err(DropReason::Implausible));
    let end_time_unix_nano = 4_000_000_000_000_000_000;
    let future =
        Span { end_time_unix_nano, start_time_unix_nano: end_time_unix_nano, ..span(SpanKind::Server, &http, false) };
    assert_eq!(text(&future), Err(DropReason::OutOfRange));
}
