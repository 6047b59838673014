//! Redis and Valkey: `INFO everything` over one kept connection.
//!
//! Everything but INFO is optional. A refused command raises an error counter on the server itself, so what
//! was refused is not asked again for an hour. `PING` is not asked at all: a server that loads its data or
//! runs a script refuses it and is yet there.

mod extras;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, IntoConnectionInfo, RedisError, ServerErrorKind};

use super::backoff::Reconnect;
use super::collector::{Collector, Cycle};
use super::error::CollectError;
use super::{RedisTarget, labelled};
use crate::base::clock::BoxFuture;
use crate::base::{Labels, METRIC_NAME, Timestamp};
use crate::ingest::redis_text;
use crate::series::{Delta, Item};

/// The longest wait for a connection, and for each answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a refused command is left alone.
const REFUSED: Duration = Duration::from_secs(3600);

/// Asks one server.
pub struct RedisCollector {
    name: String,
    target: RedisTarget,
    labels: Labels,
    connection: Option<MultiplexedConnection>,
    reconnect: Reconnect,
    /// Commands that were refused, and when.
    refused: BTreeMap<&'static str, Timestamp>,
    /// Databases that have held keys: an empty one is not listed and counts 0.
    databases: BTreeSet<String>,
    /// Classes of errors that have occurred.
    errors: BTreeSet<&'static str>,
    scrapes: u64,
}

impl RedisCollector {
    /// A collector that has not connected yet.
    pub fn new(target: RedisTarget) -> Self {
        Self {
            name: format!("redis/{}", target.name),
            labels: labelled(&redis_text::target(&target.name), &target.labels),
            target,
            connection: None,
            reconnect: Reconnect::default(),
            refused: BTreeMap::new(),
            databases: BTreeSet::new(),
            errors: BTreeSet::new(),
            scrapes: 0,
        }
    }

    async fn ask(&mut self, now: Timestamp) -> Result<Vec<Item>, CollectError> {
        let mut connection = self.connected(now).await?;
        let text = info(&mut connection).await?;
        let mut items = match redis_text::parse(&text, &self.labels, now) {
            Ok(parsed) => parsed.items,
            Err(error) => return Err(CollectError::Answer(error.into())),
        };
        self.add_emptied(&mut items, now);
        self.add_extras(&mut connection, &mut items, now).await?;
        Ok(items)
    }

    async fn connected(&mut self, now: Timestamp) -> Result<MultiplexedConnection, CollectError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        self.reconnect.allow(now)?;
        let mut connection = self.connect().await?;
        self.optional(&mut connection, "CLIENT SETNAME", redis::cmd("CLIENT").arg("SETNAME").arg("plimsoll"), now)
            .await?;
        self.reconnect.succeeded();
        Ok(self.connection.insert(connection).clone())
    }

    async fn connect(&self) -> Result<MultiplexedConnection, CollectError> {
        let address =
            |source: RedisError| CollectError::Address { target: self.target.name.clone(), source: source.into() };
        let info = self.target.url.expose().into_connection_info().map_err(address)?;
        // CLIENT SETINFO is unknown before 7.2 and would count as an error there.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let client = Client::open(info.set_redis_settings(settings)).map_err(address)?;
        let config = AsyncConnectionConfig::new();
        let config = config.set_connection_timeout(Some(TIMEOUT)).set_response_timeout(Some(TIMEOUT));
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|e| classify(e, CollectError::Connect))
    }

    /// The answer to a command that the server may refuse; `None` when it does or did.
    async fn optional(
        &mut self,
        connection: &mut MultiplexedConnection,
        name: &'static str,
        command: &Cmd,
        now: Timestamp,
    ) -> Result<Option<redis::Value>, CollectError> {
        if self.refused.get(name).is_some_and(|at| now.since(*at) < REFUSED) {
            return Ok(None);
        }
        match command.query_async(connection).await {
            Ok(value) => Ok(Some(value)),
            Err(error) => match classify(error, CollectError::Lost) {
                error @ (CollectError::Permission(_) | CollectError::Server(_)) => {
                    tracing::info!(
                        collector = self.name,
                        command = name,
                        error = error.chain(),
                        "refused; asked again in an hour"
                    );
                    self.refused.insert(name, now);
                    Ok(None)
                }
                CollectError::Busy(_) => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn add_extras(
        &mut self,
        connection: &mut MultiplexedConnection,
        items: &mut Vec<Item>,
        now: Timestamp,
    ) -> Result<(), CollectError> {
        let is_cluster =
            items.iter().any(|i| i.labels.metric_name() == "redis_cluster_enabled" && i.delta == Delta::Sample(1.0));
        for extra in extras::ALL.iter().filter(|e| is_cluster || !e.cluster_only) {
            let mut command = Cmd::new();
            for word in extra.words {
                command.arg(*word);
            }
            if let Some(answer) = self.optional(connection, extra.name, &command, now).await? {
                let samples = (extra.read)(&answer);
                items.extend(samples.into_iter().map(|(name, label, value)| self.sample(name, label, value, now)));
            }
        }
        Ok(())
    }

    /// Adds a zero for each database that once held keys and is not listed now.
    fn add_emptied(&mut self, items: &mut Vec<Item>, now: Timestamp) {
        let keys = items.iter().filter(|i| i.labels.metric_name() == "redis_db_keys");
        let listed: BTreeSet<String> = keys.map(|i| i.labels.value("db").to_owned()).collect();
        for db in self.databases.difference(&listed) {
            for metric in ["redis_db_keys", "redis_db_keys_expiring"] {
                items.push(self.sample(metric, Some(("db", db.clone())), 0.0, now));
            }
        }
        self.databases.extend(listed);
    }

    fn sample(
        &self,
        metric: impl Into<String>,
        label: Option<(&'static str, String)>,
        value: f64,
        at: Timestamp,
    ) -> Item {
        let mut labels = self.labels.to_builder();
        if let Some((name, text)) = label {
            labels.set(name, text);
        }
        labels.set(METRIC_NAME, metric.into());
        Item { labels: labels.build(), at, delta: Delta::Sample(value) }
    }
}

impl Collector for RedisCollector {
    fn name(&self) -> &str {
        &self.name
    }

    fn every(&self) -> Duration {
        self.target.every
    }

    fn limit(&self) -> Duration {
        self.target.every.mul_f64(0.9).min(TIMEOUT)
    }

    fn collect(&mut self, now: Timestamp) -> BoxFuture<'_, Result<Vec<Item>, CollectError>> {
        Box::pin(self.ask(now))
    }

    fn status(&mut self, cycle: &Cycle<'_>) -> Vec<Item> {
        self.scrapes += 1;
        let is_up = cycle.error.is_none();
        if let Some(error) = cycle.error {
            self.errors.insert(error.class());
            let is_waiting = matches!(error, CollectError::Waiting(_));
            // After an error that the server itself answered the connection is as good as before.
            let is_answered =
                matches!(error, CollectError::Busy(_) | CollectError::Permission(_) | CollectError::Server(_));
            let is_kept = is_answered && self.connection.is_some();
            if !is_waiting && !is_kept {
                self.connection = None;
                self.reconnect.failed(cycle.at, error.class());
            }
        }
        let class = cycle.error.map(CollectError::class);
        let flag = |on: bool| f64::from(u8::from(on));
        let mut items = vec![
            self.sample("redis_up", None, flag(is_up), cycle.at),
            self.sample("redis_exporter_scrapes_total", None, self.scrapes as f64, cycle.at),
            self.sample("redis_exporter_last_scrape_duration_seconds", None, cycle.took.as_secs_f64(), cycle.at),
            self.sample("redis_exporter_last_scrape_error", None, flag(!is_up), cycle.at),
        ];
        items.extend(self.errors.iter().map(|known| {
            let label = Some(("err", (*known).to_owned()));
            self.sample("redis_exporter_last_scrape_error", label, flag(class == Some(*known)), cycle.at)
        }));
        items
    }
}

/// All that the server has to say; servers that do not know `everything` answer nothing to it.
async fn info(connection: &mut MultiplexedConnection) -> Result<String, CollectError> {
    for section in ["everything", "all", "default"] {
        let answer = redis::cmd("INFO").arg(section).query_async(connection).await;
        let text: String = answer.map_err(|e| classify(e, CollectError::Lost))?;
        if !text.trim().is_empty() {
            return Ok(text);
        }
    }
    Err(CollectError::Answer("INFO gave an empty text".into()))
}

/// Sorts an error into its class; `broken` is for what the connection itself did.
fn classify(error: RedisError, broken: fn(Box<dyn std::error::Error + Send + Sync>) -> CollectError) -> CollectError {
    let code = error.code().map(str::to_owned);
    match (error.kind(), code.as_deref()) {
        _ if error.is_timeout() => CollectError::Timeout(TIMEOUT),
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => CollectError::Login(error.into()),
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => CollectError::Permission(error.into()),
        (ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown), _) | (_, Some("BUSY")) => {
            CollectError::Busy(error.into())
        }
        (ErrorKind::Io, _) => broken(error.into()),
        (ErrorKind::Server(_) | ErrorKind::Extension, _) => CollectError::Server(error.into()),
        _ => CollectError::Answer(error.into()),
    }
}
