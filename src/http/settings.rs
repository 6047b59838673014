//! What can be set about the HTTP side; the defaults are those of the service file.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::base::Secret;

use super::auth::Origin;
use super::client::Network;

/// The settings of the HTTP side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Sizes and rates.
    pub limits: Limits,
    /// Who may send and who may act; without keys of a kind, everyone may.
    pub keys: Keys,
    /// Everything is served below this path, such as `/plimsoll`; empty: at the root.
    pub route_prefix: String,
    /// The browser-facing paths are served below this path too, such as `/b` (`/b/vitals`): blockers
    /// know common names.
    pub browser_prefix: Option<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Connections.
    pub server: ServerSettings,
}

/// Sizes and rates.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Bytes of a body as it is received.
    pub body: usize,
    /// Bytes of a body after unpacking.
    pub unpacked: usize,
    /// Bytes of a beacon as it is received: what browsers let `sendBeacon` have.
    pub beacon: usize,
    /// Bytes of a beacon after unpacking.
    pub unpacked_beacon: usize,
    /// Bytes of a remote write request after unpacking, and as it is received.
    pub remote_write_body: usize,
    /// A body that takes longer is given up.
    pub body_timeout: Duration,
    /// Requests of one client on the browser-facing paths; `None`: unlimited.
    pub per_client: Option<Rate>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            unpacked: 8 << 20,
            beacon: 64 << 10,
            unpacked_beacon: 256 << 10,
            remote_write_body: 32 << 20,
            body_timeout: Duration::from_secs(30),
            per_client: Some(Rate { requests: NonZeroU32::MIN.saturating_add(49), per: Duration::from_secs(1) }),
        }
    }
}

/// So many requests in so much time; as many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub requests: NonZeroU32,
    /// In which time; above zero.
    pub per: Duration,
}

/// Keys by what they open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keys {
    /// For sending data.
    pub ingest: Vec<IngestKey>,
    /// For acting on incidents, silences and the configuration.
    pub admin: Vec<Secret>,
}

/// A key for sending data. A browser's key is public: it travels as `site`.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestKey {
    /// The key.
    pub secret: Secret,
    /// From which pages it may be used; empty: from any.
    pub origins: Vec<Origin>,
    /// The one service that it writes for; `None`: what the sender says.
    pub service: Option<String>,
    /// How many requests it may make; `None`: unlimited.
    pub rate: Option<Rate>,
}

/// Connections.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSettings {
    /// A connection that has not sent a whole request head for this long is closed; also how long an
    /// idle one stays open.
    pub header_timeout: Duration,
    /// Connections at once; more wait in the listener's queue.
    pub max_connections: usize,
    /// How long requests may take to end when the server stops.
    pub drain: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self { header_timeout: Duration::from_secs(30), max_connections: 4096, drain: Duration::from_secs(10) }
    }
}
