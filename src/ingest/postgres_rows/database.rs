//! Per database: `pg_stat_database`, its conflicts, sizes and ages; and per table of one database.

use super::Writer;
use super::row::Row;
use crate::base::DropReason;

/// More databases than this of one server are not listed.
pub(super) const LIMIT: usize = 200;
/// More tables than this are not listed.
const TABLES: usize = 500;

/// Columns that keep their names, and milliseconds; postgres_exporter leaves `_total` out here.
#[rustfmt::skip]
const STAT: [&str; 24] = [
    "numbackends", "xact_commit", "xact_rollback", "blks_read", "blks_hit", "tup_returned", "tup_fetched",
    "tup_inserted", "tup_updated", "tup_deleted", "conflicts", "temp_files", "temp_bytes", "deadlocks",
    "blk_read_time", "blk_write_time", "session_time", "active_time", "idle_in_transaction_time", "sessions",
    "sessions_abandoned", "sessions_fatal", "sessions_killed", "checksum_failures",
];

const CONFLICTS: [&str; 6] = [
    "confl_tablespace",
    "confl_lock",
    "confl_snapshot",
    "confl_bufferpin",
    "confl_deadlock",
    "confl_active_logicalslot",
];

const ABOUT: [(&str, &str); 4] = [
    ("size", "database_size_bytes"),
    ("datconnlimit", "database_connection_limit"),
    ("age_datfrozenxid", "database_wraparound_age_datfrozenxid_seconds"),
    ("age_datminmxid", "database_wraparound_age_datminmxid_seconds"),
];

pub(super) fn write(out: &mut Writer<'_>) {
    each(out, "pg_stat_database", |out, row, labels| {
        for column in STAT {
            out.put_some(&format!("stat_database_{column}"), labels, row.number(column));
        }
        let active = row.number("active_time").map(|v| v / 1e3);
        out.put_some("stat_database_active_time_seconds_total", labels, active);
        out.put_some("stat_database_checksum_last_failure", labels, row.time("checksum_last_failure"));
        out.put_some("stat_database_stats_reset", labels, row.time("stats_reset"));
    });
    each(out, "pg_stat_database_conflicts", |out, row, labels| {
        for column in CONFLICTS {
            out.put_some(&format!("stat_database_conflicts_{column}"), labels, row.number(column));
        }
    });
    each(out, "pg_database", |out, row, labels| {
        let name = labels.iter().filter(|(label, _)| *label == "datname").copied().collect::<Vec<_>>();
        for (column, metric) in ABOUT {
            out.put_some(metric, &name, row.number(column));
        }
    });
}

/// Calls `each` with the rows that belong to a database (the one of shared objects has no name).
fn each<'a>(out: &mut Writer<'a>, view: &str, each: impl Fn(&mut Writer<'a>, Row<'a>, &[(&str, &str)])) {
    let rows = out.rows(view).filter(|row| row.text("datname").is_some());
    out.drop(DropReason::SeriesLimit, rows.clone().count().saturating_sub(LIMIT) as u64);
    for row in rows.take(LIMIT) {
        let id = row.id("datid").or_else(|| row.id("oid")).unwrap_or_default();
        each(out, row, &[("datid", &id), ("datname", row.text("datname").unwrap_or_default())]);
    }
}

const TABLE: [&str; 15] = [
    "seq_scan",
    "seq_tup_read",
    "idx_scan",
    "idx_tup_fetch",
    "n_tup_ins",
    "n_tup_upd",
    "n_tup_del",
    "n_tup_hot_upd",
    "n_live_tup",
    "n_dead_tup",
    "n_mod_since_analyze",
    "vacuum_count",
    "autovacuum_count",
    "analyze_count",
    "autoanalyze_count",
];

/// When each was last done, Unix seconds. A table that never was gives nothing: 0 would be 1970.
const TABLE_TIMES: [&str; 4] = ["last_vacuum", "last_autovacuum", "last_analyze", "last_autoanalyze"];

/// `pg_stat_user_tables`, of the database that the sender is connected to.
pub(super) fn write_tables(out: &mut Writer<'_>) {
    let rows = out.rows("pg_stat_user_tables");
    out.drop(DropReason::SeriesLimit, rows.clone().count().saturating_sub(TABLES) as u64);
    for row in rows.take(TABLES) {
        let text = |column: &str| row.text(column).unwrap_or_default();
        let labels = [("datname", text("datname")), ("schemaname", text("schemaname")), ("relname", text("relname"))];
        for column in TABLE {
            out.put_some(&format!("stat_user_tables_{column}"), &labels, row.number(column));
        }
        for column in TABLE_TIMES {
            out.put_some(&format!("stat_user_tables_{column}"), &labels, row.time(column));
        }
    }
}
