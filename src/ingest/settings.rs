//! What can be set about ingest.

use std::collections::BTreeSet;

use super::routes::RouteRule;

/// What the labels of one series must keep to, `limits` of the service file. The series hold these too; who names
/// them here can say what was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelLimits {
    /// Labels of one series, its name included.
    pub count: usize,
    /// Bytes of a label's name.
    pub name_bytes: usize,
    /// Bytes of a label's value.
    pub value_bytes: usize,
}

impl From<&crate::series::Limits> for LabelLimits {
    fn from(limits: &crate::series::Limits) -> Self {
        Self {
            count: limits.labels_per_series,
            name_bytes: limits.label_name_bytes,
            value_bytes: limits.label_value_bytes,
        }
    }
}

impl Default for LabelLimits {
    fn default() -> Self {
        Self::from(&crate::series::Settings::default().limits)
    }
}

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
    /// What remote writers' labels must keep to.
    pub labels: LabelLimits,
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
            labels: LabelLimits::default(),
        }
    }
}
