//! The shop's timings on their way to Plimsoll: a bounded queue and a loop that posts what is in it.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::base::SharedClock;
use crate::demo::http::Http;

/// How many timings may wait; more are dropped, as any client would.
const QUEUE: usize = 20_000;
/// How many go into one request.
const BATCH: usize = 1_000;
/// How long timings are gathered before they are sent.
const EVERY: Duration = Duration::from_millis(250);

/// One timing, in the form that `POST /ingest/timings` takes.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[expect(missing_docs, reason = "the fields are those of the ingest format")]
pub enum Timing {
    /// A request that was served.
    Http { service: &'static str, route: String, method: String, status: u16, duration_ms: f64 },
    /// A statement that was run.
    Db {
        service: &'static str,
        operation: &'static str,
        system: &'static str,
        statement: &'static str,
        duration_ms: f64,
        error: bool,
    },
    /// A look-up in a cache.
    Cache {
        service: &'static str,
        layer: &'static str,
        operation: &'static str,
        outcome: &'static str,
        duration_ms: f64,
    },
}

/// Where the shop puts its timings.
#[derive(Debug, Clone)]
pub struct Timings {
    queue: mpsc::Sender<Timing>,
}

impl Timings {
    /// The queue and the loop that empties it into `ingest_url`.
    pub fn new(ingest_url: String, http: Http, clock: SharedClock) -> (Self, Reporter) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { queue: sender }, Reporter { queue: receiver, url: ingest_url, http, clock })
    }

    /// Takes one timing; drops it when the queue is full.
    pub fn push(&self, timing: Timing) {
        let _full = self.queue.try_send(timing);
    }
}

/// Posts the timings.
pub struct Reporter {
    queue: mpsc::Receiver<Timing>,
    url: String,
    http: Http,
    clock: SharedClock,
}

impl Reporter {
    /// Posts until `stop`: the service it posts to stops at the same time.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(EVERY) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.post_waiting() => {}
            }
        }
    }

    async fn post_waiting(&mut self) {
        let mut lines = Vec::with_capacity(BATCH);
        while let Ok(timing) = self.queue.try_recv() {
            lines.push(timing);
            if lines.len() == BATCH {
                self.post(&lines).await;
                lines.clear();
            }
        }
        if !lines.is_empty() {
            self.post(&lines).await;
        }
    }

    async fn post(&self, timings: &[Timing]) {
        let lines: Vec<String> = timings.iter().filter_map(|t| serde_json::to_string(t).ok()).collect();
        if let Err(error) = self.http.post(&self.url, "application/x-ndjson", lines.join("\n")).await {
            tracing::warn!(error = error.report(), "the shop's timings could not be sent");
        }
    }
}
