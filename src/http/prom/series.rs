//! `GET|POST /api/v1/series`: the label sets that match.

use std::collections::BTreeSet;

use axum::extract::State;

use super::error::ApiError;
use super::matchers;
use super::params::Params;
use super::reply::Reply;
use crate::base::Labels;
use crate::http::Api;

pub(super) async fn series(State(api): State<Api>, params: Params) -> Result<Reply<Vec<Labels>>, ApiError> {
    let sets = matchers::parse_all(&params)?;
    if sets.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = params.limit()?;
    let mut found = BTreeSet::new();
    for selection in matchers::selections(&params, sets)? {
        found.extend(api.known.series(&selection).await?);
    }
    Ok(Reply::limited(found.into_iter().collect(), limit))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::http::prom::testing::{get, post_form};

    #[tokio::test]
    async fn lists_label_sets_once() {
        let (status, body) = post_form("/api/v1/series", "match[]=up&match[]={job%3D\"a\"}").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body["data"], json!([{"__name__": "up", "job": "a"}, {"__name__": "up", "job": "b"}]));
        let (_, none) = get("/api/v1/series?match[]=up&start=100000&end=100001").await;
        assert_eq!(none["data"], json!([]));
        let (_, cut) = get("/api/v1/series?match[]=up&limit=1").await;
        assert_eq!(cut["warnings"], json!(["results truncated due to limit"]));
    }

    #[tokio::test]
    async fn the_range_is_closed() {
        let (_, body) = get("/api/v1/series?match[]=up&start=60&end=60").await;
        assert_eq!(body["data"].as_array().map(Vec::len), Some(2));
    }

    #[tokio::test]
    async fn needs_selectors() {
        for uri in ["/api/v1/series", "/api/v1/series?match[]=sum(up)", "/api/v1/series?match[]={}"] {
            let (status, body) = get(uri).await;
            assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &json!("bad_data")), "{uri}");
        }
    }
}
