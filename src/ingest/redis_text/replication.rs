//! Both sides of replication, and how far behind a replica is.
//!
//! The server prints `lag=0` for a replica that is not online, and a replica whose link is down shows its
//! own offset as its master's: taken at their word, the worst case looks like the best. So lag is given
//! only for replicas that are online, and a broken link counts the seconds since it broke.

use super::{Info, Writer, pairs};

/// More replicas than this of one master are not listed.
const REPLICAS: usize = 64;

pub(super) fn write(info: &Info<'_>, out: &mut Writer<'_>) {
    match info.text("role") {
        Some("slave" | "replica") => write_replica(info, out),
        Some(_) => write_master(info, out),
        None => {}
    }
}

fn write_master(info: &Info<'_>, out: &mut Writer<'_>) {
    let offset = info.number("master_repl_offset");
    let replicas = info.starting("slave").filter(|(index, _)| index.parse::<u32>().is_ok());
    let mut listed = 0;
    for (_, list) in replicas {
        listed += 1;
        if listed <= REPLICAS {
            write_connected(offset, list, out);
        }
    }
    out.drop(crate::base::DropReason::SeriesLimit, listed.saturating_sub(REPLICAS) as u64);
}

/// One replica as its master sees it.
fn write_connected(master_offset: Option<f64>, list: &str, out: &mut Writer<'_>) {
    let by_name = pairs(list);
    let get = |field: &str| by_name.get(field).copied().unwrap_or_default();
    let (ip, port, state) = (get("ip"), get("port"), get("state"));
    let labels = [("slave_ip", ip), ("slave_port", port), ("slave_state", state)];
    let offset = super::number(get("offset"));
    out.put_some("connected_slave_offset_bytes", &labels, offset);
    out.put_some("connected_slave_lag_seconds", &labels, super::number(get("lag")).filter(|_| state == "online"));
    let behind = master_offset.zip(offset).map(|(master, replica)| (master - replica).max(0.0));
    out.put_some("replication_lag_bytes", &labels[..2], behind);
}

/// The replica's own side.
fn write_replica(info: &Info<'_>, out: &mut Writer<'_>) {
    let text = |field: &str| info.text(field).unwrap_or_default();
    let master = [("master_host", text("master_host")), ("master_port", text("master_port"))];
    let is_up = info.number("master_link_status");
    let last_io = info.number("master_last_io_seconds_ago");
    let down_since = info.number("master_link_down_since_seconds").filter(|v| *v >= 0.0);
    out.put_some("master_link_up", &master, is_up);
    out.put_some("master_last_io_seconds_ago", &master, last_io);
    out.put_some("master_sync_in_progress", &master, info.number("master_sync_in_progress"));
    out.put_some("slave_repl_offset", &master, info.number("slave_repl_offset"));
    out.put_some("slave_read_repl_offset", &master, info.number("slave_read_repl_offset"));
    out.put_some("master_link_down_since_seconds", &master, down_since);
    for field in ["master_sync_total_bytes", "master_sync_read_bytes", "master_sync_left_bytes", "master_sync_perc"] {
        out.put_some(field, &master, info.number(field).filter(|v| *v >= 0.0));
    }
    let lag = if is_up == Some(1.0) { last_io.filter(|v| *v >= 0.0) } else { down_since };
    out.put_some("replication_lag_seconds", &master, lag);
    let info_labels = [master[0], master[1], ("read_only", text("slave_read_only"))];
    out.put("slave_info", &info_labels, 1.0);
}
