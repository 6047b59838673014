//! The durable queue of outgoing messages: lease, attempt, finish. At least once, in order per key.

use std::time::Duration;

use crate::base::Timestamp;
use crate::base::clock::BoxFuture;
use crate::base::id::EnvelopeId;

use super::envelope::Envelope;

/// A leased message: whoever holds it may try to send it until the lease ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The message.
    pub envelope: Envelope,
    /// Which attempt this is, from 1.
    pub number: u32,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The receiver has it.
    Sent {
        /// What the provider called it.
        provider_id: Option<String>,
    },
    /// To be tried again.
    Retry {
        /// Not before.
        at: Timestamp,
        /// What went wrong.
        error: String,
    },
    /// Given up for good.
    Dead {
        /// Why.
        error: String,
    },
    /// No longer wanted: answered or over before it was sent.
    Cancelled {
        /// Why.
        reason: String,
    },
}

/// The outbox could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the outbox could not be {operation}")]
pub struct OutboxError {
    /// `read` or `written`.
    pub operation: &'static str,
    /// What the store said.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Messages are put in by `alert`'s ledger, in the transaction of their cause; this takes them out.
pub trait Outbox: Send + Sync {
    /// Leases up to `limit` messages that are due at `now`: for each (channel, key) only the oldest that
    /// is neither sent, dead nor cancelled. The lease ends at `now + lease`; a message whose lease ended
    /// without a verdict is due again, with the same id.
    fn lease(&self, now: Timestamp, lease: Duration, limit: u32) -> BoxFuture<'_, Result<Vec<Attempt>, OutboxError>>;

    /// Stores the verdict of an attempt and ends its lease.
    fn finish<'a>(
        &'a self,
        id: EnvelopeId,
        verdict: &'a Verdict,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), OutboxError>>;

    /// When the next message is due, if one waits.
    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, OutboxError>>;
}
