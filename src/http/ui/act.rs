//! `POST /incidents/ID/{ack,unack,resolve,escalate,note}` from our own pages: does it, then shows the page.
//!
//! The name is remembered in a cookie, so that the one button at three in the morning says who pressed it.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::layout::Failure;
use crate::alert::Action;
use crate::base::id::IncidentId;
use crate::http::api::{MAX_NAME, MAX_NOTE, action_named};
use crate::http::{Api, Problem, auth};

/// The cookie with the name.
const COOKIE: &str = "plimsoll_by";

/// Who acted when nobody said so.
const SOMEONE: &str = "someone on the web page";

/// What the forms send.
#[derive(Deserialize)]
pub(super) struct Fields {
    by: Option<String>,
    note: Option<String>,
    back: Option<String>,
}

/// Does it and goes back to the page that it was pressed on.
pub(super) async fn act(
    State(api): State<Api>,
    Path((id, action)): Path<(String, String)>,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Failure> {
    auth::require_admin(&api, &headers)?;
    let missing = || Failure::not_found("No such incident or action");
    let (Some(known), Some(action)) = (IncidentId::parse(&id), action_named(&action)) else { return Err(missing()) };
    let Form(fields) = fields.map_err(|e| Problem::of(e.status(), e.body_text()))?;
    let given = trimmed(fields.by, MAX_NAME, "The name")?;
    let note = trimmed(fields.note, MAX_NOTE, "The note")?;
    if matches!(action, Action::Note) && note.is_none() {
        return Err(unacceptable("The note is empty.").into());
    }
    let by = given.clone().or_else(|| remembered(&headers)).unwrap_or_else(|| SOMEONE.to_owned());
    api.on_call.act(known, action, &by, "page", note.as_deref(), api.clock.now()).await?;
    let back = match fields.back.as_deref() {
        Some("/") => "/".to_owned(),
        Some("/incidents") => "/incidents".to_owned(),
        _ => format!("/incidents/{known}"),
    };
    let mut response = Redirect::to(&back).into_response();
    if let Some(cookie) = given.and_then(|name| cookie(&name)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn trimmed(text: Option<String>, most: usize, what: &str) -> Result<Option<String>, Problem> {
    let text = text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    match text.as_ref().is_some_and(|t| t.chars().count() > most) {
        true => Err(unacceptable(&format!("{what} has more than {most} characters."))),
        false => Ok(text),
    }
}

fn unacceptable(detail: &str) -> Problem {
    Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

fn cookie(name: &str) -> Option<HeaderValue> {
    let value: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let text = format!("{COOKIE}={value}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&text).ok()
}

/// The name that this browser gave before.
pub(super) fn remembered(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let value = cookies.split(';').find_map(|c| c.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
    let (name, _) = url::form_urlencoded::parse(value.as_bytes()).next()?;
    let name = name.trim();
    (!name.is_empty() && name.chars().count() <= MAX_NAME).then(|| name.to_owned())
}
