//! `POST /ingest/timings`

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use crate::http::Api;
use crate::ingest::Endpoint;

use super::door::{Door, Size};
use super::reply::reply;

/// Types that a page cannot send without a preflight, which this path does not answer.
const DOOR: Door = Door {
    endpoint: Endpoint::Timings,
    types: &["application/json", "application/x-ndjson", "application/ndjson", "application/jsonl"],
    browser: false,
    size: Size::Body,
};

/// Takes timings.
pub async fn post(State(api): State<Api>, request: Request) -> Response {
    match DOOR.pass(&api, request).await {
        Ok(arrival) => reply(api.edge().intake.timings(&arrival.body, &arrival.sender(), api.clock.now()).await),
        Err(problem) => problem.into_response(),
    }
}
