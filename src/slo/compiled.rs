//! What an objective compiles to: PromQL that the embedded engine evaluates and that `export rules`
//! writes. One definition, one meaning.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Labels, Severity};

use super::objective::Objective;

/// An objective, ready to be evaluated.
#[derive(Debug, Clone)]
pub struct CompiledObjective {
    /// The definition.
    pub objective: Arc<Objective>,
    /// PromQL for the value that people see: one element for each group.
    pub value: String,
    /// The alerts, most severe first.
    pub rules: Vec<AlertRule>,
    /// How good and total events are counted, for budgets and burn rates.
    pub measure: Option<Measure>,
    /// Histogram metrics with the thresholds (base units) that must be exact bounds.
    pub thresholds: Vec<(String, f64)>,
    /// What could not be taken literally, in words (clamped or dropped burn tiers, for example).
    pub remarks: Vec<String>,
}

/// Which kind of alert a rule is.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// A level of the objective's value.
    Level,
    /// A tier of burn rates.
    Burn {
        /// How many times faster than sustainable.
        factor: f64,
        /// The window that decides.
        long: Duration,
        /// The window that clears.
        short: Duration,
    },
    /// There has been no value for too long.
    NoData,
}

/// One alert: breached for every label set in the result of its expression.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// Unique within the objective: `critical`, `warning`, `burn-1h`, `no-data`, …
    pub id: String,
    /// The alert's name, as Prometheus sees it.
    pub alert_name: String,
    /// The kind.
    pub kind: RuleKind,
    /// How bad.
    pub severity: Severity,
    /// PromQL over what Plimsoll keeps (burn rates read the measured counters); each element of the
    /// result is a breach of the group with the element's labels (name removed).
    pub expr: String,
    /// PromQL that means the same on a Prometheus that scrapes the raw metrics.
    pub export_expr: String,
    /// Once firing: a breach goes on while this has the group's element. `None`: the same as `expr`.
    pub stay_expr: Option<String>,
    /// How long a breach must last before it fires.
    pub hold: Duration,
    /// How long it goes on firing after the breach ended.
    pub keep_firing: Duration,
    /// The alert's own labels (`objective`, `severity`, `team`, …); the group's come on top of nothing:
    /// these win.
    pub labels: Labels,
    /// Summary, description, runbook, dashboard; `{{value}}` and `{{labels}}` are filled in by the alert.
    pub annotations: Vec<(String, String)>,
}

/// How an objective's events are counted, exactly: sums of integer increments of series.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// PromQL selector of the counters of good events (or bad ones, see `part_is_bad`).
    pub part: String,
    /// Whether `part` counts bad events.
    pub part_is_bad: bool,
    /// PromQL selector of the counters of all events.
    pub total: String,
    /// Counted apart for each value of these labels.
    pub by: Vec<String>,
}

impl Measure {
    /// The counter of good events that the evaluator records, labels `objective` and the groups'.
    pub const GOOD: &'static str = "slo:good_events_total";
    /// The counter of all events.
    pub const TOTAL: &'static str = "slo:events_total";
    /// The counter of minutes in which the objective was measured.
    pub const MEASURED: &'static str = "slo:minutes_measured_total";
    /// The counter of minutes in which it should have been.
    pub const EXPECTED: &'static str = "slo:minutes_expected_total";
}
