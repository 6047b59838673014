//! What was acknowledged survives SIGKILL, and is counted once.

mod fast;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::support::plimsoll::{Plimsoll, client};

const CONFIG: &str = "objectives: []\nlimits: {per_client: 1000000/s}\n";
const KILLS: usize = 20;
const SENDERS: usize = 4;

/// What one sender knows: events answered 2xx, and events in requests that got no answer.
#[derive(Default)]
struct Ledger {
    acknowledged: AtomicU64,
    unknown: AtomicU64,
}

/// Posts batches of counters and timings as fast as they are answered, until told to stop.
async fn send(url: String, sender: usize, ledger: Arc<Ledger>, stop: Arc<AtomicBool>) {
    let client = client();
    let mut size = 1;
    while !stop.load(Ordering::Relaxed) {
        size = size % 37 + 1;
        let line = format!(r#"{{"kind":"counter","name":"kill_test_total","add":1,"labels":{{"sender":"{sender}"}}}}"#);
        let timing = format!(
            r#"{{"kind":"http","service":"kill","route":"/r{sender}","method":"GET","status":200,"duration_ms":{size}}}"#
        );
        let body: Vec<String> = (0..size).flat_map(|_| [line.clone(), timing.clone()]).collect();
        let request = client.post(format!("{url}/ingest/timings")).header("content-type", "application/x-ndjson");
        match request.body(body.join("\n")).send().await {
            Ok(reply) if reply.status() == 204 => ledger.acknowledged.fetch_add(size, Ordering::Relaxed),
            // Refused before anything was stored.
            Ok(reply) if reply.status() == 503 => 0,
            Ok(reply) => panic!("unexpected answer {}", reply.status()),
            Err(error) if error.is_connect() => 0,
            Err(_) => ledger.unknown.fetch_add(size, Ordering::Relaxed),
        };
    }
}

async fn value(url: &str, expression: &str) -> f64 {
    let form: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
    let reply = client().get(format!("{url}/api/v1/query?{form}")).send().await;
    let answer: Value = reply.expect("a reply").json().await.expect("JSON");
    let text = answer["data"]["result"][0]["value"][1].as_str().unwrap_or("0").to_owned();
    text.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the moment of the kill is random by intent")]
async fn sigkill_at_random_moments_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut service = Plimsoll::start(folder.path(), CONFIG).await;
    let mut answered_in_all = 0;
    let mut possible_in_all = 0;
    for round in 0..KILLS {
        let stop = Arc::new(AtomicBool::new(false));
        let ledger = Arc::new(Ledger::default());
        let senders: Vec<_> =
            (0..SENDERS).map(|s| tokio::spawn(send(service.url(), s, ledger.clone(), stop.clone()))).collect();
        tokio::time::sleep(Duration::from_millis(rand::random_range(30..900))).await;
        service.kill();
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.expect("a sender ends");
        }
        let (acknowledged, unknown) =
            (ledger.acknowledged.load(Ordering::Relaxed), ledger.unknown.load(Ordering::Relaxed));
        answered_in_all += acknowledged;
        possible_in_all += acknowledged + unknown;
        service.restart().await;
        for expression in
            ["sum(kill_test_total)", r#"sum(http_server_request_duration_seconds_count{service_name="kill"})"#]
        {
            let counted = value(&service.url(), expression).await;
            assert!(
                counted >= answered_in_all as f64 && counted <= possible_in_all as f64,
                "round {round}: {expression} is {counted}, acknowledged {answered_in_all}, at most {possible_in_all}"
            );
        }
        // What got no answer is settled now: it was counted or it was not.
        let counted = value(&service.url(), "sum(kill_test_total)").await as u64;
        (answered_in_all, possible_in_all) = (counted, counted);
    }
    assert!(answered_in_all > 1_000, "only {answered_in_all} events: nothing was shown");
    let status = service.stop().await;
    assert!(status.success(), "SIGTERM drains and exits 0, not {status}: {}", service.log());
    service.restart().await;
    assert_eq!(value(&service.url(), "sum(kill_test_total)").await as u64, answered_in_all, "after a graceful stop");
}
