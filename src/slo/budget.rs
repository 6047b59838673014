//! Error budgets: what is allowed, spent and left, from integer counters.

use serde::Serialize;

use crate::base::{Labels, Timestamp};

/// The budget of one objective over one window, as `GET /api/objectives/NAME/budget` answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetReport {
    /// The objective's name.
    pub objective: String,
    /// `30d`, `month`, …
    pub window: String,
    /// Where the window begins.
    pub start: Timestamp,
    /// Where it ends (for a rolling window: now).
    pub end: Timestamp,
    /// The share of good events aimed at, 0 to 1.
    pub target: f64,
    /// Good events.
    pub good: f64,
    /// All events.
    pub total: f64,
    /// Bad events.
    pub bad: f64,
    /// good ÷ total; null without events.
    pub sli: Option<f64>,
    /// 1 when nothing is spent, 0 when all is, below 0 when overdrawn; null without events.
    pub remaining: Option<f64>,
    /// The same as minutes of full outage.
    pub minutes_remaining: Option<f64>,
    /// Seconds until nothing is left at the present rate; null when it lasts beyond the window.
    pub exhausted_in: Option<f64>,
    /// Minutes measured ÷ minutes that should have been, 0 to 1.
    pub coverage: Option<f64>,
    /// Burn rates, shortest window first.
    pub burn: Vec<BurnReport>,
    /// Who took how much of the budget, most first.
    pub contributors: Vec<Contributor>,
}

/// The burn rate over one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BurnReport {
    /// `5m`, `1h`, …
    pub window: String,
    /// Error ratio ÷ (1 - target): 1 spends the budget exactly by the end of its window.
    pub rate: Option<f64>,
    /// Good events.
    pub good: f64,
    /// All events.
    pub total: f64,
}

/// One group's part in the spending.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contributor {
    /// The group.
    pub labels: Labels,
    /// Its bad events.
    pub bad: f64,
    /// Its share of all bad events, 0 to 1.
    pub share: f64,
}
