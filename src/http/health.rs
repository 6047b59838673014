//! `GET /healthz`: the process answers. `GET /readyz`: it does its work.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use crate::base::Timestamp;

use super::state::Api;

/// One condition of readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `database`, `journal`, `evaluator`, …
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// Why not, or how far it is; for people.
    pub reason: String,
}

/// Knows whether the parts of the service do their work.
pub trait Readiness: Send + Sync {
    /// The conditions as of `now`. Must answer at once, from what the parts last said of themselves.
    fn checks(&self, now: Timestamp) -> Vec<Check>;
}

/// Ready as soon as it answers: for a router without a service behind it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlwaysReady;

impl Readiness for AlwaysReady {
    fn checks(&self, _now: Timestamp) -> Vec<Check> {
        Vec::new()
    }
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    checks: Vec<Check>,
}

pub(super) async fn live() -> Response {
    answer(StatusCode::OK, Report { status: "ok", checks: Vec::new() })
}

pub(super) async fn ready(State(api): State<Api>) -> Response {
    let checks = api.edge().readiness.checks(api.clock.now());
    match checks.iter().all(|c| c.ok) {
        true => answer(StatusCode::OK, Report { status: "ready", checks }),
        false => answer(StatusCode::SERVICE_UNAVAILABLE, Report { status: "not ready", checks }),
    }
}

fn answer(status: StatusCode, report: Report) -> Response {
    (status, [(http::header::CACHE_CONTROL, "no-store")], Json(report)).into_response()
}
