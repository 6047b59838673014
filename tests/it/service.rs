//! Starting, stopping and configuring the service.

use std::time::Duration;

use serde_json::Value;

use crate::support::plimsoll::{Plimsoll, client, run};
use crate::support::process::free_port;

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("the folder can be made");
        std::fs::write(path, text).expect("the file can be written");
    }
    folder
}

#[test]
fn a_bad_configuration_says_where_and_ends_with_2() {
    let port = free_port();
    let folder = folder_with(&[("plimsoll.yaml", &format!("listen: 127.0.0.1:{port}\nevaluate_every: fast\n"))]);
    let (status, out, err) = run(folder.path(), &["serve"]);
    assert_eq!(status, 2, "{out}{err}");
    for part in ["plimsoll.yaml:2:", "evaluate_every", "fast"] {
        assert!(err.contains(part), "{part:?} is missing in {err}");
    }
    assert!(!folder.path().join("plimsoll.db").exists(), "nothing is created before the configuration is valid");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the port was opened");
}

#[test]
fn an_unknown_field_is_an_error_with_a_suggestion() {
    let folder = folder_with(&[("plimsoll.yaml", "evaluate_evry: 5s\n")]);
    let (status, _, err) = run(folder.path(), &["check"]);
    assert_eq!(status, 2, "{err}");
    assert!(
        err.contains("evaluate_evry") && err.contains("evaluate_every") && err.contains("plimsoll.yaml:1:"),
        "{err}"
    );
}

#[test]
fn bad_usage_ends_with_2_and_help_with_0() {
    let folder = folder_with(&[]);
    assert_eq!(run(folder.path(), &["sreve"]).0, 2);
    let (status, out, _) = run(folder.path(), &["--help"]);
    assert_eq!(status, 0);
    for command in ["serve", "demo", "check", "export", "query", "incidents", "ack", "status", "migrate"] {
        assert!(out.contains(command), "--help says nothing of {command}");
        assert_eq!(run(folder.path(), &[command, "--help"]).0, 0, "{command} --help");
    }
    assert!(run(folder.path(), &["--version"]).1.starts_with("plimsoll 0."));
}

#[test]
fn migrate_prints_what_it_applied() {
    let folder = folder_with(&[]);
    let (status, out, err) = run(folder.path(), &["migrate"]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("0001") && out.contains("archive"), "{out}");
    let (status, out, _) = run(folder.path(), &["migrate"]);
    assert!(status == 0 && out.contains("nothing to apply"), "{out}");
}

#[tokio::test]
async fn a_second_instance_on_the_same_port_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let service = Plimsoll::start(folder.path(), "objectives: []\n").await;
    let other = folder_with(&[]);
    let listen = service.url().replace("http://", "");
    let (status, _, err) = run(other.path(), &["serve", "--listen", &listen]);
    assert_eq!(status, 1);
    assert!(err.contains(&listen), "{err}");
}

#[tokio::test]
async fn health_readiness_and_own_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Plimsoll::start(folder.path(), "objectives: []\nevaluate_every: 1s\n").await;
    let url = service.url();
    let health = client().get(format!("{url}/healthz")).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let ready: Value = client().get(format!("{url}/readyz")).send().await.unwrap().json().await.unwrap();
    assert!(ready.is_object(), "{ready}");
    let body = r#"[{"kind":"http","service":"s","route":"/a","method":"GET","status":200,"duration_ms":5},{"kind":"nonsense"}]"#;
    let post = client().post(format!("{url}/ingest/timings")).header("content-type", "application/json").body(body);
    let answer: Value = post.send().await.unwrap().json().await.unwrap();
    assert_eq!((answer["accepted"].as_u64(), answer["rejected"][0]["line"].as_u64()), (Some(1), Some(2)), "{answer}");
    let text = crate::support::wait::until("own metrics are exposed", Duration::from_secs(20), || async {
        let text = client().get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
        let complete =
            ["plimsoll_ingest_received_total", "plimsoll_ingest_dropped_total", "process_resident_memory_bytes"]
                .iter()
                .all(|m| text.contains(m));
        if complete { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(text.contains(r#"http_server_request_duration_seconds_count{"#), "{text}");
    assert!(service.stop().await.success(), "{}", service.log());
}

#[tokio::test]
async fn a_reload_takes_what_is_valid_and_keeps_the_old_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let rules = |name: &str| format!("objectives:\n  - {{name: {name}, indicator: {{value: up}}, target: 1}}\n");
    std::fs::write(folder.path().join("rules.yaml"), rules("first")).unwrap();
    let service = Plimsoll::start(folder.path(), "objectives: [rules.yaml]\n").await;
    let names = || async {
        let answer = client().get(format!("{}/api/objectives", service.url())).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["objectives"][0]["name"].as_str().unwrap_or_default().to_owned()
    };
    let reload = || client().post(format!("{}/-/reload", service.url())).send();
    assert_eq!(names().await, "first");
    std::fs::write(folder.path().join("rules.yaml"), rules("second")).unwrap();
    assert_eq!(reload().await.unwrap().status(), 200);
    assert_eq!(names().await, "second");
    std::fs::write(folder.path().join("rules.yaml"), "objectives:\n  - {name: third, indicater: {}}\n").unwrap();
    let refused = reload().await.unwrap();
    assert_eq!(refused.status(), 422);
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("rules.yaml:2:"), "{problem}");
    assert_eq!(names().await, "second");
    // The signal does the same.
    std::fs::write(folder.path().join("rules.yaml"), rules("fourth")).unwrap();
    service.signal("HUP");
    crate::support::wait::until("SIGHUP reloads", Duration::from_secs(10), || async {
        let name = names().await;
        if name == "fourth" { Ok(()) } else { Err(name) }
    })
    .await;
}
