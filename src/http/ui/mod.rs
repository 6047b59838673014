//! The web pages: rendered here, readable on a phone, working without JavaScript.
//!
//! A page answers, from the top: what broke, how bad, how much budget is left, what to press. Whatever
//! comes from outside is text: `maud` escapes it, links are made only of `http` and `https` addresses, and
//! the content security policy allows no inline script or style. Charts and bars are therefore SVG with
//! presentation attributes, coloured by the one stylesheet.

mod act;
mod assets;
mod chart;
mod figures;
mod format;
mod incident;
mod incidents;
mod layout;
mod objective;
mod overview;
mod parts;
mod postgres;
mod prefix;
mod redis;
mod vital_rows;
mod vitals;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use axum::routing::{get, post};

use super::Api;

/// The largest form that a page sends, in bytes.
const FORM: usize = 32 * 1024;

/// The routes of the web pages, for a service below `prefix` (`/plimsoll`; empty: at the root).
pub fn routes_below(prefix: &str) -> Router<Api> {
    let prefix = prefix.to_owned();
    routes().layer(axum::middleware::map_response(move |response: Response| {
        let prefix = prefix.clone();
        async move { prefix::moved(&prefix, response).await }
    }))
}

/// The routes of the web pages at the root.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(overview::page))
        .route("/objectives/{name}", get(objective::page))
        .route("/incidents", get(incidents::page))
        .route("/incidents/{id}", get(incident::page))
        .route("/incidents/{id}/{action}", post(act::act))
        .route("/vitals", get(vitals::page))
        .route("/redis", get(redis::page))
        .route("/postgres", get(postgres::page))
        .route("/assets/style.css", get(assets::style))
        .route("/assets/mark.svg", get(assets::mark))
        .route("/favicon.ico", get(assets::mark))
        .layer(DefaultBodyLimit::max(FORM))
}

#[cfg(test)]
mod tests;
