//! Incidents open, rise, fall and end with the alerts of their subject. Pure: what changes is written
//! into the draft.

use crate::base::id::{EnvelopeId, IncidentId};
use crate::base::{Labels, Severity, Timestamp};
use crate::notify::{Envelope, Kind, Notice};
use crate::slo::{AlertRule, CompiledObjective};

use super::book::{Climb, Draft, Record, Subject, Who};
use super::escalation::{self, Escalations};
use super::ledger::Broadcast;
use super::model::{AlertPhase, Incident, IncidentState};
use super::wording;

/// What decisions go by besides the book and the readings.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// Who is told.
    pub escalations: &'a Escalations,
    /// Where the pages are, without a slash at the end.
    pub public_url: &'a str,
}

/// Brings the incident of a subject in line with the alerts that fire; `fired` says that one just began.
pub fn settle(
    draft: &mut Draft,
    compiled: &CompiledObjective,
    subject: &Subject,
    value: Option<f64>,
    fired: bool,
    policy: Policy<'_>,
    now: Timestamp,
) {
    let worst = worst_firing(draft, compiled, subject).cloned();
    match (draft.book.incidents.get(subject).cloned(), worst) {
        (None, Some(rule)) if fired => open(draft, compiled, &rule, subject, value, policy, now),
        (Some(record), Some(rule)) => {
            let seen = Seen { summary: wording::summary(compiled, &rule, value, &subject.group), rule: &rule };
            change_severity(draft, record, seen, policy, now);
        }
        (Some(record), None) => resolve(draft, record, Who::EVALUATOR, "the breach is over", now),
        (None, _) => {}
    }
}

fn worst_firing<'a>(draft: &Draft, compiled: &'a CompiledObjective, subject: &Subject) -> Option<&'a AlertRule> {
    let fires =
        |rule: &&AlertRule| draft.book.alert(subject, &rule.id).is_some_and(|state| state.phase == AlertPhase::Firing);
    // Rules are listed most severe first; among equals the first decides.
    compiled.rules.iter().filter(fires).rev().max_by_key(|rule| rule.severity)
}

fn open(
    draft: &mut Draft,
    compiled: &CompiledObjective,
    rule: &AlertRule,
    subject: &Subject,
    value: Option<f64>,
    policy: Policy<'_>,
    now: Timestamp,
) {
    let id = IncidentId::new(now);
    let escalation = policy.escalations.find(compiled.objective.escalation.as_deref());
    let incident = Incident {
        id,
        state: IncidentState::Firing,
        severity: rule.severity,
        objective: subject.objective.clone(),
        labels: alert_labels(rule, &subject.group),
        summary: wording::summary(compiled, rule, value, &subject.group),
        level: 0,
        started_at: now,
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        url: format!("{}/incidents/{id}", policy.public_url),
        escalation: escalation.map(|e| e.name.clone()),
        generation: 1,
        next_level_at: None,
        annotations: wording::annotations(compiled, rule, value, &subject.group),
    };
    let climb = Climb { since: now, told: 0, severity: rule.severity, escalated_at: None };
    let record = Record { incident, group: subject.group.clone(), rule: rule.id.clone(), climb };
    draft.tell_story(id, now, Who::EVALUATOR, "fired", record.incident.summary.clone());
    audit(draft, &record, Who::EVALUATOR, "opened", None, now);
    escalation::climb(draft, record, policy.escalations, now);
}

/// The group's labels with the rule's own on top.
fn alert_labels(rule: &AlertRule, group: &Labels) -> Labels {
    let mut labels = group.to_builder();
    for (name, value) in rule.labels.iter() {
        labels.set(name, value);
    }
    labels.build()
}

/// What an evaluation saw of a subject.
struct Seen<'a> {
    summary: String,
    rule: &'a AlertRule,
}

/// Severity follows the worst alert. More than was told so far pages again, whoever acknowledged the
/// lesser; less does not page, nor does coming back to what was told.
fn change_severity(draft: &mut Draft, mut record: Record, seen: Seen<'_>, policy: Policy<'_>, now: Timestamp) {
    let before = record.incident.severity;
    let after = seen.rule.severity;
    if before == after {
        return;
    }
    record.incident.severity = after;
    record.incident.summary = seen.summary;
    record.incident.labels = alert_labels(seen.rule, &record.group);
    record.rule = seen.rule.id.clone();
    let text = format!("{before} became {after}: {}", record.incident.summary);
    draft.tell_story(record.incident.id, now, Who::EVALUATOR, "severity", text);
    audit(draft, &record, Who::EVALUATOR, "severity", Some(before.to_string()), now);
    if after > record.climb.severity {
        page_again(draft, record, after, policy, now);
    } else {
        draft.set_incident(record);
    }
}

fn page_again(draft: &mut Draft, mut record: Record, severity: Severity, policy: Policy<'_>, now: Timestamp) {
    record.climb.severity = severity;
    draft.void(record.incident.id, format!("superseded: now {severity}"), now);
    if record.incident.state == IncidentState::Acknowledged {
        escalation::restart(draft, record, policy.escalations, now);
    } else {
        escalation::tell_again(draft, record, policy.escalations, now);
    }
}

/// Ends an incident: what was not sent is cancelled, whoever was told is told.
pub fn resolve(draft: &mut Draft, mut record: Record, who: Who<'_>, reason: &str, now: Timestamp) {
    let before = state_word(record.incident.state);
    let incident = &mut record.incident;
    incident.state = IncidentState::Resolved;
    incident.resolved_at = Some(now);
    incident.next_level_at = None;
    incident.generation += 1;
    let id = incident.id;
    draft.tell_story(id, now, who, "resolved", reason);
    draft.void(id, format!("resolved before it was sent: {reason}"), now);
    draft.broadcast(broadcast(&record, Kind::Resolve, now));
    audit(draft, &record, who, "resolved", Some(before.to_owned()), now);
    draft.set_incident(record);
}

/// A message of the incident's present state to everyone who was told.
pub fn broadcast(record: &Record, kind: Kind, now: Timestamp) -> Broadcast {
    let (key, generation) = (record.key(), record.incident.generation);
    Broadcast { kind, key, generation, notice: notice(record), at: now }
}

/// A page of the incident's present state to one channel.
pub fn page(record: &Record, channel: &str, now: Timestamp) -> Envelope {
    Envelope {
        id: EnvelopeId::new(now),
        channel: channel.to_owned(),
        kind: Kind::Trigger,
        key: record.key(),
        generation: record.incident.generation,
        notice: notice(record),
        created_at: now,
        due_at: now,
    }
}

/// A snapshot of what there is to say.
fn notice(record: &Record) -> Notice {
    let incident = &record.incident;
    Notice {
        incident: incident.id,
        objective: incident.objective.clone(),
        severity: incident.severity,
        summary: incident.summary.clone(),
        labels: incident.labels.clone(),
        annotations: in_order(incident),
        url: incident.url.clone(),
        started_at: incident.started_at,
        resolved_at: incident.resolved_at,
        acknowledged_by: incident.acknowledged_by.clone(),
        level: incident.level.max(1),
    }
}

/// Annotations in the order in which people want them.
fn in_order(incident: &Incident) -> Vec<(String, String)> {
    const FIRST: [&str; 4] = ["description", "runbook_url", "dashboard", "value"];
    let known = FIRST.iter().filter_map(|name| incident.annotations.get_key_value(*name));
    let others = incident.annotations.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
    known.chain(others).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// Adds an incident's change to the audit trail.
pub fn audit(draft: &mut Draft, record: &Record, who: Who<'_>, action: &str, before: Option<String>, now: Timestamp) {
    let after = match action {
        "severity" => record.incident.severity.to_string(),
        _ => state_word(record.incident.state).to_owned(),
    };
    draft.audit(now, who, action, format!("incident {}", record.incident.id), [before, Some(after)]);
}

/// The word for a state.
pub const fn state_word(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Firing => "firing",
        IncidentState::Acknowledged => "acknowledged",
        IncidentState::Resolved => "resolved",
    }
}
