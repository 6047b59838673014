//! Our own API: JSON in, JSON out, one file an action. All times are RFC 3339 UTC, ratios 0 to 1, values
//! in base units.

mod act;
mod audit;
mod budget;
mod incidents;
mod objectives;
mod query;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use super::{Api, Problem};
use crate::alert::ActError;

pub(super) use act::{MAX_NAME, MAX_NOTE, action_named};

/// The largest body that these actions take, in bytes.
const BODY: usize = 32 * 1024;

/// The routes of our own API.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/api/objectives", get(objectives::list))
        .route("/api/objectives/{name}", get(objectives::one))
        .route("/api/objectives/{name}/budget", get(budget::report))
        .route("/api/incidents", get(incidents::list))
        .route("/api/incidents/{id}", get(incidents::one))
        .route("/api/incidents/{id}/{action}", post(act::act))
        .route("/api/audit", get(audit::list))
        .layer(DefaultBodyLimit::max(BODY))
}

/// A reply that no cache keeps.
fn reply(value: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(value)).into_response()
}

fn no_objective(name: &str) -> Problem {
    let detail = format!("there is no objective {name:?}; GET /api/objectives lists them");
    Problem::of(StatusCode::NOT_FOUND, detail)
}

fn no_incident(id: &str) -> Problem {
    let detail = format!("there is no incident {id:?}; GET /api/incidents?state=all lists them");
    Problem::of(StatusCode::NOT_FOUND, detail)
}

/// On-call's refusal as its users see it.
impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::NotFound(id) => no_incident(&id.to_string()),
            ActError::Resolved(_) => Self::of(StatusCode::CONFLICT, error.to_string()),
            ActError::Store(source) => {
                tracing::error!(error = %source, "incidents could not be read or changed");
                let detail = "the database did not take the change or the question; try again, and see the log";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "Database unavailable", detail)
            }
        }
    }
}
