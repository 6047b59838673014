//! `POST /api/performance/metrics`: what older applications send, from browsers and from services.

use axum::extract::{Request, State};
use axum::response::Response;

use crate::http::Api;
use crate::ingest::PageForm;

use super::door::Size;
use super::page::PageDoor;

const DOOR: PageDoor = PageDoor {
    form: PageForm::Mixed,
    types: &["application/json", "text/plain", "application/x-ndjson", ""],
    size: Size::Body,
};

/// Takes records and beacons.
pub async fn post(State(api): State<Api>, request: Request) -> Response {
    DOOR.take(&api, request, |response| response).await
}
