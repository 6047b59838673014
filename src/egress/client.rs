//! The client: one request, one answer, within limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use url::{Host, Url};

use crate::base::{Secret, Timestamp};

use super::address::{GuardedResolver, Policy};
use super::error::{EgressError, retry_after};
use super::redact;

/// How long a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the TCP and TLS handshakes, DNS included.
    pub connect: Duration,
    /// For everything, to the last byte of the answer.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(10) }
    }
}

/// The most bytes of an answer that are kept, unless the request says otherwise.
const ANSWER_BYTES: usize = 64 * 1024;

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up")]
pub struct BuildError(#[source] reqwest::Error);

/// One outgoing request.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    answer_bytes: usize,
    secrets: Vec<Secret>,
}

impl Request {
    /// A GET.
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            answer_bytes: ANSWER_BYTES,
            secrets: Vec::new(),
        }
    }

    /// A POST of `body`, which is of the content type `kind`.
    pub fn post(url: Url, kind: &'static str, body: impl Into<Bytes>) -> Self {
        let get = Self::get(url);
        let post = Self { method: Method::POST, body: body.into(), ..get };
        post.header(CONTENT_TYPE, HeaderValue::from_static(kind))
    }

    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Keeps up to this many bytes of the answer (default 64 KiB).
    pub fn answer_bytes(mut self, limit: usize) -> Self {
        self.answer_bytes = limit;
        self
    }

    /// Something in the body or the headers that must not be repeated in an error.
    pub fn secret(mut self, secret: &Secret) -> Self {
        self.secrets.push(secret.clone());
        self
    }
}

/// A successful answer (2xx).
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, up to the request's limit.
    pub body: Bytes,
    /// Whether the body was longer than that; the rest was not read.
    pub truncated: bool,
}

/// The one outgoing HTTP client; cheap to clone, connections are shared.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    limits: Limits,
    policy: Policy,
}

impl Client {
    /// A client with these limits. Trusts the roots that browsers trust.
    pub fn new(limits: Limits, policy: Policy) -> Result<Self, BuildError> {
        #[expect(clippy::disallowed_methods, reason = "this is the client that the ban points to")]
        let builder = reqwest::Client::builder();
        let http = builder
            .user_agent(concat!("Plimsoll/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls())
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(GuardedResolver(policy))
            .no_proxy()
            .build()
            .map_err(BuildError)?;
        Ok(Self { http, limits, policy })
    }

    /// What this client may reach.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Sends a request once and reads the answer. Anything but 2xx is an error. `now` serves to read a
    /// `Retry-After` that is a date. Dropping the future breaks the connection; the request may have
    /// been taken all the same.
    pub async fn send(&self, request: Request, now: Timestamp) -> Result<Response, EgressError> {
        let url = request.url.clone();
        let place = redact::place(&url);
        self.check(&url, &place)?;
        let broken = |error| EgressError::from_reqwest(error, place.clone(), self.limits.total);
        let sent = self.http.request(request.method, url.clone()).headers(request.headers).body(request.body);
        let mut answer = sent.send().await.map_err(broken)?;
        let (body, truncated) = read(&mut answer, request.answer_bytes).await.map_err(broken)?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        if status.is_success() {
            return Ok(Response { status, headers, body, truncated });
        }
        let secrets: Vec<String> = request.secrets.iter().map(|s| s.expose().to_owned()).collect();
        Err(refused(place, status, &headers, redact::excerpt(&body, &url, &secrets), now))
    }

    fn check(&self, url: &Url, place: &str) -> Result<(), EgressError> {
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) => None,
            None => return Err(EgressError::Url { place: place.to_owned() }),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EgressError::Url { place: place.to_owned() });
        }
        let checked = literal.map_or(Ok(()), |address| self.policy.check(address));
        checked.map_err(|refusal| EgressError::Refused { place: place.to_owned(), refusal })
    }
}

/// TLS by ring's cryptography, trusting the roots that browsers trust; they are compiled in, so that a
/// machine without a certificate store can send pages.
fn tls() -> rustls::ClientConfig {
    // An error means that a provider is installed already, which is as good.
    let _installed_already = rustls::crypto::ring::default_provider().install_default();
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

fn refused(place: String, status: StatusCode, headers: &HeaderMap, answer: String, now: Timestamp) -> EgressError {
    let code = status.as_u16();
    if status.is_redirection() {
        return EgressError::Redirect { place, status: code };
    }
    let wait = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| retry_after(v, now));
    EgressError::Status { place, status: code, retry_after: wait, answer }
}

/// Reads up to `limit` bytes, and whether there was more.
async fn read(answer: &mut reqwest::Response, limit: usize) -> Result<(Bytes, bool), reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        let room = limit - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body.freeze(), true));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body.freeze(), false))
}

#[cfg(test)]
mod tests;
