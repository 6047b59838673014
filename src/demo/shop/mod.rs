//! The shop: pages for browsers, an API for the pages, a database and a cache of its own.

mod api;
mod cache;
mod catalogue;
mod pages;
mod shared;
mod timings;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

use crate::base::SharedClock;

use super::faults::{self, Fault};

pub use catalogue::{Catalogue, CatalogueError, PRODUCTS};
pub use shared::{OrderBook, SharedCache};
pub use timings::{Reporter, Timing, Timings};

/// What the shop shares with others, where there is a server for it.
#[derive(Clone, Default)]
pub struct Shared {
    /// A second cache.
    pub cache: Option<SharedCache>,
    /// Where orders are booked too.
    pub orders: Option<OrderBook>,
}

/// The shop's parts.
pub struct Shop {
    catalogue: Catalogue,
    cache: cache::Cache,
    shared: Shared,
    timings: Timings,
    clock: SharedClock,
    opened: Duration,
    plimsoll: String,
}

impl Shop {
    /// A shop that opens now. `plimsoll` is the base URL that its pages load the browser script from.
    pub fn open(
        catalogue: Catalogue,
        shared: Shared,
        timings: Timings,
        clock: SharedClock,
        plimsoll: String,
    ) -> Arc<Self> {
        let opened = clock.monotonic();
        Arc::new(Self { catalogue, cache: cache::Cache::default(), shared, timings, clock, opened, plimsoll })
    }

    /// How long the shop has been open; what the schedule of faults runs on.
    pub fn open_for(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.opened)
    }

    fn suffers(&self, fault: Fault) -> bool {
        faults::active(fault, self.open_for())
    }

    /// Runs `work` and returns how long it took, in milliseconds, beside its result.
    async fn timed<T>(&self, work: impl Future<Output = T>) -> (T, f64) {
        let start = self.clock.monotonic();
        let result = work.await;
        (result, (self.clock.monotonic().saturating_sub(start)).as_secs_f64() * 1000.0)
    }
}

/// All routes of the shop.
pub fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/product/{id}", get(pages::product))
        .route("/hero.svg", get(pages::hero))
        .route("/shop.js", get(pages::script))
        .route("/api/products", get(api::list))
        .route("/api/products/{id}", get(api::detail))
        .route("/api/search", get(api::search))
        .route("/api/orders", post(api::order))
        .layer(middleware::from_fn_with_state(shop.clone(), time_request))
        .with_state(shop)
}

/// Times every request of the API where it is served.
async fn time_request(State(shop): State<Arc<Shop>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|p| p.as_str().to_owned());
    let method = request.method().to_string();
    let (response, duration_ms) = shop.timed(next.run(request)).await;
    if let Some(route) = route.filter(|r| r.starts_with("/api/")) {
        let status = response.status().as_u16();
        shop.timings.push(Timing::Http { service: "shop-api", route, method, status, duration_ms });
    }
    response
}
