//! What we go and fetch: Redis, PostgreSQL and the host, each on a schedule.
//!
//! The mapping from fields and rows to series lives in `ingest`, so that what is pushed gives the same
//! series as what is pulled. Here are connections, timeouts, privileges and the beat.

mod backoff;
mod collector;
mod error;
mod host;
mod postgres;
mod redis;
mod schedule;

use std::path::PathBuf;
use std::time::Duration;

use crate::base::Secret;

pub use collector::{Collector, Cycle};
pub use error::CollectError;
pub use host::HostCollector;
pub use postgres::PostgresCollector;
pub use redis::RedisCollector;
pub use schedule::{CollectorStats, Schedule};

/// A Redis or Valkey server to ask.
#[derive(Debug, Clone)]
pub struct RedisTarget {
    /// The label `instance`.
    pub name: String,
    /// `redis://user:password@host:6379`, `rediss://…` or `unix:///path`.
    pub url: Secret,
    /// The time between two cycles.
    pub every: Duration,
    /// Labels that replace or join the defaults (`job`, `namespace`); an empty value removes one.
    pub labels: Vec<(String, String)>,
}

/// A PostgreSQL server to ask.
#[derive(Debug, Clone)]
pub struct PostgresTarget {
    /// The label `instance`.
    pub name: String,
    /// `postgres://user:password@host:5432/database`.
    pub url: Secret,
    /// The time between two cycles.
    pub every: Duration,
    /// Labels that replace or join the defaults (`job`, `release`, `kubernetes_namespace`); an empty value
    /// removes one.
    pub labels: Vec<(String, String)>,
}

/// This machine.
#[derive(Debug, Clone)]
pub struct HostTarget {
    /// The label `instance`.
    pub name: String,
    /// Where the kernel's tables are; `/proc` but in tests.
    pub proc: PathBuf,
    /// The time between two cycles.
    pub every: Duration,
}

/// What to collect.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The Redis servers.
    pub redis: Vec<RedisTarget>,
    /// The PostgreSQL servers.
    pub postgres: Vec<PostgresTarget>,
    /// This machine, when it is wanted.
    pub host: Option<HostTarget>,
}

/// The collectors of these settings. An address that cannot be used is not an error here: its collector
/// reports the target as down, with the class `address`.
pub fn build(settings: Settings) -> Vec<Box<dyn Collector>> {
    let mut collectors: Vec<Box<dyn Collector>> = Vec::new();
    for target in settings.redis {
        collectors.push(Box::new(RedisCollector::new(target)));
    }
    for target in settings.postgres {
        collectors.push(Box::new(PostgresCollector::new(target)));
    }
    collectors.extend(settings.host.map(|target| Box::new(HostCollector::new(target)) as Box<dyn Collector>));
    collectors
}

/// `labels` with the target's own on top.
fn labelled(labels: &crate::base::Labels, own: &[(String, String)]) -> crate::base::Labels {
    own.iter().fold(labels.clone(), |labels, (name, value)| labels.with(name, value))
}
