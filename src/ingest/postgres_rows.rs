//! Rows of PostgreSQL's statistics views as JSON objects, under postgres_exporter's metric names.
//!
//! One mapping serves what we pull (`SELECT to_jsonb(t) …`) and what is pushed (`row_to_json(t)`), on any
//! server version from 12 to 18 and any version of `pg_stat_statements`: columns are found by name, and a
//! missing column gives nothing.
//!
//! Besides the views' own names there is one row of facts under `server`: `now`, `start_time`,
//! `in_recovery`, `wal_lsn`, `receive_lsn`, `replay_lsn`, `last_replay`, `last_receipt`, `version`,
//! `reads_all_stats`. All are optional. Ages are taken between the server's own stamps (`now`), so a
//! difference between its clock and ours does not show.
//!
//! Absent on purpose: the text of statements (it never becomes a label), and columns that have no unit.

mod activity;
mod background;
mod database;
mod locks;
mod replication;
mod row;
mod settings;
mod statements;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::base::bounded::cut;
use crate::base::{DropReason, Labels, METRIC_NAME, Timestamp};
use crate::series::{Delta, Item};

use row::Row;

/// The longest body that is read, in bytes.
pub const BODY_LIMIT: usize = 4 << 20;
/// The most rows of one view that are counted.
const ROW_LIMIT: usize = 20_000;
/// The longest label value, in bytes; longer ones are cut.
const VALUE_LIMIT: usize = 128;
/// The oldest `server_version_num` that is understood.
const OLDEST: u32 = 90_600;

/// The rows of one server at one time.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// `server_version_num`, such as 160003.
    pub version: u32,
    /// Rows by view.
    #[serde(default)]
    pub views: BTreeMap<String, Vec<serde_json::Map<String, serde_json::Value>>>,
}

/// What a snapshot gave.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed {
    /// One sample a series.
    pub items: Vec<Item>,
    /// Rows that were left out, by reason.
    pub dropped: Vec<(DropReason, u64)>,
}

/// Why a body was refused whole.
#[derive(Debug, thiserror::Error)]
pub enum PostgresRowsError {
    /// Over [`BODY_LIMIT`].
    #[error("the body is longer than {BODY_LIMIT} bytes")]
    TooLong,
    /// Not JSON, or not of the form `{"version":160003,"views":{"pg_stat_database":[{…}]}}`.
    #[error("the body is not {{\"version\":160003,\"views\":{{\"pg_stat_database\":[{{…}}],…}}}}")]
    Malformed(#[source] serde_json::Error),
    /// A version number that no server has.
    #[error("version {0} is not a server_version_num such as 160003")]
    Version(u32),
    /// No view that is known.
    #[error("views holds none of the known views (pg_stat_database, pg_stat_activity, pg_locks, …)")]
    NothingKnown,
}

/// The labels of one server's series: the instance, and what the public dashboards select by.
pub fn target(instance: &str) -> Labels {
    Labels::new([
        ("instance", cut(instance, VALUE_LIMIT)),
        ("job", "postgres"),
        ("release", "postgres"),
        ("kubernetes_namespace", "default"),
    ])
}

/// Reads a pushed body.
pub fn decode(body: &[u8]) -> Result<Snapshot, PostgresRowsError> {
    if body.len() > BODY_LIMIT {
        return Err(PostgresRowsError::TooLong);
    }
    let snapshot: Snapshot = serde_json::from_slice(body).map_err(PostgresRowsError::Malformed)?;
    if !(OLDEST..1_000_000).contains(&snapshot.version) {
        return Err(PostgresRowsError::Version(snapshot.version));
    }
    if !snapshot.views.keys().any(|view| VIEWS.contains(&view.as_str())) {
        return Err(PostgresRowsError::NothingKnown);
    }
    Ok(snapshot)
}

/// The views that are mapped.
pub const VIEWS: [&str; 17] = [
    "server",
    "pg_stat_database",
    "pg_stat_database_conflicts",
    "pg_database",
    "pg_stat_activity",
    "pg_locks",
    "pg_stat_replication",
    "pg_stat_wal_receiver",
    "pg_replication_slots",
    "pg_settings",
    "pg_stat_bgwriter",
    "pg_stat_checkpointer",
    "pg_stat_archiver",
    "pg_stat_wal",
    "pg_stat_io",
    "pg_stat_statements",
    "pg_stat_user_tables",
];

/// Maps the rows; every series carries the labels of `target` and is stamped `at`.
pub fn map(snapshot: &Snapshot, target: &Labels, at: Timestamp) -> Parsed {
    let mut out = Writer { snapshot, target, at, parsed: Parsed::default() };
    let unknown = snapshot.views.iter().filter(|(view, _)| !VIEWS.contains(&view.as_str()));
    let unknown = unknown.map(|(_, rows)| rows.len() as u64).sum();
    out.drop(DropReason::UnknownMetric, unknown);
    write_server(&mut out);
    database::write(&mut out);
    database::write_tables(&mut out);
    activity::write(&mut out);
    locks::write(&mut out);
    replication::write(&mut out);
    settings::write(&mut out);
    background::write(&mut out);
    statements::write(&mut out);
    out.parsed
}

fn write_server(out: &mut Writer<'_>) {
    let version = out.snapshot.version;
    let short = if version >= 100_000 {
        format!("{}.{}", version / 10_000, version % 10_000)
    } else {
        format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
    };
    let server = out.server();
    let full = server.and_then(|s| s.text("version")).unwrap_or_default();
    out.put("static", &[("version", full), ("short_version", &short)], 1.0);
    out.put_some("postmaster_start_time_seconds", &[], server.and_then(|s| s.time("start_time")));
}

/// Collects items of one server.
struct Writer<'a> {
    snapshot: &'a Snapshot,
    target: &'a Labels,
    at: Timestamp,
    parsed: Parsed,
}

impl<'a> Writer<'a> {
    /// The rows of a view; none when it was not given.
    fn rows(&mut self, view: &str) -> impl Iterator<Item = Row<'a>> + Clone + use<'a> {
        let snapshot = self.snapshot;
        let rows = snapshot.views.get(view).map_or(&[][..], Vec::as_slice);
        self.drop(DropReason::SeriesLimit, rows.len().saturating_sub(ROW_LIMIT) as u64);
        rows.iter().take(ROW_LIMIT).map(Row::new)
    }

    /// Whether the view was given, be it without rows.
    fn has(&self, view: &str) -> bool {
        self.snapshot.views.contains_key(view)
    }

    /// The facts of the server.
    fn server(&self) -> Option<Row<'a>> {
        let snapshot = self.snapshot;
        snapshot.views.get("server").and_then(|rows| rows.first()).map(Row::new)
    }

    /// The server's clock, or the time of arrival, in Unix seconds.
    fn now(&self) -> f64 {
        self.server().and_then(|s| s.time("now")).unwrap_or_else(|| self.at.as_secs_f64())
    }

    /// Adds a sample of `pg_<name>`.
    fn put(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        if !value.is_finite() {
            return self.drop(DropReason::Implausible, 1);
        }
        let mut series = self.target.to_builder();
        for (label, text) in labels {
            series.set(*label, cut(text, VALUE_LIMIT));
        }
        series.set(METRIC_NAME, format!("pg_{name}"));
        // `+ 0.0` makes the -0 of an empty sum a 0.
        self.parsed.items.push(Item { labels: series.build(), at: self.at, delta: Delta::Sample(value + 0.0) });
    }

    /// As [`Self::put`], when there is a value.
    fn put_some(&mut self, name: &str, labels: &[(&str, &str)], value: Option<f64>) {
        if let Some(value) = value {
            self.put(name, labels, value);
        }
    }

    fn drop(&mut self, reason: DropReason, count: u64) {
        if count > 0 {
            self.parsed.dropped.push((reason, count));
        }
    }

    /// The names of the databases, of which there are at most [`database::LIMIT`].
    fn databases(&mut self) -> Vec<(&'a str, Option<f64>)> {
        let rows = self.rows("pg_stat_database");
        rows.filter_map(|r| Some((r.text("datname")?, r.number("datid")))).take(database::LIMIT).collect()
    }
}

#[cfg(test)]
mod tests;
