//! Objectives: pure definitions, what they compile to, and the arithmetic of budgets. No clock, no
//! storage, no I/O.

mod annotate;
pub mod budget;
pub mod burn;
pub mod calendar;
pub mod compile;
pub mod compiled;
pub mod escalation;
pub mod format;
mod judge;
pub mod number;
pub mod objective;
pub(crate) mod promql;

pub use budget::{BudgetInput, BudgetReport, BurnReport, Contributor, Counts};
pub use burn::{BurnTier, burn_tiers};
pub use calendar::{CalendarError, Span};
pub use compile::compile;
pub use compiled::{AlertRule, CompiledObjective, Measure, RuleKind};
pub use escalation::{Escalation, EscalationLevel};
pub use format::{format_comparison, format_duration, format_value};
pub use objective::{
    Budget, CalendarPeriod, Comparison, Indicator, Level, NoData, Objective, ObjectiveError, RatioSide, Unit, Window,
};
