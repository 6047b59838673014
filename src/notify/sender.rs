//! A way to reach people. A sender sends once: it never sleeps, retries or stores.

use crate::base::clock::BoxFuture;
use crate::base::retry::Class;

use super::envelope::Envelope;

/// What the receiver said when it took the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's id of the message, when it gave one.
    pub provider_id: Option<String>,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// Whether trying again can help.
    pub class: Class,
    /// What went wrong, without secrets.
    pub message: String,
}

/// Sends messages to one configured target.
pub trait Sender: Send + Sync {
    /// Whom it reaches, for the delivery log; never a secret.
    fn target(&self) -> String;

    /// Sends one message once.
    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Receipt, SendError>>;
}
