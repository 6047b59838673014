//! The ways to reach people, one file each.

mod email;
mod pagerduty;
mod slack;
mod webhook;

use std::sync::Arc;

use crate::base::SharedClock;
use crate::egress;

use super::sender::Sender;
use super::settings::{Channel, Target};

pub use webhook::signature;

/// Why a channel cannot work as configured.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The webhook is no web address.
    #[error("channel {channel}: the webhook is not an http or https address")]
    Webhook {
        /// The channel's name.
        channel: String,
    },
    /// The mail server's address is wrong.
    #[error("channel {channel}: {problem}")]
    MailServer {
        /// The channel's name.
        channel: String,
        /// What is wrong and what to do, without the password.
        problem: &'static str,
    },
    /// A mail address is wrong.
    #[error("channel {channel}: {address:?} is not a mail address")]
    MailAddress {
        /// The channel's name.
        channel: String,
        /// The address.
        address: String,
        /// Why not.
        source: lettre::address::AddressError,
    },
    /// The TLS parameters could not be made.
    #[error("channel {channel}: TLS for the mail server cannot be set up")]
    MailTls {
        /// The channel's name.
        channel: String,
        /// What went wrong.
        source: lettre::transport::smtp::Error,
    },
}

/// The sender of a channel.
pub fn build(channel: &Channel, client: &egress::Client, clock: &SharedClock) -> Result<Arc<dyn Sender>, BuildError> {
    let (name, client, clock) = (channel.name.as_str(), client.clone(), clock.clone());
    Ok(match &channel.target {
        Target::PagerDuty(settings) => Arc::new(pagerduty::PagerDuty::new(settings.clone(), client, clock)),
        Target::Slack(settings) => Arc::new(slack::Slack::new(name, settings, client, clock)?),
        Target::Email(settings) => Arc::new(email::Email::new(name, settings, client.policy())?),
        Target::Webhook(settings) => Arc::new(webhook::Webhook::new(name, settings.clone(), client, clock)),
    })
}

/// JSON of what we made ourselves.
fn json(value: &serde_json::Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
