//! Records of the applications that this service grew out of.
//!
//! Two shapes. Typed ones, `{type: "api_performance", endpoint, duration, statusCode, timestamp,
//! success}` and their siblings for cache and database, with the fields beside `type` or below `data`.
//! And named ones, `{name, value, unit, timestamp, tags}`: `response_time` and `operation_…_duration`
//! are durations of single events and enter the histograms; their counts become counters; everything
//! else is a gauge under its own name, in base units.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::base::{DropReason, Timestamp};

use super::gather::{Change, Event, LabelPairs};
use super::outcome::Reject;
use super::routes;
use super::settings::Settings;
use super::statement;
use super::text::{Pairs, Text, or_empty};
use super::timings;
use super::validate;

/// What shape a record has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Shape<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    metrics: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    unit: Option<Text<'a>>,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
}

impl Shape<'_> {
    /// Whether it is a web-vitals beacon, of whichever form.
    pub fn is_vital(&self) -> bool {
        let name = self.name.as_ref().map_or("", |n| n.0.as_ref());
        let known = matches!(name, "LCP" | "INP" | "CLS" | "FCP" | "TTFB" | "FID");
        self.kind.is_none() && (self.metrics.is_some() || (known && self.unit.is_none() && self.tags.is_none()))
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Stamp {
    Number(f64),
    Text(String),
}

/// The fields of both shapes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow)]
    service: Option<Text<'a>>,
    timestamp: Option<Stamp>,
    duration: Option<f64>,
    success: Option<bool>,
    #[serde(borrow)]
    endpoint: Option<Text<'a>>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    #[serde(rename = "statusCode", alias = "status_code")]
    status_code: Option<u16>,
    #[serde(borrow)]
    operation: Option<Text<'a>>,
    #[serde(borrow)]
    layer: Option<Text<'a>>,
    #[serde(borrow)]
    query: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    value: Option<f64>,
    #[serde(borrow)]
    unit: Option<Text<'a>>,
    #[serde(borrow)]
    tags: Option<Pairs<'a>>,
}

/// Checks one record and turns it into an event.
pub fn event<'a>(raw: &'a RawValue, settings: &Settings, now: Timestamp) -> Result<Event<'a>, Reject> {
    let json = |e: serde_json::Error| Reject::json(&e);
    let shape: Shape<'a> = serde_json::from_str(raw.get()).map_err(json)?;
    let fields = shape.data.filter(|_| shape.kind.is_some()).unwrap_or(raw);
    let mut record: Record<'a> = serde_json::from_str(fields.get()).map_err(json)?;
    let at = stamp(record.timestamp.take(), now)?;
    let service = or_empty(record.service.take());
    validate::text("service", &service, validate::SERVICE_BYTES)?;
    let (metric, labels, change) = match &shape.kind {
        Some(kind) => typed(&kind.0, record, settings),
        None => named(record, settings),
    }?;
    validate::labels(&labels)?;
    Ok(Event { metric, service, labels, change, at })
}

type Parts<'a> = (Cow<'a, str>, LabelPairs<'a>, Change);

/// ISO 8601, or Unix milliseconds, or seconds.
fn stamp(stamp: Option<Stamp>, now: Timestamp) -> Result<Timestamp, Reject> {
    const MILLIS_FROM: f64 = 1e11;
    let seconds = match stamp {
        None => None,
        Some(Stamp::Number(n)) if n >= MILLIS_FROM => Some(n / 1000.0),
        Some(Stamp::Number(n)) => Some(n),
        Some(Stamp::Text(text)) => {
            let parsed = Timestamp::parse(&text).map_err(|e| Reject::new(DropReason::Invalid, e.to_string()))?;
            Some(parsed.as_secs_f64())
        }
    };
    validate::event_time(seconds, now)
}

fn labels<'a, const N: usize>(pairs: [(&'static str, Cow<'a, str>); N]) -> LabelPairs<'a> {
    pairs.into_iter().map(|(n, v)| (Cow::Borrowed(n), v)).collect()
}

fn typed<'a>(kind: &str, record: Record<'a>, settings: &Settings) -> Result<Parts<'a>, Reject> {
    let duration = validate::duration("duration", validate::required("duration", record.duration)?)?;
    let change = Change::Observe(duration);
    let (metric, labels) = match kind {
        "api_performance" => {
            let endpoint = or_empty(record.endpoint);
            ("http_server_request_duration_seconds", http(&endpoint, record.method, record.status_code, settings)?)
        }
        "cache_performance" => {
            let outcome = timings::cache_outcome(&or_empty(record.operation))?;
            let pairs = [
                ("cache_layer", or_empty(record.layer)),
                ("cache_operation", Cow::Borrowed("get")),
                ("cache_outcome", Cow::Borrowed(outcome)),
            ];
            ("cache_operation_duration_seconds", labels(pairs))
        }
        "database_performance" => {
            let query = or_empty(record.query);
            let failed = if record.success == Some(false) { "true" } else { "false" };
            let pairs = [
                ("db_operation_name", statement::operation(&query).unwrap_or_default()),
                ("error", Cow::Borrowed(failed)),
                ("db_query_text", timings::listed(&query, settings)),
            ];
            ("db_client_operation_duration_seconds", labels(pairs))
        }
        other => {
            let shown = crate::base::bounded::cut(other, 40);
            let error = format!("type {shown:?} is not known; expected api_, cache_ or database_performance");
            return Err(Reject::new(DropReason::UnknownMetric, error));
        }
    };
    Ok((Cow::Borrowed(metric), labels, change))
}

/// The labels of a request; `endpoint` may begin with the method and is a path, not a template.
fn http<'a>(
    endpoint: &str,
    method: Option<Text<'a>>,
    status: Option<u16>,
    settings: &Settings,
) -> Result<LabelPairs<'a>, Reject> {
    validate::text("endpoint", endpoint, validate::URL_BYTES)?;
    let (first, path) = match endpoint.split_once(' ') {
        Some((method, path)) => (method.to_owned(), path),
        None => (String::new(), endpoint),
    };
    let method = method.map_or(Cow::Owned(first), |m| m.0);
    let route = if path.is_empty() { String::new() } else { routes::from_path(path, &settings.routes) };
    let status = status.map_or(Ok(Cow::Borrowed("")), timings::status_text)?;
    Ok(labels([
        ("http_route", Cow::Owned(route)),
        ("http_request_method", timings::method(method)),
        ("http_response_status_code", status),
    ]))
}

fn named<'a>(record: Record<'a>, settings: &Settings) -> Result<Parts<'a>, Reject> {
    let name = validate::required("name", record.name)?.0;
    let value = validate::required("value", record.value)?;
    let tags = record.tags.unwrap_or_default().0;
    if name == "response_time" {
        return response_time(value, &tags, settings);
    }
    if let Some(parts) = operation(&name, value)? {
        return Ok(parts);
    }
    gauge(&name, value, &or_empty(record.unit), tags)
}

fn response_time<'a>(
    value: f64,
    tags: &[(Cow<'a, str>, Cow<'a, str>)],
    settings: &Settings,
) -> Result<Parts<'a>, Reject> {
    let tag = |names: &[&str]| tags.iter().find(|(n, _)| names.contains(&n.as_ref())).map(|(_, v)| v.clone());
    let status = tag(&["status_code", "statusCode", "status"]).and_then(|s| s.parse().ok());
    let endpoint = tag(&["endpoint", "route"]).unwrap_or_default();
    let labels = http(&endpoint, tag(&["method"]).map(Text), status, settings)?;
    let seconds = validate::duration("value", value)?;
    Ok((Cow::Borrowed("http_server_request_duration_seconds"), labels, Change::Observe(seconds)))
}

/// `operation_NAME_duration`, `operation_NAME_success` and `operation_NAME_error`.
fn operation(name: &str, value: f64) -> Result<Option<Parts<'static>>, Reject> {
    let Some((operation, part)) = name.strip_prefix("operation_").and_then(|n| n.rsplit_once('_')) else {
        return Ok(None);
    };
    let operation = ("operation", Cow::Owned(operation.to_owned()));
    Ok(match part {
        "duration" => {
            let seconds = validate::duration("value", value)?;
            Some((Cow::Borrowed("operation_duration_seconds"), labels([operation]), Change::Observe(seconds)))
        }
        "success" | "error" => {
            let outcome = if part == "error" { "failure" } else { "success" };
            let labels = labels([operation, ("outcome", Cow::Borrowed(outcome))]);
            let step = validate::step("value", value)?;
            Some((Cow::Borrowed("operation_outcomes_total"), labels, Change::Add(step)))
        }
        _ => None,
    })
}

/// Any other number, in base units, with the unit in its name.
fn gauge<'a>(name: &str, value: f64, unit: &str, tags: LabelPairs<'a>) -> Result<Parts<'a>, Reject> {
    let (suffix, factor) = match unit.to_ascii_lowercase().as_str() {
        "ms" | "milliseconds" => ("_seconds", 0.001),
        "s" | "seconds" => ("_seconds", 1.0),
        "%" | "percent" => ("_ratio", 0.01),
        "b" | "bytes" => ("_bytes", 1.0),
        "kb" | "kib" => ("_bytes", 1024.0),
        "mb" | "mib" => ("_bytes", 1_048_576.0),
        "gb" | "gib" => ("_bytes", 1_073_741_824.0),
        _ => ("", 1.0),
    };
    validate::text("name", name, validate::NAME_BYTES)?;
    let mut metric = identifier(name);
    if !metric.ends_with(suffix) {
        metric.push_str(suffix);
    }
    validate::metric_name(&metric)?;
    let value = validate::finite("value", value * factor)?;
    let tags = tags.into_iter().map(|(n, v)| (Cow::Owned(identifier(&n)), v)).collect();
    Ok((Cow::Owned(metric), tags, Change::Sample(value)))
}

/// The name with `_` for what a metric's or label's name cannot hold.
fn identifier(name: &str) -> String {
    let mut out: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::gather::{Gather, SeriesCache};
    use crate::ingest::routes::RouteLimit;

    const NOW: Timestamp = Timestamp::from_secs(1_763_680_000);

    fn one(line: &str) -> Result<(String, Change, Timestamp), Reject> {
        let raw: &RawValue = serde_json::from_str(line).unwrap();
        let event = event(raw, &Settings::default(), NOW)?;
        let (cache, limit) = (SeriesCache::new(9), RouteLimit::new(9));
        let labels = Gather::new(&cache, &limit).labels(&event);
        Ok((labels.to_string(), event.change, event.at))
    }

    #[test]
    fn each_record_has_its_place() {
        for (line, series, change) in [
            (
                r#"{"type":"api_performance","endpoint":"GET /api/tasks/77","duration":12,"statusCode":200,"timestamp":"2025-11-20T23:06:30.000Z","success":true}"#,
                r#"http_server_request_duration_seconds{http_request_method="GET", http_response_status_code="200", http_route="/api/tasks/*"}"#,
                Change::Observe(0.012),
            ),
            (
                r#"{"type":"cache_performance","data":{"operation":"hit","key":"user:7","duration":2},"service":"x"}"#,
                r#"cache_operation_duration_seconds{cache_operation="get", cache_outcome="hit"}"#,
                Change::Observe(0.002),
            ),
            (
                r#"{"type":"database_performance","query":"SELECT * FROM users WHERE name='ann'","duration":4,"resultCount":3,"service":"api"}"#,
                r#"db_client_operation_duration_seconds{db_operation_name="SELECT", error="false", service_name="api"}"#,
                Change::Observe(0.004),
            ),
            (
                r#"{"name":"response_time","value":120,"unit":"ms","timestamp":1763679999000,"tags":{"endpoint":"/api/x","method":"POST","status_code":503}}"#,
                r#"http_server_request_duration_seconds{http_request_method="POST", http_response_status_code="503", http_route="/api/x"}"#,
                Change::Observe(0.12),
            ),
            (
                r#"{"name":"operation_bom_generation_duration","value":3200,"unit":"ms"}"#,
                r#"operation_duration_seconds{operation="bom_generation"}"#,
                Change::Observe(3.2),
            ),
            (
                r#"{"name":"operation_x_error","value":1,"unit":"count"}"#,
                r#"operation_outcomes_total{operation="x", outcome="failure"}"#,
                Change::Add(1.0),
            ),
            (
                r#"{"name":"memory_heap_used","value":2,"unit":"MB","tags":{"host-name":"a"}}"#,
                r#"memory_heap_used_bytes{host_name="a"}"#,
                Change::Sample(2_097_152.0),
            ),
            (r#"{"name":"cpu_usage","value":50,"unit":"%"}"#, "cpu_usage_ratio", Change::Sample(0.5)),
        ] {
            let (got, did, _) = one(line).unwrap_or_else(|e| panic!("{line}: {e:?}"));
            assert_eq!((got.as_str(), did), (series, change));
        }
    }

    #[test]
    fn stamps_come_in_three_forms() {
        for stamp in ["\"2025-11-20T23:06:30Z\"", "1763679990", "1763679990000"] {
            let line = format!(r#"{{"name":"x","value":1,"timestamp":{stamp}}}"#);
            assert_eq!(one(&line).unwrap().2, Timestamp::from_secs(1_763_679_990), "{stamp}");
        }
    }

    #[test]
    fn every_refusal_has_its_reason() {
        for (line, expected) in [
            (r#"{"type":"disk_performance","duration":1}"#, DropReason::UnknownMetric),
            (r#"{"type":"api_performance"}"#, DropReason::Invalid),
            (r#"{"type":"api_performance","duration":-1}"#, DropReason::Implausible),
            (r#"{"type":"cache_performance","operation":"peek","duration":1}"#, DropReason::Invalid),
            (r#"{"value":1}"#, DropReason::Invalid),
            (r#"{"name":"x"}"#, DropReason::Invalid),
            (r#"{"name":"x","value":1,"timestamp":"soon"}"#, DropReason::Invalid),
            (r#"{"name":"slo:x","value":1,"timestamp":1}"#, DropReason::OutOfRange),
            (r#"{"name":"plimsoll_x","value":1}"#, DropReason::Invalid),
            ("7", DropReason::Invalid),
        ] {
            assert_eq!(one(line).unwrap_err().reason, expected, "{line}");
        }
    }

    #[test]
    fn vitals_are_told_from_records() {
        let is_vital = |line: &str| serde_json::from_str::<Shape<'_>>(line).unwrap().is_vital();
        assert!(is_vital(r#"{"v":1,"metrics":[]}"#));
        assert!(is_vital(r#"{"name":"LCP","value":1,"id":"x"}"#));
        assert!(!is_vital(r#"{"name":"LCP","value":1,"unit":"ms"}"#));
        assert!(!is_vital(r#"{"name":"cpu","value":1}"#));
        assert!(!is_vital(r#"{"type":"api_performance"}"#));
    }
}
