//! The engine as its users see it: evaluated here, or by somebody else's Prometheus.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::source::SourceError;
use super::value::Answer;
use crate::base::Timestamp;
use crate::base::clock::BoxFuture;

/// Limits and settings of one query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryOptions {
    /// How long a sample stays visible to an instant selector.
    pub lookback: Duration,
    /// The query is abandoned after this long.
    pub timeout: Duration,
    /// The query is refused when it would hold more samples than this.
    pub max_samples: usize,
    /// Where to leave what the query cost; counting it costs something too.
    pub stats: Option<StatsSlot>,
}

/// What a query cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// The samples that its selectors saw, each step counted by itself. What a subquery or `@` makes of them
    /// is not followed: their samples count as often as the steps outside reach them.
    pub samples: usize,
    /// The samples that were in memory at once.
    pub peak_samples: usize,
    /// Reading.
    pub preparation: Duration,
    /// Evaluating what was read.
    pub evaluation: Duration,
}

/// A place for the statistics of one query.
#[derive(Debug, Clone, Default)]
pub struct StatsSlot(Arc<Mutex<QueryStats>>);

impl StatsSlot {
    /// What the query left; nothing before it has ended.
    pub fn get(&self) -> QueryStats {
        *self.0.lock()
    }

    pub(super) fn set(&self, stats: QueryStats) {
        *self.0.lock() = stats;
    }
}

impl PartialEq for StatsSlot {
    /// The same place.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Default for QueryOptions {
    /// Prometheus's defaults: 5 min, 2 min, 50,000,000.
    fn default() -> Self {
        Self {
            lookback: Duration::from_secs(300),
            timeout: Duration::from_secs(120),
            max_samples: 50_000_000,
            stats: None,
        }
    }
}

/// Why a query has no answer; the variants are Prometheus's `errorType`s.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// `bad_data`: the expression or a parameter is wrong.
    #[error("{0}")]
    BadData(String),
    /// `execution`: the expression is well-formed and cannot be evaluated on this data.
    #[error("{0}")]
    Execution(String),
    /// `timeout`
    #[error("query timed out after {0:?}")]
    Timeout(Duration),
    /// `internal`: reading failed.
    #[error("samples could not be read")]
    Source(#[from] SourceError),
}

/// Evaluates PromQL.
pub trait Engine: Send + Sync {
    /// The value of `expression` at one instant.
    fn instant<'a>(
        &'a self,
        expression: &'a str,
        at: Timestamp,
        options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>>;

    /// The values of `expression` at `start`, `start + step`, … up to `end` (inclusive), as a matrix.
    fn range<'a>(
        &'a self,
        expression: &'a str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
        options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>>;
}
