//! What comes over a real socket from clients that are slow, broken or hostile: each gets the answer of
//! the interface, and nobody else notices.

use std::net::SocketAddr;
use std::time::Duration;

use plimsoll::base::DropReason;
use plimsoll::http::{ServerSettings, Settings};
use plimsoll::ingest::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::fakes::World;
use crate::support::wait::until;

const LIMIT: Duration = Duration::from_secs(20);
const TIMING: &str = r#"{"kind":"http","service":"a","route":"/x","duration_ms":1}"#;

struct Server {
    address: SocketAddr,
    world: World,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

#[expect(clippy::disallowed_methods, reason = "the test's own task, ended by the test")]
async fn server(server: ServerSettings) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = World::new(Settings::default(), plimsoll::ingest::Settings::default());
    let stop = CancellationToken::new();
    let front = plimsoll::http::Front::new(world.api.clone());
    let serving = tokio::spawn(plimsoll::http::serve(listener, front, server, stop.clone()));
    Server { address, world, stop, serving }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and returns everything that comes back until the connection ends.
    async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        let (mut reader, mut writer) = stream.split();
        let write = async {
            // The server may answer and hang up before everything is sent.
            let _refused_early = writer.write_all(bytes).await;
        };
        let mut answer = Vec::new();
        let (_, read) = tokio::join!(write, tokio::time::timeout(LIMIT, reader.read_to_end(&mut answer)));
        read.expect("the server ends the connection").unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn is_well(&self) {
        let body = format!("[{TIMING}]");
        let answer = self.send(post("/ingest/timings", "application/json", body.as_bytes()).as_slice()).await;
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }

    async fn ends(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_body_of_10_mb_gets_its_413_over_the_wire() {
    let server = server(ServerSettings::default()).await;
    let body = vec![b'['; 10 << 20];
    for path in ["/ingest/timings", "/ingest/vitals", "/api/performance/metrics"] {
        let answer = server.send(&post(path, "application/json", &body)).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("application/problem+json") && answer.contains(r#""reason":"too_large""#), "{answer}");
    }
    let head = "POST /ingest/timings HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut chunked = head.as_bytes().to_vec();
    for chunk in body.chunks(1 << 16) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = server.send(&chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(server.world.tally(Endpoint::Timings), (2, 0, vec![(DropReason::TooLarge, 2)]));
    server.is_well().await;
    server.ends().await;
}

#[tokio::test]
async fn nesting_does_not_overflow_the_stack() {
    let server = server(ServerSettings::default()).await;
    for body in ["[".repeat(60_000), "{\"a\":".repeat(10_000), format!("[{}", "{\"labels\":".repeat(5_000))] {
        for path in ["/ingest/timings", "/ingest/vitals", "/api/performance/metrics"] {
            let answer = server.send(&post(path, "application/json", body.as_bytes())).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        }
    }
    server.is_well().await;
    server.ends().await;
}

#[tokio::test]
async fn rubbish_on_the_socket_hurts_nobody() {
    let server = server(ServerSettings::default()).await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    for (bytes, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec(), "400"),
        (b"GET nothing\r\n\r\n".to_vec(), "400"),
        (b"POST /ingest/timings HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n".to_vec(), "400"),
        (long.into_bytes(), "4"),
        (many.into_bytes(), "431"),
    ] {
        let answer = server.send(&bytes).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{:?}: {answer}", &bytes[..20.min(bytes.len())]);
        server.is_well().await;
    }
    server.ends().await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let header_timeout = Duration::from_millis(200);
    let server = server(ServerSettings { header_timeout, ..ServerSettings::default() }).await;
    // Nothing at all, and a head that is never finished.
    for start in [&b""[..], b"GET / HTTP/1.1\r\nhost: x\r\n"] {
        let answer = server.send(start).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    server.is_well().await;
    server.ends().await;
}

#[tokio::test]
async fn a_sender_that_leaves_in_the_middle_is_counted() {
    let server = server(ServerSettings::default()).await;
    let mut stream = server.connect().await;
    let half =
        "POST /ingest/timings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n[{";
    stream.write_all(half.as_bytes()).await.unwrap();
    drop(stream);
    until("the broken body is counted", LIMIT, || async {
        match server.world.tally(Endpoint::Timings) {
            (1, 0, dropped) if dropped == [(DropReason::Abandoned, 1)] => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    server.is_well().await;
    server.ends().await;
}

#[tokio::test]
async fn connections_over_the_limit_wait_their_turn() {
    let server = server(ServerSettings { max_connections: 1, ..ServerSettings::default() }).await;
    let first = server.connect().await;
    let mut second = server.connect().await;
    second.write_all(&post("/ingest/timings", "application/json", TIMING.as_bytes())).await.unwrap();
    let mut answer = [0; 12];
    let waiting = tokio::time::timeout(Duration::from_millis(100), second.read_exact(&mut answer)).await;
    assert!(waiting.is_err(), "the second connection was served while the first held the only place");
    drop(first);
    tokio::time::timeout(LIMIT, second.read_exact(&mut answer)).await.expect("its turn came").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
    drop(second);
    server.ends().await;
}

#[tokio::test]
async fn the_end_lets_requests_finish_and_takes_no_new_ones() {
    let server = server(ServerSettings::default()).await;
    let mut busy = server.connect().await;
    let head = format!(
        "POST /ingest/timings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        TIMING.len()
    );
    busy.write_all(head.as_bytes()).await.unwrap();
    busy.write_all(&TIMING.as_bytes()[..5]).await.unwrap();
    let idle = server.connect().await;
    // A round trip, so that the server has surely seen the connections made before it.
    server.is_well().await;
    server.stop.cancel();
    let address = server.address;
    until("the listener closes", LIMIT, || async {
        match TcpStream::connect(address).await {
            Ok(_) => Err("it still listens".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await;
    busy.write_all(&TIMING.as_bytes()[5..]).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, busy.read_to_end(&mut answer)).await.expect("an answer").unwrap();
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 204"));
    assert_eq!(server.world.behind.recorded(), 2);
    drop(idle);
    tokio::time::timeout(LIMIT, server.serving).await.expect("the end").unwrap().unwrap();
}
