//! What can be set about ingest.

use std::collections::BTreeSet;

use super::routes::RouteRule;

/// The settings of ingest; the defaults are those of the service file.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Patterns for paths that come without a route; the first that matches counts.
    pub routes: Vec<RouteRule>,
    /// Distinct routes for each service; further ones become `__other__`.
    pub routes_per_service: usize,
    /// Count headless and driven browsers like others: for tests, the demo and synthetic monitors.
    pub allow_automated_browsers: bool,
    /// Normalised SQL statements that may become the label `db_query_text`; no other statement does.
    pub listed_statements: BTreeSet<String>,
    /// The most views that one sampled beacon may stand for.
    pub max_weight: u32,
    /// Finished label sets kept at hand.
    pub cached_series: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            routes_per_service: 500,
            allow_automated_browsers: false,
            listed_statements: BTreeSet::new(),
            max_weight: 1000,
            cached_series: 20_000,
        }
    }
}
