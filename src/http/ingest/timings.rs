//! `POST /ingest/timings`

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use crate::http::Api;
use crate::ingest::{Endpoint, Sender};

use super::door::{Door, Incoming, Size};
use super::reply::reply;

/// Types that a page cannot send without a preflight, which this path does not answer.
const DOOR: Door = Door {
    endpoint: Endpoint::Timings,
    types: &["application/json", "application/x-ndjson", "application/ndjson", "application/jsonl"],
    browser: false,
    size: Size::Body,
};

/// The route.
pub async fn post(State(api): State<Api>, request: Request) -> Response {
    take(&api, request).await
}

/// Takes timings.
pub async fn take<B: Incoming>(api: &Api, request: http::Request<B>) -> Response {
    let arrival = match DOOR.pass(api, request).await {
        Ok(arrival) => arrival,
        Err(problem) => return problem.into_response(),
    };
    // Of services nothing else is of interest.
    let sender = Sender { service: arrival.service(), ..Sender::default() };
    let gathered = api.edge().intake.timings(&arrival.body, &sender, api.clock.now()).await;
    // While the recorder works, the connection reads into the same buffer again.
    drop(arrival);
    reply(gathered.record().await)
}
