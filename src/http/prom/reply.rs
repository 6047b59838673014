//! Successful replies: `{"status":"success","data":…}`.

use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Data with what is to be said about it.
#[derive(Debug, Serialize)]
pub(super) struct Reply<T> {
    status: &'static str,
    data: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl<T> Reply<T> {
    pub(super) fn new(data: T) -> Self {
        Self { status: "success", data, warnings: Vec::new() }
    }
}

impl<T> Reply<Vec<T>> {
    /// The first `limit` elements (0: all), with a warning when some were cut.
    pub(super) fn limited(mut data: Vec<T>, limit: usize) -> Self {
        let cut = truncate(&mut data, limit);
        Self { warnings: cut.into_iter().collect(), ..Self::new(data) }
    }
}

/// Cuts to `limit` elements (0: no limit) and says so.
pub(super) fn truncate<T>(data: &mut Vec<T>, limit: usize) -> Option<String> {
    let cut = limit > 0 && data.len() > limit;
    if cut {
        data.truncate(limit);
    }
    cut.then(|| "results truncated due to limit".to_owned())
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        axum::Json(self).into_response()
    }
}
