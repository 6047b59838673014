//! What remote write costs: 893 routes × 4 statuses as histograms, one sample of each series in a request, every
//! 10 s for an hour, as a real sender does; once as classic histograms (14 series each) and once as native ones.
//!
//! The hour ends now and is sent as fast as it is taken: the samples are inside every system's window. What a system
//! does by the clock it would have done in the course of that hour, so each is given 190 s to 790 s afterwards
//! ([`settle`]), in which nothing comes; disk is taken then, and the processor time includes it. "Disk" is all that lies in the server's
//! folder: journals, head chunks, archive. Memory is taken [`AT_WORK`] after the last sample, while it is still what a
//! server at work has, and once more at the end, when all have given back what they do not need at rest.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::args::Args;
use crate::common::cpu;
use crate::common::http::Http;
use crate::common::peers::{Peer, Server};
use crate::common::prom;
use crate::common::remote_write::{Request, Series, send_all};
use crate::common::shop::{CLASSIC_SERIES, METRIC, STATUSES, Shop};
use crate::common::table::{Aim, Report, figure, median, median_ratio, print_head, row};

const ROUTES: usize = 893;
const PER_STEP: [f64; 4] = [35.0; 4];
const SERIES_PER_REQUEST: usize = 2_000;
const LANES: usize = 2;
/// Plimsoll archives every 10 s.
const AT_WORK: Duration = Duration::from_secs(15);
/// Plimsoll makes pages of ten minutes when they are over and closed, which is two minutes and a tick later. Longer
/// than what `recovery` sends last, whose samples must be later than those before.
const WINDOW: Duration = Duration::from_secs(600);
const CLOSED_AFTER: Duration = Duration::from_secs(190);
/// Samples of a series in an hour.
const AN_HOUR: usize = 360;
pub(crate) const STEP_MS: i64 = 10_000;

/// How histograms are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Classic,
    Native,
}

/// Form, peers (ours first, then who it is compared with), and aims for processor time, memory and disk.
const CASES: [(&str, Form, &[Peer], [Aim; 4]); 2] = [
    (
        "classic",
        Form::Classic,
        &[Peer::Always, Peer::Prometheus, Peer::Victoria],
        [Aim::Below(0.25, 0.15), Aim::Below(0.3, 0.15), Aim::None, Aim::Below(0.35, 0.2)],
    ),
    (
        "native",
        Form::Native,
        &[Peer::Always, Peer::PrometheusNative],
        [Aim::Below(0.15, 0.05), Aim::Below(0.5, 0.25), Aim::None, Aim::Below(0.3, 0.15)],
    ),
];

/// What one peer took, per histogram sample or per histogram.
struct Cost {
    peer: Peer,
    cpu_us: f64,
    memory_bytes: f64,
    rest_bytes: f64,
    disk_bytes: f64,
}

/// A figure of a [`Cost`]: its name, its unit, and which it is.
type Measure = (&'static str, &'static str, fn(&Cost) -> f64);

const MEASURES: [Measure; 4] = [
    ("CPU per histogram sample", "µs", |c| c.cpu_us),
    ("memory per histogram", "bytes", |c| c.memory_bytes),
    ("memory at rest per histogram", "bytes", |c| c.rest_bytes),
    ("disk per histogram sample", "bytes", |c| c.disk_bytes),
];

pub(crate) fn run(args: &Args, report: &mut Report) {
    let steps = args.size(args.steps, AN_HOUR, 12).min(AN_HOUR);
    for (name, form, peers, aims) in CASES.iter().filter(|c| args.wants_case(c.0)) {
        let (peers, rounds) = (Peer::installed(peers), args.rounds(1));
        println!("\n{name}, {} histograms, {steps} samples each, {rounds} rounds", ROUTES * STATUSES.len());
        let costs: Vec<Cost> = (0..rounds).flat_map(|_| round(&peers, *form, steps, args, report)).collect();
        print(&costs);
        compare(name, &peers, &costs, aims, report);
    }
}

/// Waits until what came so far can be where it stays.
pub(crate) fn settle(args: &Args) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let rest_of_window = Duration::from_secs(WINDOW.as_secs() - now % WINDOW.as_secs());
    std::thread::sleep(args.settle(rest_of_window + CLOSED_AFTER));
}

/// A server that has everything.
struct Loaded {
    server: Server,
    shop: Shop,
    end: i64,
    cpu_before: f64,
    empty: f64,
    at_work: f64,
}

/// Loads the servers in turn, lets all of them settle, and takes what they cost.
fn round(peers: &[Peer], form: Form, steps: usize, args: &Args, report: &mut Report) -> Vec<Cost> {
    let loaded: Vec<Loaded> = peers.iter().filter_map(|peer| load(*peer, form, steps, args)).collect();
    settle(args);
    loaded.into_iter().map(|loaded| measure(&loaded, form, steps, report)).collect()
}

/// `None` when the server does not take it.
fn load(peer: Peer, form: Form, steps: usize, args: &Args) -> Option<Loaded> {
    let server = Server::start(peer);
    std::thread::sleep(Duration::from_millis(1_500));
    let (cpu_before, empty) = (cpu::cpu_seconds(server.pid()), cpu::resident_memory(server.pid()));
    let end = now_ms();
    let mut shop = Shop::new(ROUTES, PER_STEP);
    let sent = send_all(server.port, LANES, |send| match form {
        Form::Classic => classic(&mut shop, steps, end, STEP_MS, send),
        Form::Native => native(&mut shop, steps, end, send),
    });
    if let Err(refusal) = sent {
        println!("{}: left out, {refusal}", peer.name());
        return None;
    }
    std::thread::sleep(args.settle(AT_WORK));
    let at_work = cpu::resident_memory(server.pid());
    Some(Loaded { server, shop, end, cpu_before, empty, at_work })
}

fn measure(loaded: &Loaded, form: Form, steps: usize, report: &mut Report) -> Cost {
    let Loaded { server, shop, end, cpu_before, empty, at_work } = loaded;
    let histograms = shop.histograms().len() as f64;
    let cost = Cost {
        peer: server.peer,
        cpu_us: (cpu::cpu_seconds(server.pid()) - cpu_before) / histograms / steps as f64 * 1e6,
        memory_bytes: (at_work - empty) / histograms,
        rest_bytes: (cpu::resident_memory(server.pid()) - empty) / histograms,
        disk_bytes: cpu::disk_bytes(server.folder()) / histograms / steps as f64,
    };
    check(server, form, shop, *end, report);
    cost
}

/// The last sample of all histograms together must be what was sent.
fn check(server: &Server, form: Form, shop: &Shop, end: i64, report: &mut Report) {
    let expression = match form {
        Form::Classic => format!("sum({METRIC}_count)"),
        Form::Native => format!("histogram_count(sum({METRIC}))"),
    };
    let found = server.connect().get(&prom::instant_path(&expression, end)).expect("an answer comes");
    let found: f64 = prom::samples(&found).into_values().flatten().map(|(_, v)| v).sum();
    match server.peer {
        peer if peer.is_ours() => report.expect_equal(&format!("{}: {expression}", peer.name()), found, shop.count()),
        peer if found != shop.count() => println!("{}: {expression} is {found} of {}", peer.name(), shop.count()),
        _ => {}
    }
}

/// Classic histograms: `steps` samples of each series, `step_ms` apart, the last at `end`.
pub(crate) fn classic(shop: &mut Shop, steps: usize, end: i64, step_ms: i64, send: &mut dyn FnMut(usize, Vec<u8>)) {
    let series: Vec<Vec<Series>> = shop.histograms().iter().map(|h| h.classic_series()).collect();
    for step in 0..steps {
        shop.step();
        let at = end - (steps - 1 - step) as i64 * step_ms;
        let values = shop.histograms().iter().map(|h| h.classic_values());
        let samples = series.iter().zip(values).flat_map(|(s, v)| s.iter().zip(v));
        chunked(samples, send, |request, (series, value)| request.samples(series, &[(at, value)]));
    }
}

fn native(shop: &mut Shop, steps: usize, end: i64, send: &mut dyn FnMut(usize, Vec<u8>)) {
    let series: Vec<Series> = shop.histograms().iter().map(|h| h.native_series()).collect();
    for step in 0..steps {
        shop.step();
        let at = end - (steps - 1 - step) as i64 * STEP_MS;
        let samples = series.iter().zip(shop.histograms());
        chunked(samples, send, |request, (series, histogram)| request.native(series, &histogram.native(at)));
    }
}

/// A request for each so many series; the same series always go over the same connection.
fn chunked<T>(all: impl Iterator<Item = T>, send: &mut dyn FnMut(usize, Vec<u8>), add: impl Fn(&mut Request, T)) {
    let (mut request, mut lane) = (Request::default(), 0);
    for one in all {
        add(&mut request, one);
        if request.len() == SERIES_PER_REQUEST {
            send(lane, request.take());
            lane += 1;
        }
    }
    if request.len() > 0 {
        send(lane, request.take());
    }
}

/// Now, on a whole step, so that every system's answers fall on samples.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_millis() as i64;
    now / STEP_MS * STEP_MS
}

fn print(costs: &[Cost]) {
    print_head(&[
        "system",
        "CPU µs per histogram sample",
        "per series sample",
        "memory KB per histogram",
        "at rest",
        "disk bytes per histogram sample",
    ]);
    for cost in costs {
        let (cpu, series) = (figure(cost.cpu_us), figure(cost.cpu_us / CLASSIC_SERIES as f64));
        let [memory, rest] = [cost.memory_bytes, cost.rest_bytes].map(|bytes| figure(bytes / 1e3));
        println!("{}", row(&[cost.peer.name(), &cpu, &series, &memory, &rest, &figure(cost.disk_bytes)]));
    }
}

fn compare(case: &str, peers: &[Peer], costs: &[Cost], aims: &[Aim; 4], report: &mut Report) {
    let of =
        |peer: Peer, value: fn(&Cost) -> f64| costs.iter().filter(|c| c.peer == peer).map(value).collect::<Vec<_>>();
    for (i, peer) in peers.iter().enumerate().filter(|(_, p)| !p.is_ours()) {
        for ((what, unit, value), aim) in MEASURES.iter().zip(aims) {
            let (ours, theirs) = (of(peers[0], *value), of(*peer, *value));
            if ours.is_empty() || theirs.is_empty() {
                continue;
            }
            let absolute = format!("{} {unit}", figure(median(&ours)));
            // The aims are set against Prometheus.
            let aim = if i == 1 { *aim } else { Aim::None };
            report.ratio(&format!("{case}: {what} ÷ {}", peer.name()), &absolute, median_ratio(&ours, &theirs), aim);
        }
    }
}

/// Asks until the number is there; `Err` of the connection while the server starts.
pub(crate) fn answers(port: u16, expression: &str, at_ms: i64, expected: f64) -> bool {
    let asked = Http::connect(port).and_then(|mut http| prom::number(&mut http, expression, at_ms));
    asked.is_ok_and(|found| found == Some(expected))
}
