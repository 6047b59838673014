//! A stand-in for PagerDuty, Slack, webhooks and a mail server.
//!
//! It takes what they take, checks the form as strictly as they document it (and more: an unknown or
//! needless field is a problem too, because we are the only sender), answers as they do, and hands every
//! arrival to a hook. The demo prints them; tests look at them and choose other answers.

mod form;
mod mail;
mod pagerduty;
mod slack;
mod smtp;
mod webhook;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::base::{Secret, SharedClock};

/// The largest body that is read at all.
const BODY_BYTES: usize = 1024 * 1024;

/// Whom the stand-in stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// PagerDuty, Events API v2.
    PagerDuty,
    /// A Slack incoming webhook.
    Slack,
    /// A webhook in Alertmanager's form.
    Webhook,
    /// A mail server.
    Mail,
    /// Nobody: the path is not one of ours.
    Nobody,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PagerDuty => "PagerDuty",
            Self::Slack => "Slack",
            Self::Webhook => "webhook",
            Self::Mail => "mail",
            Self::Nobody => "nobody",
        })
    }
}

/// What an arrival says, in the provider's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `trigger`, `acknowledge`, `resolve` (PagerDuty), `message` (Slack), `firing`, `resolved` (webhook), `mail`.
    pub action: String,
    /// What repeats are told by: the deduplication key, the idempotency key, the Message-ID; empty for Slack.
    pub key: String,
    /// One line for people.
    pub text: String,
}

/// Something arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// For whom.
    pub provider: Provider,
    /// The request's headers; of a mail, none.
    pub headers: HeaderMap,
    /// The body; of a mail, the whole message as it came over the wire, dots undone.
    pub body: Bytes,
    /// What it says, or everything that is wrong with its form.
    pub checked: Result<Page, Vec<String>>,
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.checked {
            Ok(page) => write!(f, "{:<9} {:<11} {}", self.provider, page.action, page.text),
            Err(problems) => write!(f, "{:<9} refused     {}", self.provider, problems.join("; ")),
        }
    }
}

/// What the stand-in does about an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// What the provider does: takes what is in form, refuses what is not.
    Usual,
    /// Fails with this HTTP status and, where given, `Retry-After` seconds; the mail server refuses for now
    /// (5xx and 429) or for good (other 4xx).
    Fail(StatusCode, Option<u32>),
    /// Takes it and never answers.
    Silence,
}

/// Told of every arrival before it is answered.
pub type Hook = Arc<dyn Fn(&Arrival) -> Reaction + Send + Sync>;

/// The stand-in, listening.
pub struct Receiver {
    http: TcpListener,
    smtp: TcpListener,
    desk: Desk,
}

#[derive(Clone)]
struct Desk {
    hook: Hook,
    clock: SharedClock,
    webhook_secret: Option<Secret>,
}

/// The stand-in's addresses, as they go into the settings of channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// PagerDuty's `url`.
    pub pagerduty: String,
    /// Slack's `webhook`.
    pub slack: String,
    /// A webhook's `url`.
    pub webhook: String,
    /// Mail's `smtp`; it offers no TLS.
    pub smtp: String,
}

impl Receiver {
    /// Listens on both addresses (port 0: any free one). With `webhook_secret`, webhooks must be signed with it.
    pub async fn bind(
        http: SocketAddr,
        smtp: SocketAddr,
        webhook_secret: Option<Secret>,
        clock: SharedClock,
        hook: Hook,
    ) -> std::io::Result<Self> {
        let (http, smtp) = (TcpListener::bind(http).await?, TcpListener::bind(smtp).await?);
        Ok(Self { http, smtp, desk: Desk { hook, clock, webhook_secret } })
    }

    /// Where it listens.
    pub fn addresses(&self) -> std::io::Result<Addresses> {
        let (http, smtp) = (self.http.local_addr()?, self.smtp.local_addr()?);
        Ok(Addresses {
            pagerduty: format!("http://{http}{PAGERDUTY}"),
            slack: format!("http://{http}/services/T00000000/B00000000/plimsoll-stand-in"),
            webhook: format!("http://{http}{WEBHOOK}"),
            smtp: format!("smtp://{smtp}"),
        })
    }

    /// Answers until `stop`. Requests that are still open then are dropped.
    pub async fn run(self, stop: CancellationToken) {
        let router =
            Router::new().fallback(any(receive)).layer(DefaultBodyLimit::max(BODY_BYTES)).with_state(self.desk.clone());
        let http = axum::serve(self.http, router).into_future();
        tokio::select! {
            ended = http => tracing::error!(?ended, "the stand-in for PagerDuty and Slack ended"),
            () = smtp::serve(self.smtp, self.desk) => {}
            () = stop.cancelled() => {}
        }
    }
}

const PAGERDUTY: &str = "/v2/enqueue";
const SLACK: &str = "/services/";
const WEBHOOK: &str = "/webhook";

/// A request, as the checks see it.
struct Request<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl Desk {
    fn check(&self, provider: Provider, request: &Request<'_>) -> Result<Page, Vec<String>> {
        match provider {
            Provider::PagerDuty => pagerduty::check(request),
            Provider::Slack => slack::check(request),
            Provider::Webhook => webhook::check(request, self.webhook_secret.as_ref(), self.clock.now()),
            Provider::Mail => mail::check(request.body),
            Provider::Nobody => Err(vec!["nothing is expected on this path".to_owned()]),
        }
    }

    fn arrived(&self, arrival: &Arrival) -> Reaction {
        (self.hook)(arrival)
    }
}

fn provider(path: &str) -> Provider {
    match path {
        PAGERDUTY => Provider::PagerDuty,
        WEBHOOK => Provider::Webhook,
        _ if path.starts_with(SLACK) => Provider::Slack,
        _ => Provider::Nobody,
    }
}

async fn receive(State(desk): State<Desk>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let provider = provider(uri.path());
    let checked = desk.check(provider, &Request { method: &method, headers: &headers, body: &body });
    let arrival = Arrival { provider, headers, body, checked };
    match desk.arrived(&arrival) {
        Reaction::Usual => usual(&arrival),
        Reaction::Fail(status, wait) => fail(status, wait),
        Reaction::Silence => std::future::pending().await,
    }
}

fn usual(arrival: &Arrival) -> Response {
    match arrival.provider {
        Provider::PagerDuty => pagerduty::answer(&arrival.checked),
        Provider::Slack => slack::answer(&arrival.checked),
        Provider::Webhook => webhook::answer(&arrival.checked),
        Provider::Mail | Provider::Nobody => StatusCode::NOT_FOUND.into_response(),
    }
}

fn fail(status: StatusCode, wait: Option<u32>) -> Response {
    let mut response = (status, "the stand-in was told to fail").into_response();
    if let Some(seconds) = wait {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
