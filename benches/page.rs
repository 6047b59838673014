//! Seconds from the first bad event to the page at the receiver, at `evaluate_every: 1s`.
//!
//! `cargo bench --bench page -- [--rounds N]`: a hundred requests a second, all good, then half of them bad.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a measuring program: it reads the clock and stops at the first surprise"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

const RULES: &str = r#"
objectives:
  - name: errors
    indicator:
      ratio:
        good: http_server_request_duration_seconds_count{http_response_status_code!~"5.."}
        total: http_server_request_duration_seconds_count
        over: 30s
    critical: {below: 99%, for: 0s}
    escalation: on-call
escalations:
  - {name: on-call, levels: [{after: 0s, notify: [hook]}]}
"#;

fn main() {
    let rounds = std::env::args().skip_while(|a| a != "--rounds").nth(1).and_then(|v| v.parse().ok()).unwrap_or(7);
    let mut seconds: Vec<f64> = (0..rounds).map(|_| round()).collect();
    seconds.sort_unstable_by(f64::total_cmp);
    let listed: Vec<String> = seconds.iter().map(|s| format!("{s:.2}")).collect();
    println!("seconds to the page: {} (median {:.2})", listed.join(" "), seconds[seconds.len() / 2]);
}

fn round() -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hook = receiver.local_addr().expect("an address");
    let config = format!(
        "objectives: [rules.yaml]\nevaluate_every: 1s\nchannels:\n  - {{name: hook, webhook: {{url: 'http://{hook}/'}}}}\n"
    );
    std::fs::write(folder.path().join("plimsoll.yaml"), config).expect("a configuration");
    std::fs::write(folder.path().join("rules.yaml"), RULES).expect("rules");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let mut service = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--log", "error"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .spawn()
        .expect("the service starts");
    let arrived = listen(receiver);
    let mut connection = connect(port);
    for _ in 0..50 {
        post(&mut connection, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    // Where in the second the fault begins is left to chance.
    std::thread::sleep(Duration::from_millis(rand::random_range(0..1000)));
    let first_bad = Instant::now();
    let page = loop {
        post(&mut connection, 500);
        if let Ok(at) = arrived.recv_timeout(Duration::from_millis(100)) {
            break at;
        }
    };
    service.kill().expect("the service ends");
    let _reaped = service.wait();
    page.duration_since(first_bad).as_secs_f64()
}

/// Answers every POST with 200 and says when it came.
fn listen(receiver: TcpListener) -> Receiver<Instant> {
    let (sender, arrived) = sync_channel(8);
    std::thread::spawn(move || {
        for stream in receiver.incoming().flatten() {
            let mut stream = stream;
            let mut buffer = [0; 65_536];
            let _read = stream.read(&mut buffer);
            let _told = sender.send(Instant::now());
            let _answered = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    arrived
}

fn connect(port: u16) -> TcpStream {
    for _ in 0..200 {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            return stream;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("the service does not listen");
}

/// Ten requests; with a status of 500, five of them bad.
fn post(connection: &mut TcpStream, status: u16) {
    let line = |status: u16| {
        format!(r#"{{"kind":"http","service":"shop","route":"/","method":"GET","status":{status},"duration_ms":3}}"#)
    };
    let body: Vec<String> = (0..10).map(|i| line(if i % 2 == 0 { status } else { 200 })).collect();
    let body = body.join("\n");
    let head =
        "POST /ingest/timings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length:";
    write!(connection, "{head} {}\r\n\r\n{body}", body.len()).expect("the request is sent");
    let mut answer = [0; 4096];
    let read = connection.read(&mut answer).expect("an answer comes");
    assert!(answer[..read].starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer[..read]));
}
