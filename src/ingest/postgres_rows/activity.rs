//! `pg_stat_activity`: how many sessions, in what state, for how long.
//!
//! A role without `pg_read_all_stats` sees other sessions' rows without their state: counted, they would
//! read as nearly none. Then the connections come from `pg_stat_database.numbackends`, which everyone may
//! read, and the states are left out.

use std::collections::BTreeMap;

use super::Writer;
use super::row::Row;

/// Every state of every database is always given, as 0 when nobody is in it.
const STATES: [&str; 6] =
    ["active", "idle", "idle in transaction", "idle in transaction (aborted)", "fastpath function call", "disabled"];

/// What a client backend can wait for; `CPU` is active without waiting.
const WAITS: [&str; 9] = ["CPU", "LWLock", "Lock", "BufferPin", "Client", "Extension", "IO", "IPC", "Timeout"];

pub(super) fn write(out: &mut Writer<'_>) {
    if !out.has("pg_stat_activity") {
        return;
    }
    if out.server().and_then(|s| s.flag("reads_all_stats")) == Some(false) {
        let backends = out.rows("pg_stat_database").filter_map(|r| r.number("numbackends")).sum();
        return out.put("client_connections", &[], backends);
    }
    let clients: Vec<Row<'_>> = out.rows("pg_stat_activity").filter(is_client).collect();
    out.put("client_connections", &[], clients.len() as f64);
    write_states(out);
    write_transactions(&clients, out);
    write_waits(&clients, out);
}

/// Servers before 10 have no `backend_type`; there, whoever has a state is a client.
fn is_client(row: &Row<'_>) -> bool {
    row.text("backend_type").map_or(row.text("state").is_some(), |kind| kind == "client backend")
}

fn write_states(out: &mut Writer<'_>) {
    let now = out.now();
    let mut states: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
    for (database, _) in out.databases() {
        states.extend(STATES.map(|state| ((database, state), (0.0, 0.0))));
    }
    for row in out.rows("pg_stat_activity") {
        let Some((database, state)) = row.text("datname").zip(row.text("state")) else { continue };
        let Some(state) = STATES.into_iter().find(|s| *s == state) else { continue };
        let (count, longest) = states.entry((database, state)).or_default();
        *count += 1.0;
        *longest = row.time("xact_start").map_or(*longest, |start| longest.max(now - start));
    }
    for ((datname, state), (count, longest)) in states {
        let labels = [("datname", datname), ("state", state)];
        out.put("stat_activity_count", &labels, count);
        out.put("stat_activity_max_tx_duration", &labels, longest);
    }
}

fn write_transactions(clients: &[Row<'_>], out: &mut Writer<'_>) {
    let now = out.now();
    let ages = clients.iter().filter_map(|row| row.time("xact_start")).map(|start| (now - start).max(0.0));
    out.put("long_running_transactions", &[], ages.clone().count() as f64);
    out.put("long_running_transactions_oldest_timestamp_seconds", &[], ages.fold(0.0, f64::max));
    let idle = clients.iter().filter(|row| row.text("state").is_some_and(|s| s.starts_with("idle in transaction")));
    let idle = idle.filter_map(|row| row.time("state_change")).map(|since| now - since);
    out.put("idle_in_transaction_seconds_max", &[], idle.fold(0.0, f64::max));
}

fn write_waits(clients: &[Row<'_>], out: &mut Writer<'_>) {
    for wait in WAITS {
        let waiting = clients.iter().filter(|row| match (row.text("wait_event_type"), row.text("state")) {
            (Some(kind), _) => kind == wait,
            (None, state) => wait == "CPU" && state == Some("active"),
        });
        out.put("wait_events", &[("wait_event_type", wait)], waiting.count() as f64);
    }
}
