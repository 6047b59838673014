//! What was answered 2xx is there after SIGKILL, every sample with its time and value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::plimsoll::Plimsoll;

use super::schema::v1;
use super::{CONFIG, get, now_millis, write};

const KILLS: usize = 5;
const SERIES: usize = 50;

/// Writes one sample of each series a request, until it is told to stop. The times that were answered 204.
async fn send(url: String, sender: usize, stop: Arc<AtomicBool>) -> Vec<i64> {
    let (mut acknowledged, mut last) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let at = now_millis().max(last + 1);
        last = at;
        let series = |i: usize| {
            let labels = [("__name__", "kill_gauge"), ("sender", &sender.to_string()), ("series", &i.to_string())];
            v1::series(&labels, &[(at as f64, at)], Vec::new())
        };
        match write(&url, (0..SERIES).map(series).collect()).await {
            204 => acknowledged.push(at),
            // Refused before anything was stored, or no answer.
            503 | 0 => {}
            status => panic!("unexpected answer {status}"),
        }
    }
    acknowledged
}

/// The samples of one series: time and value.
async fn stored(url: &str, sender: usize, series: usize) -> BTreeMap<i64, f64> {
    let expression = format!(r#"kill_gauge{{sender="{sender}",series="{series}"}}[10m]"#);
    let data = get(url, "query", &[("query", &expression)]).await;
    let values = data["result"][0]["values"].as_array().cloned().unwrap_or_default();
    let of = |p: &serde_json::Value| {
        let at = (p[0].as_f64().unwrap() * 1000.0).round() as i64;
        (at, p[1].as_str().unwrap().parse().unwrap())
    };
    values.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "the moment of the kill is random by intent")]
async fn sigkill_loses_no_sample_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Plimsoll::start(folder.path(), CONFIG).await;
    let mut acknowledged = [Vec::new(), Vec::new()];
    for round in 0..KILLS {
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..2).map(|s| tokio::spawn(send(service.url(), s, stop.clone()))).collect();
        tokio::time::sleep(Duration::from_millis(rand::random_range(100..1_500))).await;
        service.kill();
        stop.store(true, Ordering::Relaxed);
        for (sender, task) in senders.into_iter().enumerate() {
            acknowledged[sender].extend(task.await.unwrap());
        }
        service.restart().await;
        for (sender, acknowledged) in acknowledged.iter().enumerate() {
            for series in [0, SERIES / 2, SERIES - 1] {
                let stored = stored(&service.url(), sender, series).await;
                let lost: Vec<_> = acknowledged.iter().filter(|at| stored.get(at) != Some(&(**at as f64))).collect();
                assert!(lost.is_empty(), "round {round}: {} of {} lost", lost.len(), acknowledged.len());
                let altered = stored.iter().filter(|(at, value)| **at as f64 != **value).count();
                assert_eq!(altered, 0, "round {round}");
            }
        }
    }
    let requests: usize = acknowledged.iter().map(Vec::len).sum();
    assert!(requests > 20, "only {requests} requests: nothing was shown");
}
