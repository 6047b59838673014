//! The ledger in memory, with an outbox of its own: for tests of what decides, and for replays.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::alert::book::{Record, Subject};
use crate::alert::ledger::{Broadcast, Change, Ledger, LedgerError, Loaded, StoredIncident, Void};
use crate::alert::measure::{Counting, Measured};
use crate::alert::state::AlertState;
use crate::alert::{AuditEntry, Delivery, Incident, IncidentState, TimelineEntry};
use crate::base::Timestamp;
use crate::base::clock::BoxFuture;
use crate::base::id::{EnvelopeId, IncidentId};
use crate::notify::{Envelope, Kind};

/// A message and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// The message.
    pub envelope: Envelope,
    /// `pending`, `sending`, `sent`, `dead` or `cancelled`.
    pub status: &'static str,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was cancelled.
    pub error: Option<String>,
    /// When it was done with.
    pub finished_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    alerts: BTreeMap<(Subject, String), AlertState>,
    incidents: BTreeMap<IncidentId, Record>,
    timeline: Vec<(IncidentId, TimelineEntry)>,
    outbox: Vec<Posted>,
    audit: Vec<AuditEntry>,
    measured: BTreeMap<String, Measured>,
    counting: Option<Counting>,
    commits: u64,
    failing: bool,
}

/// A ledger that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<Tables>);

impl MemoryLedger {
    /// Every message, oldest first.
    pub fn outbox(&self) -> Vec<Posted> {
        self.0.lock().outbox.clone()
    }

    /// What a dispatcher would do: the message was tried, and this became of it.
    pub fn mark(&self, id: EnvelopeId, status: &'static str) {
        if let Some(posted) = self.0.lock().outbox.iter_mut().find(|p| p.envelope.id == id) {
            posted.status = status;
            posted.attempts += 1;
        }
    }

    /// From now on commits fail and store nothing, or succeed again.
    pub fn fail(&self, failing: bool) {
        self.0.lock().failing = failing;
    }

    /// How many commits were stored.
    pub fn commits(&self) -> u64 {
        self.0.lock().commits
    }
}

impl Tables {
    fn apply(&mut self, change: &Change) -> Result<(), LedgerError> {
        for (subject, rule, state) in &change.alerts {
            let key = (subject.clone(), rule.clone());
            match state {
                Some(state) => drop(self.alerts.insert(key, state.clone())),
                None => drop(self.alerts.remove(&key)),
            }
        }
        for record in &change.incidents {
            self.put_incident(record)?;
        }
        self.timeline.extend(change.timeline.iter().cloned());
        change.voids.iter().for_each(|void| self.cancel(void));
        change.broadcasts.iter().for_each(|broadcast| self.tell_the_told(broadcast));
        change.envelopes.iter().for_each(|envelope| self.post(envelope.clone()));
        self.audit.extend(change.audit.iter().cloned());
        for (objective, measured) in &change.measured {
            match measured {
                Some(measured) => drop(self.measured.insert(objective.clone(), measured.clone())),
                None => drop(self.measured.remove(objective)),
            }
        }
        self.counting = change.counting.clone().or(self.counting.take());
        self.commits += 1;
        Ok(())
    }

    fn put_incident(&mut self, record: &Record) -> Result<(), LedgerError> {
        let is_live = |r: &&Record| r.incident.state != IncidentState::Resolved;
        let subject = record.subject();
        let another = |r: &&Record| r.incident.id != record.incident.id && r.subject() == subject;
        if is_live(&record) && self.incidents.values().filter(is_live).any(|r| another(&r)) {
            let source = "an incident of this subject is live already".into();
            return Err(LedgerError::Store { operation: "written", source });
        }
        self.incidents.insert(record.incident.id, record.clone());
        Ok(())
    }

    fn cancel(&mut self, void: &Void) {
        let is_waiting = |p: &&mut Posted| {
            p.envelope.notice.incident == void.incident
                && matches!(p.envelope.kind, Kind::Trigger | Kind::Acknowledge)
                && p.status == "pending"
        };
        for posted in self.outbox.iter_mut().filter(is_waiting) {
            posted.status = "cancelled";
            posted.error = Some(void.reason.clone());
            posted.finished_at = Some(void.at);
        }
    }

    fn tell_the_told(&mut self, broadcast: &Broadcast) {
        let mut channels: Vec<String> = Vec::new();
        for posted in &self.outbox {
            let tried = posted.attempts > 0 || matches!(posted.status, "sending" | "sent" | "dead");
            let concerns = posted.envelope.notice.incident == broadcast.notice.incident;
            let is_trigger = posted.envelope.kind == Kind::Trigger;
            if tried && concerns && is_trigger && !channels.contains(&posted.envelope.channel) {
                channels.push(posted.envelope.channel.clone());
            }
        }
        channels.into_iter().for_each(|channel| self.post(broadcast.envelope(channel)));
    }

    fn post(&mut self, envelope: Envelope) {
        self.outbox.push(Posted { envelope, status: "pending", attempts: 0, error: None, finished_at: None });
    }

    fn stored(&self, id: IncidentId) -> Option<StoredIncident> {
        let record = self.incidents.get(&id)?.clone();
        let timeline = self.timeline.iter().filter(|(i, _)| *i == id).map(|(_, entry)| entry.clone()).collect();
        let of_it = self.outbox.iter().filter(|p| p.envelope.notice.incident == id);
        Some(StoredIncident { record, timeline, deliveries: of_it.map(delivery).collect() })
    }

    fn forget(&mut self, before: Timestamp) {
        self.audit.retain(|entry| entry.at >= before);
        let waits = |id: &IncidentId| {
            self.outbox.iter().any(|p| p.envelope.notice.incident == *id && matches!(p.status, "pending" | "sending"))
        };
        let is_old = |r: &Record| r.incident.resolved_at.is_some_and(|at| at < before);
        let gone: Vec<_> = self.incidents.iter().filter(|(id, r)| is_old(r) && !waits(id)).map(|(id, _)| *id).collect();
        for id in gone {
            self.incidents.remove(&id);
            self.timeline.retain(|(i, _)| *i != id);
            self.outbox.retain(|p| p.envelope.notice.incident != id);
        }
    }
}

fn delivery(posted: &Posted) -> Delivery {
    Delivery {
        channel: posted.envelope.channel.clone(),
        target: String::new(),
        kind: posted.envelope.kind.as_str().to_owned(),
        level: posted.envelope.notice.level,
        status: if posted.status == "dead" { "failed" } else { posted.status }.to_owned(),
        attempts: posted.attempts,
        provider_id: None,
        error: posted.error.clone(),
        created_at: posted.envelope.created_at,
        finished_at: posted.finished_at,
    }
}

impl Ledger for MemoryLedger {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, LedgerError>> {
        let tables = self.0.lock();
        let live = |r: &&Record| r.incident.state != IncidentState::Resolved;
        let loaded = Loaded {
            alerts: tables.alerts.iter().map(|((s, r), a)| (s.clone(), r.clone(), a.clone())).collect(),
            incidents: tables.incidents.values().filter(live).cloned().collect(),
            measured: tables.measured.iter().map(|(n, m)| (n.clone(), m.clone())).collect(),
            counting: tables.counting.clone(),
        };
        Box::pin(std::future::ready(Ok(loaded)))
    }

    fn commit<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<(), LedgerError>> {
        let mut tables = self.0.lock();
        let mut next = tables.clone();
        let result = match tables.failing {
            true => Err(LedgerError::Store { operation: "written", source: "told to fail".into() }),
            false => next.apply(change),
        };
        if result.is_ok() {
            *tables = next;
        }
        Box::pin(std::future::ready(result))
    }

    fn incidents(&self, all: bool, limit: u32) -> BoxFuture<'_, Result<Vec<Incident>, LedgerError>> {
        let tables = self.0.lock();
        let wanted = tables.incidents.values().map(|r| &r.incident);
        let mut found: Vec<Incident> = wanted.filter(|i| all || i.state != IncidentState::Resolved).cloned().collect();
        found.sort_by_key(|i| std::cmp::Reverse((i.started_at, i.id)));
        found.truncate(limit as usize);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Result<Option<StoredIncident>, LedgerError>> {
        Box::pin(std::future::ready(Ok(self.0.lock().stored(id))))
    }

    fn audit(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<AuditEntry>, LedgerError>> {
        let tables = self.0.lock();
        let mut found: Vec<AuditEntry> = tables.audit.iter().filter(|e| e.at >= since).cloned().collect();
        found.sort_by_key(|e| e.at);
        found.truncate(limit as usize);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn forget(&self, before: Timestamp) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.0.lock().forget(before);
        Box::pin(std::future::ready(Ok(())))
    }
}
