//! `POST /ingest/redis?instance=NAME`: the text of `INFO everything`, from where we can't reach.
//!
//! `redis-cli INFO everything | curl --data-binary @- -H 'Content-Type: text/plain' …`

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};

use super::push::{self, Refusal};
use crate::http::Api;
use crate::ingest::redis_text;

/// The route.
pub fn routes() -> Router<Api> {
    Router::new().route("/ingest/redis", post(take))
}

async fn take(
    State(api): State<Api>,
    Query(query): Query<push::Query>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let instance = query.instance()?;
    // curl's default for data is the form's type; the text says itself what it is.
    if push::media_type(&headers).is_some_and(|t| {
        !["text/plain", "application/octet-stream", "application/x-www-form-urlencoded"].contains(&&*t)
    }) {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the text of INFO as text/plain"));
    }
    let body = push::read(&headers, body).await?;
    let text = std::str::from_utf8(&body)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the text of INFO must be UTF-8"))?;
    let parsed = redis_text::parse(text, &redis_text::target(instance), api.clock.now())
        .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    push::record(&api, parsed.items).await
}
