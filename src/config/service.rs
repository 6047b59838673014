//! The service file (`plimsoll.yaml`) as plain data. Other modules' settings are built from it by `app`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::At;
use crate::base::Secret;

/// The whole file; [`Service::default`] is what holds without one.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to listen for OTLP over gRPC; nowhere when absent.
    pub otlp_grpc_listen: Option<SocketAddr>,
    /// `sqlite://…` or `postgres://…`; secret because it may hold a password.
    pub database: Secret,
    /// Under which address people reach the service; links in messages start with it.
    pub public_url: Option<String>,
    /// In front of the browser-facing paths, such as `/m`; begins with `/`, does not end with one. May be empty.
    pub route_prefix: String,
    /// Browsers may send below this path too, such as `/b` (`/b/vitals`, `/b/collect`): blockers know common names.
    pub browser_prefix: Option<String>,
    /// How often objectives are judged; 1 s to 5 min.
    pub evaluate_every: Duration,
    /// The journal.
    pub journal: Journal,
    /// How long what is kept.
    pub keep: Keep,
    /// Limits.
    pub limits: Limits,
    /// How long a web vital without a revision stays provisional.
    pub vitals_settle: Duration,
    /// Keys of those who send data; empty means that anyone may.
    pub ingest_keys: Vec<IngestKey>,
    /// Keys of those who change something; empty means that anyone may.
    pub admin_keys: Vec<Secret>,
    /// Route patterns, first match first.
    pub routes: Vec<RoutePattern>,
    /// Redis servers to watch.
    pub redis: Vec<Target>,
    /// PostgreSQL servers to watch.
    pub postgres: Vec<Target>,
    /// Whether this machine is watched.
    pub host: bool,
    /// Where messages go.
    pub channels: Vec<Channel>,
    /// OTLP/HTTP endpoint for the service's own traces.
    pub telemetry_otlp: Option<String>,
}

/// The journal's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Its folder, relative to the working directory.
    pub dir: PathBuf,
    /// What an acknowledgement promises.
    pub sync: JournalSync,
    /// The most bytes it may hold; what comes then is refused until the database has taken some.
    pub max_bytes: u64,
}

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalSync {
    /// Survives a power cut: `fdatasync` before the answer.
    Always,
    /// Survives `kill -9` only.
    Write,
}

/// How long what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Samples every 10 s.
    pub resolution_10s: Duration,
    /// Samples every 5 min.
    pub resolution_5m: Duration,
    /// Samples every hour.
    pub resolution_1h: Duration,
    /// The audit log.
    pub audit: Duration,
}

/// Limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Live series.
    pub series: u64,
    /// Live series of one service.
    pub series_per_service: u64,
    /// Live series of one metric.
    pub series_per_metric: u64,
    /// A series without news for this long leaves memory.
    pub series_idle: Duration,
    /// Labels of one series.
    pub labels_per_series: u64,
    /// Bytes of a label's name.
    pub label_name_bytes: u64,
    /// Bytes of a label's value.
    pub label_value_bytes: u64,
    /// Events of one request.
    pub batch: u64,
    /// Requests that may wait for the journal.
    pub queue: u64,
    /// Bytes of a request's body, also after decompression.
    pub body_bytes: u64,
    /// Bytes of a remote write request after decompression.
    pub remote_write_body_bytes: u64,
    /// Requests per second of one client on the browser-facing paths.
    pub per_client: f64,
}

/// A key for sending data.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestKey {
    /// The key itself.
    pub key: Secret,
    /// The `service_name` it may write; any when absent.
    pub service: Option<String>,
    /// Origins of browsers that may use it; `*` for all.
    pub origins: Vec<String>,
    /// Requests per second; unlimited when absent.
    pub rate: Option<f64>,
}

/// Paths that match become one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePattern {
    /// A path in which `*` stands for one segment.
    pub matches: String,
    /// The route.
    pub route: String,
}

/// A server to watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The label `instance`.
    pub name: String,
    /// How to reach it; secret because it may hold a password.
    pub url: Secret,
    /// How often.
    pub every: Duration,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Unique; escalations refer to it.
    pub name: String,
    /// The kind and its settings.
    pub config: ChannelConfig,
}

/// The kinds of channels.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelConfig {
    /// PagerDuty Events API v2.
    PagerDuty {
        /// The integration's routing key.
        routing_key: Secret,
        /// Instead of PagerDuty's own.
        url: Option<String>,
    },
    /// A Slack incoming webhook.
    Slack {
        /// Its URL, which is a secret.
        webhook: Secret,
    },
    /// Mail over SMTP.
    Email {
        /// `smtp://host:port` or `smtps://…`; may hold a user and a password.
        smtp: Secret,
        /// The sender's address.
        from: String,
        /// The receivers' addresses; never empty.
        to: Vec<String>,
        /// Encryption.
        tls: EmailTls,
    },
    /// A generic webhook in Alertmanager's form.
    Webhook {
        /// Its URL, which may hold a token.
        url: Secret,
        /// Signs the body.
        secret: Option<Secret>,
        /// Whether resolutions are sent too.
        send_resolved: bool,
    },
}

/// Encryption of mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailTls {
    /// STARTTLS when the server offers it.
    Auto,
    /// Never.
    None,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Limits {
    /// Those of the series are theirs.
    fn default() -> Self {
        let series = crate::series::Settings::default();
        let limits = series.limits;
        Self {
            series: limits.series as u64,
            series_per_service: limits.series_per_service as u64,
            series_per_metric: limits.series_per_metric as u64,
            series_idle: series.idle,
            labels_per_series: limits.labels_per_series as u64,
            label_name_bytes: limits.label_name_bytes as u64,
            label_value_bytes: limits.label_value_bytes as u64,
            batch: limits.batch as u64,
            queue: series.queue as u64,
            body_bytes: 1 << 20,
            remote_write_body_bytes: 32 << 20,
            per_client: 50.0,
        }
    }
}

impl Default for Service {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1876)),
            otlp_grpc_listen: None,
            database: Secret::new("sqlite://plimsoll.db"),
            public_url: None,
            route_prefix: String::new(),
            browser_prefix: None,
            evaluate_every: Duration::from_secs(5),
            journal: Journal { dir: "./plimsoll-data".into(), sync: JournalSync::Always, max_bytes: 1 << 30 },
            keep: Keep {
                resolution_10s: 2 * DAY,
                resolution_5m: 90 * DAY,
                resolution_1h: 400 * DAY,
                audit: 24 * 31 * DAY,
            },
            limits: Limits::default(),
            vitals_settle: Duration::from_secs(300),
            ingest_keys: Vec::new(),
            admin_keys: Vec::new(),
            routes: Vec::new(),
            redis: Vec::new(),
            postgres: Vec::new(),
            host: false,
            channels: Vec::new(),
            telemetry_otlp: None,
        }
    }
}

/// A URL of `http` or `https` with a host.
pub(super) fn http_url(at: &At<'_>) -> Option<String> {
    let text = at.name()?;
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(text),
        _ => at.fail("expected a URL that begins with http:// or https://"),
    }
}

/// What can be read of the items of a list.
pub(super) fn read_each<T>(at: Option<At<'_>>, read: impl Fn(&At<'_>) -> Option<T>) -> Vec<T> {
    at.and_then(|at| at.list()).unwrap_or_default().iter().filter_map(read).collect()
}
