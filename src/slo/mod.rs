//! Objectives: pure definitions, what they compile to, and the arithmetic of budgets. No clock, no
//! storage, no I/O.

pub mod budget;
pub mod compiled;
pub mod objective;

pub use budget::{BudgetReport, BurnReport, Contributor};
pub use compiled::{AlertRule, CompiledObjective, Measure, RuleKind};
pub use objective::{
    Budget, CalendarPeriod, Comparison, Indicator, Level, NoData, Objective, ObjectiveError, RatioSide, Unit, Window,
};
