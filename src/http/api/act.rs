//! `POST /api/incidents/ID/{ack,unack,resolve,escalate,note}`.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use super::incidents::IncidentReply;
use super::{no_incident, reply};
use crate::alert::Action;
use crate::base::id::IncidentId;
use crate::http::{Api, Problem, auth};

/// The longest name of a person, in characters.
pub(in crate::http) const MAX_NAME: usize = 100;
/// The longest note, in characters.
pub(in crate::http) const MAX_NOTE: usize = 4000;

/// Who acts, and what they remark. Without a body: `api`, nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    by: Option<String>,
    note: Option<String>,
}

/// The action that a path names.
pub(in crate::http) fn action_named(word: &str) -> Option<Action> {
    match word {
        "ack" => Some(Action::Acknowledge),
        "unack" => Some(Action::Unacknowledge),
        "resolve" => Some(Action::Resolve),
        "escalate" => Some(Action::Escalate),
        "note" => Some(Action::Note),
        _ => None,
    }
}

/// Does it and answers with the incident.
pub(super) async fn act(
    State(api): State<Api>,
    Path((id, action)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    auth::require_admin(&api, &headers)?;
    let known = IncidentId::parse(&id).ok_or_else(|| no_incident(&id))?;
    let action = action_named(&action).ok_or_else(|| no_action(&action))?;
    let body = body.map_err(|e| Problem::of(e.status(), "send at most 32 KiB of JSON"))?;
    let request = decode(&headers, &body)?;
    let by = request.by.as_deref().map(str::trim).filter(|b| !b.is_empty()).unwrap_or("api");
    let note = request.note.as_deref().map(str::trim).filter(|n| !n.is_empty());
    if matches!(action, Action::Note) && note.is_none() {
        return Err(invalid("`note` is missing: say what you want to remark"));
    }
    let incident = api.on_call.act(known, action, by, "api", note, api.clock.now()).await?;
    Ok(reply(IncidentReply::from(&incident)))
}

fn decode(headers: &HeaderMap, body: &[u8]) -> Result<Request, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Request { by: None, note: None });
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        let detail = "send `Content-Type: application/json`";
        return Err(Problem::of(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let request: Request = serde_json::from_slice(body).map_err(|error| {
        let detail = format!("expected {{\"by\": \"name\", \"note\": \"text\"}}: {error}");
        Problem::of(StatusCode::BAD_REQUEST, detail)
    })?;
    let too_long = |text: &Option<String>, most: usize| text.as_ref().is_some_and(|t| t.chars().count() > most);
    if too_long(&request.by, MAX_NAME) || too_long(&request.note, MAX_NOTE) {
        return Err(invalid(&format!("`by` may have {MAX_NAME} characters and `note` {MAX_NOTE}")));
    }
    Ok(request)
}

fn invalid(detail: &str) -> Problem {
    Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

fn no_action(word: &str) -> Problem {
    let detail = format!("there is no action {word:?}: use ack, unack, resolve, escalate or note");
    Problem::of(StatusCode::NOT_FOUND, detail)
}

#[cfg(test)]
mod tests {
    use crate::alert::Action;
    use crate::http::api::routes;
    use crate::http::testkit::Kit;

    #[tokio::test]
    async fn acknowledging_twice_names_the_first() {
        let kit = Kit::new();
        let path = format!("/api/incidents/{}/ack", kit.incident_id());
        let first = kit.post_json(routes(), &path, r#"{"by":"ada","note":"looking"}"#).await.json();
        assert_eq!((first["state"].as_str(), first["acknowledged_by"].as_str()), (Some("acknowledged"), Some("ada")));
        let second = kit.post_json(routes(), &path, r#"{"by":"grace"}"#).await.json();
        assert_eq!(second["acknowledged_by"], "ada");
        let acts = kit.acts();
        assert_eq!(acts[0], (Action::Acknowledge, "ada".into(), "api".into(), Some("looking".into())));
    }

    #[tokio::test]
    async fn every_action_is_passed_on_and_a_body_may_be_left_out() {
        let kit = Kit::new();
        for (word, action) in [("unack", Action::Unacknowledge), ("escalate", Action::Escalate)] {
            let path = format!("/api/incidents/{}/{word}", kit.incident_id());
            assert_eq!(kit.send(routes(), kit.request("POST", &path), "").await.status, 200);
            assert_eq!(kit.acts().pop().unwrap(), (action, "api".into(), "api".into(), None));
        }
        let path = format!("/api/incidents/{}/resolve", kit.incident_id());
        assert_eq!(kit.post_json(routes(), &path, "{}").await.json()["state"], "resolved");
        let path = format!("/api/incidents/{}/ack", kit.incident_id());
        assert_eq!(kit.post_json(routes(), &path, "{}").await.problem(), 409);
    }

    #[tokio::test]
    async fn bad_requests_change_nothing() {
        let kit = Kit::new();
        let at = |word: &str| format!("/api/incidents/{}/{word}", kit.incident_id());
        assert_eq!(kit.post_json(routes(), &at("ack"), "{").await.problem(), 400);
        assert_eq!(kit.post_json(routes(), &at("ack"), r#"{"by":1}"#).await.problem(), 400);
        assert_eq!(kit.post_json(routes(), &at("note"), "{}").await.problem(), 422);
        assert_eq!(kit.post_json(routes(), &at("explode"), "{}").await.problem(), 404);
        let long = format!(r#"{{"by":"{}"}}"#, "x".repeat(101));
        assert_eq!(kit.post_json(routes(), &at("ack"), &long).await.problem(), 422);
        let huge = format!(r#"{{"note":"{}"}}"#, "x".repeat(40_000));
        assert_eq!(kit.post_json(routes(), &at("note"), &huge).await.problem(), 413);
        let form = kit.request("POST", &at("ack")).header("content-type", "text/plain");
        assert_eq!(kit.send(routes(), form, r#"{"by":"x"}"#).await.problem(), 415);
        let foreign = kit.request("POST", &at("ack")).header("sec-fetch-site", "cross-site");
        assert_eq!(kit.send(routes(), foreign, "").await.problem(), 403);
        assert!(kit.acts().is_empty());
    }
}
