//! A way to reach people. A sender sends once: it never sleeps, retries or stores.

use crate::base::clock::BoxFuture;
use crate::base::retry::Class;
use crate::egress::EgressError;

use super::envelope::{Envelope, Kind};

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

impl From<EgressError> for SendError {
    fn from(error: EgressError) -> Self {
        Self { class: error.class(), message: error.report() }
    }
}

/// Sends messages to one configured target.
pub trait Sender: Send + Sync {
    /// Whom it reaches, for the delivery log; never a secret.
    fn target(&self) -> String;

    /// Why messages of this kind are not for this target, when they are not; they are then cancelled.
    fn declines(&self, kind: Kind) -> Option<&'static str> {
        let _takes_all = kind;
        None
    }

    /// Sends one message once.
    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Receipt, SendError>>;
}
