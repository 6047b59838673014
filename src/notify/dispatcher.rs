//! The loop that empties the outbox.
//!
//! It is a reconciler: on a nudge, when the next message is due, or every few seconds it looks at what is
//! stored and sends what is due. Nothing is remembered between rounds but what is in flight, so a restart
//! is not a special case: leases of a process that died end by themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::base::retry::Class;
use crate::base::{SharedClock, Timestamp};

use super::counters::{Counters, Outcome};
use super::envelope::{Envelope, Kind};
use super::gate::{Decision, Gate};
use super::outbox::{Attempt, Limits, Outbox, OutboxError, Verdict};
use super::policy;
use super::sender::{SendError, Sender};

/// How long an attempt may take, with room to spare: senders have timeouts well below.
pub const LEASE: Duration = Duration::from_secs(120);
/// The longest a sender may take; then the attempt has failed.
const SEND_LIMIT: Duration = Duration::from_secs(60);
/// The most messages in flight at a time.
const IN_FLIGHT: usize = 32;
/// The most of them to one channel.
const PER_CHANNEL: u32 = 4;
/// The outbox is looked at this often even without a nudge (another node may have put something in).
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The shortest pause between two looks when nothing could be leased or the store failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends what is in the outbox.
pub struct Dispatcher {
    outbox: Arc<dyn Outbox>,
    senders: HashMap<String, Arc<dyn Sender>>,
    gate: Arc<dyn Gate>,
    clock: SharedClock,
    nudge: watch::Receiver<()>,
    counters: Arc<Counters>,
}

impl Dispatcher {
    /// A dispatcher over these senders, by channel name. Each change of
    /// `nudge` makes it look at once; without one it looks every few seconds.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        senders: HashMap<String, Arc<dyn Sender>>,
        gate: Arc<dyn Gate>,
        clock: SharedClock,
        nudge: watch::Receiver<()>,
    ) -> Self {
        let counters = Arc::new(Counters::new(senders.keys()));
        Self { outbox, senders, gate, clock, nudge, counters }
    }

    /// What was sent and what was not, since the start.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Runs until `stop`; what is in flight then is still brought to its end.
    pub async fn run(self, stop: CancellationToken) {
        let mut flying = FuturesUnordered::new();
        let mut nudge = self.nudge.clone();
        while !stop.is_cancelled() {
            let wait = match self.lease(self.clock.now(), IN_FLIGHT - flying.len()).await {
                Ok(attempts) if !attempts.is_empty() => {
                    flying.extend(attempts.into_iter().map(|a| self.attempt(a)));
                    LOOK_EVERY
                }
                Ok(_nothing) => self.until_next_due().await,
                Err(error) => {
                    tracing::error!(error = %report(&error), "outgoing messages wait");
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                Some(()) = flying.next(), if !flying.is_empty() => {}
                Ok(()) = nudge.changed() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
        while flying.next().await.is_some() {}
    }

    /// Sends what is due at `now` and returns how many attempts were made; what becomes due meanwhile is
    /// left. For callers that drain work instead of running the loop.
    pub async fn pump_once(&self, now: Timestamp) -> Result<usize, OutboxError> {
        let attempts = self.lease(now, IN_FLIGHT).await?;
        let count = attempts.len();
        futures::future::join_all(attempts.into_iter().map(|a| self.attempt(a))).await;
        Ok(count)
    }

    async fn lease(&self, now: Timestamp, free: usize) -> Result<Vec<Attempt>, OutboxError> {
        if free == 0 {
            return Ok(Vec::new());
        }
        let total = u32::try_from(free).unwrap_or(u32::MAX);
        self.outbox.lease(now, LEASE, Limits { total, per_channel: PER_CHANNEL }).await
    }

    async fn until_next_due(&self) -> Duration {
        match self.outbox.next_due().await {
            Ok(Some(due)) => due.since(self.clock.now()).clamp(PAUSE, LOOK_EVERY),
            Ok(None) => LOOK_EVERY,
            Err(error) => {
                tracing::error!(error = %report(&error), "the next outgoing message is not known");
                LOOK_EVERY
            }
        }
    }

    /// One attempt, from the gate to the stored verdict.
    async fn attempt(&self, attempt: Attempt) {
        let envelope = &attempt.envelope;
        let sender = self.senders.get(&envelope.channel);
        let target = sender.map(|s| s.target()).unwrap_or_default();
        let verdict = match sender {
            Some(sender) => self.send(sender.as_ref(), &attempt).await,
            None => Verdict::Dead { error: format!("there is no channel {:?} (any more)", envelope.channel) },
        };
        let now = self.clock.now();
        self.note(envelope, &verdict, now);
        if let Err(error) = self.outbox.finish(&attempt, &verdict, &target, now).await {
            tracing::error!(id = %envelope.id, error = %report(&error), "an attempt could not be stored; it will be repeated");
        }
    }

    async fn send(&self, sender: &dyn Sender, attempt: &Attempt) -> Verdict {
        let envelope = &attempt.envelope;
        if let Some(reason) = sender.declines(envelope.kind) {
            return Verdict::Cancelled { reason: reason.to_owned() };
        }
        if envelope.kind == Kind::Trigger
            && let Decision::Cancel(reason) = self.gate.verdict(envelope, self.clock.now()).await
        {
            return Verdict::Cancelled { reason };
        }
        let late = SendError { class: Class::Transient, message: format!("not sent within {SEND_LIMIT:?}") };
        let sent = tokio::select! {
            sent = sender.send(envelope) => sent,
            () = self.clock.sleep(SEND_LIMIT) => Err(late),
        };
        match sent {
            Ok(receipt) => Verdict::Sent { provider_id: receipt.provider_id },
            Err(error) => {
                policy::after_failure(envelope, attempt.number, error, self.clock.now(), rand::random::<f64>())
            }
        }
    }

    fn note(&self, envelope: &Envelope, verdict: &Verdict, now: Timestamp) {
        self.counters.count(&envelope.channel, Outcome::of(verdict));
        let (id, channel, kind) = (&envelope.id, &envelope.channel, envelope.kind.as_str());
        match verdict {
            Verdict::Sent { .. } => {
                self.counters.sent_after(now.since(envelope.due_at));
                tracing::info!(%id, channel, kind, "sent");
            }
            Verdict::Retry { at, error } => tracing::warn!(%id, channel, kind, %at, error, "not sent, will be retried"),
            Verdict::Dead { error } => tracing::error!(%id, channel, kind, error, "not sent, given up"),
            Verdict::Cancelled { reason } => tracing::info!(%id, channel, kind, reason, "not sent, not wanted"),
        }
    }
}

fn report(error: &OutboxError) -> String {
    format!("{error}: {}", error.source)
}

#[cfg(test)]
mod tests;
