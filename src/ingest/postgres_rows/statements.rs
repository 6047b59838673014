//! `pg_stat_statements`: the statements that take the most time.
//!
//! The extension's own version decides the columns, not the server's: `total_time` became
//! `total_exec_time`, `blk_read_time` became `shared_blk_read_time`. Rows of one statement that differ only
//! in `toplevel` are added up. The text is not read.

use std::collections::BTreeMap;

use super::Writer;
use super::row::Row;
use crate::base::DropReason;

/// How many statements of one server become series: the first by total time.
const TOP: usize = 50;

/// Calls, seconds, rows, block read seconds, block write seconds.
type Sums = [Option<f64>; 5];

const METRICS: [&str; 5] = [
    "stat_statements_calls_total",
    "stat_statements_seconds_total",
    "stat_statements_rows_total",
    "stat_statements_block_read_seconds_total",
    "stat_statements_block_write_seconds_total",
];

pub(super) fn write(out: &mut Writer<'_>) {
    let mut statements: BTreeMap<[String; 3], Sums> = BTreeMap::new();
    for row in out.rows("pg_stat_statements") {
        // A role that may not see the statement gets no id; summed under none they would mislead.
        let Some(query) = row.id("queryid") else { continue };
        let name = |text: &str, oid: &str| row.text(text).map(str::to_owned).or_else(|| row.id(oid));
        let user = name("usename", "userid").unwrap_or_default();
        let database = name("datname", "dbid").unwrap_or_default();
        let sums = statements.entry([user, database, query]).or_default();
        for (sum, value) in sums.iter_mut().zip(values(&row)) {
            *sum = [*sum, value].into_iter().flatten().reduce(|a, b| a + b);
        }
    }
    let mut ranked: Vec<_> = statements.into_iter().collect();
    ranked.sort_by(|(_, a), (_, b)| b[1].unwrap_or(0.0).total_cmp(&a[1].unwrap_or(0.0)));
    out.drop(DropReason::SeriesLimit, ranked.len().saturating_sub(TOP) as u64);
    for ([user, datname, query], sums) in ranked.into_iter().take(TOP) {
        for (metric, sum) in METRICS.into_iter().zip(sums) {
            out.put_some(metric, &[("user", &user), ("datname", &datname), ("queryid", &query)], sum);
        }
    }
}

fn values(row: &Row<'_>) -> Sums {
    let milliseconds = |new: &str, old: &str| row.number(new).or_else(|| row.number(old)).map(|v| v / 1e3);
    [
        row.number("calls"),
        milliseconds("total_exec_time", "total_time"),
        row.number("rows"),
        milliseconds("shared_blk_read_time", "blk_read_time"),
        milliseconds("shared_blk_write_time", "blk_write_time"),
    ]
}
