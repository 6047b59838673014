//! What an event costs the server: one a request over 64 connections, and a thousand a request over four.
//!
//! 50 routes × 4 statuses, log-normal durations. The processor time is user and system of the server, including
//! 1.5 s after the last answer, because deferred work belongs to the events too. Afterwards each event must have
//! been counted once. A round of all peers is followed by the next: ratios are medians of the rounds' ratios.

use std::time::Duration;

use crate::common::args::Args;
use crate::common::cpu;
use crate::common::events::{self, Format, Sent, Shape};
use crate::common::http::Http;
use crate::common::peers::{Peer, Server, wait_until};
use crate::common::prom;
use crate::common::table::{Aim, Report, figure, mebibytes, median, median_ratio, print_head, row};

const PEERS: [Peer; 5] = [Peer::Bare, Peer::Always, Peer::Write, Peer::Victoria, Peer::Statsd];
const AFTER_THE_LAST_ANSWER: Duration = Duration::from_millis(1_500);

/// A way to send, and what is aimed at.
struct Case {
    name: &'static str,
    what: &'static str,
    connections: usize,
    events_per_request: usize,
    /// Times `--events`.
    scale: usize,
    aims: &'static [(&'static str, Measure, Peer, Peer, Aim)],
}

/// Which figure is compared.
#[derive(Debug, Clone, Copy)]
enum Measure {
    Cpu,
    Throughput,
    Memory,
}

const CASES: [Case; 2] = [
    Case {
        name: "single",
        what: "one event a request, 64 connections",
        connections: 64,
        events_per_request: 1,
        scale: 1,
        aims: &[
            ("CPU, always ÷ hyper", Measure::Cpu, Peer::Always, Peer::Bare, Aim::Below(1.8, 1.5)),
            ("CPU, write ÷ hyper", Measure::Cpu, Peer::Write, Peer::Bare, Aim::Below(1.5, 1.3)),
            ("CPU, always ÷ victoria-metrics", Measure::Cpu, Peer::Always, Peer::Victoria, Aim::Below(0.7, 0.55)),
            ("CPU, write ÷ victoria-metrics", Measure::Cpu, Peer::Write, Peer::Victoria, Aim::Below(0.65, 0.55)),
            ("CPU, write ÷ statsd_exporter", Measure::Cpu, Peer::Write, Peer::Statsd, Aim::None),
            ("events/s, write ÷ hyper", Measure::Throughput, Peer::Write, Peer::Bare, Aim::Above(0.75, 0.85)),
            (
                "peak memory, always ÷ victoria-metrics",
                Measure::Memory,
                Peer::Always,
                Peer::Victoria,
                Aim::Below(0.5, 0.3),
            ),
        ],
    },
    Case {
        name: "batch",
        what: "1,000 events a request, 4 connections",
        connections: 4,
        events_per_request: 1_000,
        scale: 10,
        aims: &[
            ("CPU, always ÷ victoria-metrics", Measure::Cpu, Peer::Always, Peer::Victoria, Aim::Below(0.6, 0.35)),
            ("CPU, write ÷ victoria-metrics", Measure::Cpu, Peer::Write, Peer::Victoria, Aim::Below(0.6, 0.35)),
            ("CPU, write ÷ statsd_exporter", Measure::Cpu, Peer::Write, Peer::Statsd, Aim::Below(0.16, 0.1)),
            (
                "peak memory, always ÷ victoria-metrics",
                Measure::Memory,
                Peer::Always,
                Peer::Victoria,
                Aim::Below(0.5, 0.3),
            ),
        ],
    },
];

/// One round of one peer.
struct Round {
    peer: Peer,
    sent: Sent,
    events_per_second: f64,
    cpu_per_million: f64,
    peak_memory: f64,
}

impl Round {
    fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Cpu => self.cpu_per_million,
            Measure::Throughput => self.events_per_second,
            Measure::Memory => self.peak_memory,
        }
    }
}

pub(crate) fn run(args: &Args, report: &mut Report) {
    let peers = Peer::installed(&PEERS);
    for case in CASES.iter().filter(|c| args.wants_case(c.name)) {
        let events = args.size(args.events, 200_000, 20_000) * case.scale;
        let shape = Shape {
            connections: case.connections,
            events_per_request: case.events_per_request,
            requests_per_connection: (events / case.connections / case.events_per_request).max(1),
        };
        let rounds = args.rounds(3);
        println!("\n{}, {} events a round, {rounds} rounds", case.what, shape.events());
        let one = |_| peers.iter().map(|p| round(*p, shape, report)).collect::<Vec<_>>();
        let done: Vec<Round> = (0..rounds).flat_map(one).collect();
        print(&peers, &done);
        compare(case, &done, report);
    }
}

fn round(peer: Peer, shape: Shape, report: &mut Report) -> Round {
    let server = Server::start(peer);
    let (format, port) = match peer {
        Peer::Victoria => (Format::PrometheusText, server.port),
        Peer::Statsd => (Format::Statsd, server.line_port),
        _ => (Format::Timings, server.port),
    };
    let cpu_before = cpu::cpu_seconds(server.pid());
    let sent = events::send(port, format, shape);
    std::thread::sleep(AFTER_THE_LAST_ANSWER);
    if peer == Peer::Statsd {
        wait_until("the statsd exporter counts", || counted(&server) >= shape.events() as f64);
    }
    let cpu_per_million = (cpu::cpu_seconds(server.pid()) - cpu_before) / shape.events() as f64 * 1e6;
    let peak_memory = cpu::peak_memory(server.pid());
    check(&server, shape, report);
    Round { peer, events_per_second: shape.events() as f64 / sent.seconds, sent, cpu_per_million, peak_memory }
}

/// Each event must have been counted once: ours, or the program fails; a peer's is printed.
fn check(server: &Server, shape: Shape, report: &mut Report) {
    let expected = shape.events() as f64;
    match server.peer {
        Peer::Bare => {}
        peer if peer.is_ours() => report.expect_equal(peer.name(), counted(server), expected),
        peer => {
            let found = counted(server);
            if found != expected {
                println!("{}: counts {found} of {expected}", peer.name());
            }
        }
    }
}

fn counted(server: &Server) -> f64 {
    let mut http = server.connect();
    match server.peer {
        Peer::Statsd => return statsd_count(&mut http),
        Peer::Victoria => drop(http.get("/internal/force_flush")),
        _ => {}
    }
    let expression = match server.peer {
        Peer::Victoria => "sum(count_over_time(http_request_ms[1h]))",
        _ => "sum(http_server_request_duration_seconds_count)",
    };
    let path = format!("/api/v1/query?query={expression}&nocache=1");
    let reply = http.get(&path).expect("an answer comes");
    prom::samples(&reply).into_values().flatten().map(|(_, v)| v).sum()
}

fn statsd_count(http: &mut Http) -> f64 {
    let reply = http.get("/metrics").expect("an answer comes");
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let counts = text.lines().filter(|l| l.starts_with("http_request_count"));
    counts.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn print(peers: &[Peer], rounds: &[Round]) {
    print_head(&["medians", "events/s", "CPU-s per million", "p50 ms", "p99 ms", "peak MiB"]);
    for peer in peers {
        let of = |value: fn(&Round) -> f64| {
            median(&rounds.iter().filter(|r| r.peer == *peer).map(value).collect::<Vec<_>>())
        };
        let cells = [
            of(|r| r.events_per_second.round()).to_string(),
            figure(of(|r| r.cpu_per_million)),
            figure(of(|r| r.sent.p50.as_secs_f64() * 1e3)),
            figure(of(|r| r.sent.p99.as_secs_f64() * 1e3)),
            mebibytes(of(|r| r.peak_memory)),
        ];
        println!("{}", row(&[peer.name(), &cells[0], &cells[1], &cells[2], &cells[3], &cells[4]]));
    }
}

fn compare(case: &Case, rounds: &[Round], report: &mut Report) {
    for (what, measure, ours, theirs, aim) in case.aims {
        let of = |peer: Peer| rounds.iter().filter(move |r| r.peer == peer).map(|r| r.of(*measure)).collect::<Vec<_>>();
        let (ours, theirs) = (of(*ours), of(*theirs));
        if theirs.is_empty() {
            continue;
        }
        let absolute = match measure {
            Measure::Cpu => format!("{} µs", figure(median(&ours))),
            Measure::Throughput => format!("{:.0}/s", median(&ours)),
            Measure::Memory => format!("{} MiB", mebibytes(median(&ours))),
        };
        report.ratio(&format!("{}: {what}", case.name), &absolute, median_ratio(&ours, &theirs), *aim);
    }
}
