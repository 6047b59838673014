//! `GET /api/v1/label/NAME/values`: the values of a label.

use std::collections::BTreeSet;

use axum::extract::{Path, State};

use super::error::ApiError;
use super::matchers;
use super::params::Params;
use super::reply::Reply;
use crate::http::Api;

pub(super) async fn label_values(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Reply<Vec<String>>, ApiError> {
    if !crate::base::labels::is_label_name(&name) {
        return Err(ApiError::bad_data(format!("invalid label name: {name:?}")));
    }
    let sets = matchers::parse_all(&params)?;
    let limit = params.limit()?;
    let mut values = BTreeSet::new();
    for selection in matchers::selections(&params, sets)? {
        values.extend(api.known.label_values(&name, &selection).await?);
    }
    Ok(Reply::limited(values.into_iter().collect(), limit))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::http::prom::testing::get;

    #[tokio::test]
    async fn lists_values_in_order() {
        assert_eq!(get("/api/v1/label/job/values").await.1["data"], json!(["a", "b"]));
        assert_eq!(get("/api/v1/label/__name__/values").await.1["data"], json!(["native", "up"]));
        assert_eq!(get("/api/v1/label/job/values?match[]=up{job!=\"a\"}").await.1["data"], json!(["b"]));
        assert_eq!(get("/api/v1/label/none/values").await.1["data"], json!([]));
        assert_eq!(get("/api/v1/label/a-b/values").await.0, StatusCode::BAD_REQUEST);
    }
}
