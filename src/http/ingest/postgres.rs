//! `POST /ingest/postgres?instance=NAME`: rows of the statistics views as JSON, from where we can't reach.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::door::{Arrival, Door, Size};
use super::push::{self, Parsed, Refusal};
use crate::base::DropReason;
use crate::http::Api;
use crate::ingest::Endpoint;
use crate::ingest::postgres_rows::{self, PostgresRowsError};

const DOOR: Door =
    Door { endpoint: Endpoint::Postgres, types: &["application/json"], browser: false, size: Size::Fixed(push::LIMIT) };

/// Takes the rows of one server.
pub async fn post(State(api): State<Api>, request: Request) -> Response {
    match DOOR.pass(&api, request).await {
        Ok(arrival) => push::finish(&api, Endpoint::Postgres, parse(&api, &arrival)).await,
        Err(problem) => problem.into_response(),
    }
}

fn parse(api: &Api, arrival: &Arrival) -> Result<Parsed, Refusal> {
    let instance = push::instance(arrival.query())?;
    let snapshot = postgres_rows::decode(&arrival.body).map_err(refuse)?;
    let parsed = postgres_rows::map(&snapshot, &postgres_rows::target(&instance), api.clock.now());
    Ok((parsed.items, parsed.dropped))
}

fn refuse(error: PostgresRowsError) -> Refusal {
    let (reason, status) = match error {
        PostgresRowsError::Malformed(_) => (DropReason::Malformed, StatusCode::BAD_REQUEST),
        PostgresRowsError::TooLong => (DropReason::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
        PostgresRowsError::Version(_) | PostgresRowsError::NothingKnown => {
            (DropReason::Invalid, StatusCode::UNPROCESSABLE_ENTITY)
        }
    };
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Refusal::new(reason, status, format!("{error}{cause}"))
}
