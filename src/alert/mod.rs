//! From readings to pages: the alert state machine, incidents, escalation.
//!
//! State changes, incidents, timers and outgoing envelopes of one decision are committed in one
//! transaction by a [`ledger::Ledger`]. Timers are data: a restart is not a special case.

pub mod model;

pub use model::{
    ActError, Action, AlertPhase, AuditEntry, BudgetLeft, Delivery, GroupStatus, Incident, IncidentDetail,
    IncidentState, ObjectiveStatus, Objectives, OnCall, StatusKind, TimelineEntry,
};
