//! The channels of the service file, read and checked.

use url::Url;

use crate::base::Secret;

/// All channels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// In the order of the file; names are unique.
    pub channels: Vec<Channel>,
}

/// One channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// The name that escalations use.
    pub name: String,
    /// Where it leads.
    pub target: Target,
}

/// Where a channel leads.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// PagerDuty, Events API v2.
    PagerDuty(PagerDuty),
    /// A Slack incoming webhook.
    Slack(Slack),
    /// Mail.
    Email(Email),
    /// A webhook in Alertmanager's form.
    Webhook(Webhook),
}

/// PagerDuty, Events API v2.
#[derive(Debug, Clone, PartialEq)]
pub struct PagerDuty {
    /// The integration's key.
    pub routing_key: Secret,
    /// Events are posted here; default [`PAGERDUTY_URL`]. European accounts and stand-ins have another.
    pub url: Url,
}

/// Where PagerDuty takes events, unless configured.
pub const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// A Slack incoming webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Slack {
    /// The webhook's URL, which is itself the secret.
    pub webhook: Secret,
}

/// Mail over SMTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Email {
    /// `smtp://[user:password@]host[:port]` or `smtps://…`; a secret because of the password.
    pub smtp: Secret,
    /// The sender: `slo@example.com` or `Plimsoll <slo@example.com>`.
    pub from: String,
    /// The recipients; at least one.
    pub to: Vec<String>,
    /// How the connection is protected.
    pub tls: Tls,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tls {
    /// `smtps://`: TLS from the start. `smtp://`: STARTTLS is required, except that a server on port 25
    /// that needs no password may go without.
    #[default]
    Auto,
    /// Never; only for `smtp://`.
    None,
}

/// A webhook in Alertmanager's form.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Where to.
    pub url: Url,
    /// The key of the signature; without one the requests are not signed.
    pub secret: Option<Secret>,
    /// Whether it is told when something is over; default true.
    pub send_resolved: bool,
}
