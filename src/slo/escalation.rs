//! Escalations as plain data: who is told, and when, until someone answers.

use std::time::Duration;

/// A chain of levels that an incident climbs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// Unique.
    pub name: String,
    /// In the order of their times; never empty.
    pub levels: Vec<EscalationLevel>,
    /// The last level is told again every so often while nobody answers.
    pub repeat: Option<Duration>,
    /// Whether alerts climb it that name none (`default: true`).
    pub is_default: bool,
}

/// One level of an escalation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationLevel {
    /// Counted from the moment of firing.
    pub after: Duration,
    /// Names of channels; never empty.
    pub notify: Vec<String>,
}
