//! Per command and per error: what a client could make up is limited and the rest is summed.

use std::collections::BTreeMap;

use super::{Info, Writer, number, pairs};
use crate::base::DropReason;

/// More commands than this are not listed; Redis 7.0 has about 400 with subcommands, modules add to it.
const COMMANDS: usize = 1000;
/// More error prefixes than this are summed as `__other__`: a client chooses them by what it sends to scripts.
const ERRORS: usize = 64;
/// The metric, the field it is read from, and what the value is divided by.
const COUNTERS: [(&str, &str, f64); 6] = [
    ("commands_total", "calls", 1.0),
    ("commands_duration_seconds_total", "usec", 1e6),
    ("commands_rejected_calls_total", "rejected_calls", 1.0),
    ("commands_failed_calls_total", "failed_calls", 1.0),
    ("commands_slowlog_total", "slowlog_count", 1.0),
    ("commands_slowlog_seconds_total", "slowlog_time_ms_sum", 1e3),
];

pub(super) fn write(info: &Info<'_>, out: &mut Writer<'_>) {
    let stats: BTreeMap<&str, BTreeMap<&str, &str>> =
        info.starting("cmdstat_").map(|(command, list)| (command, pairs(list))).collect();
    for (command, fields) in stats.iter().take(COMMANDS) {
        for (metric, field, divisor) in COUNTERS {
            let value = fields.get(field).and_then(|v| number(v));
            out.put_some(metric, &[("cmd", *command)], value.map(|v| v / divisor));
        }
    }
    out.drop(DropReason::SeriesLimit, stats.len().saturating_sub(COMMANDS) as u64);
    for (command, list) in info.starting("latency_percentiles_usec_").take(COMMANDS) {
        write_percentiles(command, list, stats.get(command), out);
    }
    write_errors(info, out);
}

/// Percentiles over the server's lifetime, in redis_exporter's form: quantiles are written `50`, `99`, `99.9`.
fn write_percentiles(command: &str, list: &str, stats: Option<&BTreeMap<&str, &str>>, out: &mut Writer<'_>) {
    for (name, value) in pairs(list) {
        if let Some(quantile) = name.strip_prefix('p') {
            out.put_some("latency_percentiles_usec", &[("cmd", command), ("quantile", quantile)], number(value));
        }
    }
    let get = |field: &str| stats.and_then(|s| s.get(field)).and_then(|v| number(v));
    out.put_some("latency_percentiles_usec_sum", &[("cmd", command)], get("usec"));
    out.put_some("latency_percentiles_usec_count", &[("cmd", command)], get("calls"));
}

fn write_errors(info: &Info<'_>, out: &mut Writer<'_>) {
    let counts = info.starting("errorstat_").filter_map(|(err, list)| {
        let count = pairs(list).get("count").and_then(|v| number(v))?;
        Some((err, count))
    });
    let (mut listed, mut other) = (0, None);
    for (err, count) in counts {
        listed += 1;
        if listed <= ERRORS {
            out.put("errors_total", &[("err", err)], count);
        } else {
            *other.get_or_insert(0.0) += count;
        }
    }
    out.put_some("errors_total", &[("err", "__other__")], other);
}
