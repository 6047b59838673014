//! PagerDuty's Events API v2.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::form::{Fields, Problems, posted};
use super::{Page, Request};

pub(super) fn check(request: &Request<'_>) -> Result<Page, Vec<String>> {
    let problems = Problems::default();
    let body = posted(request, 512 * 1024, &problems);
    let mut event = Fields::of(&body, "event", &problems);
    let routing_key = event.text("routing_key", 32);
    problems.expect(routing_key.len() == 32, "event.routing_key has not 32 characters");
    let action = event.word("event_action", &["trigger", "acknowledge", "resolve"]);
    let key = event.text("dedup_key", 255);
    let text = if action == "trigger" { trigger(&mut event, &problems) } else { key.to_owned() };
    event.end();
    let page = Page { action: action.to_owned(), key: key.to_owned(), text };
    problems.result(page)
}

fn trigger(event: &mut Fields<'_>, problems: &Problems) -> String {
    event.optional("client", 255);
    if event.any("client_url").is_some() {
        event.link("client_url", 3000);
    }
    for link in event.list("links", 20) {
        let mut link = Fields::of(link, "event.links[]", problems);
        link.link("href", 3000);
        link.optional("text", 255);
        link.end();
    }
    payload(event.required("payload"), problems)
}

fn payload(value: &Value, problems: &Problems) -> String {
    let mut payload = Fields::of(value, "event.payload", problems);
    let summary = payload.text("summary", 2048);
    problems.expect(summary.chars().count() <= 1024, "event.payload.summary has more than 1024 characters");
    payload.text("source", 1024);
    let severity = payload.word("severity", &["critical", "error", "warning", "info"]);
    if payload.any("timestamp").is_some() {
        payload.time("timestamp");
    }
    for field in ["component", "group", "class"] {
        payload.optional(field, 1024);
    }
    let details = payload.any("custom_details");
    problems.expect(details.is_none_or(Value::is_object), "event.payload.custom_details is not an object");
    payload.end();
    format!("{severity}: {summary}")
}

pub(super) fn answer(checked: &Result<Page, Vec<String>>) -> Response {
    match checked {
        Ok(page) => {
            let body = json!({"status": "success", "message": "Event processed", "dedup_key": page.key});
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        Err(problems) => {
            let body = json!({"status": "invalid event", "message": "Event object is invalid", "errors": problems});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}
