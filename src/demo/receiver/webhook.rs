//! A webhook in Alertmanager's form, version 4, signed.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::base::{Secret, Timestamp};
use crate::notify::senders::signature;

use super::form::{Fields, Problems, posted};
use super::{Page, Request};

/// A signature is too old or too far ahead beyond this many seconds.
const FRESH_SECONDS: u64 = 300;

pub(super) fn check(request: &Request<'_>, secret: Option<&Secret>, now: Timestamp) -> Result<Page, Vec<String>> {
    let problems = Problems::default();
    let body = posted(request, 256 * 1024, &problems);
    let key = header(request.headers, "idempotency-key");
    problems.expect(uuid::Uuid::parse_str(key).is_ok(), "the header Idempotency-Key is not an id");
    let signed = header(request.headers, "x-plimsoll-signature");
    match secret {
        Some(secret) => signed_by(secret, signed, request.body, now, &problems),
        None => problems.expect(signed.is_empty(), "the request is signed, but no secret is configured"),
    }
    let (action, text) = message(&body, &problems);
    problems.result(Page { action, key: key.to_owned(), text })
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

fn signed_by(secret: &Secret, signed: &str, body: &[u8], now: Timestamp, problems: &Problems) {
    let seconds = signed.split(',').find_map(|part| part.strip_prefix("t=")).and_then(|t| t.parse::<i64>().ok());
    let Some(at) = seconds.map(Timestamp::from_secs) else {
        problems.add("the header X-Plimsoll-Signature is missing or has no time");
        return;
    };
    let age = now.since(at).max(at.since(now));
    problems.expect(age.as_secs() <= FRESH_SECONDS, "the signature is not fresh");
    let good = Secret::new(signature(secret, at, body)).matches(signed);
    problems.expect(good, "the signature is wrong");
}

fn message(body: &Value, problems: &Problems) -> (String, String) {
    let mut message = Fields::of(body, "message", problems);
    message.word("version", &["4"]);
    message.text("groupKey", 1024);
    let cut = message.required("truncatedAlerts");
    problems.expect(cut.is_u64(), "message.truncatedAlerts is not a number");
    let status = message.word("status", &["firing", "resolved"]);
    message.text("receiver", 255);
    for name in ["groupLabels", "commonLabels", "commonAnnotations"] {
        message.strings(name);
    }
    message.link("externalURL", 2000);
    let alerts = message.list("alerts", 1000);
    problems.expect(!alerts.is_empty(), "message.alerts is empty");
    for value in alerts {
        alert(value, status, problems);
    }
    message.end();
    let summary = &alerts.first().map_or(&Value::Null, |a| &a["annotations"])["summary"];
    (status.to_owned(), summary.as_str().unwrap_or_default().to_owned())
}

fn alert(value: &Value, status: &str, problems: &Problems) {
    let mut alert = Fields::of(value, "alert", problems);
    alert.word("status", &[status]);
    alert.strings("labels");
    alert.strings("annotations");
    problems.expect(value["labels"]["alertname"].is_string(), "alert.labels.alertname is missing");
    alert.time("startsAt");
    let ends_at = alert.time("endsAt");
    let not_ended = ends_at == "0001-01-01T00:00:00Z";
    problems.expect(not_ended == (status == "firing"), "alert.endsAt does not go with its status");
    alert.link("generatorURL", 2000);
    let fingerprint = alert.text("fingerprint", 16);
    let hex = fingerprint.len() == 16 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
    problems.expect(hex, "alert.fingerprint is not 16 hexadecimal digits");
    alert.end();
}

pub(super) fn answer(checked: &Result<Page, Vec<String>>) -> Response {
    match checked {
        Ok(_) => StatusCode::OK.into_response(),
        Err(problems) => (StatusCode::BAD_REQUEST, problems.join("\n")).into_response(),
    }
}
