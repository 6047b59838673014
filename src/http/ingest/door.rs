//! What every body passes before it is looked at, cheapest first: declared length, type, key, origin,
//! rate; then it is read, capped, and unpacked, capped. Every refusal is counted.

use axum::body::HttpBody;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode, header};

use crate::base::DropReason;
use crate::base::bounded::{self, Encoding, UnpackError};
use crate::http::auth::{self, Claimed};
use crate::http::limits::{self, BodyError};
use crate::http::{Api, Problem, client, same_origin};
use crate::ingest::{Endpoint, Sender};

/// A body as it comes in: from the connection, or through the router.
pub trait Incoming: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + Unpin + 'static {}

impl<B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + Unpin + 'static> Incoming for B {}

/// What one path takes.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Under which name it counts.
    pub endpoint: Endpoint,
    /// Media types; the empty one stands for a request without `Content-Type`.
    pub types: &'static [&'static str],
    /// Whether browsers send here: smaller bodies, a rate for each client, and the key as `site`.
    pub browser: bool,
    /// How large a body may be.
    pub size: Size,
}

/// How large a body may be.
#[derive(Debug, Clone, Copy)]
pub enum Size {
    /// As `limits.beacon` says.
    Beacon,
    /// As `limits.body` says.
    Body,
    /// So many bytes, packed and unpacked.
    Fixed(usize),
    /// As `limits.remote_write_body` says; packed by Snappy unless it says otherwise.
    RemoteWrite,
}

/// A body that passed.
#[derive(Debug)]
pub struct Arrival {
    /// Unpacked.
    pub body: Bytes,
    parts: Parts,
    /// The service that the key stands for.
    service: Option<String>,
    /// Whether the request itself carried a key.
    has_key: bool,
}

/// A refusal: how it counts and what the sender hears.
#[derive(Debug)]
pub struct Refusal {
    reason: DropReason,
    problem: Problem,
}

impl Refusal {
    fn new(reason: DropReason, status: StatusCode, detail: impl Into<String>) -> Self {
        Self { reason, problem: Problem::of(status, detail) }
    }
}

impl Door {
    /// Lets a request in, or counts and explains why not.
    pub async fn pass<B: Incoming>(&self, api: &Api, request: Request<B>) -> Result<Arrival, Problem> {
        let (parts, body) = request.into_parts();
        let limits = &api.edge().settings.limits;
        let result = match self.check_head(api, &parts) {
            Ok((encoding, key)) => {
                let (service, has_key) = (key.and_then(|k| k.service.clone()), key.is_some());
                let body = self.read(api, body, encoding).await;
                body.map(|body| Arrival { body, parts, service, has_key })
            }
            Err(refusal) => {
                if !parts.headers.contains_key(header::EXPECT) {
                    Box::pin(limits::discard(body, &api.clock, limits.body_timeout)).await;
                }
                Err(refusal)
            }
        };
        result.map_err(|refusal| {
            api.edge().intake.tally().refuse(self.endpoint, refusal.reason);
            refusal.problem.with("reason", refusal.reason.as_str())
        })
    }

    /// Everything that the head of the request tells.
    fn check_head<'a>(
        &self,
        api: &'a Api,
        parts: &Parts,
    ) -> Result<(Encoding, Option<&'a crate::http::IngestKey>), Refusal> {
        let (settings, headers) = (&api.edge().settings, &parts.headers);
        let (limit, _) = self.sizes(api);
        if limits::is_declared_too_large(headers, limit) {
            return Err(too_large(format!("the body is larger than {limit} bytes")));
        }
        self.check_type(headers)?;
        let encoding = match self.size {
            Size::RemoteWrite => remote_write_encoding(headers)?,
            _ => encoding(headers)?,
        };
        if !self.browser {
            let refusal = |problem| Refusal { reason: DropReason::ForbiddenOrigin, problem };
            same_origin::check(headers).map_err(refusal)?;
        }
        let key = settings.keys.bearer(headers, self.browser).map_err(refused_key)?;
        if self.browser && key.is_none() && !settings.keys.may_allow(&Claimed::of(headers)) {
            return Err(refused_key(DropReason::ForbiddenOrigin));
        }
        match key {
            Some((position, _)) => api.edge().rates.key(position).map_err(too_many)?,
            None if self.browser => {
                let address = client::address(&parts.extensions, headers, &settings.trusted_proxies);
                api.edge().rates.client(address).map_err(too_many)?;
            }
            None => {}
        }
        Ok((encoding, key.map(|(_, key)| key)))
    }

    /// The most bytes received and unpacked.
    fn sizes(&self, api: &Api) -> (usize, usize) {
        let limits = &api.edge().settings.limits;
        match self.size {
            Size::Beacon => (limits.beacon, limits.unpacked_beacon),
            Size::Body => (limits.body, limits.unpacked),
            Size::Fixed(bytes) => (bytes, bytes),
            Size::RemoteWrite => (limits.remote_write_body, limits.remote_write_body),
        }
    }

    fn check_type(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let value = headers.get(header::CONTENT_TYPE).map_or(Some(""), |v| v.to_str().ok()).unwrap_or("?");
        let essence = value.split(';').next().unwrap_or_default().trim();
        if self.types.iter().any(|t| t.eq_ignore_ascii_case(essence)) {
            return Ok(());
        }
        let taken: Vec<&str> = self.types.iter().copied().filter(|t| !t.is_empty()).collect();
        let essence = essence.to_ascii_lowercase();
        let shown = bounded::cut(&essence, 60);
        let detail = format!("content type {shown:?} is not taken here; send {}", taken.join(" or "));
        Err(Refusal::new(DropReason::UnsupportedType, StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
    }

    async fn read<B: Incoming>(&self, api: &Api, body: B, encoding: Encoding) -> Result<Bytes, Refusal> {
        let (limit, unpacked) = self.sizes(api);
        let timeout = api.edge().settings.limits.body_timeout;
        let body = limits::read(body, limit, &api.clock, timeout).await.map_err(|error| match &error {
            BodyError::TooLarge { .. } => too_large(error.to_string()),
            BodyError::Slow(_) => Refusal::new(DropReason::Abandoned, StatusCode::REQUEST_TIMEOUT, error.to_string()),
            BodyError::Broken(_) => Refusal::new(DropReason::Abandoned, StatusCode::BAD_REQUEST, error.to_string()),
        })?;
        bounded::unpack(body, encoding, unpacked).map_err(|error| match error {
            UnpackError::TooLarge { .. } => too_large(error.to_string()),
            UnpackError::Corrupt { .. } => {
                Refusal::new(DropReason::Malformed, StatusCode::BAD_REQUEST, error.to_string())
            }
        })
    }
}

/// How the body is packed; one encoding at most.
fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(Encoding::Identity) };
    let value = value.to_str().unwrap_or("?");
    match value.trim().to_ascii_lowercase().as_str() {
        "identity" | "" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        _ => Err(unsupported("this content encoding is not taken; send gzip, zstd or none")),
    }
}

/// The same for remote write, where a sender that says nothing means Snappy.
fn remote_write_encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let value = headers.get(header::CONTENT_ENCODING).map_or("snappy", |v| v.to_str().unwrap_or("?"));
    match value.trim().to_ascii_lowercase().as_str() {
        "snappy" => Ok(Encoding::Snappy),
        "zstd" => Ok(Encoding::Zstd),
        "identity" => Ok(Encoding::Identity),
        _ => Err(unsupported("this content encoding is not taken; send snappy (its block format), zstd or identity")),
    }
}

fn unsupported(detail: &str) -> Refusal {
    Refusal::new(DropReason::UnsupportedType, StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
}

fn too_large(detail: String) -> Refusal {
    Refusal::new(DropReason::TooLarge, StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn too_many(wait: std::time::Duration) -> Refusal {
    Refusal { reason: DropReason::RateLimited, problem: too_often(wait) }
}

/// What a sender hears that sends faster than it may.
pub fn too_often(wait: std::time::Duration) -> Problem {
    Problem::of(StatusCode::TOO_MANY_REQUESTS, "too many requests; send less often").retry_after(wait)
}

fn refused_key(reason: DropReason) -> Refusal {
    Refusal { reason, problem: key_problem(reason) }
}

/// What a sender hears whose key or origin is not the right one.
pub fn key_problem(reason: DropReason) -> Problem {
    match reason {
        DropReason::ForbiddenOrigin => {
            Problem::of(StatusCode::FORBIDDEN, "this origin may not send with this key; list it under keys.origins")
        }
        _ => auth::unauthorized("the key is missing or wrong: send Authorization: Bearer KEY, or site in a beacon"),
    }
}

impl Arrival {
    /// The service that the sender's key stands for.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// The query of the path; empty when there is none.
    pub fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    /// What the intake wants to know of the sender. `site` in the query stands in for a body without.
    pub fn sender(&self) -> Sender<'_> {
        let text = |name: &str| self.parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let mobile = match text("sec-ch-ua-mobile") {
            "?1" => Some(true),
            "?0" => Some(false),
            _ => None,
        };
        let site = self.query().split('&').find_map(|p| p.strip_prefix("site=")).unwrap_or_default();
        let private = text("sec-gpc") == "1";
        Sender { user_agent: text("user-agent"), mobile, site, service: self.service.as_deref(), private }
    }

    /// Whether the sender may send for a site: it has a key, or the site is one.
    pub fn authorize(&self, api: &Api, site: &str) -> Result<Option<String>, DropReason> {
        if self.has_key {
            return Ok(None);
        }
        api.edge().settings.keys.site(site, &Claimed::of(&self.parts.headers))
    }
}
