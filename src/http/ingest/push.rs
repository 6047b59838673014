//! What the pushed forms of Redis and PostgreSQL share: the instance, the body, the record, the refusals.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::base::bounded::{Encoding, UnpackError, unpack};
use crate::series::{Batch, Item, RecordError, Recorder};

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
pub(super) async fn record(recorder: &dyn Recorder, items: Vec<Item>) -> Result<StatusCode, Refusal> {
    match recorder.record(Batch { items, vitals: Vec::new() }).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error @ (RecordError::Full | RecordError::Stopped | RecordError::Journal(_))) => {
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
        }
    }
}

/// Checks the media type, without its parameters; an empty one in `taken` stands for none given.
pub(super) fn check_type(headers: &HeaderMap, taken: &[&str]) -> Result<(), Refusal> {
    let value = headers.get(header::CONTENT_TYPE).map_or(Some(""), |value| value.to_str().ok()).unwrap_or("?");
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if taken.contains(&essence.as_str()) {
        return Ok(());
    }
    let named: Vec<&str> = taken.iter().copied().filter(|t| !t.is_empty()).take(1).collect();
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send Content-Type: {}", named.join(" "))))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use axum::http::HeaderName;
    use parking_lot::Mutex;

    use super::*;
    use crate::base::clock::BoxFuture;
    use crate::series::{Delta, Recorded};

    /// A recorder that keeps what it is given, and what handlers are called with.
    #[derive(Default)]
    pub(in crate::http::ingest) struct Bench {
        items: Mutex<Vec<Item>>,
        is_full: bool,
    }

    impl Recorder for Bench {
        fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
            let result = if self.is_full { Err(RecordError::Full) } else { Ok(Recorded::default()) };
            if result.is_ok() {
                self.items.lock().extend(batch.items);
            }
            Box::pin(std::future::ready(result))
        }
    }

    impl Bench {
        pub(in crate::http::ingest) fn full() -> Self {
            Self { is_full: true, ..Self::default() }
        }

        pub(in crate::http::ingest) fn request(
            instance: &str,
            headers: &[(&'static str, &'static str)],
        ) -> (Query, HeaderMap) {
            let headers = headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
            (Query { instance: (!instance.is_empty()).then(|| instance.to_owned()) }, headers.collect())
        }

        pub(in crate::http::ingest) fn value(&self, metric: &str, instance: &str) -> Option<f64> {
            let items = self.items.lock();
            let mut found =
                items.iter().filter(|i| i.labels.metric_name() == metric && i.labels.value("instance") == instance);
            match found.next()?.delta {
                Delta::Sample(value) => Some(value),
                _ => None,
            }
        }

        pub(in crate::http::ingest) fn is_empty(&self) -> bool {
            self.items.lock().is_empty()
        }

        /// The status of the answer; a refusal must be a whole problem document.
        pub(in crate::http::ingest) async fn status(&self, answer: Result<StatusCode, Refusal>) -> u16 {
            let is_refused = answer.is_err();
            let response = answer.into_response();
            let status = response.status();
            if is_refused {
                assert_eq!(response.headers()["content-type"], "application/problem+json");
                assert_eq!(response.headers().contains_key("retry-after"), status == 503);
                let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
                let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(problem["status"], status.as_u16());
                assert!(problem["detail"].as_str().is_some_and(|d| d.len() > 10), "{problem}");
            }
            status.as_u16()
        }
    }

    pub(in crate::http::ingest) fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }
}
