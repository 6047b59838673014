//! What the public dashboards of redis_exporter, postgres_exporter and node_exporter ask, sent as Grafana sends it
//! after our own collectors have run.
//!
//! The expressions are ours, in the shape that the dashboards have: the metric, the labels they select by, the
//! function around it. Variables hold what the choices of the same dashboards offer.

use std::time::Duration;

use super::World;
use crate::support::wait;

/// Redis: 763, 11835 and 14091 on grafana.com.
const REDIS: &[&str] = &[
    "max(max_over_time(redis_uptime_in_seconds{R}[1m]))",
    "sum(redis_connected_clients{R}) by (instance)",
    "sum(redis_blocked_clients{R})",
    "100 * sum(redis_memory_used_bytes{R}) / sum(redis_memory_max_bytes{R})",
    "redis_memory_used_rss_bytes{R}",
    "sum(rate(redis_commands_total{R}[1m])) by (cmd)",
    "topk(5, irate(redis_commands_total{R}[1m]))",
    "sum(irate(redis_commands_duration_seconds_total{R}[1m])) by (cmd) / sum(irate(redis_commands_total{R}[1m])) by (cmd)",
    "avg(irate(redis_commands_duration_seconds_total{R}[1m])) by (cmd)",
    "rate(redis_commands_processed_total{R}[1m])",
    "irate(redis_keyspace_hits_total{R}[5m])",
    "irate(redis_keyspace_misses_total{R}[5m])",
    "sum(rate(redis_net_input_bytes_total{R}[5m]))",
    "sum(rate(redis_net_output_bytes_total{R}[5m]))",
    "sum(redis_db_keys{R}) by (db, instance)",
    "sum(redis_db_keys{R}) by (instance) - sum(redis_db_keys_expiring{R}) by (instance)",
    "sum(redis_db_keys_expiring{R}) by (instance)",
    "sum(rate(redis_expired_keys_total{R}[5m])) by (instance)",
    "sum(rate(redis_evicted_keys_total{R}[5m])) by (instance)",
    "redis_mem_fragmentation_ratio{R}",
    "redis_connected_slaves{R}",
    "redis_master_last_io_seconds_ago",
    "redis_up{R} or vector(0)",
];

/// PostgreSQL: 9628 and 14114.
const POSTGRES: &[&str] = &[
    "pg_static{P}",
    "pg_postmaster_start_time_seconds{P} * 1000",
    "pg_settings_max_connections{P}",
    "pg_settings_shared_buffers_bytes{P}",
    "pg_settings_effective_cache_size_bytes{P}",
    "pg_settings_maintenance_work_mem_bytes{P}",
    "pg_settings_work_mem_bytes{P}",
    "pg_settings_max_wal_size_bytes{P}",
    "pg_settings_random_page_cost{P}",
    "pg_settings_seq_page_cost{P}",
    "pg_settings_max_worker_processes{P}",
    "pg_settings_max_parallel_workers{P}",
    "pg_stat_activity_count{P,state=\"active\"}",
    "pg_stat_activity_count{P,state=~\"idle|idle in transaction|idle in transaction (aborted)\"}",
    "irate(pg_stat_database_xact_commit{P,datname=~\"D\"}[5m])",
    "irate(pg_stat_database_xact_rollback{P,datname=~\"D\"}[5m])",
    "sum(irate(pg_stat_database_xact_commit{P}[5m])) + sum(irate(pg_stat_database_xact_rollback{P}[5m]))",
    "irate(pg_stat_database_tup_updated{P,datname=~\"D\"}[5m])",
    "sum(pg_stat_database_tup_fetched{P,datname=~\"D\"})",
    "sum(rate(pg_stat_database_tup_returned{P}[5m]))",
    "sum(rate(pg_stat_database_tup_inserted{P}[5m]))",
    "sum(rate(pg_stat_database_tup_deleted{P}[5m]))",
    "sum(pg_stat_database_numbackends{P})",
    "pg_stat_database_blks_hit{P} / (pg_stat_database_blks_read{P} + pg_stat_database_blks_hit{P})",
    "rate(pg_stat_database_deadlocks{P}[5m])",
    "rate(pg_stat_database_conflicts{P}[5m])",
    "irate(pg_stat_database_temp_bytes{P,datname=~\"D\"}[5m])",
    "pg_locks_count{P,datname=~\"D\",mode=~\"accesssharelock|rowexclusivelock\"}",
    "irate(pg_stat_bgwriter_buffers_alloc_total{P}[5m])",
    "irate(pg_stat_bgwriter_buffers_clean_total{P}[5m])",
    "irate(pg_stat_bgwriter_buffers_checkpoint_total{P}[5m])",
    "irate(pg_stat_bgwriter_buffers_backend_total{P}[5m])",
    "irate(pg_stat_bgwriter_buffers_backend_fsync_total{P}[5m])",
    "irate(pg_stat_bgwriter_checkpoint_write_time_total{P}[5m])",
    "irate(pg_stat_bgwriter_checkpoint_sync_time_total{P}[5m])",
    "pg_database_size_bytes{P}",
    "process_resident_memory_bytes",
    "process_open_fds",
    "rate(process_cpu_seconds_total[5m]) * 1000",
];

/// The host: 1860 and the node mixin.
const NODE: &[&str] = &[
    "100 * (1 - avg(rate(node_cpu_seconds_total{mode=\"idle\"}[1m])))",
    "sum by (mode) (irate(node_cpu_seconds_total{mode=~\"user|system|iowait\"}[1m]))",
    "scalar(node_load1) * 100 / count(count(node_cpu_seconds_total) by (cpu))",
    "node_load5",
    "node_load15",
    "(1 - (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)) * 100",
    "node_memory_Cached_bytes + node_memory_Buffers_bytes + node_memory_Slab_bytes",
    "node_memory_SwapTotal_bytes - node_memory_SwapFree_bytes",
    "100 - (node_filesystem_avail_bytes{fstype!=\"rootfs\"} * 100) / node_filesystem_size_bytes{fstype!=\"rootfs\"}",
    "node_filesystem_files_free",
    "irate(node_network_receive_bytes_total[1m]) * 8",
    "irate(node_network_transmit_bytes_total[1m]) * 8",
    "irate(node_network_receive_errs_total[1m])",
    "time() - node_boot_time_seconds",
    "irate(node_context_switches_total[1m])",
    "irate(node_vmstat_pgmajfault[1m])",
    "node_filefd_allocated",
    "node_netstat_Tcp_RetransSegs",
    "node_uname_info",
    "node_time_seconds",
];

/// Choices, as `(label, selector)`.
const CHOICES: &[(&str, &str)] = &[
    ("namespace", "redis_up"),
    ("instance", "redis_up{namespace=~\"default\"}"),
    ("kubernetes_namespace", "pg_exporter_last_scrape_duration_seconds"),
    ("release", "pg_exporter_last_scrape_duration_seconds{kubernetes_namespace=\"default\"}"),
    ("instance", "pg_up{release=\"postgres\"}"),
    ("datname", "pg_stat_database_tup_fetched{datname!~\"template.*\"}"),
    ("mode", "pg_locks_count"),
    ("instance", "node_time_seconds"),
];

/// What has no data here, and why.
const SILENT: &[(&str, &str)] = &[
    ("redis_master_last_io_seconds_ago", "only a replica has it, and this one is a primary"),
    (
        "100 - (node_filesystem_avail_bytes{fstype!=\"rootfs\"} * 100) / node_filesystem_size_bytes{fstype!=\"rootfs\"}",
        "file systems are not looked at: statfs hangs for good on a dead network mount",
    ),
    ("node_filesystem_files_free", "file systems are not looked at"),
    ("irate(node_vmstat_pgmajfault[1m])", "of /proc/vmstat nothing is read"),
    ("node_filefd_allocated", "of /proc/sys/fs nothing is read"),
    ("node_netstat_Tcp_RetransSegs", "of /proc/net/snmp nothing is read"),
    ("node_uname_info", "the kernel's name and version are not read"),
];

fn filled(expression: &str) -> String {
    let redis = "namespace=~\"default\",instance=~\"cache-1\"";
    let postgres = "release=\"postgres\",kubernetes_namespace=\"default\",instance=\"main\"";
    let filled = expression.replace("{R}", &format!("{{{redis}}}"));
    filled.replace("{P", &format!("{{{postgres}")).replace("\"D\"", "\"postgres|template1\"")
}

#[tokio::test]
async fn the_panels_of_public_dashboards_have_data() {
    let world = World::start().await;
    let mut round = 0;
    let known = |expression: &str| SILENT.iter().any(|(silent, _)| *silent == expression);
    wait::until("every panel has data", Duration::from_secs(60), || {
        round += 1;
        let world = &world;
        async move {
            world.live(round).await;
            let mut silent = Vec::new();
            for expression in [REDIS, POSTGRES, NODE].concat() {
                if !known(expression) && !world.answers(&filled(expression)).await {
                    silent.push(filled(expression));
                }
            }
            for (label, selector) in CHOICES {
                if !world.offers(&format!("label_values({selector}, {label})")).await {
                    silent.push(format!("{selector}: {label}"));
                }
            }
            if silent.is_empty() { Ok(()) } else { Err(format!("without data: {silent:#?}")) }
        }
    })
    .await;
    for (expression, why) in SILENT {
        assert!(!world.answers(&filled(expression)).await, "{expression} has data now, and not: {why}");
    }
}
