//! Timings that services send: a JSON array, NDJSON or one object.

use std::borrow::Cow;

use serde::Deserialize;

use crate::base::{DropReason, Timestamp};

use super::elements;
use super::gather::{Change, Event, LabelPairs};
use super::outcome::Reject;
use super::routes::{self, RouteRule};
use super::settings::Settings;
use super::statement;
use super::text::{Pairs, Text, or_empty};
use super::validate;

/// One timing as it is sent; which fields count depends on `kind`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Timing<'a> {
    #[serde(borrow)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) service: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) route: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) path: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) method: Option<Text<'a>>,
    pub(super) status: Option<u16>,
    pub(super) duration_ms: Option<f64>,
    pub(super) ts: Option<f64>,
    #[serde(borrow)]
    pub(super) region: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) operation: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) system: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) statement: Option<Text<'a>>,
    pub(super) error: Option<bool>,
    #[serde(borrow)]
    pub(super) layer: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) outcome: Option<Text<'a>>,
    pub(super) success: Option<bool>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    pub(super) value: Option<f64>,
    pub(super) add: Option<f64>,
    #[serde(borrow)]
    pub(super) labels: Option<Pairs<'a>>,
}

/// The elements of a body with their line (NDJSON) or position (array), counted from 1.
pub fn decode(body: &[u8]) -> Vec<(usize, Result<Timing<'_>, Reject>)> {
    elements::decode(body)
}

impl Timing<'_> {
    /// Puts other numbers in place of `duration_ms` and `ts`, and returns those that were there.
    pub(super) fn replace_numbers(&mut self, duration_ms: f64, ts: Option<f64>) -> (Option<f64>, Option<f64>) {
        (self.duration_ms.replace(duration_ms), std::mem::replace(&mut self.ts, ts))
    }
}

/// Checks one timing and turns it into an event.
pub fn event<'a>(mut timing: Timing<'a>, settings: &Settings, now: Timestamp) -> Result<Event<'a>, Reject> {
    let at = validate::event_time(timing.ts, now)?;
    let kind = validate::required("kind", timing.kind.take())?.0;
    let service = or_empty(timing.service.take());
    validate::text("service", &service, validate::SERVICE_BYTES)?;
    let parts = match kind.as_ref() {
        "http" => http(timing, &settings.routes),
        "db" => db(timing, settings),
        "cache" => cache(timing),
        "operation" => operation(timing),
        "gauge" => gauge(timing),
        "counter" => counter(timing),
        other => {
            let error = format!(
                "kind {:?} is not known; expected http, db, cache, operation, gauge or counter",
                crate::base::bounded::cut(other, 40)
            );
            Err(Reject::new(DropReason::UnknownMetric, error))
        }
    }?;
    Ok(Event { metric: parts.metric, service, labels: parts.labels, change: parts.change, at })
}

/// What a kind makes of a timing.
struct Parts<'a> {
    metric: Cow<'a, str>,
    labels: LabelPairs<'a>,
    change: Change,
}

/// A duration under `metric` with these labels.
fn timed<'a, const N: usize>(
    metric: &'static str,
    duration_ms: Option<f64>,
    labels: [(&'static str, Cow<'a, str>); N],
) -> Result<Parts<'a>, Reject> {
    let seconds = validate::duration("duration_ms", validate::required("duration_ms", duration_ms)?)?;
    for (name, value) in &labels {
        let limit = if *name == "http_route" { validate::ROUTE_BYTES } else { validate::VALUE_BYTES };
        validate::text(name, value, limit)?;
    }
    let labels = labels.into_iter().map(|(n, v)| (Cow::Borrowed(n), v)).collect();
    Ok(Parts { metric: Cow::Borrowed(metric), labels, change: Change::Observe(seconds) })
}

fn http<'a>(timing: Timing<'a>, rules: &[RouteRule]) -> Result<Parts<'a>, Reject> {
    let status = timing.status.map_or(Ok(Cow::Borrowed("")), status_text)?;
    let route = match (timing.route, timing.path) {
        (Some(Text(route)), _) => template(route),
        (None, Some(Text(path))) => {
            validate::text("path", &path, validate::URL_BYTES)?;
            Cow::Owned(routes::from_path(&path, rules))
        }
        (None, None) => Cow::Borrowed(""),
    };
    timed(
        "http_server_request_duration_seconds",
        timing.duration_ms,
        [
            ("http_route", route),
            ("http_request_method", method(or_empty(timing.method))),
            ("http_response_status_code", status),
            ("region", or_empty(timing.region)),
            ("operation", or_empty(timing.operation)),
        ],
    )
}

fn template(route: Cow<'_, str>) -> Cow<'_, str> {
    match route {
        Cow::Borrowed(route) => Cow::Borrowed(routes::from_template(route)),
        Cow::Owned(route) => Cow::Owned(routes::from_template(&route).to_owned()),
    }
}

/// The methods of HTTP; others are `_OTHER`, as OpenTelemetry's conventions have it.
pub(crate) fn method(method: Cow<'_, str>) -> Cow<'_, str> {
    const KNOWN: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    if method.is_empty() || KNOWN.contains(&method.as_ref()) {
        return method;
    }
    Cow::Borrowed(KNOWN.into_iter().find(|k| k.eq_ignore_ascii_case(&method)).unwrap_or("_OTHER"))
}

/// A status code as text, without allocating for the usual ones.
pub(crate) fn status_text(status: u16) -> Result<Cow<'static, str>, Reject> {
    Ok(Cow::Borrowed(match status {
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        301 => "301",
        302 => "302",
        304 => "304",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        409 => "409",
        422 => "422",
        429 => "429",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        100..=599 => return Ok(Cow::Owned(status.to_string())),
        _ => {
            let error = format!("status is {status}; expected 100 to 599");
            return Err(Reject::new(DropReason::Implausible, error));
        }
    }))
}

fn db<'a>(timing: Timing<'a>, settings: &Settings) -> Result<Parts<'a>, Reject> {
    let statement = or_empty(timing.statement);
    let operation = match timing.operation {
        Some(Text(operation)) => operation,
        None => statement::operation(&statement).unwrap_or_default(),
    };
    timed(
        "db_client_operation_duration_seconds",
        timing.duration_ms,
        [
            ("db_system_name", or_empty(timing.system)),
            ("db_operation_name", operation),
            ("error", flag(timing.error)),
            ("db_query_text", listed(&statement, settings)),
        ],
    )
}

/// Whether it failed, as a label; success is said too, so that either can be selected.
fn flag(error: Option<bool>) -> Cow<'static, str> {
    Cow::Borrowed(if error == Some(true) { "true" } else { "false" })
}

/// The normalised statement, if it is one of those that may become a label.
pub(crate) fn listed(statement: &str, settings: &Settings) -> Cow<'static, str> {
    if settings.listed_statements.is_empty() || statement.is_empty() {
        return Cow::Borrowed("");
    }
    let normal = statement::normalise(statement);
    if settings.listed_statements.contains(&normal) { Cow::Owned(normal) } else { Cow::Borrowed("") }
}

fn cache<'a>(timing: Timing<'a>) -> Result<Parts<'a>, Reject> {
    let outcome = match timing.outcome {
        Some(Text(outcome)) => cache_outcome(&outcome)?,
        None => "",
    };
    timed(
        "cache_operation_duration_seconds",
        timing.duration_ms,
        [
            ("cache_layer", or_empty(timing.layer)),
            ("cache_operation", or_empty(timing.operation)),
            ("cache_outcome", Cow::Borrowed(outcome)),
        ],
    )
}

/// One of the four outcomes, in any case of letters.
pub(crate) fn cache_outcome(outcome: &str) -> Result<&'static str, Reject> {
    let known = ["hit", "stale", "miss", "error"].into_iter().find(|k| k.eq_ignore_ascii_case(outcome));
    let shown = crate::base::bounded::cut(outcome, 40);
    let error = || format!("outcome {shown:?} is not known; expected hit, stale, miss or error");
    known.ok_or_else(|| Reject::new(DropReason::Invalid, error()))
}

fn operation<'a>(timing: Timing<'a>) -> Result<Parts<'a>, Reject> {
    let outcome = match (timing.outcome, timing.success) {
        (Some(Text(outcome)), _) => outcome,
        (None, Some(true)) => Cow::Borrowed("success"),
        (None, Some(false)) => Cow::Borrowed("failure"),
        (None, None) => Cow::Borrowed(""),
    };
    let operation = validate::required("operation", timing.operation)?.0;
    timed("operation_duration_seconds", timing.duration_ms, [("operation", operation), ("outcome", outcome)])
}

fn gauge<'a>(timing: Timing<'a>) -> Result<Parts<'a>, Reject> {
    let value = validate::finite("value", validate::required("value", timing.value)?)?;
    named(timing.name, timing.labels, Change::Sample(value))
}

fn counter<'a>(timing: Timing<'a>) -> Result<Parts<'a>, Reject> {
    let step = validate::step("add", timing.add.unwrap_or(1.0))?;
    named(timing.name, timing.labels, Change::Add(step))
}

fn named<'a>(name: Option<Text<'a>>, labels: Option<Pairs<'a>>, change: Change) -> Result<Parts<'a>, Reject> {
    let metric = validate::required("name", name)?.0;
    validate::metric_name(&metric)?;
    let labels = labels.unwrap_or_default().0;
    validate::labels(&labels)?;
    Ok(Parts { metric, labels, change })
}

#[cfg(test)]
mod tests;
