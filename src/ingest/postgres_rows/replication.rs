//! Replication, seen from the primary and from the standby.
//!
//! A standby that lost its primary has replayed all it received, so "received = replayed, hence no lag" is
//! a false zero just when it matters. Here a standby that is not streaming is as late as the last sign of
//! its primary; a streaming one that has replayed everything is up to date, however idle the primary.

use super::Writer;
use super::row::Row;
use crate::base::DropReason;

/// More standbys or slots than this are not listed.
const PEERS: usize = 64;

/// How far the standby is in writing, flushing and replaying: the column of the delay, of the position.
const STAGES: [(&str, &str); 3] =
    [("write_lag", "write_lsn"), ("flush_lag", "flush_lsn"), ("replay_lag", "replay_lsn")];

pub(super) fn write(out: &mut Writer<'_>) {
    write_standbys(out);
    write_slots(out);
    if let Some(in_recovery) = out.server().and_then(|s| s.flag("in_recovery")) {
        out.put("replication_is_replica", &[], f64::from(u8::from(in_recovery)));
        let lag = if in_recovery { standby_lag(out) } else { Some(0.0) };
        out.put_some("replication_lag_seconds", &[], lag);
        out.put_some("replication_lag", &[], lag);
        let replayed = out.server().and_then(|s| s.time("last_replay")).map(|at| (out.now() - at).max(0.0));
        out.put_some("replication_last_replay_seconds", &[], replayed.filter(|_| in_recovery));
    }
}

/// Seconds that a standby is behind; `None` when nothing tells.
fn standby_lag(out: &mut Writer<'_>) -> Option<f64> {
    let server = out.server()?;
    let is_streaming = out.rows("pg_stat_wal_receiver").any(|r| r.text("status") == Some("streaming"));
    let since = |at: f64| (out.now() - at).max(0.0);
    let replayed = server.time("last_replay");
    if !is_streaming {
        let received = server.time("last_receipt");
        return received.into_iter().chain(replayed).reduce(f64::max).map(since);
    }
    if server.lsn("receive_lsn").is_some_and(|received| server.lsn("replay_lsn") == Some(received)) {
        return Some(0.0);
    }
    replayed.map(since)
}

fn write_standbys(out: &mut Writer<'_>) {
    if out.has("pg_stat_replication") {
        let connected = out.rows("pg_stat_replication").count();
        out.put("stat_replication_standbys", &[], connected as f64);
        out.drop(DropReason::SeriesLimit, connected.saturating_sub(PEERS) as u64);
    }
    let wal = out.server().and_then(|s| s.lsn("wal_lsn"));
    for row in out.rows("pg_stat_replication").take(PEERS) {
        let text = |column: &str| row.text(column).unwrap_or_default();
        let labels = [
            ("application_name", text("application_name")),
            ("client_addr", text("client_addr")),
            ("state", text("state")),
            ("slot_name", text("slot_name")),
        ];
        let behind = wal.zip(row.lsn("replay_lsn")).map(|(wal, replayed)| (wal - replayed).max(0.0));
        out.put_some("stat_replication_pg_wal_lsn_diff", &labels, behind);
        out.put_some("stat_replication_pg_current_wal_lsn_bytes", &labels, wal);
        out.put_some("stat_replication_reply_time", &labels, row.time("reply_time"));
        for (delay, position) in STAGES {
            out.put_some(&format!("stat_replication_{delay}_seconds"), &labels, stage_lag(row, delay, position, wal));
        }
    }
}

/// The server forgets a delay when nothing is under way: then it is 0 if the standby has everything.
fn stage_lag(row: Row<'_>, delay: &str, position: &str, wal: Option<f64>) -> Option<f64> {
    let has_all = || row.lsn(position).zip(wal).is_some_and(|(reached, wal)| reached >= wal);
    row.interval(delay).or_else(|| has_all().then_some(0.0))
}

fn write_slots(out: &mut Writer<'_>) {
    let rows = out.rows("pg_replication_slots");
    out.drop(DropReason::SeriesLimit, rows.clone().count().saturating_sub(PEERS) as u64);
    let wal = out.server().and_then(|s| s.lsn("wal_lsn").or_else(|| s.lsn("receive_lsn")));
    for row in rows.take(PEERS) {
        let text = |column: &str| row.text(column).unwrap_or_default();
        let labels = [("slot_name", text("slot_name")), ("database", text("database"))];
        let typed = [("slot_name", text("slot_name")), ("slot_type", text("slot_type"))];
        let active = row.flag("active").map(|v| f64::from(u8::from(v)));
        let kept = wal.zip(row.lsn("restart_lsn")).map(|(wal, kept_from)| wal - kept_from);
        out.put_some("replication_slots_active", &labels, active);
        out.put_some("replication_slots_pg_wal_lsn_diff", &labels, kept);
        out.put_some("replication_slot_slot_is_active", &typed, active);
        out.put_some("replication_slots_slot_is_active", &typed, active);
        out.put_some("replication_slots_safe_wal_size_bytes", &typed, row.number("safe_wal_size"));
        if let Some(status) = row.text("wal_status") {
            out.put("replication_slots_wal_status", &[typed[0], typed[1], ("wal_status", status)], 1.0);
        }
    }
}
