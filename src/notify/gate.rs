//! The last question before a page goes out: is it still wanted?

use crate::base::Timestamp;
use crate::base::clock::BoxFuture;

use super::envelope::Envelope;

/// Whether a message goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It does.
    Send,
    /// It does not; why.
    Cancel(String),
}

/// Asked right before each attempt to send a trigger, and only then: whoever was told that something
/// broke is also told that someone answered and that it is over.
pub trait Gate: Send + Sync {
    /// What holds at `now`: cancelled when the incident has moved on (its generation is another than the
    /// message's) or the page is silenced. When it cannot tell it says [`Decision::Send`]: a page too many
    /// is better than one too few.
    fn verdict<'a>(&'a self, envelope: &'a Envelope, now: Timestamp) -> BoxFuture<'a, Decision>;
}

/// Lets everything through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

impl Gate for Open {
    fn verdict<'a>(&'a self, _envelope: &'a Envelope, _now: Timestamp) -> BoxFuture<'a, Decision> {
        Box::pin(async { Decision::Send })
    }
}
