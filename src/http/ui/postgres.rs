//! `GET /postgres`: key figures of each PostgreSQL.

use axum::extract::State;
use axum::http::HeaderMap;
use maud::html;

use super::figures::{Figure, Sheet};
use super::layout::Page;
use super::parts;
use crate::http::Api;

const REFRESH: u32 = 15;

/// postgres_exporter's names; lock waits are our own.
const FIGURES: [Figure; 14] = [
    Figure { name: "up", query: "max by (instance) (pg_up)", unit: "", bounds: None },
    Figure {
        name: "of its connection limit",
        query: "sum by (instance) (pg_stat_activity_count) / max by (instance) (pg_settings_max_connections)",
        unit: "ratio",
        bounds: Some((0.8, 0.9)),
    },
    Figure { name: "connections", query: "sum by (instance) (pg_stat_activity_count)", unit: "", bounds: None },
    Figure {
        name: "cache hits, 5 min",
        query: "sum by (instance) (rate(pg_stat_database_blks_hit[5m])) / (sum by (instance) (rate(pg_stat_database_blks_hit[5m])) + sum by (instance) (rate(pg_stat_database_blks_read[5m])))",
        unit: "ratio",
        bounds: Some((0.95, 0.9)),
    },
    Figure {
        name: "rolled back, 5 min",
        query: "sum by (instance) (rate(pg_stat_database_xact_rollback[5m])) / (sum by (instance) (rate(pg_stat_database_xact_rollback[5m])) + sum by (instance) (rate(pg_stat_database_xact_commit[5m])))",
        unit: "ratio",
        bounds: Some((0.05, 0.2)),
    },
    Figure {
        name: "transactions",
        query: "sum by (instance) (rate(pg_stat_database_xact_commit[5m]))",
        unit: "per_second",
        bounds: None,
    },
    Figure {
        name: "waiting for locks",
        query: "sum by (instance) (pg_lock_waiters)",
        unit: "",
        bounds: Some((1.0, 10.0)),
    },
    Figure {
        name: "longest lock wait",
        query: "max by (instance) (pg_lock_wait_seconds_max)",
        unit: "seconds",
        bounds: Some((5.0, 60.0)),
    },
    Figure {
        name: "longest transaction",
        query: "max by (instance) (pg_stat_activity_max_tx_duration)",
        unit: "seconds",
        bounds: Some((300.0, 3600.0)),
    },
    Figure {
        name: "deadlocks, 1 h",
        query: "sum by (instance) (increase(pg_stat_database_deadlocks[1h]))",
        unit: "",
        bounds: Some((1.0, 10.0)),
    },
    Figure {
        name: "temporary files, 5 min",
        query: "sum by (instance) (rate(pg_stat_database_temp_bytes[5m]))",
        unit: "bytes",
        bounds: None,
    },
    Figure {
        name: "replication lag",
        query: "max by (instance) (pg_replication_lag_seconds)",
        unit: "seconds",
        bounds: Some((10.0, 60.0)),
    },
    Figure { name: "size", query: "sum by (instance) (pg_database_size_bytes)", unit: "bytes", bounds: None },
    Figure {
        name: "running for",
        query: "max by (instance) (pg_postmaster_start_time_seconds)",
        unit: "since",
        bounds: None,
    },
];

/// The page.
pub(super) async fn page(State(api): State<Api>, headers: HeaderMap) -> Page<'static> {
    let now = api.clock.now();
    let sheet = Sheet::read(&api, &FIGURES, now).await;
    let own = parts::own_address(&api, &headers);
    let body = html! {
        h1 { "PostgreSQL" }
        (sheet.render(&FIGURES, now))
        @if sheet.is_empty() {
            section.empty {
                h2 { "No PostgreSQL is watched" }
                p { "Name it in " code { "plimsoll.yaml" } "; the user needs the role " code { "pg_monitor" } ":" }
                pre { "collect:\n  postgres: [{name: main, url_env: MAIN_DATABASE_URL, every: 15s}]" }
                p { "Or push rows of its statistics views from where it can be reached:" }
                pre {
                    "psql -Atc \"select json_build_object('version', current_setting('server_version_num')::int, 'views',\n"
                    "  json_build_object('pg_stat_database', (select json_agg(d) from pg_stat_database d)))\" |\n"
                    "  curl --data-binary @- -H 'content-type: application/json' '" (own) "/ingest/postgres?instance=main'"
                }
            }
        }
    };
    Page { title: "PostgreSQL", section: "/postgres", refresh: Some(REFRESH), body }
}
