//! API timings as each system takes them, and a generator that sends them for little: requests are encoded ahead,
//! connections are kept, and each waits for its answer before it sends again.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::chance::Chance;

/// Series of the events: 50 routes × 4 statuses.
const SERIES: usize = 200;
const STATUSES: [u16; 4] = [200, 304, 404, 500];
/// Digits of a time in milliseconds.
const STAMP_DIGITS: usize = 13;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Our JSON, one object a line, on `/ingest/timings`.
    Timings,
    /// Prometheus text with a time of each sample, on VictoriaMetrics's `/api/v1/import/prometheus`.
    PrometheusText,
    /// statsd lines with tags, without HTTP.
    Statsd,
}

/// How a round is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) events_per_request: usize,
    pub(crate) requests_per_connection: usize,
}

impl Shape {
    pub(crate) fn events(self) -> usize {
        self.connections * self.events_per_request * self.requests_per_connection
    }

    /// Prepared requests of a connection, so many that event `n` is always of series `n % SERIES`.
    fn prepared(self) -> usize {
        if self.events_per_request == 1 { 100 } else { 20 }
    }
}

/// A request that is sent again and again; only its times change.
struct Prepared {
    bytes: Vec<u8>,
    /// Where times are written, and the number of the event within its connection's first turn.
    stamps: Vec<(usize, usize)>,
}

/// What a round took.
pub(crate) struct Sent {
    pub(crate) seconds: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Sends a round and waits for its last answer. Every request must be answered with 2xx.
pub(crate) fn send(port: u16, format: Format, shape: Shape) -> Sent {
    let prepared: Vec<Vec<Prepared>> = (0..shape.connections).map(|c| prepare(format, shape, c)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for requests in prepared {
            tasks.spawn(send_one(port, format, shape, requests));
        }
        let mut latencies = tasks.join_all().await.concat();
        let seconds = start.elapsed().as_secs_f64();
        latencies.sort_unstable();
        Sent { seconds, p50: latencies[latencies.len() / 2], p99: latencies[latencies.len() * 99 / 100] }
    })
}

async fn send_one(port: u16, format: Format, shape: Shape, mut requests: Vec<Prepared>) -> Vec<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
    stream.set_nodelay(true).expect("nodelay");
    let minute_ago = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_millis() - 60_000;
    let events_of_a_turn = shape.events_per_request * shape.connections * requests.len();
    let mut latencies = Vec::with_capacity(shape.requests_per_connection);
    let mut answer = [0u8; 4096];
    for n in 0..shape.requests_per_connection {
        let (turn, place) = (n / requests.len(), n % requests.len());
        let request = &mut requests[place];
        for &(at, event) in &request.stamps {
            // No two events of a series have the same time: who keeps samples would keep one of them.
            let time = minute_ago + ((event + turn * events_of_a_turn) / SERIES) as u128;
            request.bytes[at..at + STAMP_DIGITS].copy_from_slice(time.to_string().as_bytes());
        }
        let start = Instant::now();
        stream.write_all(&request.bytes).await.expect("the request is sent");
        if format != Format::Statsd {
            let read = stream.read(&mut answer).await.expect("an answer comes");
            assert!(answer[..read].starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer[..read]));
        }
        latencies.push(start.elapsed());
    }
    latencies
}

fn prepare(format: Format, shape: Shape, connection: usize) -> Vec<Prepared> {
    let mut chance = Chance::seeded(connection as u64);
    let per_request = shape.events_per_request;
    (0..shape.prepared())
        .map(|r| {
            let first = (r * shape.connections + connection) * per_request;
            request(format, &mut chance, first..first + per_request)
        })
        .collect()
}

fn request(format: Format, chance: &mut Chance, events: std::ops::Range<usize>) -> Prepared {
    let (mut body, mut stamps) = (Vec::new(), Vec::new());
    for event in events {
        body.extend(line(format, event % SERIES, chance.log_normal(50.0, 0.65)).into_bytes());
        if format == Format::PrometheusText {
            stamps.push((body.len() - STAMP_DIGITS, event));
        }
        body.push(b'\n');
    }
    let head = head(format, body.len());
    stamps.iter_mut().for_each(|(at, _)| *at += head.len());
    Prepared { bytes: [head.into_bytes(), body].concat(), stamps }
}

fn head(format: Format, length: usize) -> String {
    let (path, kind) = match format {
        Format::Timings => ("/ingest/timings", "application/x-ndjson"),
        Format::PrometheusText => ("/api/v1/import/prometheus", "text/plain"),
        Format::Statsd => return String::new(),
    };
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n")
}

/// One event without its line end: 127 bytes on average as JSON.
fn line(format: Format, series: usize, ms: f64) -> String {
    let (route, status) = (series % 50, STATUSES[series / 50]);
    match format {
        Format::Timings => format!(
            r#"{{"kind":"http","service":"shop-api","route":"/api/v1/product/{route}/items/:id","method":"GET","status":{status},"duration_ms":{ms:.6}}}"#
        ),
        Format::PrometheusText => format!(
            r#"http_request_ms{{service="shop-api",route="/api/v1/product/{route}/items/:id",method="GET",status="{status}"}} {ms:.6} {:0STAMP_DIGITS$}"#,
            0
        ),
        Format::Statsd => {
            format!(
                "http_request:{ms:.6}|ms|#service:shop-api,route:/api/v1/product/{route}/items/:id,method:GET,status:{status}"
            )
        }
    }
}
