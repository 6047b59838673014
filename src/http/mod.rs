//! The HTTP side: handlers decode, call a port, encode. The route table is on this page.
//!
//! Paths below `/api/v1` answer errors in Prometheus's form, all others as problem documents (RFC 9457).

pub mod api;
pub mod auth;
pub mod client;
pub mod error;
mod front;
pub mod grpc;
pub mod health;
pub mod ingest;
pub mod limits;
pub mod metrics;
mod patience;
pub mod performance;
pub mod problem;
pub mod prom;
pub mod reload;
mod same_origin;
pub mod sdk;
pub mod server;
pub mod settings;
pub mod state;
#[cfg(test)]
mod testkit;
pub mod ui;

#[cfg(test)]
mod tests;

pub use auth::{Origin, OriginError};
pub use client::{Network, NetworkError};
pub use front::Front;
pub use health::{Check, Readiness};
pub use problem::Problem;
pub use prom::queries::Queries;
pub use reload::Reload;
pub use server::serve;
pub use settings::{IngestKey, Keys, Limits, Rate, ServerSettings, Settings};
pub use state::{Api, Edge, Ports};

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};

/// Smaller replies fit into a packet as they are.
const COMPRESSED_FROM: u64 = 1200;

/// Every path of the service.
pub fn router(api: Api) -> Router {
    let settings = &api.edge().settings;
    let below = below(&settings.route_prefix);
    let mut routes = Router::new()
        .merge(collect_route(""))
        .merge(ingest_routes())
        .merge(read_routes(&below))
        .route("/-/reload", post(reload::post))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready));
    for path in browser_paths(settings) {
        routes = routes.merge(browser_routes(&path));
    }
    let routes = with_fallbacks(routes).with_state(api);
    match below.as_str() {
        "" => routes,
        // Nested, `/` is the prefix without a slash; people type it with one.
        _ => with_fallbacks(
            Router::new()
                .route(
                    &format!("{below}/"),
                    get({
                        let home = Redirect::permanent(&below);
                        move || std::future::ready(home.clone())
                    }),
                )
                .nest(&below, routes),
        ),
    }
}

/// The route prefix as a path, `/plimsoll`; empty at the root.
fn below(route_prefix: &str) -> String {
    let prefix = route_prefix.trim_matches('/');
    if prefix.is_empty() { String::new() } else { format!("/{prefix}") }
}

/// Below which paths browsers send.
fn browser_paths(settings: &Settings) -> impl Iterator<Item = String> {
    let own = settings.browser_prefix.as_deref().map(|p| p.trim_matches('/')).filter(|p| !["", "ingest"].contains(p));
    std::iter::once("ingest").chain(own).map(|name| format!("/{name}"))
}

/// Where browsers send.
fn browser_routes(prefix: &str) -> Router<Api> {
    Router::new()
        .route(&format!("{prefix}/vitals"), post(ingest::vitals::post).options(auth::preflight))
        .merge(collect_route(prefix))
}

/// Where Faro's SDK sends.
fn collect_route(prefix: &str) -> Router<Api> {
    Router::new().route(&format!("{prefix}/collect"), post(ingest::collect::post).options(auth::preflight))
}

/// Where services send.
fn ingest_routes() -> Router<Api> {
    Router::new()
        .route("/ingest/timings", post(ingest::timings::post))
        .route("/ingest/redis", post(ingest::redis::post))
        .route("/ingest/postgres", post(ingest::postgres::post))
        .route("/api/v1/write", post(ingest::remote_write::post))
        .route("/v1/metrics", post(ingest::otlp::metrics))
        .route("/v1/traces", post(ingest::otlp::traces))
        .route("/v1/logs", post(ingest::otlp::logs).options(auth::preflight))
}

/// Where people and programs read; the one path of the older applications is written to as well.
fn read_routes(below: &str) -> Router<Api> {
    let performance = get(performance::get).post(ingest::performance::post).options(auth::preflight);
    Router::new()
        .route("/api/performance/metrics", performance)
        .merge(prom::routes())
        .merge(api::routes())
        .merge(ui::routes_below(below))
        .merge(sdk::routes())
        .merge(metrics::routes())
        .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM))))
}

fn with_fallbacks<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.fallback(error::not_found).method_not_allowed_fallback(error::method_not_allowed)
}
