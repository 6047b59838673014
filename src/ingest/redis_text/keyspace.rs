//! `dbN:keys=…`: the databases.

use super::{Info, Writer, pairs};

/// The field of a database, its metric, and what the value is divided by.
const FIELDS: [(&str, &str, f64); 5] = [
    ("keys", "db_keys", 1.0),
    ("expires", "db_keys_expiring", 1.0),
    ("avg_ttl", "db_avg_ttl_seconds", 1000.0),
    ("cached_keys", "db_keys_cached", 1.0),
    ("keys_with_volatile_items", "db_keys_with_expiring_items", 1.0),
];

/// Redis 7.4 calls hashes with expiring fields by this name.
const SUBEXPIRY: &str = "subexpiry";

pub(super) fn write(info: &Info<'_>, out: &mut Writer<'_>) {
    let databases = info.starting("db").filter(|(index, _)| index.parse::<u32>().is_ok());
    let mut has_first = false;
    for (index, list) in databases {
        has_first |= index == "0";
        write_database(&format!("db{index}"), list, out);
    }
    // A server does not list empty databases. Without a zero here, "the last key is gone" looks like "no data".
    if info.has_keyspace && !has_first {
        out.put("db_keys", &[("db", "db0")], 0.0);
        out.put("db_keys_expiring", &[("db", "db0")], 0.0);
    }
}

fn write_database(db: &str, list: &str, out: &mut Writer<'_>) {
    let by_name = pairs(list);
    let get = |field: &str| by_name.get(field).and_then(|v| super::number(v));
    for (field, metric, divisor) in FIELDS {
        // -1 stands for "not known".
        out.put_some(metric, &[("db", db)], get(field).filter(|v| *v >= 0.0).map(|v| v / divisor));
    }
    if !by_name.contains_key("keys_with_volatile_items") {
        out.put_some("db_keys_with_expiring_items", &[("db", db)], get(SUBEXPIRY));
    }
}
