//! `pg_locks`: how many are held, and who waits.
//!
//! postgres_exporter counts only locks that name a database. A blocked row update waits for the other
//! transaction's id, which names none, so its count does not see the commonest wait; the waiters here do.
//! Rows may come one a lock (the view itself) or grouped, with a `count`.

use std::collections::BTreeMap;

use super::Writer;
use super::row::Row;

const MODES: [&str; 9] = [
    "accesssharelock",
    "rowsharelock",
    "rowexclusivelock",
    "shareupdateexclusivelock",
    "sharelock",
    "sharerowexclusivelock",
    "exclusivelock",
    "accessexclusivelock",
    "sireadlock",
];

/// What can be waited for; always given, as 0 when nobody waits.
const KINDS: [&str; 12] = [
    "relation",
    "extend",
    "frozenid",
    "page",
    "tuple",
    "transactionid",
    "virtualxid",
    "spectoken",
    "object",
    "userlock",
    "advisory",
    "applytransaction",
];

pub(super) fn write(out: &mut Writer<'_>) {
    if out.has("pg_locks") {
        write_counts(out);
        write_waiters(out);
    }
}

fn weight(row: &Row<'_>) -> f64 {
    row.number("count").unwrap_or(1.0)
}

fn write_counts(out: &mut Writer<'_>) {
    let databases = out.databases();
    let mut counts: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for (name, _) in &databases {
        counts.extend(MODES.map(|mode| ((*name, mode), 0.0)));
    }
    for row in out.rows("pg_locks") {
        let name = row.number("database").and_then(|oid| databases.iter().find(|(_, id)| *id == Some(oid)));
        let mode = row.text("mode").map(str::to_ascii_lowercase).unwrap_or_default();
        if let Some(((name, _), mode)) = name.zip(MODES.into_iter().find(|m| *m == mode)) {
            *counts.entry((name, mode)).or_default() += weight(&row);
        }
    }
    for ((datname, mode), count) in counts {
        out.put("locks_count", &[("datname", datname), ("mode", mode)], count);
    }
}

fn write_waiters(out: &mut Writer<'_>) {
    let now = out.now();
    let waiting = out.rows("pg_locks").filter(|row| row.flag("granted") == Some(false));
    for kind in KINDS {
        let count = waiting.clone().filter(|row| row.text("locktype") == Some(kind)).map(|row| weight(&row)).sum();
        out.put("lock_waiters", &[("locktype", kind)], count);
    }
    let waits = waiting.filter_map(|row| row.time("waitstart")).map(|start| now - start);
    out.put("lock_wait_seconds_max", &[], waits.fold(0.0, f64::max));
}
