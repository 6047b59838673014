//! What the pushed forms of Redis and PostgreSQL share: the instance, the body, the record, the refusals.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::base::bounded::{Encoding, UnpackError, unpack};
use crate::http::Api;
use crate::series::{Batch, Item, RecordError};

/// The longest body, packed and unpacked, in bytes.
pub(super) const LIMIT: usize = 4 << 20;
/// The longest name of an instance, in bytes.
const NAME_LIMIT: usize = 100;

/// `?instance=NAME`
#[derive(Debug, Deserialize)]
pub(super) struct Query {
    instance: Option<String>,
}

impl Query {
    /// The instance, which must be named: without it two servers would write into one series.
    pub(super) fn instance(&self) -> Result<&str, Refusal> {
        match self.instance.as_deref() {
            Some(name) if !name.is_empty() && name.len() <= NAME_LIMIT && !name.contains(char::is_control) => Ok(name),
            _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "say which server with ?instance=NAME (1 to 100 bytes)")),
        }
    }
}

/// A refused request, as a problem document (RFC 9457).
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    detail: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = serde_json::json!({"title": title, "status": self.status.as_u16(), "detail": self.detail});
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Reads the whole body, never more than [`LIMIT`] bytes, and unpacks it.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {LIMIT} bytes"));
    let encoding = match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Encoding::Identity,
        Some(b"gzip") => Encoding::Gzip,
        Some(b"zstd") => Encoding::Zstd,
        Some(_) => {
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Encoding may be gzip or zstd"));
        }
    };
    let packed = axum::body::to_bytes(body, LIMIT).await.map_err(|_| too_large())?;
    unpack(packed, encoding, LIMIT).map_err(|error| match error {
        UnpackError::TooLarge { .. } => too_large(),
        UnpackError::Corrupt { .. } => Refusal::new(StatusCode::BAD_REQUEST, error.to_string()),
    })
}

/// Records the items; the answer is given when they are durable.
pub(super) async fn record(api: &Api, items: Vec<Item>) -> Result<StatusCode, Refusal> {
    match api.recorder.record(Batch { items, vitals: Vec::new() }).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error @ (RecordError::Full | RecordError::Stopped | RecordError::Journal(_))) => {
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
        }
    }
}

/// The media type without its parameters, in lower case; `None` when absent.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}
