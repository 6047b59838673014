//! The Prometheus HTTP API: one file an action. What Grafana's Prometheus data source, promtool and other
//! clients ask, in Prometheus's exact form.

mod alerts;
mod cors;
mod error;
mod etag;
mod federate;
mod format_query;
mod histogram;
mod json;
mod label_values;
mod labels;
mod matchers;
mod metadata;
mod params;
pub mod queries;
mod query;
mod query_range;
mod remote_read;
mod reply;
mod result;
mod rule_form;
mod rules;
mod series;
mod stats;
mod status;
#[cfg(test)]
mod testing;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, get, post};

use super::Api;

/// The routes, with absolute paths.
pub fn routes() -> Router<Api> {
    Router::new().merge(queries_routes()).merge(tagged_routes()).layer(from_fn(cors::cors))
}

/// The methods of an action, and `OPTIONS`.
fn action(methods: MethodRouter<Api>) -> MethodRouter<Api> {
    methods.options(cors::preflight)
}

/// What is different each time.
fn queries_routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/query", action(get(query::query).post(query::query)))
        .route("/api/v1/query_range", action(get(query_range::query_range).post(query_range::query_range)))
        .route("/api/v1/query_exemplars", action(get(query::exemplars).post(query::exemplars)))
        .route("/api/v1/format_query", action(get(format_query::format_query).post(format_query::format_query)))
        .route("/api/v1/alerts", action(get(alerts::alerts)))
        .route("/api/v1/read", action(post(remote_read::read)))
        .route("/federate", get(federate::federate))
        .route("/api/v1/status/runtimeinfo", action(get(status::runtime_info)))
        .route("/api/v1/status/tsdb", action(get(status::tsdb)))
}

/// What is asked for often and seldom changes.
fn tagged_routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/series", action(get(series::series).post(series::series)))
        .route("/api/v1/labels", action(get(labels::labels).post(labels::labels)))
        .route("/api/v1/label/{name}/values", action(get(label_values::label_values)))
        .route("/api/v1/metadata", action(get(metadata::metadata)))
        .route("/api/v1/rules", action(get(rules::rules)))
        .route("/api/v1/status/buildinfo", action(get(status::build_info)))
        .route("/api/v1/status/flags", action(get(status::flags)))
        .layer(from_fn(etag::tag))
}
