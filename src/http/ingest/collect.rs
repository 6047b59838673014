//! `POST /collect`: Grafana Faro's web SDK, without a change on its side but the address.
//!
//! Answers as Faro's receivers do: 202 `ok`. A key travels in `x-api-key` (the SDK's option `apiKey`); without
//! one the application's name stands for the site. Sessions are not looked at, so none is ever called invalid.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::http::Api;
use crate::ingest::PageForm;

use super::door::Size;
use super::page::PageDoor;

const DOOR: PageDoor = PageDoor {
    form: PageForm::Faro,
    types: &["application/json", "text/plain", ""],
    // Stack traces make bodies larger than a beacon is.
    size: Size::Body,
};

/// Takes a payload.
pub async fn post(State(api): State<Api>, request: Request) -> Response {
    DOOR.take(&api, request, accepted).await
}

/// What was taken, in whole or in part, is 202.
fn accepted(mut response: Response) -> Response {
    match response.status() {
        StatusCode::NO_CONTENT => (StatusCode::ACCEPTED, std::mem::take(response.headers_mut()), "ok").into_response(),
        StatusCode::OK => {
            *response.status_mut() = StatusCode::ACCEPTED;
            response
        }
        _ => response,
    }
}
