//! Outgoing messages: what to tell whom, the durable outbox, and the senders.

pub mod envelope;
pub mod outbox;
pub mod sender;

pub use envelope::{Envelope, Kind, Notice};
pub use outbox::{Attempt, Outbox, OutboxError};
pub use sender::{Receipt, SendError, Sender};
