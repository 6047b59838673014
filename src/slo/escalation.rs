//! Who is told, and when, until somebody answers.

use std::time::Duration;

/// The levels that an incident climbs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// Unique.
    pub name: String,
    /// In order of `after`.
    pub levels: Vec<EscalationLevel>,
    /// After the last level, how long until the climb starts again; `None`: it ends there.
    pub repeat: Option<Duration>,
    /// Whether alerts that name no escalation climb this one.
    pub is_default: bool,
}

/// One level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationLevel {
    /// When it is told, counted from firing.
    pub after: Duration,
    /// The channels that are told.
    pub notify: Vec<String>,
}
