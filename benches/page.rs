//! Seconds from the first bad event to the page at the receiver: a hundred requests a second, all good, then half
//! of them bad. Plimsoll with `evaluate_every: 1s` beside Prometheus (scrape and evaluation every second) with
//! Alertmanager (`group_wait: 0s`), the same objective in both: fewer than 99 % good over 30 s, `for: 0s`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use crate::common::args::Args;
use crate::common::http::Http;
use crate::common::peers::{Peer, Server};
use crate::common::table::{Aim, Report, figure, median, median_ratio};

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

const PROMETHEUS_RULES: &str = r"
groups:
  - name: errors
    rules:
      - {alert: errors, expr: 'sum(increase(requests_total{code!~`5..`}[30s])) / sum(increase(requests_total[30s])) < 0.99'}
";

const BETWEEN_POSTS: Duration = Duration::from_millis(100);
const REQUESTS_OF_A_POST: u64 = 10;
const GOOD_POSTS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(args: &Args, report: &mut Report) {
    let rounds = args.rounds(5);
    let peer = Peer::installed(&[Peer::Prometheus, Peer::Alertmanager]).len() == 2;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(our_round());
        if peer {
            theirs.push(their_round());
        }
    }
    println!("plimsoll, seconds to the page: {}", listed(&ours));
    let absolute = format!("{} s (most {})", figure(median(&ours)), figure(ours.iter().copied().fold(0.0, f64::max)));
    if peer {
        println!("prometheus and alertmanager:   {}", listed(&theirs));
        let what = "bad event to page, 1 s, ÷ prometheus and alertmanager";
        report.ratio(what, &absolute, median_ratio(&ours, &theirs), Aim::Below(0.85, 0.7));
    }
}

fn listed(seconds: &[f64]) -> String {
    let mut sorted = seconds.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let listed: Vec<String> = sorted.iter().map(|s| format!("{s:.2}")).collect();
    format!("{} (median {:.2})", listed.join(" "), median(&sorted))
}

fn our_round() -> f64 {
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hook = receiver.local_addr().expect("an address");
    let config = format!(
        "objectives: [rules.yaml]\nevaluate_every: 1s\nchannels:\n  - {{name: hook, webhook: {{url: 'http://{hook}/'}}}}\n"
    );
    let server = Server::start_with(Peer::Always, &[("plimsoll.yaml", &config), ("rules.yaml", RULES)]);
    let mut http = server.connect();
    seconds_to_page(receiver, |bad| post(&mut http, bad))
}

fn their_round() -> f64 {
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a port");
    let hook = receiver.local_addr().expect("an address");
    let routes = format!(
        "route: {{receiver: hook, group_wait: 0s, group_interval: 1s}}\nreceivers:\n  - {{name: hook, webhook_configs: [{{url: 'http://{hook}/'}}]}}\n"
    );
    let alertmanager = Server::start_with(Peer::Alertmanager, &[("alertmanager.yml", &routes)]);
    let counters: Arc<[AtomicU64; 2]> = Arc::default();
    let target = export(Arc::clone(&counters));
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
         scrape_configs:\n  - {{job_name: shop, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]}}\n",
        alertmanager.port
    );
    let _prometheus =
        Server::start_with(Peer::Prometheus, &[("prometheus.yml", &config), ("rules.yml", PROMETHEUS_RULES)]);
    seconds_to_page(receiver, |bad| {
        counters[0].fetch_add(REQUESTS_OF_A_POST - bad, Ordering::SeqCst);
        counters[1].fetch_add(bad, Ordering::SeqCst);
    })
}

/// Sends ten requests each tenth of a second, `bad` of them bad, until the receiver has been called.
fn seconds_to_page(receiver: TcpListener, mut post: impl FnMut(u64)) -> f64 {
    let arrived = listen(receiver);
    for _ in 0..GOOD_POSTS {
        post(0);
        std::thread::sleep(BETWEEN_POSTS);
    }
    // Where in the second the fault begins is left to chance.
    std::thread::sleep(Duration::from_millis(rand::random_range(0..1000)));
    assert!(arrived.try_recv().is_err(), "a page without a fault");
    let first_bad = Instant::now();
    loop {
        post(REQUESTS_OF_A_POST / 2);
        if let Ok(at) = arrived.recv_timeout(BETWEEN_POSTS) {
            return at.duration_since(first_bad).as_secs_f64();
        }
        assert!(first_bad.elapsed() < PATIENCE, "no page came");
    }
}

/// Answers every POST with 200 and says when it came.
fn listen(receiver: TcpListener) -> Receiver<Instant> {
    let (sender, arrived) = sync_channel(8);
    std::thread::spawn(move || {
        for stream in receiver.incoming().flatten() {
            read_and_answer(stream, "");
            if sender.send(Instant::now()).is_err() {
                break;
            }
        }
    });
    arrived
}

/// Serves the counters of good and bad requests as a scrape target; returns its port.
fn export(counters: Arc<[AtomicU64; 2]>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let [good, bad] = [0, 1].map(|i| counters[i].load(Ordering::SeqCst));
            let text = format!("requests_total{{code=\"200\"}} {good}\nrequests_total{{code=\"500\"}} {bad}\n");
            read_and_answer(stream, &text);
        }
    });
    port
}

fn read_and_answer(mut stream: TcpStream, body: &str) {
    let _read = stream.read(&mut [0; 65_536]);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\ncontent-length:";
    let _answered = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
}

/// Ten requests, `bad` of them with status 500.
fn post(http: &mut Http, bad: u64) {
    let line = |i: u64| {
        let status = if i < bad { 500 } else { 200 };
        format!(r#"{{"kind":"http","service":"shop","route":"/","method":"GET","status":{status},"duration_ms":3}}"#)
    };
    let body: Vec<String> = (0..REQUESTS_OF_A_POST).map(line).collect();
    let body = body.join("\n");
    let reply = http.post("/ingest/timings", "content-type: application/x-ndjson\r\n", body.as_bytes());
    let reply = reply.expect("an answer comes");
    assert_eq!(reply.status, 204, "{}", reply.text());
}
