//! What can go wrong with a collector, by class. The classes are label values: a small, closed set.

use std::time::Duration;

/// Why a cycle gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The configured address cannot be used at all.
    #[error("the address of {target} is not usable")]
    Address {
        /// The target's name; the address itself may hold a password.
        target: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection came about.
    #[error("no connection")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer within the time for a cycle.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// User or password were refused.
    #[error("login refused")]
    Login(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Logged in, but not allowed to ask.
    #[error("permission denied")]
    Permission(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server is there and cannot answer now: it loads its data, or runs a script.
    #[error("the server is busy")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke while asking.
    #[error("connection lost")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server answered with another error.
    #[error("the server answered with an error")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not what was asked for.
    #[error("the answer makes no sense")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// After failures; nothing was tried this time.
    #[error("waiting to try again after: {0}")]
    Waiting(&'static str),
}

impl CollectError {
    /// The class: `address`, `connect`, `timeout`, `login`, `permission`, `busy`, `lost`, `server`, `answer`.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Address { .. } => "address",
            Self::Connect(_) => "connect",
            Self::Timeout(_) => "timeout",
            Self::Login(_) => "login",
            Self::Permission(_) => "permission",
            Self::Busy(_) => "busy",
            Self::Lost(_) => "lost",
            Self::Server(_) => "server",
            Self::Answer(_) => "answer",
            Self::Waiting(class) => class,
        }
    }

    /// The error with its causes, for a log.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
