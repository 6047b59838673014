//! `GET /redis`: key figures of each Redis.

use axum::extract::State;
use axum::http::HeaderMap;
use maud::html;

use super::figures::{Figure, Sheet};
use super::layout::Page;
use super::parts;
use crate::http::Api;

const REFRESH: u32 = 15;

/// redis_exporter's names.
const FIGURES: [Figure; 15] = [
    Figure { name: "up", query: "max by (instance) (redis_up)", unit: "", bounds: None },
    Figure {
        name: "of its memory limit",
        query: "max by (instance) (redis_memory_used_bytes) / (max by (instance) (redis_memory_max_bytes) > 0)",
        unit: "ratio",
        bounds: Some((0.8, 0.9)),
    },
    Figure { name: "memory used", query: "max by (instance) (redis_memory_used_bytes)", unit: "bytes", bounds: None },
    Figure {
        name: "hit ratio, 5 min",
        query: "sum by (instance) (rate(redis_keyspace_hits_total[5m])) / (sum by (instance) (rate(redis_keyspace_hits_total[5m])) + sum by (instance) (rate(redis_keyspace_misses_total[5m])))",
        unit: "ratio",
        bounds: Some((0.8, 0.5)),
    },
    Figure {
        name: "commands",
        query: "sum by (instance) (rate(redis_commands_processed_total[5m]))",
        unit: "per_second",
        bounds: None,
    },
    Figure { name: "clients", query: "max by (instance) (redis_connected_clients)", unit: "", bounds: None },
    Figure { name: "blocked clients", query: "max by (instance) (redis_blocked_clients)", unit: "", bounds: None },
    Figure {
        name: "rejected connections, 1 h",
        query: "sum by (instance) (increase(redis_rejected_connections_total[1h]))",
        unit: "",
        bounds: Some((1.0, 100.0)),
    },
    Figure {
        name: "evicted",
        query: "sum by (instance) (rate(redis_evicted_keys_total[5m]))",
        unit: "per_second",
        bounds: Some((1.0, 1000.0)),
    },
    Figure {
        name: "expired",
        query: "sum by (instance) (rate(redis_expired_keys_total[5m]))",
        unit: "per_second",
        bounds: None,
    },
    Figure { name: "keys", query: "sum by (instance) (redis_db_keys)", unit: "", bounds: None },
    Figure {
        name: "fragmentation",
        query: "max by (instance) (redis_mem_fragmentation_ratio)",
        unit: "",
        bounds: None,
    },
    Figure { name: "replicas", query: "max by (instance) (redis_connected_slaves)", unit: "", bounds: None },
    Figure {
        name: "replica's lag",
        query: "max by (instance) (redis_connected_slave_lag_seconds)",
        unit: "seconds",
        bounds: Some((10.0, 60.0)),
    },
    Figure { name: "running for", query: "max by (instance) (redis_uptime_in_seconds)", unit: "seconds", bounds: None },
];

/// The page.
pub(super) async fn page(State(api): State<Api>, headers: HeaderMap) -> Page<'static> {
    let now = api.clock.now();
    let sheet = Sheet::read(&api, &FIGURES, now).await;
    let own = parts::own_address(&api, &headers);
    let body = html! {
        h1 { "Redis" }
        (sheet.render(&FIGURES, now))
        @if sheet.is_empty() {
            section.empty {
                h2 { "No Redis is watched" }
                p { "Name it in " code { "plimsoll.yaml" } ":" }
                pre { "collect:\n  redis: [{name: cache-1, url: redis://127.0.0.1:6379, every: 10s}]" }
                p { "Or push from where it can be reached:" }
                pre { "redis-cli INFO everything | curl --data-binary @- -H 'content-type: text/plain' '" (own) "/ingest/redis?instance=cache-1'" }
            }
        }
    };
    Page { title: "Redis", section: "/redis", refresh: Some(REFRESH), body }
}
