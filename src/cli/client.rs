//! How the other commands reach a running server.

use std::time::Duration;

use anyhow::Context;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde_json::Value;
use url::Url;

use crate::base::{Clock, Secret, SystemClock};
use crate::egress::{Client, EgressError, Limits, Policy, Request};

/// The most that is read of an answer.
const ANSWER_BYTES: usize = 64 << 20;

/// Which server, and the key to it.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// The server's base URL
    #[arg(long, value_name = "URL", env = "PLIMSOLL_SERVER", default_value = "http://127.0.0.1:1876")]
    pub server: String,
    /// The admin key, where the server wants one
    #[arg(long, value_name = "KEY", env = "PLIMSOLL_ADMIN_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

impl ServerArgs {
    /// `GET path` as JSON.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(Request::get(url))
    }

    /// `POST path` with a JSON body, and its JSON answer.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Request::post(self.url(path)?, "application/json", body.to_string()))
    }

    fn url(&self, path: &str) -> anyhow::Result<Url> {
        let text = format!("{}{path}", self.server.trim_end_matches('/'));
        Url::parse(&text).with_context(|| format!("--server {:?} is not a URL", self.server))
    }

    fn send(&self, mut request: Request) -> anyhow::Result<Value> {
        request = request.answer_bytes(ANSWER_BYTES);
        if let Some(key) = &self.key {
            let value =
                HeaderValue::from_str(&format!("Bearer {key}")).context("--key has characters that no key has")?;
            request = request.header(AUTHORIZATION, value).secret(&Secret::new(key));
        }
        let limits = Limits { connect: Duration::from_secs(5), total: Duration::from_secs(120) };
        let client = Client::new(limits, Policy::Configured)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(client.send(request, SystemClock.now()));
        let answer = answer.map_err(told)?;
        serde_json::from_slice(&answer.body).context("the server's answer is not JSON: is this Plimsoll?")
    }
}

/// What a person can do about a failed request.
fn told(error: EgressError) -> anyhow::Error {
    match &error {
        EgressError::Status { status, answer, .. } => match said(answer) {
            Some(said) => anyhow::anyhow!("the server refused ({status}): {said}"),
            None => anyhow::anyhow!("{}", error.report()),
        },
        EgressError::Connect { .. } => anyhow::anyhow!(
            "{}\nIs the server running? `plimsoll serve` starts it; --server or PLIMSOLL_SERVER names another.",
            error.report()
        ),
        _ => anyhow::anyhow!("{}", error.report()),
    }
}

/// The words of an error in Prometheus's form or a problem document.
fn said(answer: &str) -> Option<String> {
    let body: Value = serde_json::from_str(answer).ok()?;
    let words = body.get("error").or_else(|| body.get("detail"))?;
    words.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_told() {
        let refused = |answer: &str| {
            let (place, answer) = ("http://x".to_owned(), answer.to_owned());
            told(EgressError::Status { place, status: 400, retry_after: None, answer }).to_string()
        };
        let prometheus = r#"{"status":"error","errorType":"bad_data","error":"parse error: x"}"#;
        assert_eq!(refused(prometheus), "the server refused (400): parse error: x");
        assert_eq!(refused(r#"{"title":"Bad Request","detail":"no"}"#), "the server refused (400): no");
        assert!(refused("<html>").contains("<html>"));
    }
}
