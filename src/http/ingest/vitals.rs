//! `POST /ingest/vitals`

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use crate::http::Api;
use crate::http::auth::{self, Claimed};
use crate::ingest::Endpoint;

use super::door::{Door, Incoming, Size};
use super::reply::reply;

const DOOR: Door = Door {
    endpoint: Endpoint::Vitals,
    types: &["application/json", "text/plain", ""],
    browser: true,
    size: Size::Beacon,
};

/// The route.
pub async fn post(State(api): State<Api>, request: Request) -> Response {
    take(&api, request).await
}

/// Takes a beacon. Every answer can be read by the page that sent it, if its origin is allowed.
pub async fn take<B: Incoming>(api: &Api, request: http::Request<B>) -> Response {
    let cors = auth::cors(&api.edge().settings.keys, &Claimed::of(request.headers()));
    let mut response = match DOOR.pass(api, request).await {
        Ok(arrival) => {
            let authorize = |site: &str| arrival.authorize(api, site);
            reply(api.edge().intake.vitals(&arrival.body, &arrival.sender(), &authorize, api.clock.now()).await)
        }
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().extend(cors);
    response
}
