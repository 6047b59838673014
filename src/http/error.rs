//! Answers to what no handler was asked: unknown paths and methods, in the form of their neighbours.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri};

use super::problem::Problem;

/// 404
pub(super) async fn not_found(uri: Uri) -> Response {
    answer(&uri, StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {}", shown(&uri)))
}

/// 405; the router adds `Allow`.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not take {}", shown(&uri), crate::base::bounded::cut(method.as_str(), 20));
    answer(&uri, StatusCode::METHOD_NOT_ALLOWED, "bad_data", detail)
}

fn shown(uri: &Uri) -> &str {
    crate::base::bounded::cut(uri.path(), 200)
}

fn answer(uri: &Uri, status: StatusCode, error_type: &str, detail: String) -> Response {
    if uri.path() == "/api/v1" || uri.path().starts_with("/api/v1/") {
        return prometheus(status, error_type, &detail);
    }
    Problem::of(status, detail).into_response()
}

/// An error in the form of the Prometheus HTTP API.
pub fn prometheus(status: StatusCode, error_type: &str, error: &str) -> Response {
    let body = serde_json::json!({"status": "error", "errorType": error_type, "error": error});
    (status, Json(body)).into_response()
}
