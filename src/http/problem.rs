//! Errors as `application/problem+json` (RFC 9457): what, where, and what to do.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// An error that a caller can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    title: String,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem: `title` names the kind, `detail` says what is wrong here and what to do.
    pub fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: detail.into(), members: Map::new(), headers: Vec::new() }
    }

    /// A problem whose kind is its status.
    pub fn of(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, status.canonical_reason().unwrap_or("Error"), detail)
    }

    /// With an extension member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// With a header; several of one name are all sent.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With `Retry-After`: whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, wait: std::time::Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1000).clamp(1, 86_400) as u64;
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What kind of problem it is.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What is wrong here and what to do.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut document = self.members;
        document.insert("type".to_owned(), "about:blank".into());
        document.insert("title".to_owned(), self.title.into());
        document.insert("status".to_owned(), self.status.as_u16().into());
        document.insert("detail".to_owned(), self.detail.into());
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let body = Value::Object(document).to_string();
        let mut response =
            (self.status, [kind, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response();
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn has_the_members_of_rfc_9457() {
        let problem = Problem::of(StatusCode::TOO_MANY_REQUESTS, "slow down").with("reason", "rate_limited");
        let response = problem.retry_after(std::time::Duration::from_millis(1200)).into_response();
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        let expected = serde_json::json!({"type": "about:blank", "title": "Too Many Requests", "status": 429,
            "detail": "slow down", "reason": "rate_limited"});
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }
}
