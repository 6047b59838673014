//! What is live: alerts that are not inactive, and incidents that are not over.
//!
//! Decisions are made on a [`Draft`]: a copy of the book, and the list of what is different. The draft's
//! change is committed first; only then does its book take the place of the old one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::id::IncidentId;
use crate::base::{Labels, Severity, Timestamp};
use crate::notify::Envelope;

use super::ledger::{Broadcast, Change, Loaded, Void};
use super::model::{AuditEntry, Incident, IncidentState, TimelineEntry};
use super::state::{AlertState, worth_storing};

/// What an incident is about: one objective, one group. All its rules share the incident.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The objective's name.
    pub objective: String,
    /// The group's labels.
    pub group: Labels,
}

/// Where an incident is on its escalation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Climb {
    /// Levels are due counted from here: firing, or the last new start.
    pub since: Timestamp,
    /// How many levels of this round have been told.
    pub told: u32,
    /// The highest severity that was told since this climb began: only more than this pages again.
    pub severity: Severity,
    /// When a person last asked for the next level.
    pub escalated_at: Option<Timestamp>,
}

/// An incident with what only the engine needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What on-call sees.
    pub incident: Incident,
    /// The group's labels.
    pub group: Labels,
    /// The rules that fire or fired, by id: the last one that decided severity and summary.
    pub rule: String,
    /// Where it is on its escalation.
    pub climb: Climb,
}

impl Record {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        Subject { objective: self.incident.objective.clone(), group: self.group.clone() }
    }

    /// The deduplication key at receivers: stable over restarts and edits of the objective, new for each
    /// episode, so that a late page of the last one cannot open this one again.
    pub fn key(&self) -> String {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        hash.update(self.incident.objective.as_bytes());
        for (name, value) in self.group.iter() {
            for part in [name, value] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.update(self.incident.id.to_string().as_bytes());
        hex::encode(&hash.finalize()[..16])
    }
}

/// Everything live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    /// The rules' states of each subject, by rule id.
    pub alerts: BTreeMap<Subject, BTreeMap<String, AlertState>>,
    /// Incidents that are not over.
    pub incidents: BTreeMap<Subject, Record>,
}

impl Book {
    /// The book that was stored.
    pub fn from_loaded(loaded: &Loaded) -> Self {
        let mut book = Self::default();
        for (subject, rule, state) in &loaded.alerts {
            book.alerts.entry(subject.clone()).or_default().insert(rule.clone(), state.clone());
        }
        book.incidents = loaded.incidents.iter().map(|r| (r.subject(), r.clone())).collect();
        book
    }

    /// The subjects of an objective that have alerts.
    pub fn subjects<'a>(&'a self, objective: &'a str) -> impl Iterator<Item = &'a Subject> {
        let first = Subject { objective: objective.to_owned(), group: Labels::default() };
        self.alerts.range(first..).map(|(s, _)| s).take_while(move |s| s.objective == objective)
    }

    /// The state of one rule for one subject.
    pub fn alert(&self, subject: &Subject, rule: &str) -> Option<&AlertState> {
        self.alerts.get(subject)?.get(rule)
    }

    /// A live incident by its id.
    pub fn by_id(&self, id: IncidentId) -> Option<&Record> {
        self.incidents.values().find(|r| r.incident.id == id)
    }

    /// The earliest instant at which a level is due.
    pub fn next_level_at(&self) -> Option<Timestamp> {
        self.incidents.values().filter_map(|r| r.incident.next_level_at).min()
    }
}

/// A decision in the making.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The book as it will be.
    pub book: Book,
    /// What is different, to be committed as one.
    pub change: Change,
}

impl Draft {
    /// Starts from what is live.
    pub fn of(book: &Book) -> Self {
        Self { book: book.clone(), change: Change::default() }
    }

    /// Sets or removes the state of an alert.
    pub fn set_alert(&mut self, subject: &Subject, rule: &str, new: Option<AlertState>) {
        let states = self.book.alerts.entry(subject.clone()).or_default();
        let old = match &new {
            Some(state) => states.insert(rule.to_owned(), state.clone()),
            None => states.remove(rule),
        };
        if states.is_empty() {
            self.book.alerts.remove(subject);
        }
        if worth_storing(old.as_ref(), new.as_ref()) {
            self.change.alerts.push((subject.clone(), rule.to_owned(), new));
        }
    }

    /// Sets an incident; one that is resolved leaves the book.
    pub fn set_incident(&mut self, record: Record) {
        let subject = record.subject();
        self.change.incidents.retain(|r| r.incident.id != record.incident.id);
        self.change.incidents.push(record.clone());
        if record.incident.state == IncidentState::Resolved {
            self.book.incidents.remove(&subject);
        } else {
            self.book.incidents.insert(subject, record);
        }
    }

    /// Adds to an incident's story.
    pub fn tell_story(&mut self, id: IncidentId, at: Timestamp, who: Who<'_>, event: &str, text: impl Into<String>) {
        let entry = TimelineEntry {
            at,
            actor: who.actor.to_owned(),
            source: who.source.to_owned(),
            event: event.to_owned(),
            text: text.into(),
        };
        self.change.timeline.push((id, entry));
    }

    /// Adds to the audit trail.
    pub fn audit(&mut self, at: Timestamp, who: Who<'_>, action: &str, subject: String, states: [Option<String>; 2]) {
        let [before, after] = states;
        let (actor, source) = (who.actor.to_owned(), who.source.to_owned());
        self.change.audit.push(AuditEntry { at, actor, source, action: action.to_owned(), subject, before, after });
    }

    /// Cancels what was not sent yet.
    pub fn void(&mut self, incident: IncidentId, reason: impl Into<String>, at: Timestamp) {
        self.change.voids.push(Void { incident, reason: reason.into(), at });
    }

    /// Tells everyone who was told.
    pub fn broadcast(&mut self, broadcast: Broadcast) {
        self.change.broadcasts.push(broadcast);
    }

    /// Puts a message into the outbox.
    pub fn send(&mut self, envelope: Envelope) {
        self.change.envelopes.push(envelope);
    }
}

/// Who did something, and through what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who<'a> {
    /// `evaluator`, `escalation`, or a person's name.
    pub actor: &'a str,
    /// `engine`, `api`, `cli`, `page`, …
    pub source: &'a str,
}

impl Who<'static> {
    /// The evaluator.
    pub const EVALUATOR: Self = Self { actor: "evaluator", source: "engine" };
    /// The escalation's timers.
    pub const ESCALATION: Self = Self { actor: "escalation", source: "engine" };
    /// A new configuration.
    pub const CONFIGURATION: Self = Self { actor: "configuration", source: "engine" };
}
