//! What to tell whom, since when.

use serde::{Deserialize, Serialize};

use crate::base::id::{EnvelopeId, IncidentId};
use crate::base::{Labels, Severity, Timestamp};

/// What a message does at its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Opens an alert there and wakes someone.
    Trigger,
    /// Says that someone answered.
    Acknowledge,
    /// Says that it is over.
    Resolve,
    /// A marked test.
    Test,
}

impl Kind {
    /// The word used in payloads and the outbox.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Test => "test",
        }
    }
}

/// What a message says; a snapshot, so that it says what was true when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The incident.
    pub incident: IncidentId,
    /// The objective's name.
    pub objective: String,
    /// How bad.
    pub severity: Severity,
    /// One line: what broke and how bad.
    pub summary: String,
    /// The alert's labels.
    pub labels: Labels,
    /// Description, runbook, dashboard, value, budget, … in this order where known.
    pub annotations: Vec<(String, String)>,
    /// Where to see and acknowledge it.
    pub url: String,
    /// When it began to fire.
    pub started_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// Who answered.
    pub acknowledged_by: Option<String>,
    /// The level that is told, from 1.
    pub level: u32,
}

/// One message to one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Stable over retries: receivers use it to tell repeats.
    pub id: EnvelopeId,
    /// The name of the channel in the service file.
    pub channel: String,
    /// What it does.
    pub kind: Kind,
    /// The deduplication key of the incident at the receiver; also the key of order: of one key and
    /// channel, only the oldest unsent message is sent.
    pub key: String,
    /// The incident's generation when it was decided; void when the incident has moved on (triggers only).
    pub generation: u32,
    /// What it says.
    pub notice: Notice,
    /// When it was decided.
    pub created_at: Timestamp,
    /// Not to be sent before.
    pub due_at: Timestamp,
}

/// Messages for the tests of this module, the store and the senders.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A page on the incident `key`, due at once, at 2026-11-20 12:00 UTC.
    pub(crate) fn envelope(channel: &str, key: &str) -> Envelope {
        let now = Timestamp::from_secs(1_795_176_000);
        Envelope {
            id: EnvelopeId::new(now),
            channel: channel.to_owned(),
            kind: Kind::Trigger,
            key: key.to_owned(),
            generation: 1,
            notice: notice(now),
            created_at: now,
            due_at: now,
        }
    }

    fn notice(now: Timestamp) -> Notice {
        Notice {
            incident: IncidentId::new(now),
            objective: "api-latency".to_owned(),
            severity: Severity::Critical,
            summary: "p95 of shop-api is 812 ms, above 500 ms".to_owned(),
            labels: Labels::new([("objective", "api-latency"), ("severity", "critical"), ("service_name", "shop-api")]),
            annotations: vec![
                ("description".to_owned(), "The API answers slowly.".to_owned()),
                ("runbook".to_owned(), "https://wiki.example/latency".to_owned()),
            ],
            url: "https://plimsoll.example/incidents/1".to_owned(),
            started_at: now - std::time::Duration::from_secs(300),
            resolved_at: None,
            acknowledged_by: None,
            level: 1,
        }
    }
}
