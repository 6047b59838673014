//! What stands before the router: the paths where events arrive by the million are answered without it.
//!
//! The router finds a route, boxes a future and a body, and keeps extensions for each request. That is little
//! for a query and a fifth of the cost of an event. So `POST` to the timings' and vitals' paths, named exactly,
//! goes straight to the function that the route has too; everything else, and every question of methods and
//! fallbacks, is the router's. A test sends the same requests both ways.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::{Method, Request};
use tower::ServiceExt;

use super::ingest::door::Incoming;
use super::{Api, ingest, router};

/// The router, and the short way to the busiest of its paths. Cheap to clone.
#[derive(Clone)]
pub struct Front(Arc<Inner>);

struct Inner {
    api: Api,
    router: Router,
    timings: String,
    vitals: Vec<String>,
}

impl Front {
    /// Every path of the service.
    pub fn new(api: Api) -> Self {
        let settings = &api.edge().settings;
        let below = super::below(&settings.route_prefix);
        let timings = format!("{below}/ingest/timings");
        let vitals = super::browser_paths(settings).map(|path| format!("{below}{path}/vitals")).collect();
        Self(Arc::new(Inner { router: router(api.clone()), api, timings, vitals }))
    }

    /// Answers one request of a peer.
    pub async fn answer<B: Incoming>(&self, mut request: Request<B>, peer: SocketAddr) -> Response {
        let Inner { api, router, timings, vitals } = &*self.0;
        let path = request.uri().path();
        if request.method() == Method::POST && path == timings {
            return ingest::timings::take(api, request).await;
        }
        let is_vitals = request.method() == Method::POST && vitals.iter().any(|v| v == path);
        request.extensions_mut().insert(ConnectInfo(peer));
        // Boxed, because hyper moves the whole of this future for every request.
        if is_vitals {
            return Box::pin(ingest::vitals::take(api, request)).await;
        }
        let routed = Box::pin(router.clone().oneshot(request.map(Body::new))).await;
        routed.unwrap_or_else(|never| match never {})
    }
}

#[cfg(test)]
mod tests;
