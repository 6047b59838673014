//! Errors in Prometheus's form: `{"status":"error","errorType":…,"error":…}`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::promql::{QueryError, SourceError};

/// An error with its type and status.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", message: message.into() }
    }

    /// A parameter that could not be used.
    pub(super) fn parameter(name: &str, problem: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {problem}"))
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, kind: "bad_data", message: message.into() }
    }

    fn internal(message: String) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "internal", message }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let message = error.to_string();
        match error {
            QueryError::BadData(_) => Self::parameter("query", message),
            QueryError::Execution(_) => Self { status: StatusCode::UNPROCESSABLE_ENTITY, kind: "execution", message },
            QueryError::Timeout(_) => Self { status: StatusCode::SERVICE_UNAVAILABLE, kind: "timeout", message },
            QueryError::Source(source) => source.into(),
        }
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::TooManySamples { .. } | SourceError::TooManySeries { .. } => {
                Self { status: StatusCode::UNPROCESSABLE_ENTITY, kind: "execution", message: error.to_string() }
            }
            SourceError::Storage(cause) => {
                tracing::error!(error = %cause, "stored samples could not be read");
                Self::internal("stored samples could not be read".to_owned())
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    status: &'static str,
    error_type: &'static str,
    error: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body { status: "error", error_type: self.kind, error: &self.message };
        (self.status, axum::Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_kind_has_its_status() {
        let text = || "x".to_owned();
        let storage = || SourceError::Storage("x".into());
        for (error, status, kind) in [
            (QueryError::BadData(text()), 400, "bad_data"),
            (QueryError::Execution(text()), 422, "execution"),
            (QueryError::Timeout(Duration::ZERO), 503, "timeout"),
            (QueryError::Source(SourceError::TooManySamples { limit: 1 }), 422, "execution"),
            (QueryError::Source(storage()), 500, "internal"),
        ] {
            let error = ApiError::from(error);
            assert_eq!((error.status.as_u16(), error.kind), (status, kind));
        }
    }
}
