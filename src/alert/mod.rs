//! From readings to pages: the alert state machine, incidents, escalation.
//!
//! State changes, incidents, timers and outgoing envelopes of one decision are committed in one
//! transaction by a [`ledger::Ledger`]. Timers are data: a restart is not a special case.

pub mod act;
pub mod book;
pub mod budget;
pub mod desk;
pub mod escalation;
pub mod evaluator;
pub mod incident;
pub mod ledger;
pub mod measure;
pub mod model;
pub mod plan;
pub mod read;
pub mod selectors;
pub mod settings;
pub mod state;
pub mod stats;
pub mod status;
pub mod why;
pub mod wording;

#[cfg(test)]
pub mod testkit;

pub use desk::Desk;
pub use evaluator::Evaluator;
pub use ledger::{Change, Ledger, LedgerError};
pub use model::{
    ActError, Action, AlertPhase, AlertStatus, AuditEntry, BudgetLeft, Delivery, GroupStatus, Incident, IncidentDetail,
    IncidentState, ObjectiveStatus, Objectives, OnCall, RuleStatus, StatusKind, TimelineEntry,
};
pub use settings::Settings;
pub use stats::{EvaluatorStats, StatsSnapshot};
