//! `POST /ingest/postgres?instance=NAME`: rows of the statistics views as JSON, from where we can't reach.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};

use super::push::{self, Refusal};
use crate::http::Api;
use crate::ingest::postgres_rows::{self, PostgresRowsError};

/// The route.
pub fn routes() -> Router<Api> {
    Router::new().route("/ingest/postgres", post(take))
}

async fn take(
    State(api): State<Api>,
    Query(query): Query<push::Query>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let instance = query.instance()?;
    if push::media_type(&headers).is_none_or(|t| t != "application/json") {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
    }
    let body = push::read(&headers, body).await?;
    let snapshot = postgres_rows::decode(&body).map_err(refuse)?;
    let parsed = postgres_rows::map(&snapshot, &postgres_rows::target(instance), api.clock.now());
    push::record(&api, parsed.items).await
}

fn refuse(error: PostgresRowsError) -> Refusal {
    let status = match error {
        PostgresRowsError::Malformed(_) => StatusCode::BAD_REQUEST,
        PostgresRowsError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        PostgresRowsError::Version(_) | PostgresRowsError::NothingKnown => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Refusal::new(status, format!("{error}{cause}"))
}
