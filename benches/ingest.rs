//! What an event costs the server: CPU seconds per million events, against a bare axum server that reads the
//! body and answers 204, in interleaved rounds of one run.
//!
//! `cargo bench --bench ingest -- [--events N] [--rounds N]`. Figures of a shared machine move; ratios move less.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a measuring program: it reads the clock and stops at the first surprise"
)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One way to send.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    connections: usize,
    events_per_request: usize,
    scale: usize,
}

const SHAPES: [Shape; 2] = [
    Shape { name: "single events, 64 connections", connections: 64, events_per_request: 1, scale: 1 },
    Shape { name: "batches of 1,000, 4 connections", connections: 4, events_per_request: 1_000, scale: 10 },
];

struct Server {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

struct Round {
    events_per_second: f64,
    cpu_per_million: f64,
    p50: Duration,
    p99: Duration,
}

fn argument(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|a| a != name).skip(1);
    arguments.next().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().any(|a| a == "--bare-server") {
        return bare_server().await;
    }
    if std::env::args().any(|a| a == "--help") {
        println!("cargo bench --bench ingest -- [--events N (default 200000)] [--rounds N (default 3)]");
        return;
    }
    let (events, rounds) = (argument("--events", 200_000), argument("--rounds", 3));
    for shape in SHAPES {
        println!("\n{}, {} events a round, {rounds} rounds", shape.name, events * shape.scale);
        let mut costs: Vec<(&str, Vec<f64>)> = Vec::new();
        for _ in 0..rounds {
            for (name, start) in [
                ("bare axum 204", start_bare as fn() -> Server),
                ("sync: always", start_always),
                ("sync: write", start_write),
            ] {
                let server = start();
                wait_for(&server).await;
                let round = run(&server, shape, events * shape.scale).await;
                println!(
                    "  {name:14} {:>9.0} events/s  {:>7.3} CPU-s per million  p50 {:?}  p99 {:?}  RSS {} MiB",
                    round.events_per_second,
                    round.cpu_per_million,
                    round.p50,
                    round.p99,
                    peak_memory_mib(server.child.id())
                );
                match costs.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, list)) => list.push(round.cpu_per_million),
                    None => costs.push((name, vec![round.cpu_per_million])),
                }
            }
        }
        let bare = median(&costs[0].1);
        for (name, list) in &costs[1..] {
            println!("  {name}: CPU per event is {:.2} times the bare server's (medians)", median(list) / bare);
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

async fn run(server: &Server, shape: Shape, events: usize) -> Round {
    let requests = events / shape.events_per_request / shape.connections;
    let cpu = cpu_seconds(server.child.id());
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for connection in 0..shape.connections {
        tasks.spawn(send(server.port, connection, requests, shape.events_per_request));
    }
    let mut latencies: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    let elapsed = start.elapsed();
    // Deferred work belongs to the events too.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let sent = (requests * shape.connections * shape.events_per_request) as f64;
    latencies.sort_unstable();
    Round {
        events_per_second: sent / elapsed.as_secs_f64(),
        cpu_per_million: (cpu_seconds(server.child.id()) - cpu) / sent * 1e6,
        p50: latencies[latencies.len() / 2],
        p99: latencies[latencies.len() * 99 / 100],
    }
}

/// One event: 50 routes, four statuses, durations spread over two decades.
fn event(n: usize) -> String {
    let (route, status) = (n % 50, [200, 200, 404, 500][n / 50 % 4]);
    let duration = 2.0 + ((n * 7919) % 100_000) as f64 / 500.0;
    format!(
        r#"{{"kind":"http","service":"shop-api","route":"/api/route{route}","method":"GET","status":{status},"duration_ms":{duration}}}"#
    )
}

async fn send(port: u16, connection: usize, requests: usize, events: usize) -> Vec<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
    stream.set_nodelay(true).expect("nodelay");
    let bodies: Vec<Vec<u8>> = (0..64.min(requests.max(1)))
        .map(|r| {
            let lines: Vec<String> = (0..events).map(|e| event(connection * 31 + r * events + e)).collect();
            let body = lines.join("\n");
            let head = format!(
                "POST /ingest/timings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            [head.into_bytes(), body.into_bytes()].concat()
        })
        .collect();
    let mut latencies = Vec::with_capacity(requests);
    let mut answer = [0u8; 4096];
    for request in 0..requests {
        let start = Instant::now();
        stream.write_all(&bodies[request % bodies.len()]).await.expect("the request is sent");
        let read = stream.read(&mut answer).await.expect("an answer comes");
        assert!(answer[..read].starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer[..read]));
        latencies.push(start.elapsed());
    }
    latencies
}

async fn bare_server() {
    let port = argument("--port", 0) as u16;
    let app = axum::Router::new().route(
        "/ingest/timings",
        axum::routing::post(|_body: bytes::Bytes| async { axum::http::StatusCode::NO_CONTENT }),
    );
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
    axum::serve(listener, app).await.expect("the server runs");
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn start_bare() -> Server {
    let port = free_port();
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--bare-server", "--port", &port.to_string()]);
    spawn(command, port)
}

fn start_always() -> Server {
    start_plimsoll("always")
}

fn start_write() -> Server {
    start_plimsoll("write")
}

fn start_plimsoll(sync: &str) -> Server {
    let port = free_port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
    command.env("PLIMSOLL_JOURNAL_SYNC", sync).env("RUST_LOG", "warn");
    spawn(command, port)
}

fn spawn(mut command: Command, port: u16) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let command = command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
    Server { child: command.spawn().expect("the server starts"), port, _folder: folder }
}

async fn wait_for(server: &Server) {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", server.port)).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the server does not listen");
}

/// User and system time of a process, in seconds (`proc(5)`, `/proc/PID/stat` fields 14 and 15).
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|f| f.parse::<f64>().expect("a number")).sum();
    ticks / 100.0
}

fn peak_memory_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0) / 1024
}
