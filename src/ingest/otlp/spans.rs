//! Spans become timings, under the same names and labels as those of `POST /ingest/timings`.
//!
//! | span | timing |
//! |---|---|
//! | server span with HTTP attributes | `http` |
//! | server span with RPC attributes | `operation` |
//! | client or internal span with `db.system.name` (Redis and Memcached too) | `db` |
//!
//! Attributes are those of the semantic conventions for HTTP, databases and RPC, by their present and their
//! older names. A span is booked on its end. All others (other clients, messages, internal work) are counted
//! as unsupported, and their sender is not told: whoever exports traces exports all of them.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::base::{DropReason, Timestamp};
use crate::ingest::gather::{Change, Event};
use crate::ingest::outcome::Reject;
use crate::ingest::settings::Settings;
use crate::ingest::text::Text;
use crate::ingest::timings::{self, Timing};

use super::attributes::{find, find_integer, find_text};
use super::sampling;

const METHOD: [&str; 2] = ["http.request.method", "http.method"];
const STATUS: [&str; 2] = ["http.response.status_code", "http.status_code"];
const PATH: [&str; 4] = ["url.path", "http.target", "url.full", "http.url"];
const DB_SYSTEM: [&str; 2] = ["db.system.name", "db.system"];
const DB_OPERATION: [&str; 2] = ["db.operation.name", "db.operation"];
const DB_STATEMENT: [&str; 2] = ["db.query.text", "db.statement"];
const RPC_SYSTEM: [&str; 2] = ["rpc.system.name", "rpc.system"];

/// The timing of a span; its sampling's weight included.
pub(super) fn event<'a>(
    span: &'a Span,
    resource: &'a [KeyValue],
    settings: &Settings,
    now: Timestamp,
) -> Result<Event<'a>, Reject> {
    let timing = timing(span, resource).ok_or_else(|| {
        Reject::new(DropReason::Unsupported, "neither a server's span of HTTP or RPC nor a call of a database")
    })?;
    let mut event = timings::event(timing, settings, now)?;
    let weight = sampling::weight(&span.trace_state, &span.span_id)?;
    if let Change::Observe(value) = event.change
        && weight > 1
    {
        event.change = Change::ObserveMany { value, weight };
    }
    Ok(event)
}

/// What the span is, as a timing; `None` when it is nothing that is timed here.
fn timing<'a>(span: &'a Span, resource: &'a [KeyValue]) -> Option<Timing<'a>> {
    let has = |names: &[&str]| find(&span.attributes, names).is_some();
    let kind = SpanKind::try_from(span.kind).unwrap_or_default();
    let timing = match kind {
        SpanKind::Server if has(&METHOD) || has(&STATUS) => http(span, resource),
        SpanKind::Server if has(&RPC_SYSTEM) => rpc(span),
        SpanKind::Client | SpanKind::Internal if has(&DB_SYSTEM) => db(span),
        _ => return None,
    };
    Some(Timing {
        service: text(resource, &["service.name"]),
        duration_ms: Some((i128::from(span.end_time_unix_nano) - i128::from(span.start_time_unix_nano)) as f64 / 1e6),
        ts: (span.end_time_unix_nano > 0).then_some(span.end_time_unix_nano as f64 / 1e9),
        ..timing
    })
}

fn http<'a>(span: &'a Span, resource: &'a [KeyValue]) -> Timing<'a> {
    Timing {
        kind: Some(Text(Cow::Borrowed("http"))),
        method: text(&span.attributes, &METHOD),
        status: find_integer(&span.attributes, &STATUS).and_then(|s| u16::try_from(s).ok()),
        route: text(&span.attributes, &["http.route"]),
        path: text(&span.attributes, &PATH),
        region: text(resource, &["cloud.region"]),
        ..Timing::default()
    }
}

fn db(span: &Span) -> Timing<'_> {
    Timing {
        kind: Some(Text(Cow::Borrowed("db"))),
        system: text(&span.attributes, &DB_SYSTEM),
        operation: text(&span.attributes, &DB_OPERATION),
        statement: text(&span.attributes, &DB_STATEMENT),
        error: Some(has_failed(span)),
        ..Timing::default()
    }
}

/// The operation is `service/method`; since its stabilisation the conventions have both in `rpc.method`.
fn rpc(span: &Span) -> Timing<'_> {
    let of = |name| find_text(&span.attributes, &[name]);
    let operation = match (of("rpc.service"), of("rpc.method")) {
        (Some(service), Some(method)) => Cow::Owned(format!("{service}/{method}")),
        (None, Some(method)) => method,
        (_, None) => Cow::Borrowed(span.name.as_str()),
    };
    Timing {
        kind: Some(Text(Cow::Borrowed("operation"))),
        operation: Some(Text(operation)),
        success: Some(!has_failed(span)),
        ..Timing::default()
    }
}

fn has_failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|s| s.code == StatusCode::Error as i32)
}

fn text<'a>(attributes: &'a [KeyValue], names: &[&str]) -> Option<Text<'a>> {
    find_text(attributes, names).filter(|t| !t.is_empty()).map(Text)
}

#[cfg(test)]
mod tests;
