//! `POST /ingest/redis?instance=NAME`: the text of `INFO everything`, from where we can't reach.
//!
//! `redis-cli INFO everything | curl --data-binary @- -H 'Content-Type: text/plain' …`

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::door::{Arrival, Door, Size};
use super::push::{self, Parsed, Refusal};
use crate::base::DropReason;
use crate::http::Api;
use crate::ingest::Endpoint;
use crate::ingest::redis_text::{self, RedisTextError};

/// curl's default for data is the form's type; the text says itself what it is.
const DOOR: Door = Door {
    endpoint: Endpoint::Redis,
    types: &["text/plain", "application/octet-stream", "application/x-www-form-urlencoded", ""],
    browser: false,
    size: Size::Fixed(push::LIMIT),
};

/// Takes the text of one server.
pub async fn post(State(api): State<Api>, request: Request) -> Response {
    match DOOR.pass(&api, request).await {
        Ok(arrival) => push::finish(&api, Endpoint::Redis, parse(&api, &arrival)).await,
        Err(problem) => problem.into_response(),
    }
}

fn parse(api: &Api, arrival: &Arrival) -> Result<Parsed, Refusal> {
    let instance = push::instance(arrival.query())?;
    let text = std::str::from_utf8(&arrival.body)
        .map_err(|_| Refusal::new(DropReason::Malformed, StatusCode::BAD_REQUEST, "the text of INFO must be UTF-8"))?;
    let parsed = redis_text::parse(text, &redis_text::target(&instance), api.clock.now()).map_err(|error| {
        let (reason, status) = match error {
            RedisTextError::TooLong => (DropReason::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
            RedisTextError::NotInfo => (DropReason::Invalid, StatusCode::UNPROCESSABLE_ENTITY),
        };
        Refusal::new(reason, status, error.to_string())
    })?;
    Ok((parsed.items, parsed.dropped))
}
