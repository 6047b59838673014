//! The engine as its users see it: evaluated here, or by somebody else's Prometheus.

use std::time::Duration;

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
}

impl Default for QueryOptions {
    /// Prometheus's defaults: 5 min, 2 min, 50,000,000.
    fn default() -> Self {
        Self { lookback: Duration::from_secs(300), timeout: Duration::from_secs(120), max_samples: 50_000_000 }
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
