//! Objectives: pure definitions, what they compile to, and the arithmetic of budgets. No clock, no
//! storage, no I/O.

pub mod budget;
pub mod calendar;
pub mod compiled;
pub mod escalation;
pub mod format;
pub mod objective;

pub use budget::{BudgetInput, BudgetReport, BurnReport, Contributor, Counts};
pub use calendar::{CalendarError, Span};
pub use compiled::{AlertRule, CompiledObjective, Measure, RuleKind};
pub use escalation::{Escalation, EscalationLevel};
pub use format::{format_comparison, format_duration, format_value};
pub use objective::{
    Budget, CalendarPeriod, Comparison, Indicator, Level, NoData, Objective, ObjectiveError, RatioSide, Unit, Window,
};
