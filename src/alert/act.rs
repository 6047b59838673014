//! What people do to an incident. Pure and idempotent: doing it twice is doing it once.

use std::time::Duration;

use crate::base::Timestamp;
use crate::base::bounded::cut;
use crate::notify::Kind;

use super::book::{Draft, Record, Who};
use super::escalation::{self, Escalations};
use super::incident::{audit, broadcast, resolve, state_word};
use super::model::{Action, IncidentState};

/// The longest remark that is kept, in bytes.
const MAX_NOTE: usize = 4096;

/// Two requests for the next level within this time are one: a double click, a retried request.
const SAME_REQUEST: Duration = Duration::from_secs(2);

/// Does something to a live incident. What does not change anything adds nothing to the draft.
pub fn act(
    draft: &mut Draft,
    record: Record,
    action: Action,
    who: Who<'_>,
    note: Option<&str>,
    escalations: &Escalations,
    now: Timestamp,
) {
    let note = note.map(|n| cut(n.trim(), MAX_NOTE)).filter(|n| !n.is_empty());
    match action {
        Action::Acknowledge => acknowledge(draft, record, who, note, now),
        Action::Unacknowledge => unacknowledge(draft, record, who, note, escalations, now),
        Action::Resolve => resolve(draft, record, who, note.unwrap_or("resolved by a person"), now),
        Action::Escalate => escalate(draft, record, who, escalations, now),
        Action::Note => remark(draft, &record, who, note, now),
    }
}

/// Stops the climbing. The first who answers is named; later ones change nothing.
fn acknowledge(draft: &mut Draft, mut record: Record, who: Who<'_>, note: Option<&str>, now: Timestamp) {
    if record.incident.state != IncidentState::Firing {
        return;
    }
    let incident = &mut record.incident;
    incident.state = IncidentState::Acknowledged;
    incident.acknowledged_at = Some(now);
    incident.acknowledged_by = Some(who.actor.to_owned());
    incident.next_level_at = None;
    incident.generation += 1;
    let id = incident.id;
    draft.tell_story(id, now, who, "acknowledged", note.unwrap_or_default());
    draft.void(id, format!("acknowledged by {} before it was sent", who.actor), now);
    draft.broadcast(broadcast(&record, Kind::Acknowledge, now));
    audit(draft, &record, who, "acknowledged", Some(state_word(IncidentState::Firing).to_owned()), now);
    draft.set_incident(record);
}

/// Takes the answer back: the climbing starts again at level 1.
fn unacknowledge(
    draft: &mut Draft,
    record: Record,
    who: Who<'_>,
    note: Option<&str>,
    escalations: &Escalations,
    now: Timestamp,
) {
    if record.incident.state != IncidentState::Acknowledged {
        return;
    }
    let id = record.incident.id;
    draft.tell_story(id, now, who, "unacknowledged", note.unwrap_or_default());
    draft.void(id, format!("{} took the acknowledgement back", who.actor), now);
    draft.audit(
        now,
        who,
        "unacknowledged",
        format!("incident {id}"),
        [IncidentState::Acknowledged, IncidentState::Firing].map(|s| Some(state_word(s).to_owned())),
    );
    escalation::restart(draft, record, escalations, now);
}

/// Tells the next level now; also after an acknowledgement, when whoever is on it needs help.
fn escalate(draft: &mut Draft, mut record: Record, who: Who<'_>, escalations: &Escalations, now: Timestamp) {
    if record.climb.escalated_at.is_some_and(|at| now.since(at) < SAME_REQUEST) {
        return;
    }
    if escalation::tell_next(draft, &mut record, escalations, who, now) {
        let before = Some(state_word(record.incident.state).to_owned());
        audit(draft, &record, who, "escalated", before, now);
        draft.set_incident(record);
    }
}

fn remark(draft: &mut Draft, record: &Record, who: Who<'_>, note: Option<&str>, now: Timestamp) {
    if let Some(note) = note {
        draft.tell_story(record.incident.id, now, who, "note", note);
    }
}
