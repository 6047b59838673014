//! `GET /api/audit?since=`: who did what, oldest first.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::json;

use super::query::{parameter, wrong};
use super::reply;
use crate::base::Timestamp;
use crate::http::{Api, Problem};

/// The most entries of one reply; ask again with `since` set to the last entry's time for more.
const LIMIT: usize = 1000;

/// How far back an audit without `since` reaches.
const DEFAULT_REACH: Duration = Duration::from_secs(24 * 3600);

/// The entries since an instant (RFC 3339 or Unix seconds), else of the last day.
pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let since = match parameter(query.as_deref(), "since") {
        None => api.clock.now() - DEFAULT_REACH,
        Some(text) => Timestamp::parse(&text).map_err(|_| wrong("since", &text, "RFC 3339 or Unix seconds"))?,
    };
    let entries = api.on_call.audit(since, LIMIT).await?;
    Ok(reply(json!({"entries": entries})))
}

#[cfg(test)]
mod tests {
    use crate::http::api::routes;
    use crate::http::testkit::Kit;

    #[tokio::test]
    async fn answers_since_an_instant() {
        let kit = Kit::new();
        let all = kit.get(routes(), "/api/audit?since=2026-11-20T00:00:00Z").await.json();
        assert_eq!(all["entries"].as_array().unwrap().len(), 2);
        assert_eq!(all["entries"][0]["action"], "fired");
        let last_day = kit.get(routes(), "/api/audit").await.json();
        assert_eq!(last_day["entries"].as_array().unwrap().len(), 1);
        assert_eq!(kit.get(routes(), "/api/audit?since=yesterday").await.problem(), 400);
    }
}
