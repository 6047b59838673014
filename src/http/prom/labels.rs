//! `GET|POST /api/v1/labels`: the names of labels.

use std::collections::BTreeSet;

use axum::extract::State;

use super::error::ApiError;
use super::matchers;
use super::params::Params;
use super::reply::Reply;
use crate::http::Api;

pub(super) async fn labels(State(api): State<Api>, params: Params) -> Result<Reply<Vec<String>>, ApiError> {
    let sets = matchers::parse_all(&params)?;
    let limit = params.limit()?;
    let mut names = BTreeSet::new();
    for selection in matchers::selections(&params, sets)? {
        names.extend(api.known.label_names(&selection).await?);
    }
    Ok(Reply::limited(names.into_iter().collect(), limit))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::http::prom::testing::get;

    #[tokio::test]
    async fn lists_names_in_order() {
        assert_eq!(get("/api/v1/labels").await.1["data"], json!(["__name__", "job"]));
        assert_eq!(get("/api/v1/labels?match[]=native").await.1["data"], json!(["__name__"]));
    }
}
