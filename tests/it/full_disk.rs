//! A full disk: nothing acknowledged is lost, what cannot be stored is refused with a date, what can be read is
//! served, and everything goes on unaided when space returns.

use std::path::Path;
use std::time::Duration;

use crate::support::disk::{SmallDisk, Space};
use crate::support::plimsoll::{Plimsoll, client, run};
use crate::support::wait;

/// An objective in breach as soon as it is counted, so that decisions are due.
const RULES: &str = r#"
objectives:
  - name: errors
    indicator:
      ratio:
        good: shop_good_total
        total: shop_total
        over: 5m
    critical: {below: 90%, for: 0s}
escalations:
  - {name: on-call, default: true, levels: [{after: 0s, notify: [hook]}]}
"#;

/// With the database and the journal in these folders.
async fn start(folder: &Path, database: &Path, journal: &Path, more: &str) -> Plimsoll {
    std::fs::write(folder.join("rules.yaml"), RULES).unwrap();
    let config = format!(
        "objectives: [rules.yaml]\nevaluate_every: 1s\nlimits: {{per_client: 1000000/s}}\n\
         channels: [{{name: hook, webhook: {{url: 'http://127.0.0.1:9/'}}}}]\n\
         database: 'sqlite://{}/plimsoll.db'\njournal: {{dir: '{}'{more}}}\n",
        database.display(),
        journal.display()
    );
    Plimsoll::start(folder, &config).await
}

/// Posts until it is refused; how much was taken, and what the refusal said.
async fn post_until_refused(service: &Plimsoll) -> (u64, Option<String>) {
    let mut taken = 0;
    for _ in 0..5_000 {
        match service.count("full_total", 200).await {
            (204, _) => taken += 200,
            (503, wait) => return (taken, wait),
            (other, _) => panic!("unexpected answer {other}: {}", service.log()),
        }
    }
    panic!("it was never refused");
}

async fn wait_until_taken(service: &Plimsoll, events: u64) {
    wait::until("events are taken again", Duration::from_secs(40), || async {
        match service.count("full_total", events).await {
            (204, _) => Ok(()),
            (status, _) => Err(status.to_string()),
        }
    })
    .await;
}

async fn serves(service: &Plimsoll) {
    for path in ["/", "/metrics", "/api/v1/labels", "/api/objectives", "/healthz"] {
        let reply = client().get(format!("{}{path}", service.url())).send().await.expect("a reply");
        assert_eq!(reply.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_disk_that_is_full_refuses_serves_and_recovers() {
    let (folder, space) = (tempfile::tempdir().unwrap(), Space::new());
    let mut service = start(folder.path(), space.path(), &space.path().join("journal"), "").await;
    assert_eq!(service.count("full_total", 100).await.0, 204);
    space.fill(service.id());
    let (more, wait) = post_until_refused(&service).await;
    let acknowledged = 100 + more;
    assert_eq!(wait.as_deref(), Some("10"), "a refusal says when to come again");
    let reason = service.wait_for_check("journal", false).await;
    assert!(reason.contains("disk"), "{reason}");
    service.wait_for_check("database", false).await;
    assert_eq!(service.readiness().await.0, 503);
    serves(&service).await;
    assert_eq!(service.value("sum(full_total)").await, acknowledged as f64, "queries are answered");
    space.free(service.id());
    wait_until_taken(&service, 50).await;
    let acknowledged = acknowledged + 50;
    for check in ["journal", "database", "evaluator"] {
        service.wait_for_check(check, true).await;
    }
    wait::until("the service is ready", Duration::from_secs(40), || async {
        let (status, body) = service.readiness().await;
        if status == 200 { Ok(()) } else { Err(format!("{status} {body:?}")) }
    })
    .await;
    assert_eq!(service.value("sum(full_total)").await, acknowledged as f64);
    // A crash right after a time of refusals brings nothing refused back.
    space.fill(service.id());
    let (more, _) = post_until_refused(&service).await;
    service.kill();
    space.free(service.id());
    service.restart().await;
    assert_eq!(service.value("sum(full_total)").await, (acknowledged + more) as f64);
}

#[tokio::test]
async fn a_full_disk_under_the_database_leaves_ingest_alone_up_to_the_journals_limit() {
    let Some(disk) = SmallDisk::mount(24 << 20) else { return };
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let service = start(folder.path(), disk.path(), &journal, ", max: 64KiB").await;
    assert_eq!(service.count("full_total", 100).await.0, 204);
    disk.fill();
    for (name, events) in [("shop_total", 10), ("shop_good_total", 1)] {
        assert_eq!(service.count(name, events).await.0, 204);
    }
    let reason = service.wait_for_check("database", false).await;
    assert!(reason.contains("stored"), "{reason}");
    assert_eq!(service.count("full_total", 100).await.0, 204, "the journal takes what the database does not");
    service.wait_for_check("journal", true).await;
    service.wait_for_check("evaluator", true).await;
    let (more, wait) = post_until_refused(&service).await;
    assert_eq!(wait.as_deref(), Some("10"));
    assert!(service.log().contains("journal.max"), "{}", service.log());
    serves(&service).await;
    assert_eq!(service.value("sum(full_total)").await, (200 + more) as f64);
    disk.free();
    service.wait_for_check("database", true).await;
    // The breach that nobody could be told of is an incident now.
    wait::until("an incident", Duration::from_secs(20), || async {
        let reply = client().get(format!("{}/api/incidents", service.url())).send().await.expect("a reply");
        let answer: serde_json::Value = reply.json().await.expect("JSON");
        if answer["incidents"].as_array().is_some_and(|all| all.len() == 1) { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_under_the_journal_leaves_alerting_alone() {
    let Some(disk) = SmallDisk::mount(2 << 20) else { return };
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), folder.path(), &disk.path().join("journal"), "").await;
    disk.fill();
    let (taken, _) = post_until_refused(&service).await;
    service.wait_for_check("journal", false).await;
    service.wait_for_check("database", true).await;
    service.wait_for_check("evaluator", true).await;
    serves(&service).await;
    assert_eq!(service.value("sum(full_total)").await, taken as f64);
    disk.free();
    wait_until_taken(&service, 10).await;
    service.wait_for_check("journal", true).await;
    assert_eq!(service.value("sum(full_total)").await, (taken + 10) as f64);
}

#[tokio::test]
async fn a_journal_on_a_read_only_file_system_says_so() {
    let Some(disk) = SmallDisk::mount(1 << 20) else { return };
    disk.make_read_only();
    let folder = tempfile::tempdir().unwrap();
    let config = format!("objectives: []\njournal: {{dir: '{}/journal'}}\n", disk.path().display());
    std::fs::write(folder.path().join("plimsoll.yaml"), config).unwrap();
    let (status, _, err) = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(status, 1, "{err}");
    assert!(err.contains("journal") && err.contains("Read-only") && err.contains("journal.dir"), "{err}");
}
