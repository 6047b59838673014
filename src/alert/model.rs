//! What on-call sees: incidents, their story, and the state of each objective.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::BoxFuture;
use crate::base::id::IncidentId;
use crate::base::{Labels, Severity, Timestamp};
use crate::promql::SourceError;
use crate::slo::{BudgetReport, CompiledObjective, Window};

/// The phase of one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertPhase {
    /// No breach.
    Inactive,
    /// A breach that has not lasted long enough.
    Pending,
    /// Firing.
    Firing,
    /// Was firing, is over.
    Resolved,
}

/// The state of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// Nobody has answered yet.
    Firing,
    /// Someone has.
    Acknowledged,
    /// Over.
    Resolved,
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The id.
    pub id: IncidentId,
    /// The state.
    pub state: IncidentState,
    /// The highest severity among its firing alerts.
    pub severity: Severity,
    /// The objective's name.
    pub objective: String,
    /// The alert's labels: `objective`, `severity`, the group's, the objective's own.
    pub labels: Labels,
    /// One line: what broke and how bad.
    pub summary: String,
    /// How many levels of the escalation have been notified.
    pub level: u32,
    /// When it began to fire.
    pub started_at: Timestamp,
    /// When someone first answered.
    pub acknowledged_at: Option<Timestamp>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// Where to see it.
    pub url: String,
    /// Name of the escalation that it climbs.
    pub escalation: Option<String>,
    /// Bumped by whatever starts or stops the climbing; unsent pages of an older generation are void.
    pub generation: u32,
    /// When the next level is due, unless someone answers.
    pub next_level_at: Option<Timestamp>,
    /// For people and receivers: description, runbook, dashboard, value.
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// One line of an incident's story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// Who or what (`evaluator`, `escalation`, a person's name).
    pub actor: String,
    /// Through what (`api`, `cli`, `page`, `engine`).
    pub source: String,
    /// What: `fired`, `level`, `acknowledged`, `note`, `severity`, `resolved`, …
    pub event: String,
    /// The details in words.
    pub text: String,
}

/// One message and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Channel name.
    pub channel: String,
    /// Whom it went to (never a secret).
    pub target: String,
    /// `trigger`, `acknowledge`, `resolve`, …
    pub kind: String,
    /// The escalation level it belongs to, from 1.
    pub level: u32,
    /// `pending`, `sending`, `sent`, `failed`, `cancelled`.
    pub status: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What the provider called it.
    pub provider_id: Option<String>,
    /// The last error.
    pub error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the last attempt ended.
    pub finished_at: Option<Timestamp>,
}

/// An incident with its story.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentDetail {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// What happened, in order.
    pub timeline: Vec<TimelineEntry>,
    /// What was sent to whom.
    pub deliveries: Vec<Delivery>,
    /// Who was or was not told, and the reason, in sentences.
    pub why: Vec<String>,
}

/// What a person can do to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// "I am on it": stops the climbing.
    Acknowledge,
    /// Takes it back: the climbing starts again at level 1.
    Unacknowledge,
    /// "It is over".
    Resolve,
    /// Notify the next level now.
    Escalate,
    /// A remark.
    Note,
}

/// Why an action was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such incident.
    #[error("there is no incident {0}")]
    NotFound(IncidentId),
    /// The incident is over.
    #[error("incident {0} is already resolved")]
    Resolved(IncidentId),
    /// The state could not be stored.
    #[error("the change could not be stored")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// Through what.
    pub source: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// State before, when there was one.
    pub before: Option<String>,
    /// State after.
    pub after: Option<String>,
}

/// What the web pages, the API and the command line ask of on-call.
pub trait OnCall: Send + Sync {
    /// Incidents, newest first; only unresolved ones unless `all`.
    fn incidents(&self, all: bool) -> BoxFuture<'_, Result<Vec<Incident>, ActError>>;
    /// One incident with its story.
    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Result<Option<IncidentDetail>, ActError>>;
    /// Does something to an incident; idempotent. `by` is who, `source` through what.
    fn act<'a>(
        &'a self,
        id: IncidentId,
        action: Action,
        by: &'a str,
        source: &'a str,
        note: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Incident, ActError>>;
    /// The audit trail since an instant, oldest first, at most `limit`.
    fn audit(&self, since: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, ActError>>;
}

/// What the web pages, the API and the command line ask of objectives.
pub trait Objectives: Send + Sync {
    /// The state of every objective at the last evaluation, in the order of the files.
    fn statuses(&self) -> Vec<ObjectiveStatus>;
    /// The definition of one objective with what it compiles to.
    fn compiled(&self, name: &str) -> Option<Arc<CompiledObjective>>;
    /// The budget of one objective at `now` over `window` (its own when `None`);
    /// `Ok(None)` when there is no such objective or it has no budget.
    fn budget<'a>(
        &'a self,
        name: &'a str,
        window: Option<Window>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<BudgetReport>, SourceError>>;
    /// When the last evaluation began, and how late it was; for readiness.
    fn last_evaluation(&self) -> Option<Timestamp>;
    /// How often objectives are evaluated.
    fn evaluate_every(&self) -> Duration;
}

/// The word for an objective's or group's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusKind {
    /// Within the line.
    Ok,
    /// Nothing measured.
    NoData,
    /// Too little measured to judge.
    Frozen,
    /// A warning fires.
    Warning,
    /// A critical alert fires.
    Critical,
}

/// The state of one objective.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObjectiveStatus {
    /// The name.
    pub name: String,
    /// For people.
    pub title: String,
    /// Who owns it.
    pub team: Option<String>,
    /// The worst of its groups.
    pub status: StatusKind,
    /// The worst group's value, base unit; null without data.
    pub value: Option<f64>,
    /// The unit of value and target.
    pub unit: String,
    /// The line.
    pub target: Option<f64>,
    /// Each group with its value.
    pub groups: Vec<GroupStatus>,
    /// Budget left (1 = untouched, below 0 = overdrawn) and its window, when there is one.
    pub budget: Option<BudgetLeft>,
    /// When it was last evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// Why the last evaluation failed, if it did.
    pub error: Option<String>,
    /// How long the last evaluation took.
    #[serde(skip)]
    pub took: Duration,
    /// What it compiles to, rule by rule; empty before the first evaluation.
    #[serde(skip)]
    pub rules: Vec<RuleStatus>,
}

/// The state of one rule of an objective.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleStatus {
    /// The rule's id.
    pub id: String,
    /// Why its query failed, if it did.
    pub error: Option<String>,
    /// Its alerts that are pending or firing.
    pub alerts: Vec<AlertStatus>,
}

/// One alert that is pending or firing.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertStatus {
    /// The group's labels, without the rule's own.
    pub group: Labels,
    /// `Pending` or `Firing`.
    pub phase: AlertPhase,
    /// Since when the breach is evident.
    pub active_since: Timestamp,
    /// Since when the breach is over, while the alert still fires.
    pub clear_since: Option<Timestamp>,
    /// The group's value, base unit.
    pub value: Option<f64>,
}

/// Budget left.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetLeft {
    /// 1 when nothing is spent; may go below 0; null without events.
    pub remaining: Option<f64>,
    /// `30d`, `month`, …
    pub window: String,
}

/// The state of one group of an objective.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupStatus {
    /// The group's labels.
    pub labels: Labels,
    /// Its state.
    pub status: StatusKind,
    /// Its value, base unit.
    pub value: Option<f64>,
}
