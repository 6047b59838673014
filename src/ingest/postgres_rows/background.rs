//! The writers in the background: checkpoints, buffers, the log and its archive.
//!
//! PostgreSQL 17 moved seven columns from `pg_stat_bgwriter` to `pg_stat_checkpointer` and `pg_stat_io`.
//! Dashboards ask for the old names, with and without `_total`; both are given on every version.

use super::Writer;
use super::row::Row;

/// Columns of `pg_stat_bgwriter`, and of `pg_stat_checkpointer` where they moved to.
const BGWRITER: [(&str, &str); 10] = [
    ("checkpoints_timed", "num_timed"),
    ("checkpoints_req", "num_requested"),
    ("checkpoint_write_time", "write_time"),
    ("checkpoint_sync_time", "sync_time"),
    ("buffers_checkpoint", "buffers_written"),
    ("buffers_clean", ""),
    ("maxwritten_clean", ""),
    ("buffers_backend", ""),
    ("buffers_backend_fsync", ""),
    ("buffers_alloc", ""),
];

const CHECKPOINTER: [&str; 10] = [
    "num_timed",
    "num_requested",
    "num_done",
    "restartpoints_timed",
    "restartpoints_req",
    "restartpoints_done",
    "write_time",
    "sync_time",
    "buffers_written",
    "slru_written",
];

const WAL: [(&str, &str); 4] = [
    ("wal_records", "wal_records_total"),
    ("wal_fpi", "wal_fpi_total"),
    ("wal_bytes", "wal_bytes_total"),
    ("wal_buffers_full", "wal_buffers_full_total"),
];

pub(super) fn write(out: &mut Writer<'_>) {
    write_bgwriter(out);
    if let Some(row) = out.rows("pg_stat_checkpointer").next() {
        out.put_some("stat_checkpointer_stats_reset_total", &[], row.time("stats_reset"));
        for column in CHECKPOINTER {
            out.put_some(&format!("stat_checkpointer_{column}_total"), &[], row.number(column));
        }
    }
    if let Some(row) = out.rows("pg_stat_wal").next() {
        for (column, metric) in WAL {
            out.put_some(metric, &[], row.number(column));
        }
    }
    if let Some(row) = out.rows("pg_stat_archiver").next() {
        let age = row.time("last_archived_time").map(|at| (out.now() - at).max(0.0));
        out.put_some("stat_archiver_archived_count", &[], row.number("archived_count"));
        out.put_some("stat_archiver_failed_count", &[], row.number("failed_count"));
        out.put_some("stat_archiver_last_archive_age", &[], age);
    }
}

fn write_bgwriter(out: &mut Writer<'_>) {
    let bgwriter = out.rows("pg_stat_bgwriter").next();
    let checkpointer = out.rows("pg_stat_checkpointer").next();
    let reset = bgwriter.and_then(|row| row.time("stats_reset"));
    out.put_some("stat_bgwriter_stats_reset", &[], reset);
    out.put_some("stat_bgwriter_stats_reset_total", &[], reset);
    for (column, moved) in BGWRITER {
        let old = bgwriter.and_then(|row| row.number(column));
        let value = old.or_else(|| checkpointer.and_then(|row| row.number(moved))).or_else(|| by_backends(out, column));
        out.put_some(&format!("stat_bgwriter_{column}"), &[], value);
        out.put_some(&format!("stat_bgwriter_{column}_total"), &[], value);
    }
}

/// What backends wrote or synced themselves, from `pg_stat_io` (16 and later).
fn by_backends(out: &mut Writer<'_>, column: &str) -> Option<f64> {
    let field = match column {
        "buffers_backend" => "writes",
        "buffers_backend_fsync" => "fsyncs",
        _ => return None,
    };
    let is_backend = |row: &Row<'_>| {
        row.text("object") == Some("relation")
            && row.text("backend_type").is_some_and(|kind| kind != "checkpointer" && kind != "background writer")
    };
    let values = out.rows("pg_stat_io").filter(is_backend).filter_map(|row| row.number(field));
    values.reduce(|a, b| a + b)
}
