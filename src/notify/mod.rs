//! Outgoing messages: what to tell whom, the durable outbox, and the senders.
//!
//! `alert`'s ledger puts an [`Envelope`] into the outbox in the transaction of its cause. The
//! [`Dispatcher`] leases what is due, asks the [`Gate`] whether a page is still wanted, gives it to the
//! channel's [`Sender`] and stores what became of it. Delivery is at least once: a crash between sending
//! and storing sends again, under the same id, by which receivers that can do so tell repeats (PagerDuty by
//! the deduplication key, webhooks by `Idempotency-Key`, mail by `Message-ID`; Slack cannot).

pub mod counters;
pub mod dispatcher;
pub mod envelope;
pub mod gate;
pub mod outbox;
pub mod policy;
pub mod render;
pub mod sender;
pub mod senders;
pub mod settings;

pub use counters::{Counters, Outcome};
pub use dispatcher::Dispatcher;
pub use envelope::{Envelope, Kind, Notice};
pub use gate::{Decision, Gate, Open};
pub use outbox::{Attempt, Limits, Outbox, OutboxError, Verdict};
pub use sender::{Receipt, SendError, Sender};
pub use senders::{BuildError, build};
pub use settings::{Channel, Settings, Target};
