//! The state machine of one alert: one rule, one group.
//!
//! A breach must be seen for the whole of `hold` before it fires. What was not seen is no evidence: when
//! the time since the last reading is longer than [`Timing::evidence_gap`] (a restart, a failed query, a
//! jump of the clock in either direction), the clocks that run are moved by that time. So evidence from
//! before a restart counts, and the time between does not, as in Prometheus.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::base::time::millis;

use super::model::AlertPhase;

/// How long a resolved alert is remembered, as in Prometheus.
pub const RESOLVED_KEPT: Duration = Duration::from_secs(15 * 60);

/// A pending alert that was not looked at for longer than this begins anew, as in Prometheus
/// (`--rules.alert.for-outage-tolerance`).
pub const OUTAGE_TOLERANCE: Duration = Duration::from_secs(3600);

/// The durations that an alert goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a breach must last before it fires; zero fires at the first reading.
    pub hold: Duration,
    /// How long it goes on firing after the breach ended.
    pub keep_firing: Duration,
    /// Two readings further apart than this are no evidence about the time between them.
    pub evidence_gap: Duration,
}

/// What one evaluation saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    /// The query was answered.
    Seen {
        /// Whether the group is in breach.
        breach: bool,
        /// Whether a firing alert stays: the breach has not been cleared (hysteresis).
        stay: bool,
    },
    /// The query failed: nothing is known, the state stays.
    Unknown,
}

/// A stored alert. An inactive alert is not stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertState {
    /// `Pending`, `Firing` or `Resolved`.
    pub phase: AlertPhase,
    /// Since when the breach is evident; moved by times without evidence while pending.
    pub active_since: Timestamp,
    /// When it fired.
    pub fired_at: Option<Timestamp>,
    /// While firing: since when the breach is over.
    pub clear_since: Option<Timestamp>,
    /// When it resolved.
    pub resolved_at: Option<Timestamp>,
    /// The last reading.
    pub last_seen: Timestamp,
}

impl AlertState {
    /// The same, as if the time until now had not passed: with the clocks that run, and the last look, later.
    #[must_use]
    pub fn postponed(mut self, by: Duration) -> Self {
        self.last_seen = self.last_seen + by;
        self.clear_since = self.clear_since.map(|at| at + by);
        if self.phase == AlertPhase::Pending {
            self.active_since = self.active_since + by;
        }
        self
    }
}

/// What a step changed, for incidents and the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// A breach began; it is waiting for `hold`.
    Pending,
    /// The breach ended before it fired.
    Dropped,
    /// It fires.
    Fired,
    /// It fires no more.
    Resolved,
}

impl Transition {
    /// The word for the audit trail.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Dropped => "inactive",
            Self::Fired => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// The state after a reading at `now`, and what changed. `None` is inactive.
pub fn step(
    state: Option<&AlertState>,
    reading: Reading,
    timing: &Timing,
    now: Timestamp,
) -> (Option<AlertState>, Option<Transition>) {
    let Reading::Seen { breach, stay } = reading else { return (state.cloned(), None) };
    match state.map(|s| (s.phase, seen_again(s, timing, now))) {
        Some((AlertPhase::Pending, pending)) => step_pending(pending, breach, timing, now),
        Some((AlertPhase::Firing, firing)) => step_firing(firing, stay, timing, now),
        _ if breach => begin(timing, now),
        Some((AlertPhase::Resolved, resolved)) => (still_remembered(resolved, now), None),
        Some((AlertPhase::Inactive, _)) | None => (None, None),
    }
}

/// The state with its running clocks moved by the time that was not observed.
fn seen_again(state: &AlertState, timing: &Timing, now: Timestamp) -> AlertState {
    let elapsed = now.as_millis().saturating_sub(state.last_seen.as_millis());
    let unseen = if (0..=millis(timing.evidence_gap)).contains(&elapsed) { 0 } else { elapsed };
    let moved = |t: Timestamp| Timestamp::from_millis(t.as_millis().saturating_add(unseen));
    let mut state = state.clone();
    state.last_seen = now;
    state.clear_since = state.clear_since.map(moved);
    if state.phase == AlertPhase::Pending {
        state.active_since = if unseen > millis(OUTAGE_TOLERANCE) { now } else { moved(state.active_since) };
    }
    state
}

fn begin(timing: &Timing, now: Timestamp) -> (Option<AlertState>, Option<Transition>) {
    let state = AlertState {
        phase: AlertPhase::Pending,
        active_since: now,
        fired_at: None,
        clear_since: None,
        resolved_at: None,
        last_seen: now,
    };
    match step_pending(state, true, timing, now) {
        (state, None) => (state, Some(Transition::Pending)),
        fired => fired,
    }
}

fn step_pending(
    mut state: AlertState,
    breach: bool,
    timing: &Timing,
    now: Timestamp,
) -> (Option<AlertState>, Option<Transition>) {
    if !breach {
        return (None, Some(Transition::Dropped));
    }
    if now.since(state.active_since) < timing.hold {
        return (Some(state), None);
    }
    state.phase = AlertPhase::Firing;
    state.fired_at = Some(now);
    (Some(state), Some(Transition::Fired))
}

fn step_firing(
    mut state: AlertState,
    stay: bool,
    timing: &Timing,
    now: Timestamp,
) -> (Option<AlertState>, Option<Transition>) {
    if stay {
        state.clear_since = None;
        return (Some(state), None);
    }
    let clear_since = *state.clear_since.get_or_insert(now);
    if now.since(clear_since) < timing.keep_firing {
        return (Some(state), None);
    }
    state.phase = AlertPhase::Resolved;
    state.resolved_at = Some(now);
    (Some(state), Some(Transition::Resolved))
}

fn still_remembered(state: AlertState, now: Timestamp) -> Option<AlertState> {
    let resolved_at = state.resolved_at?;
    (now.since(resolved_at) < RESOLVED_KEPT).then_some(state)
}

/// Whether the change from `old` to `new` must be stored: everything but the last look at an alert whose
/// clocks do not run.
pub fn worth_storing(old: Option<&AlertState>, new: Option<&AlertState>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => {
            let clocks_run = new.phase == AlertPhase::Pending || new.clear_since.is_some();
            clocks_run || AlertState { last_seen: new.last_seen, ..old.clone() } != *new
        }
        (None, None) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
