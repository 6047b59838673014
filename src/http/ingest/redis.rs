//! `POST /ingest/redis?instance=NAME`: the text of `INFO everything`, from where we can't reach.
//!
//! `redis-cli INFO everything | curl --data-binary @- -H 'Content-Type: text/plain' …`

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};

use super::push::{self, Refusal};
use crate::base::Timestamp;
use crate::http::Api;
use crate::ingest::redis_text;
use crate::series::Recorder;

/// curl's default for data is the form's type; the text says itself what it is.
const TYPES: [&str; 4] = ["", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"];

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
    push::check_type(headers, &TYPES)?;
    let body = push::read(headers, body).await?;
    let text = std::str::from_utf8(&body)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the text of INFO must be UTF-8"))?;
    let parsed = redis_text::parse(text, &redis_text::target(instance), now)
        .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    push::record(recorder, parsed.items).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ingest::push::tests::{Bench, gzip};

    const INFO: &str = include_str!("../../../tests/golden/redis/redis-7.0-primary.txt");

    async fn send(
        bench: &Bench,
        instance: &str,
        headers: &[(&'static str, &'static str)],
        body: impl Into<Body>,
    ) -> u16 {
        let (query, headers) = Bench::request(instance, headers);
        bench.status(answer(bench, Timestamp::from_secs(9), &query, &headers, body.into()).await).await
    }

    #[tokio::test]
    async fn the_text_is_recorded_before_the_answer() {
        let bench = Bench::default();
        assert_eq!(send(&bench, "cache-1", &[("content-type", "text/plain; charset=utf-8")], INFO).await, 204);
        assert_eq!(bench.value("redis_connected_clients", "cache-1"), Some(42.0));
        assert_eq!(send(&bench, "cache-2", &[("content-encoding", "gzip")], gzip(INFO)).await, 204);
        assert_eq!(bench.value("redis_connected_clients", "cache-2"), Some(42.0));
    }

    #[tokio::test]
    async fn what_cannot_be_taken_is_refused_and_records_nothing() {
        let bench = Bench::default();
        let text = [("content-type", "text/plain")];
        assert_eq!(send(&bench, "", &text, INFO).await, 400);
        assert_eq!(send(&bench, "a\nb", &text, INFO).await, 400);
        assert_eq!(send(&bench, "x", &[("content-type", "image/png")], INFO).await, 415);
        assert_eq!(send(&bench, "x", &[("content-encoding", "br")], INFO).await, 415);
        assert_eq!(send(&bench, "x", &[("content-encoding", "gzip")], INFO).await, 400);
        assert_eq!(send(&bench, "x", &text, vec![0xff, 0xfe]).await, 400);
        assert_eq!(send(&bench, "x", &text, "hello").await, 422);
        assert_eq!(send(&bench, "x", &text, " ".repeat(push::LIMIT + 1)).await, 413);
        let bomb = gzip(&" ".repeat(push::LIMIT * 8));
        assert_eq!(send(&bench, "x", &[("content-encoding", "gzip")], bomb).await, 413);
        assert!(bench.is_empty());
    }

    #[tokio::test]
    async fn a_full_journal_says_so() {
        let bench = Bench::full();
        assert_eq!(send(&bench, "x", &[], INFO).await, 503);
    }
}
