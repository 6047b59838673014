//! `GET|POST /api/v1/format_query`: an expression in the canonical layout.

use super::error::ApiError;
use super::params::Params;
use super::reply::Reply;

pub(super) async fn format_query(params: Params) -> Result<Reply<String>, ApiError> {
    Ok(Reply::new(crate::promql::prettify(params.require("query")?)?))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::http::prom::testing::get;

    #[tokio::test]
    async fn formats() {
        let (status, body) = get("/api/v1/format_query?query=sum(up)by(job)").await;
        assert_eq!((status, &body["data"]), (StatusCode::OK, &json!("sum by (job) (up)")));
        assert_eq!(get("/api/v1/format_query?query=(").await.0, StatusCode::BAD_REQUEST);
    }
}
