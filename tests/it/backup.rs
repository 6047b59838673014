//! A backup of a service under load, and a start on it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::support::plimsoll::{Plimsoll, client, run};
use crate::support::wait;

const CONFIG: &str = "objectives: []\nlimits: {per_client: 1000000/s}\n";

/// Events that were sent, and those of them that were answered 2xx.
#[derive(Default)]
struct Load {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

async fn send(url: String, load: Arc<Load>) {
    let client = client();
    let line = r#"{"kind":"counter","name":"backup_test_total","add":1}"#;
    let mut size = 1;
    while !load.stop.load(Ordering::SeqCst) {
        size = size % 41 + 1;
        load.sent.fetch_add(size, Ordering::SeqCst);
        let body = vec![line; size as usize].join("\n");
        let request = client.post(format!("{url}/ingest/timings")).header("content-type", "application/x-ndjson");
        if request.body(body).send().await.is_ok_and(|reply| reply.status() == 204) {
            load.acknowledged.fetch_add(size, Ordering::SeqCst);
        }
    }
}

async fn wait_for_load(load: &Load, more: u64) {
    let before = load.acknowledged.load(Ordering::SeqCst);
    wait::until("events are acknowledged", Duration::from_secs(30), || async {
        let now = load.acknowledged.load(Ordering::SeqCst);
        if now >= before + more { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}

fn back_up(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    run(folder, &[&["backup"][..], arguments].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "senders run beside the backup and end with the test")]
async fn a_backup_under_load_holds_everything_that_was_acknowledged_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Plimsoll::start(folder.path(), CONFIG).await;
    let load = Arc::new(Load::default());
    let senders: Vec<_> = (0..3).map(|_| tokio::spawn(send(service.url(), load.clone()))).collect();
    wait_for_load(&load, 2_000).await;
    let mut copies = Vec::new();
    for round in 0..4 {
        let before = load.acknowledged.load(Ordering::SeqCst);
        let name = format!("copy-{round}.db");
        let (inside, file) = (folder.path().to_owned(), name.clone());
        let (status, out, err) = tokio::task::spawn_blocking(move || back_up(&inside, &[&file])).await.unwrap();
        assert_eq!(status, 0, "{out}{err}");
        assert!(out.contains("KiB, data up to 20") && out.contains("journal segments"), "{out}");
        copies.push((name, before, load.sent.load(Ordering::SeqCst)));
        wait_for_load(&load, 1_000).await;
    }
    load.stop.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }
    let original = service.value("sum(backup_test_total)").await;
    service.kill();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|n| !n.to_string_lossy().ends_with("tmp")), "{left:?}");
    for (name, before, after) in copies {
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::copy(folder.path().join(&name), elsewhere.path().join("plimsoll.db")).unwrap();
        let mut restored = Plimsoll::start(elsewhere.path(), CONFIG).await;
        let counted = restored.value("sum(backup_test_total)").await as u64;
        assert!((before..=after).contains(&counted), "{name}: {counted} of {before} to {after}");
        assert_eq!(restored.count("backup_test_total", 7).await.0, 204);
        restored.kill();
        restored.restart().await;
        assert_eq!(restored.value("sum(backup_test_total)").await as u64, counted + 7, "{name}, killed");
        restored.stop().await;
        restored.restart().await;
        assert_eq!(restored.value("sum(backup_test_total)").await as u64, counted + 7, "{name}, stopped");
    }
    // The original was not touched.
    service.restart().await;
    assert_eq!(service.value("sum(backup_test_total)").await, original);
}

#[tokio::test]
async fn a_stopped_service_is_copied_and_journals_are_not_mixed_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut service = Plimsoll::start(path, CONFIG).await;
    assert_eq!(service.count("backup_test_total", 25).await.0, 204);
    service.stop().await;
    let (status, out, err) = back_up(path, &["copy.db"]);
    assert_eq!(status, 0, "{out}{err}");
    let (status, _, err) = back_up(path, &["copy.db"]);
    assert!(status == 1 && err.contains("--force"), "{err}");
    assert_eq!(back_up(path, &["copy.db", "--force"]).0, 0);
    let (status, _, err) = back_up(path, &["--force", "plimsoll.db"]);
    assert!(status == 1 && err.contains("itself"), "{err}");
    let (status, _, err) = back_up(path, &["--database", "sqlite://copy.db", "second.db"]);
    assert!(status == 1 && err.contains("copy the file itself"), "{err}");
    let (status, _, err) = back_up(path, &["--database", "sqlite://nothing.db", "second.db"]);
    assert!(status == 1 && err.contains("nothing.db"), "{err}");
    assert!(!path.join("second.db").exists() && !path.join("second.db.tmp").exists());

    // Started where the original's journal lies, it says so and takes nothing of it.
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database", "sqlite://copy.db"];
    let (status, _, err) = run(path, &arguments);
    assert!(status == 1 && err.contains("journal.dir") && err.contains("another database"), "{err}");
    // On the original's journal the original goes on, and the copy on its own.
    service.restart().await;
    assert_eq!(service.value("sum(backup_test_total)").await, 25.0);
    service.stop().await;
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(path.join("copy.db"), elsewhere.path().join("plimsoll.db")).unwrap();
    let mut restored = Plimsoll::start(elsewhere.path(), CONFIG).await;
    assert_eq!(restored.value("sum(backup_test_total)").await, 25.0);
    restored.stop().await;
    // And never the one on the other's, also after the copy was started.
    std::fs::copy(elsewhere.path().join("plimsoll.db"), path.join("copy.db")).unwrap();
    let (status, _, err) = run(path, &arguments);
    assert!(status == 1 && err.contains("another database"), "{err}");
}
