//! A receiver that keeps every POST, and can refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::wait;

/// One message as it arrived.
#[derive(Debug, Clone)]
pub struct Message {
    /// The path it was posted to.
    pub path: String,
    /// Its body.
    pub body: Value,
    /// When it came.
    pub at: std::time::Instant,
}

#[derive(Clone, Default)]
struct Shared {
    messages: Arc<Mutex<Vec<Message>>>,
    refuse: Arc<AtomicU16>,
}

/// Stands in for PagerDuty (`/pagerduty`) and webhooks (`/hook…`).
pub struct Receiver {
    shared: Shared,
    port: u16,
    server: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Starts on a free port.
    #[expect(clippy::disallowed_methods, reason = "the receiver's own task")]
    pub async fn start() -> Self {
        let shared = Shared::default();
        let router = Router::new().fallback(take).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("the receiver serves") });
        Self { shared, port, server }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on answer with this status; 0 answers as the provider does.
    pub fn refuse_with(&self, status: u16) {
        self.shared.refuse.store(status, Ordering::Relaxed);
    }

    /// What came to a path, in order; refused messages too.
    pub fn at(&self, path: &str) -> Vec<Message> {
        self.shared.messages.lock().iter().filter(|m| m.path == path).cloned().collect()
    }

    /// Waits until `count` messages came to a path.
    pub async fn wait_for(&self, path: &str, count: usize, limit: Duration) -> Vec<Message> {
        wait::until(&format!("{count} messages at {path}"), limit, || async {
            let messages = self.at(path);
            if messages.len() >= count { Ok(messages) } else { Err(format!("{messages:?}")) }
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "stamps what arrived")]
async fn take(State(shared): State<Shared>, uri: Uri, body: String) -> (StatusCode, String) {
    let body: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
    let key = body["dedup_key"].clone();
    let message = Message { path: uri.path().to_owned(), body, at: std::time::Instant::now() };
    shared.messages.lock().push(message);
    match StatusCode::from_u16(shared.refuse.load(Ordering::Relaxed)) {
        Ok(status) => (status, "not now".to_owned()),
        Err(_) => (
            StatusCode::ACCEPTED,
            json!({"status": "success", "message": "Event processed", "dedup_key": key}).to_string(),
        ),
    }
}
