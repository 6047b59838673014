//! `POST /-/reload`: reads the configuration again. An invalid one is refused and the old stays.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use crate::base::clock::BoxFuture;

use super::auth::require_admin;
use super::{Api, Problem};

/// Reads the configuration again and takes it.
pub trait Reload: Send + Sync {
    /// What is wrong with the new configuration, in words; the old one then stays.
    fn reload(&self) -> BoxFuture<'_, Result<(), String>>;
}

pub(super) async fn post(State(api): State<Api>, headers: HeaderMap) -> Response {
    if let Err(problem) = require_admin(&api, &headers) {
        return problem.into_response();
    }
    let Some(reload) = &api.edge().reload else {
        let detail = "this service was not started from a configuration that can be read again";
        return Problem::of(StatusCode::NOT_IMPLEMENTED, detail).into_response();
    };
    match reload.reload().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(detail) => Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail).into_response(),
    }
}
