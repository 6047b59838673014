//! The outbox in memory: for tests and for what need not survive its process.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::Timestamp;
use crate::base::clock::BoxFuture;
use crate::base::id::EnvelopeId;
use crate::notify::{Attempt, Envelope, Limits, Outbox, OutboxError, Verdict};

/// The state of a message; the words are those of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Waits for its time, its turn or its next attempt.
    Pending,
    /// Leased.
    Sending,
    /// The receiver has it.
    Sent,
    /// Given up.
    Dead,
    /// No longer wanted.
    Cancelled,
}

impl Status {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Sending)
    }
}

/// A stored message.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The message.
    pub envelope: Envelope,
    /// Its state.
    pub status: Status,
    /// How often it was leased.
    pub attempts: u32,
    /// Not to be leased before.
    pub due_at: Timestamp,
    /// When its lease ends.
    pub lease_until: Option<Timestamp>,
    /// What the provider called it.
    pub provider_id: Option<String>,
    /// The last error, or why it was cancelled.
    pub error: Option<String>,
    /// Whom it reached or was to reach.
    pub target: String,
}

impl Stored {
    fn is_leased(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|end| end > now)
    }

    fn ready_at(&self) -> Timestamp {
        self.lease_until.map_or(self.due_at, |end| end.max(self.due_at))
    }
}

/// The outbox in memory. Sent messages stay, as they do in the database.
#[derive(Debug, Default)]
pub struct MemoryOutbox {
    rows: Mutex<Vec<Stored>>,
}

impl MemoryOutbox {
    /// Puts a message in, after all that are there.
    pub fn put(&self, envelope: Envelope) {
        let due_at = envelope.due_at;
        self.rows.lock().push(Stored {
            envelope,
            status: Status::Pending,
            attempts: 0,
            due_at,
            lease_until: None,
            provider_id: None,
            error: None,
            target: String::new(),
        });
    }

    /// Cancels a message that is not finished, as an acknowledgement does.
    pub fn cancel(&self, id: EnvelopeId, reason: &str) {
        let mut rows = self.rows.lock();
        for row in rows.iter_mut().filter(|r| r.envelope.id == id && r.status.is_open()) {
            row.status = Status::Cancelled;
            row.lease_until = None;
            row.error = Some(reason.to_owned());
        }
    }

    /// All messages, in the order in which they were put in.
    pub fn rows(&self) -> Vec<Stored> {
        self.rows.lock().clone()
    }
}

/// The indices of the unfinished messages that are the oldest of their (channel, key).
fn heads(rows: &[Stored]) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    let open = rows.iter().enumerate().filter(|(_, r)| r.status.is_open());
    open.filter(|(_, r)| seen.insert((&r.envelope.channel, &r.envelope.key))).map(|(i, _)| i).collect()
}

/// The indices of what is ready at `now`, channels taking turns, within the limits.
fn ready(rows: &[Stored], now: Timestamp, limits: Limits) -> Vec<usize> {
    let mut busy: HashMap<&str, u32> = HashMap::new();
    for row in rows.iter().filter(|r| r.status.is_open() && r.is_leased(now)) {
        *busy.entry(&row.envelope.channel).or_default() += 1;
    }
    let mut due: Vec<usize> = heads(rows).into_iter().filter(|i| rows[*i].ready_at() <= now).collect();
    due.sort_by_key(|i| (rows[*i].due_at, *i));
    let mut turns: Vec<(u32, usize)> = Vec::new();
    for index in due {
        let turn = busy.entry(&rows[index].envelope.channel).or_default();
        *turn += 1;
        turns.push((*turn, index));
    }
    turns.retain(|(turn, _)| *turn <= limits.per_channel);
    turns.sort_by_key(|(turn, i)| (*turn, rows[*i].due_at, *i));
    turns.truncate(limits.total as usize);
    let mut chosen: Vec<usize> = turns.into_iter().map(|(_, index)| index).collect();
    chosen.sort_unstable();
    chosen
}

impl Outbox for MemoryOutbox {
    fn lease(
        &self,
        now: Timestamp,
        lease: Duration,
        limits: Limits,
    ) -> BoxFuture<'_, Result<Vec<Attempt>, OutboxError>> {
        Box::pin(async move {
            let mut rows = self.rows.lock();
            let chosen = ready(&rows, now, limits);
            let leased = chosen.into_iter().map(|index| {
                let row = &mut rows[index];
                row.status = Status::Sending;
                row.attempts += 1;
                row.lease_until = Some(now + lease);
                Attempt { envelope: row.envelope.clone(), number: row.attempts }
            });
            Ok(leased.collect())
        })
    }

    fn finish<'a>(
        &'a self,
        attempt: &'a Attempt,
        verdict: &'a Verdict,
        target: &'a str,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        Box::pin(async move {
            let mut rows = self.rows.lock();
            let sent = matches!(verdict, Verdict::Sent { .. });
            for row in rows.iter_mut().filter(|r| r.envelope.id == attempt.envelope.id) {
                if sent || (row.status == Status::Sending && row.attempts == attempt.number) {
                    apply(row, verdict, target);
                }
            }
            Ok(())
        })
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, OutboxError>> {
        Box::pin(async move {
            let rows = self.rows.lock();
            Ok(heads(&rows).into_iter().map(|i| rows[i].ready_at()).min())
        })
    }
}

fn apply(row: &mut Stored, verdict: &Verdict, target: &str) {
    row.lease_until = None;
    if !target.is_empty() {
        row.target = target.to_owned();
    }
    let (status, error) = match verdict {
        Verdict::Sent { provider_id } => {
            row.provider_id = provider_id.clone().or(row.provider_id.take());
            (Status::Sent, None)
        }
        Verdict::Retry { at, error } => {
            row.due_at = *at;
            (Status::Pending, Some(error.clone()))
        }
        Verdict::Dead { error } => (Status::Dead, Some(error.clone())),
        Verdict::Cancelled { reason } => {
            row.attempts -= 1;
            (Status::Cancelled, Some(reason.clone()))
        }
    };
    row.status = status;
    row.error = error;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox_contract::{Bench, outbox_contract};

    impl Bench for MemoryOutbox {
        async fn new() -> Self {
            Self::default()
        }

        fn outbox(&self) -> &dyn Outbox {
            self
        }

        async fn put(&self, envelope: &Envelope) {
            Self::put(self, envelope.clone());
        }

        async fn cancel(&self, id: EnvelopeId) {
            Self::cancel(self, id, "answered");
        }

        async fn row(&self, id: EnvelopeId) -> (String, u32, Option<String>, Option<String>, String) {
            let row = self.rows().into_iter().find(|r| r.envelope.id == id).unwrap();
            (row.status.as_str().to_owned(), row.attempts, row.provider_id, row.error, row.target)
        }
    }

    outbox_contract!(MemoryOutbox);
}
