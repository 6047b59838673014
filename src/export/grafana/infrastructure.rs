//! Redis, PostgreSQL and the host.

use std::sync::Arc;

use crate::base::Severity::{Critical, Warning};
use crate::slo::CompiledObjective;

use super::panel::{Draw, Panel, unit};
use super::{Dashboard, Variable};

const I: &str = r#"instance=~"$instance""#;

fn rate(metric: &str) -> String {
    format!("rate({metric}{{{I}}}[$__rate_interval])")
}

pub(super) fn dashboard(_compiled: &[Arc<CompiledObjective>]) -> Dashboard {
    Dashboard {
        uid: "plimsoll-infrastructure",
        title: "Plimsoll: infrastructure",
        variables: vec![Variable {
            name: "instance",
            label: "Instance",
            query: "label_values({__name__=~\"redis_up|pg_up|node_load1\"}, instance)",
        }],
        rows: vec![("Redis", redis()), ("PostgreSQL", postgres()), ("Host", host())],
    }
}

fn redis() -> Vec<Panel> {
    let hits = rate("redis_keyspace_hits_total");
    let misses = rate("redis_keyspace_misses_total");
    vec![
        Panel::new(Draw::Number, "Up", unit::NUMBER)
            .query(format!("redis_up{{{I}}}"), "{{instance}}")
            .bad_below(vec![(1.0, Critical)]),
        Panel::new(Draw::Gauge, "Memory of its limit", unit::RATIO)
            .query(format!("redis_memory_used_bytes{{{I}}} / (redis_memory_max_bytes{{{I}}} > 0)"), "{{instance}}")
            .max(1.0)
            .bad_above(vec![(0.8, Warning), (0.9, Critical)]),
        Panel::new(Draw::Gauge, "Hit ratio", unit::RATIO)
            .query(format!("{hits} / ({hits} + {misses} > 0)"), "{{instance}}")
            .max(1.0)
            .bad_below(vec![(0.85, Critical), (0.9, Warning)]),
        Panel::new(Draw::Lines, "Memory", unit::BYTES)
            .query(format!("redis_memory_used_bytes{{{I}}}"), "used {{instance}}")
            .query(format!("redis_memory_max_bytes{{{I}}} > 0"), "limit {{instance}}"),
        Panel::new(Draw::Lines, "Hits and misses", unit::PER_SECOND)
            .query(hits.clone(), "hits {{instance}}")
            .query(misses.clone(), "misses {{instance}}"),
        Panel::new(Draw::Lines, "Clients", unit::NUMBER)
            .query(format!("redis_connected_clients{{{I}}}"), "connected {{instance}}")
            .query(format!("redis_blocked_clients{{{I}}}"), "blocked {{instance}}"),
        Panel::new(Draw::Lines, "Evicted and expired keys", unit::PER_SECOND)
            .query(rate("redis_evicted_keys_total"), "evicted {{instance}}")
            .query(rate("redis_expired_keys_total"), "expired {{instance}}"),
        Panel::new(Draw::Lines, "Keys", unit::NUMBER).query(format!("redis_db_keys{{{I}}}"), "{{instance}} {{db}}"),
        Panel::new(Draw::Lines, "Commands", unit::PER_SECOND)
            .query(rate("redis_commands_processed_total"), "{{instance}}"),
        Panel::new(Draw::Lines, "Replicas", unit::NUMBER)
            .query(format!("redis_connected_slaves{{{I}}}"), "{{instance}}"),
    ]
}

fn postgres() -> Vec<Panel> {
    let (hit, read) = (rate("pg_stat_database_blks_hit"), rate("pg_stat_database_blks_read"));
    vec![
        Panel::new(Draw::Number, "Up", unit::NUMBER).query(format!("pg_up{{{I}}}"), "{{instance}}").bad_below(vec![(1.0, Critical)]),
        Panel::new(Draw::Gauge, "Connections of the limit", unit::RATIO)
            .query(
                format!("sum by (instance) (pg_stat_activity_count{{{I}}}) / on (instance) pg_settings_max_connections{{{I}}}"),
                "{{instance}}",
            )
            .max(1.0)
            .bad_above(vec![(0.8, Warning), (0.95, Critical)]),
        Panel::new(Draw::Gauge, "Buffer cache hit ratio", unit::RATIO)
            .query(format!("sum by (instance) ({hit}) / (sum by (instance) ({hit}) + sum by (instance) ({read}) > 0)"), "{{instance}}")
            .max(1.0)
            .bad_below(vec![(0.9, Warning)]),
        Panel::new(Draw::Lines, "Transactions", unit::PER_SECOND)
            .query(format!("sum by (datname) ({})", rate("pg_stat_database_xact_commit")), "commit {{datname}}")
            .query(format!("sum by (datname) ({})", rate("pg_stat_database_xact_rollback")), "rollback {{datname}}"),
        Panel::new(Draw::Lines, "Connections by state", unit::NUMBER)
            .query(format!("sum by (state) (pg_stat_activity_count{{{I}}})"), "{{state}}"),
        Panel::new(Draw::Lines, "Locks by mode", unit::NUMBER).query(format!("sum by (mode) (pg_locks_count{{{I}}})"), "{{mode}}"),
        Panel::new(Draw::Lines, "Longest transaction", unit::SECONDS)
            .query(format!("max by (datname) (pg_stat_activity_max_tx_duration{{{I}}})"), "{{datname}}"),
        Panel::new(Draw::Lines, "Replication lag", unit::SECONDS).query(format!("pg_replication_lag_seconds{{{I}}}"), "{{instance}}"),
        Panel::new(Draw::Lines, "Database size", unit::BYTES).query(format!("pg_database_size_bytes{{{I}}}"), "{{datname}}"),
    ]
}

fn host() -> Vec<Panel> {
    vec![
        Panel::new(Draw::Lines, "CPU in use", unit::RATIO)
            .query(
                format!("1 - avg by (instance) (rate(node_cpu_seconds_total{{{I},mode=\"idle\"}}[$__rate_interval]))"),
                "{{instance}}",
            )
            .max(1.0),
        Panel::new(Draw::Lines, "Memory in use", unit::RATIO)
            .query(
                format!("1 - node_memory_MemAvailable_bytes{{{I}}} / node_memory_MemTotal_bytes{{{I}}}"),
                "{{instance}}",
            )
            .max(1.0),
        Panel::new(Draw::Lines, "Disk", unit::BYTES_PER_SECOND)
            .query(rate("node_disk_read_bytes_total"), "read {{device}}")
            .query(rate("node_disk_written_bytes_total"), "written {{device}}"),
        Panel::new(Draw::Lines, "Network", unit::BYTES_PER_SECOND)
            .query(rate("node_network_receive_bytes_total"), "received {{device}}")
            .query(rate("node_network_transmit_bytes_total"), "sent {{device}}"),
    ]
}
