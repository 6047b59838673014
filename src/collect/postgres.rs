//! PostgreSQL: the statistics views over one kept connection.
//!
//! Each view is asked by itself, so that one that fails (a missing privilege, a managed service) takes
//! nothing else with it. The limits of time are the server's own: a query that we only stop waiting for
//! would go on holding its place in a lock's queue. What is dear to ask (sizes, settings, statements) is
//! asked seldom and repeated from memory in between.

mod queries;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::backoff::Reconnect;
use super::collector::{Collector, Cycle};
use super::error::CollectError;
use super::{PostgresTarget, labelled};
use crate::base::clock::BoxFuture;
use crate::base::{Labels, METRIC_NAME, Timestamp};
use crate::ingest::postgres_rows::{self, Snapshot};
use crate::series::{Delta, Item};

use queries::{Query, Tier};
use session::Session;

/// How long a view that failed with "not supported" or "permission denied" is left alone.
const REFUSED: Duration = Duration::from_secs(3600);

/// After so many views that the server gave up (a lock, its own limit of time), the rest of a cycle is left
/// out: each costs seconds, and the cycle must end in time to say that the server is up.
const PATIENCE: u32 = 2;

/// The rows of a view.
type Rows = Vec<Map<String, Value>>;

/// Asks one server.
pub struct PostgresCollector {
    name: String,
    target: PostgresTarget,
    labels: Labels,
    session: Option<Session>,
    reconnect: Reconnect,
    /// The last rows of views that are not asked each time, and when they were asked.
    kept: BTreeMap<&'static str, (Timestamp, Rows)>,
    /// Whether each view answered when last asked.
    answered: BTreeMap<&'static str, bool>,
    /// Views that the server does not give, and since when.
    refused: BTreeMap<&'static str, Timestamp>,
    /// The newest message from the primary that a standby was seen to have received.
    last_receipt: Option<Value>,
    /// Classes of errors that have occurred.
    errors: BTreeSet<&'static str>,
    /// How many views the server gave up in this cycle.
    given_up: u32,
    scrapes: u64,
}

impl PostgresCollector {
    /// A collector that has not connected yet.
    pub fn new(target: PostgresTarget) -> Self {
        Self {
            name: format!("postgres/{}", target.name),
            labels: labelled(&postgres_rows::target(&target.name), &target.labels),
            target,
            session: None,
            reconnect: Reconnect::default(),
            kept: BTreeMap::new(),
            answered: BTreeMap::new(),
            refused: BTreeMap::new(),
            last_receipt: None,
            errors: BTreeSet::new(),
            given_up: 0,
            scrapes: 0,
        }
    }

    async fn ask(&mut self, now: Timestamp) -> Result<Vec<Item>, CollectError> {
        let snapshot = self.snapshot(now).await?;
        let parsed = postgres_rows::map(&snapshot, &self.labels, now);
        for (reason, count) in parsed.dropped {
            tracing::debug!(collector = self.name, reason = reason.as_str(), count, "rows left out");
        }
        let mut items = parsed.items;
        items.extend(self.answered.iter().map(|(view, is_good)| {
            self.sample("pg_scrape_collector_success", Some(("collector", view)), f64::from(u8::from(*is_good)), now)
        }));
        Ok(items)
    }

    /// The rows that [`postgres_rows::map`] reads, as one would push them.
    async fn snapshot(&mut self, now: Timestamp) -> Result<Snapshot, CollectError> {
        if self.session.is_none() {
            self.reconnect.allow(now)?;
            let session = Session::open(&self.target).await?;
            self.reconnect.succeeded();
            self.kept.clear();
            self.session = Some(session);
        }
        let mut views = BTreeMap::new();
        self.given_up = 0;
        for query in &queries::ALL {
            if let Some(rows) = self.rows(query, now).await? {
                views.insert(query.view.to_owned(), rows);
            }
        }
        self.remember_receipt(&mut views);
        let version = self.session.as_ref().map_or(0, |s| s.version);
        Ok(Snapshot { version, views })
    }

    /// The rows of one view, asked or remembered; `None` when the server does not have or give it.
    async fn rows(&mut self, query: &'static Query, now: Timestamp) -> Result<Option<Rows>, CollectError> {
        if let Some((at, rows)) = self.kept.get(query.view)
            && query.tier.is_fresh(now.since(*at))
        {
            return Ok(Some(rows.clone()));
        }
        if self.refused.get(query.view).is_some_and(|since| now.since(*since) < REFUSED) {
            return Ok(None);
        }
        let Some(session) = &mut self.session else { return Ok(None) };
        let Some(sql) = session.sql(query) else { return Ok(None) };
        if self.given_up >= PATIENCE {
            self.answered.insert(query.view, false);
            return Ok(None);
        }
        let result = session.rows(sql).await;
        self.answered.insert(query.view, result.is_ok());
        match result {
            Ok(rows) => {
                if query.tier != Tier::Fast {
                    self.kept.insert(query.view, (now, rows.clone()));
                }
                Ok(Some(rows))
            }
            Err(error) => self.failed(query.view, error, now).map(|()| None),
        }
    }

    /// Passes on what breaks the connection; a view's own failure stays its own.
    fn failed(&mut self, view: &'static str, error: CollectError, now: Timestamp) -> Result<(), CollectError> {
        self.kept.remove(view);
        match error {
            CollectError::Permission(_) => {
                tracing::info!(collector = self.name, view, error = error.chain(), "not given; asked again in an hour");
                self.refused.insert(view, now);
                Ok(())
            }
            CollectError::Server(_) | CollectError::Busy(_) | CollectError::Answer(_) => {
                self.given_up += u32::from(matches!(error, CollectError::Busy(_)));
                tracing::warn!(collector = self.name, view, error = error.chain(), "a view was not read");
                Ok(())
            }
            error => Err(error),
        }
    }

    /// A standby that loses its primary loses the row that said when it last heard of it.
    fn remember_receipt(&mut self, views: &mut BTreeMap<String, Rows>) {
        let receiver = views.get("pg_stat_wal_receiver").and_then(|rows| rows.first());
        if let Some(seen) = receiver.and_then(|row| row.get("last_msg_receipt_time")).filter(|v| !v.is_null()) {
            self.last_receipt = Some(seen.clone());
        }
        let server = views.get_mut("server").and_then(|rows| rows.first_mut());
        if let Some((server, seen)) = server.zip(self.last_receipt.clone()) {
            server.insert("last_receipt".to_owned(), seen);
        }
    }

    fn sample(&self, metric: &str, label: Option<(&str, &str)>, value: f64, at: Timestamp) -> Item {
        let mut labels = self.labels.to_builder();
        if let Some((name, text)) = label {
            labels.set(name, text);
        }
        labels.set(METRIC_NAME, metric);
        Item { labels: labels.build(), at, delta: Delta::Sample(value) }
    }
}

impl Collector for PostgresCollector {
    fn name(&self) -> &str {
        &self.name
    }

    fn every(&self) -> Duration {
        self.target.every
    }

    fn collect(&mut self, now: Timestamp) -> BoxFuture<'_, Result<Vec<Item>, CollectError>> {
        Box::pin(self.ask(now))
    }

    fn status(&mut self, cycle: &Cycle<'_>) -> Vec<Item> {
        self.scrapes += 1;
        if let Some(error) = cycle.error {
            self.errors.insert(error.class());
            if !matches!(error, CollectError::Waiting(_)) {
                self.session = None;
                self.answered.clear();
                self.reconnect.failed(cycle.at, error.class());
            }
        }
        let class = cycle.error.map(CollectError::class);
        let flag = |on: bool| f64::from(u8::from(on));
        let mut items = vec![
            self.sample("pg_up", None, flag(class.is_none()), cycle.at),
            self.sample("pg_exporter_scrapes_total", None, self.scrapes as f64, cycle.at),
            self.sample("pg_exporter_last_scrape_error", None, flag(class.is_some()), cycle.at),
            self.sample("pg_exporter_last_scrape_duration_seconds", None, cycle.took.as_secs_f64(), cycle.at),
        ];
        items.extend(self.errors.iter().map(|known| {
            self.sample("pg_exporter_last_scrape_error", Some(("err", known)), flag(class == Some(*known)), cycle.at)
        }));
        items
    }
}
