//! Climbing: who is told when, until somebody answers. Pure: what changes is written into the draft.
//!
//! Levels are due counted from firing, not from when the one before was really told. So a time of being
//! down does not push the later ones out: afterwards, all that were missed are told once, in one pass.

use std::time::Duration;

use crate::base::Timestamp;
use crate::slo::{Escalation, EscalationLevel, format_duration};

use super::book::{Draft, Record, Who};
use super::incident::page;
use super::model::IncidentState;

/// A level told later than this after it was due says so.
const LATE: Duration = Duration::from_secs(30);

/// The configured escalations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Escalations(Vec<Escalation>);

impl Escalations {
    /// Wraps them, in the order of the files.
    pub fn new(all: Vec<Escalation>) -> Self {
        Self(all)
    }

    /// The one of this name; else the default one, else the first.
    pub fn find(&self, name: Option<&str>) -> Option<&Escalation> {
        let named = name.and_then(|name| self.0.iter().find(|e| e.name == name));
        named.or_else(|| self.0.iter().find(|e| e.is_default)).or_else(|| self.0.first())
    }
}

/// Tells every level that is due, in all incidents.
pub fn climb_all(draft: &mut Draft, escalations: &Escalations, now: Timestamp) {
    let is_due = |r: &&Record| r.incident.next_level_at.is_some_and(|at| at <= now);
    let due: Vec<Record> = draft.book.incidents.values().filter(is_due).cloned().collect();
    for record in due {
        climb(draft, record, escalations, now);
    }
}

/// Tells the levels of one incident that are due, and stores it with its next timer.
pub fn climb(draft: &mut Draft, mut record: Record, escalations: &Escalations, now: Timestamp) {
    let Some(escalation) = escalations.find(record.incident.escalation.as_deref()) else {
        draft.tell_story(
            record.incident.id,
            now,
            Who::ESCALATION,
            "level",
            "nobody is told: no escalation is configured",
        );
        record.incident.next_level_at = None;
        draft.set_incident(record);
        return;
    };
    if told_all(&record, escalation) && escalation.repeat.is_some() {
        record.climb.since = now;
        record.climb.told = 0;
    }
    let due = due_levels(&record, escalation, now);
    let late = due.first().map_or(Duration::ZERO, |level| now.since(record.climb.since + level.after));
    tell(draft, &mut record, due, if late > LATE { Some(late) } else { None }, now);
    record.incident.next_level_at = next_level_at(&record, escalation, now);
    draft.set_incident(record);
}

/// Moves all timers that run: the time jumped ahead, but no breach was seen in it and nobody could answer.
pub fn postpone_all(draft: &mut Draft, by: Duration) {
    for (subject, rules) in draft.book.alerts.clone() {
        for (rule, state) in rules {
            draft.set_alert(&subject, &rule, Some(state.postponed(by)));
        }
    }
    let runs = |r: &&Record| r.incident.next_level_at.is_some();
    let running: Vec<Record> = draft.book.incidents.values().filter(runs).cloned().collect();
    for mut record in running {
        record.climb.since = record.climb.since + by;
        record.incident.next_level_at = record.incident.next_level_at.map(|at| at + by);
        draft.set_incident(record);
    }
}

/// Starts anew at level 1: nobody is on it any more, or it became worse than what was acknowledged.
pub fn restart(draft: &mut Draft, mut record: Record, escalations: &Escalations, now: Timestamp) {
    record.incident.state = IncidentState::Firing;
    record.incident.acknowledged_at = None;
    record.incident.acknowledged_by = None;
    record.incident.generation += 1;
    record.incident.level = 0;
    record.climb.since = now;
    record.climb.told = 0;
    climb(draft, record, escalations, now);
}

/// Tells the levels that were told, again, and leaves the timers as they are.
pub fn tell_again(draft: &mut Draft, mut record: Record, escalations: &Escalations, now: Timestamp) {
    record.incident.generation += 1;
    if let Some(escalation) = escalations.find(record.incident.escalation.as_deref()) {
        let told = &escalation.levels[..escalation.levels.len().min(record.climb.told as usize)];
        record.climb.told = 0;
        tell(draft, &mut record, told, None, now);
    }
    draft.set_incident(record);
}

/// Tells the next level now, because a person asks for it; `false` when there is none left.
pub fn tell_next(
    draft: &mut Draft,
    record: &mut Record,
    escalations: &Escalations,
    who: Who<'_>,
    now: Timestamp,
) -> bool {
    let Some(escalation) = escalations.find(record.incident.escalation.as_deref()) else { return false };
    let Some(level) = escalation.levels.get(record.climb.told as usize) else { return false };
    draft.tell_story(record.incident.id, now, who, "escalated", format!("asked for level {}", record.climb.told + 1));
    record.climb.escalated_at = Some(now);
    tell(draft, record, std::slice::from_ref(level), None, now);
    if record.incident.state == IncidentState::Firing {
        record.incident.next_level_at = next_level_at(record, escalation, now);
    }
    true
}

fn told_all(record: &Record, escalation: &Escalation) -> bool {
    record.climb.told as usize >= escalation.levels.len()
}

/// The levels from the first one not told up to the last one due.
fn due_levels<'a>(record: &Record, escalation: &'a Escalation, now: Timestamp) -> &'a [EscalationLevel] {
    let rest = escalation.levels.get(record.climb.told as usize..).unwrap_or_default();
    let count = rest.iter().take_while(|level| record.climb.since + level.after <= now).count();
    &rest[..count]
}

/// Puts one page for each channel of these levels into the draft; a channel of several levels gets one.
fn tell(draft: &mut Draft, record: &mut Record, levels: &[EscalationLevel], late: Option<Duration>, now: Timestamp) {
    let Some(count) = u32::try_from(levels.len()).ok().filter(|n| *n > 0) else { return };
    let first = record.climb.told + 1;
    record.climb.told += count;
    record.incident.level = record.incident.level.max(record.climb.told);
    let mut channels: Vec<&String> = Vec::new();
    for channel in levels.iter().flat_map(|level| &level.notify) {
        if !channels.contains(&channel) {
            channels.push(channel);
            draft.send(page(record, channel, now));
        }
    }
    let text = told_text(first, record.climb.told, &channels, late);
    draft.tell_story(record.incident.id, now, Who::ESCALATION, "level", text);
}

fn told_text(first: u32, last: u32, channels: &[&String], late: Option<Duration>) -> String {
    let names = channels.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", ");
    let which = if first == last { format!("level {last}") } else { format!("levels {first} to {last}") };
    let late =
        late.map(|l| format!(" ({} late)", format_duration(Duration::from_secs(l.as_secs())))).unwrap_or_default();
    format!("{which}: telling {names}{late}")
}

/// When the climb goes on. A repeat counts from when the last level was told, so that one told late is
/// not followed by the repeat at once.
fn next_level_at(record: &Record, escalation: &Escalation, now: Timestamp) -> Option<Timestamp> {
    match escalation.levels.get(record.climb.told as usize) {
        Some(level) => Some(record.climb.since + level.after),
        None => escalation.repeat.filter(|r| !r.is_zero()).map(|repeat| now + repeat),
    }
}
