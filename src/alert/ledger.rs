//! Storage of what was decided: a decision is one transaction, or it did not happen.

use crate::base::Timestamp;
use crate::base::clock::BoxFuture;
use crate::base::id::IncidentId;
use crate::notify::{Envelope, Kind, Notice};

use super::book::{Record, Subject};
use super::measure::{Counting, Measured};
use super::model::{AuditEntry, Delivery, Incident, TimelineEntry};
use super::state::AlertState;

/// One decision. All of it is stored, or nothing.
///
/// The parts are applied in the order of the fields: what is void is cancelled before anyone is told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// States of alerts: subject, rule id, and the new state or `None` to forget it.
    pub alerts: Vec<(Subject, String, Option<AlertState>)>,
    /// Incidents, new or changed.
    pub incidents: Vec<Record>,
    /// Lines to add to incidents' stories.
    pub timeline: Vec<(IncidentId, TimelineEntry)>,
    /// Messages to cancel.
    pub voids: Vec<Void>,
    /// Messages to everyone who was told.
    pub broadcasts: Vec<Broadcast>,
    /// Messages to put into the outbox.
    pub envelopes: Vec<Envelope>,
    /// Lines to add to the audit trail.
    pub audit: Vec<AuditEntry>,
    /// How far each objective is counted, by name; `None` forgets it.
    pub measured: Vec<(String, Option<Measured>)>,
    /// What is about to be recorded; takes the place of the one before.
    pub counting: Option<Counting>,
}

impl Change {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it may put something into the outbox.
    pub fn has_messages(&self) -> bool {
        !self.envelopes.is_empty() || !self.broadcasts.is_empty()
    }
}

/// Cancels every trigger and acknowledgement of an incident that waits in the outbox. A message in the
/// dispatcher's hands is left to it: it looks at the incident's generation before it sends again.
#[derive(Debug, Clone, PartialEq)]
pub struct Void {
    /// The incident.
    pub incident: IncidentId,
    /// Why, for the delivery log.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A message to every channel at which a trigger of the incident was attempted: whoever may know of it
/// is told, and nobody else. Who that is can only be known inside the transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Broadcast {
    /// What it does.
    pub kind: Kind,
    /// The incident's key at receivers.
    pub key: String,
    /// The incident's generation.
    pub generation: u32,
    /// What it says.
    pub notice: Notice,
    /// When it was decided, and due.
    pub at: Timestamp,
}

impl Broadcast {
    /// The message to one of the channels.
    pub fn envelope(&self, channel: String) -> Envelope {
        Envelope {
            id: crate::base::id::EnvelopeId::new(self.at),
            channel,
            kind: self.kind,
            key: self.key.clone(),
            generation: self.generation,
            notice: self.notice.clone(),
            created_at: self.at,
            due_at: self.at,
        }
    }
}

/// Everything live, as it was stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// Subject, rule id, state.
    pub alerts: Vec<(Subject, String, AlertState)>,
    /// Incidents that are not over.
    pub incidents: Vec<Record>,
    /// How far each objective is counted.
    pub measured: Vec<(String, Measured)>,
    /// What was last about to be recorded; whether it was, the series know.
    pub counting: Option<Counting>,
}

/// An incident with its story and its messages.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredIncident {
    /// The incident.
    pub record: Record,
    /// In order.
    pub timeline: Vec<TimelineEntry>,
    /// In the order in which they were made.
    pub deliveries: Vec<Delivery>,
}

/// The ledger could not be read or written. A failed commit may, rarely, have been stored all the same:
/// load before deciding again.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed.
    #[error("the ledger could not be {operation}")]
    Store {
        /// `read` or `written`.
        operation: &'static str,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was stored cannot be understood.
    #[error("the ledger holds {what} that cannot be understood")]
    Corrupt {
        /// What.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Stores decisions.
pub trait Ledger: Send + Sync {
    /// Everything live.
    fn load(&self) -> BoxFuture<'_, Result<Loaded, LedgerError>>;

    /// Stores a decision, whole or not at all. At most one incident of a subject is not resolved; a
    /// second one fails.
    fn commit<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<(), LedgerError>>;

    /// Incidents, newest first; only those that are not over unless `all`; at most `limit`.
    fn incidents(&self, all: bool, limit: u32) -> BoxFuture<'_, Result<Vec<Incident>, LedgerError>>;

    /// One incident, live or over.
    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Result<Option<StoredIncident>, LedgerError>>;

    /// The audit trail from an instant on, oldest first, at most `limit`.
    fn audit(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<AuditEntry>, LedgerError>>;

    /// Forgets the audit trail and incidents that were over before an instant, with their stories and
    /// messages.
    fn forget(&self, before: Timestamp) -> BoxFuture<'_, Result<(), LedgerError>>;
}
