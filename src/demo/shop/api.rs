//! The shop's API: cache first, database second, each timed.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::demo::faults::{Fault, SLOW_SEARCH};

use super::catalogue::{CatalogueError, PRODUCTS, statements};
use super::shared::BOOK;
use super::{Shop, Timing};

/// `GET /api/products?after=ID`
pub(super) async fn list(State(shop): State<Arc<Shop>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let after = query.get("after").and_then(|a| a.parse().ok()).unwrap_or(0);
    let catalogue = shop.catalogue.clone();
    shop.cached(format!("list:{after}"), "list", statements::LIST, async move { catalogue.list(after).await }).await
}

/// `GET /api/products/{id}`
pub(super) async fn detail(State(shop): State<Arc<Shop>>, Path(id): Path<i64>) -> Response {
    if !(1..=PRODUCTS).contains(&id) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let catalogue = shop.catalogue.clone();
    shop.cached(format!("product:{id}"), "detail", statements::DETAIL, async move { catalogue.detail(id).await }).await
}

/// `GET /api/search?q=TEXT`; never cached.
pub(super) async fn search(State(shop): State<Arc<Shop>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let text = query.get("q").cloned().unwrap_or_default();
    let work = async {
        if shop.suffers(Fault::SlowSearch) {
            shop.clock.sleep(SLOW_SEARCH).await;
        }
        shop.catalogue.search(&text).await
    };
    let found = shop.queried("sqlite", "search", statements::SEARCH, work).await;
    found.map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), |products| json(&products))
}

/// `POST /api/orders` with the product's id as its body.
pub(super) async fn order(State(shop): State<Arc<Shop>>, body: String) -> Response {
    let Ok(product) = body.trim().parse::<i64>() else { return StatusCode::BAD_REQUEST.into_response() };
    let now = shop.clock.now().as_millis();
    if shop.suffers(Fault::FailingOrders) && now % 3 == 0 {
        return (StatusCode::BAD_GATEWAY, "the payment provider refused").into_response();
    }
    if let Some(orders) = &shop.shared.orders {
        let booked = shop.queried("postgresql", "order", BOOK, orders.book(product, now)).await;
        if booked.is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    }
    let stored = shop.queried("sqlite", "order", statements::ORDER, shop.catalogue.order(product, now)).await;
    stored.map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| StatusCode::CREATED).into_response()
}

impl Shop {
    /// Answers from the cache, else from the database, and reports both.
    async fn cached<T: Serialize>(
        &self,
        key: String,
        operation: &'static str,
        statement: &'static str,
        work: impl Future<Output = Result<T, CatalogueError>>,
    ) -> Response {
        if self.suffers(Fault::ColdCache) {
            self.forget().await;
        }
        if let Some(answer) = self.looked_up(&key).await {
            return json_text(answer);
        }
        let Ok(found) = self.queried("sqlite", operation, statement, work).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let answer = serde_json::to_string(&found).unwrap_or_default();
        if let Some(shared) = &self.shared.cache {
            // An answer that could not be kept is computed again.
            let _kept = shared.put(&key, &answer).await;
        }
        self.cache.put(key, answer.clone(), self.clock.monotonic());
        json_text(answer)
    }

    async fn forget(&self) {
        self.cache.clear();
        if let Some(shared) = &self.shared.cache {
            let _cleared = shared.clear().await;
        }
    }

    /// Asks the cache in memory, then the shared one, and reports both look-ups.
    async fn looked_up(&self, key: &str) -> Option<String> {
        let (kept, took) = self.timed(async { self.cache.get(key, self.clock.monotonic()) }).await;
        self.report_lookup("memory", if kept.is_some() { "hit" } else { "miss" }, took);
        if kept.is_some() {
            return kept;
        }
        let shared = self.shared.cache.as_ref()?;
        let (found, took) = self.timed(shared.get(key)).await;
        let outcome = match &found {
            Ok(Some(_)) => "hit",
            Ok(None) => "miss",
            Err(_) => "error",
        };
        self.report_lookup("redis", outcome, took);
        let answer = found.ok().flatten()?;
        self.cache.put(key.to_owned(), answer.clone(), self.clock.monotonic());
        Some(answer)
    }

    fn report_lookup(&self, layer: &'static str, outcome: &'static str, duration_ms: f64) {
        self.timings.push(Timing::Cache { service: "shop-api", layer, operation: "get", outcome, duration_ms });
    }

    /// Runs a statement and reports how long it took.
    async fn queried<T, E>(
        &self,
        system: &'static str,
        operation: &'static str,
        statement: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (result, duration_ms) = self.timed(work).await;
        let error = result.is_err();
        self.timings.push(Timing::Db { service: "shop-api", operation, system, statement, duration_ms, error });
        result
    }
}

fn json<T: Serialize>(value: &T) -> Response {
    json_text(serde_json::to_string(value).unwrap_or_default())
}

fn json_text(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}
