//! The durable queue of outgoing messages: lease, attempt, finish. At least once, in order per key.

use std::time::Duration;

use crate::base::Timestamp;
use crate::base::clock::BoxFuture;

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
    /// No longer wanted: answered or over before it was sent. Nothing was sent this time, so it does not
    /// count as an attempt.
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

/// How many messages may be leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// By this call.
    pub total: u32,
    /// Of one channel at a time, counting those that are leased already: a slow receiver holds up its own
    /// channel, not the others.
    pub per_channel: u32,
}

/// Messages are put in by `alert`'s ledger, in the transaction of their cause; this takes them out.
pub trait Outbox: Send + Sync {
    /// Leases messages that are due at `now`, within `limits`: for each (channel, key) only the oldest that
    /// is neither sent, dead nor cancelled; channels take turns. The lease ends at `now + lease`; a message
    /// whose lease ended without a verdict is due again, with the same id.
    fn lease(
        &self,
        now: Timestamp,
        lease: Duration,
        limits: Limits,
    ) -> BoxFuture<'_, Result<Vec<Attempt>, OutboxError>>;

    /// Stores the verdict of an attempt and ends its lease. `target` says whom it reached or was to reach,
    /// and is kept when empty. What was sent is stored as sent in any case; every other verdict counts only
    /// while the attempt holds the lease (nobody cancelled the message or leased it anew).
    fn finish<'a>(
        &'a self,
        attempt: &'a Attempt,
        verdict: &'a Verdict,
        target: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), OutboxError>>;

    /// When the next message is due, if one waits: an unfinished one at the head of its (channel, key) by
    /// its due time, or the end of its lease.
    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, OutboxError>>;
}
