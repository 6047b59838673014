//! `POST /ingest/postgres?instance=NAME`: rows of the statistics views as JSON, from where we can't reach.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};

use super::push::{self, Refusal};
use crate::base::Timestamp;
use crate::http::Api;
use crate::ingest::postgres_rows::{self, PostgresRowsError};
use crate::series::Recorder;

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
    answer(api.recorder.as_ref(), api.clock.now(), &query, &headers, body).await
}

async fn answer(
    recorder: &dyn Recorder,
    now: Timestamp,
    query: &push::Query,
    headers: &HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let instance = query.instance()?;
    push::check_type(headers, &["application/json"])?;
    let body = push::read(headers, body).await?;
    let snapshot = postgres_rows::decode(&body).map_err(refuse)?;
    let parsed = postgres_rows::map(&snapshot, &postgres_rows::target(instance), now);
    push::record(recorder, parsed.items).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ingest::push::tests::Bench;

    const ROWS: &str =
        r#"{"version":160003,"views":{"pg_stat_database":[{"datid":5,"datname":"shop","xact_commit":7}]}}"#;

    async fn send(bench: &Bench, content_type: &'static str, body: impl Into<Body>) -> u16 {
        let (query, headers) = Bench::request("main", &[("content-type", content_type)]);
        bench.status(answer(bench, Timestamp::from_secs(9), &query, &headers, body.into()).await).await
    }

    #[tokio::test]
    async fn rows_are_recorded_before_the_answer() {
        let bench = Bench::default();
        assert_eq!(send(&bench, "application/json", ROWS).await, 204);
        assert_eq!(bench.value("pg_stat_database_xact_commit", "main"), Some(7.0));
    }

    #[tokio::test]
    async fn what_cannot_be_taken_is_refused_and_records_nothing() {
        let bench = Bench::default();
        assert_eq!(send(&bench, "text/plain", ROWS).await, 415);
        assert_eq!(send(&bench, "application/json", "{").await, 400);
        assert_eq!(send(&bench, "application/json", ROWS.replace("160003", "16")).await, 422);
        assert_eq!(send(&bench, "application/json", ROWS.replace("pg_stat_database", "my_view")).await, 422);
        assert!(bench.is_empty());
        assert_eq!(send(&Bench::full(), "application/json", ROWS).await, 503);
    }
}
