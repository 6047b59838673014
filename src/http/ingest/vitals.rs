//! `POST /ingest/vitals`

use axum::extract::{Request, State};
use axum::response::Response;

use crate::http::Api;
use crate::ingest::PageForm;

use super::door::{Incoming, Size};
use super::page::PageDoor;

const DOOR: PageDoor =
    PageDoor { form: PageForm::Beacon, types: &["application/json", "text/plain", ""], size: Size::Beacon };

/// The route.
pub async fn post(State(api): State<Api>, request: Request) -> Response {
    take(&api, request).await
}

/// Takes a beacon.
pub async fn take<B: Incoming>(api: &Api, request: http::Request<B>) -> Response {
    DOOR.take(api, request, |response| response).await
}
