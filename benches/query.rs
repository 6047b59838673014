//! What dashboards ask: 50 routes × 4 statuses of classic histograms (2,800 series) every 10 s, loaded by remote
//! write in the order of time, 100 samples a series and 280 series a request, then asked of every system in turn.
//!
//! VictoriaMetrics is asked with `nocache=1`. Each repetition asks a minute earlier than the one before, and ends
//! with the last byte. Plimsoll's values must be Prometheus's to 1e-9; VictoriaMetrics's `rate` has a meaning of
//! its own and is not compared. Debian's Prometheus is of version 2, which extrapolates otherwise where a series
//! begins and counts a sample on the left edge of a window, so windows begin within the data and no edge lies on a
//! sample. Of one hour of data half an hour is asked for, that the earliest repetition has its data too.
//!
//! Plimsoll has samples of the past in their pages at its next tick, ten seconds later at most; it is asked after that.
//! Over more than two days it reads coarser samples, as it does by default.

use std::time::{Duration, Instant};

use crate::common::args::Args;
use crate::common::cpu;
use crate::common::http::Reply;
use crate::common::peers::{Peer, Server};
use crate::common::prom::{self, Samples};
use crate::common::remote_write::{Request, Series, send_all};
use crate::common::shop::{METRIC, Shop};
use crate::common::table::{Aim, Report, figure, mebibytes, median, median_ratio, print_head, row};
use crate::remote_write::{STEP_MS, now_ms};

const ROUTES: usize = 50;
/// Requests of a step by status: about one in a hundred fails.
const PER_STEP: [f64; 4] = [30.0, 1.0, 0.4, 0.3];
const SAMPLES_PER_REQUEST: usize = 100;
const SERIES_PER_REQUEST: usize = 280;
/// Relative, where all samples are read.
const EXACT: f64 = 1e-9;
/// The same of totals over so long that coarser samples are read.
const TOTAL: f64 = 1e-6;
/// The same of burn rates: they divide by the share of failures, of which there is one in a hundred.
const BURN: f64 = 1e-4;
/// Samples of the past are readable this soon after they were taken.
const READABLE: Duration = Duration::from_secs(60);
/// So that no edge of a window lies on a sample.
const BETWEEN_SAMPLES_MS: i64 = 3_000;
/// A query may be repeated for so long before the next one's turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// A query and what is aimed at, against Prometheus and VictoriaMetrics.
struct Question {
    name: String,
    /// Several requests make one panel.
    expressions: Vec<String>,
    /// Seconds of the range and of its step; `None` for an instant query.
    range: Option<(u64, u64)>,
    /// How far our values may be from Prometheus's; `None`: coarser samples are read, and how far they are is printed.
    tolerance: Option<f64>,
    aims: [Aim; 2],
}

pub(crate) fn run(args: &Args, report: &mut Report) {
    let sizes: &[u64] = if args.long { &[1, 24, 720] } else { &[1, 24] };
    for &hours in sizes.iter().filter(|h| !args.quick || **h == 1) {
        if args.wants_case(&format!("{hours}h")) {
            size(hours, args, report);
        }
    }
}

fn size(hours: u64, args: &Args, report: &mut Report) {
    println!("\n{hours} h of data");
    let end = now_ms();
    let mut servers = Vec::new();
    for peer in Peer::installed(&[Peer::Always, Peer::Prometheus, Peer::Victoria]) {
        match load(peer, hours, end) {
            Ok(server) => servers.push(server),
            Err(refusal) => println!("{}: left out, {refusal}", peer.name()),
        }
        if hours > 1 && servers.is_empty() {
            println!("{hours} h: nothing to compare");
            return;
        }
    }
    print_head(&["query", "points", "system", "median ms", "CPU ms", "repetitions"]);
    for question in questions(hours) {
        ask(&question, hours, &servers, end, args.rounds(20), report);
    }
    for server in &servers {
        println!("{}: peak memory {} MiB", server.peer.name(), mebibytes(cpu::peak_memory(server.pid())));
    }
}

/// A server with the data in it; `Err` with what it answered when it does not take data as old.
fn load(peer: Peer, hours: u64, end: i64) -> Result<Server, String> {
    let server = Server::start(peer);
    let mut shop = Shop::new(ROUTES, PER_STEP);
    let steps = (hours * 3_600_000) as usize / STEP_MS as usize;
    let cpu_before = cpu::cpu_seconds(server.pid());
    let start = Instant::now();
    send_all(server.port, 1, |send| blocks(&mut shop, steps, end, send))?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu::cpu_seconds(server.pid()) - cpu_before);
    println!("{}: loaded in {} s, {} CPU-s", peer.name(), figure(seconds), figure(cpu));
    wait_readable(&server, end - (hours * 3_600_000) as i64 + 60_000)?;
    Ok(server)
}

/// Waits until the oldest samples are readable.
fn wait_readable(server: &Server, oldest: i64) -> Result<(), String> {
    let path = prom::instant_path(&format!("count({METRIC}_count)"), oldest);
    let start = Instant::now();
    while start.elapsed() < READABLE {
        let reply = server.connect().get(&path).map_err(|e| e.to_string())?;
        if !prom::samples(&reply).is_empty() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err("took the samples, but does not show the oldest".to_owned())
}

/// Requests of [`SERIES_PER_REQUEST`] series with [`SAMPLES_PER_REQUEST`] samples each, in the order of time.
fn blocks(shop: &mut Shop, steps: usize, end: i64, send: &mut dyn FnMut(usize, Vec<u8>)) {
    let series: Vec<Series> = shop.histograms().iter().flat_map(|h| h.classic_series()).collect();
    let mut request = Request::default();
    for first in (0..steps).step_by(SAMPLES_PER_REQUEST) {
        let mut samples = vec![Vec::with_capacity(SAMPLES_PER_REQUEST); series.len()];
        for step in first..steps.min(first + SAMPLES_PER_REQUEST) {
            shop.step();
            let at = end - (steps - 1 - step) as i64 * STEP_MS;
            let values = shop.histograms().iter().flat_map(|h| h.classic_values());
            samples.iter_mut().zip(values).for_each(|(list, value)| list.push((at, value)));
        }
        for (series, samples) in series.iter().zip(&samples) {
            request.samples(series, samples);
            if request.len() == SERIES_PER_REQUEST {
                send(0, request.take());
            }
        }
    }
    if request.len() > 0 {
        send(0, request.take());
    }
}

fn questions(hours: u64) -> Vec<Question> {
    let quantile = |p: f64, window: &str| {
        format!("histogram_quantile({p}, sum by (le, http_route) (rate({METRIC}_bucket[{window}])))")
    };
    let good = |window: &str| {
        let ok = "http_response_status_code!~\"5..\"";
        format!("sum(increase({METRIC}_count{{{ok}}}[{window}])) / sum(increase({METRIC}_count[{window}]))")
    };
    let burn = |window: &str| format!("(1 - {}) / 0.001", good(window));
    let three = || [0.5, 0.95, 0.99].map(|p| quantile(p, "5m")).to_vec();
    let tolerance = Some(if hours > 48 { TOTAL } else { EXACT });
    let question = |name: &str, expressions, range: Option<(u64, u64)>, aims| {
        let tolerance = if range.is_some() { Some(EXACT) } else { tolerance };
        Question { name: name.to_owned(), expressions, range, tolerance, aims }
    };
    let (hour, day, month) = (3_600, 86_400, 30 * 86_400);
    let (all, panel, panel_name) =
        if hours == 1 { ("30m".to_owned(), 1_800, "30 min") } else { (format!("{}h", hours - 1), hour, "1 h") };
    let windows = [("5m", 0), ("30m", 0), ("1h", 2), ("6h", 7), ("3d", 73)];
    let windows: Vec<String> = windows.iter().filter(|w| w.1 <= hours).map(|w| burn(w.0)).collect();
    // What is aimed at is set for thirty days of data.
    let aims = |aims| if hours == 720 { aims } else { [Aim::None; 2] };
    let mut list = vec![
        question(
            &format!("rate by route, {panel_name} at 15 s"),
            vec![format!("sum by (http_route) (rate({METRIC}_count[5m]))")],
            Some((panel, 15)),
            [Aim::Below(0.5, 0.3), Aim::Below(0.7, 0.5)],
        ),
        question(
            &format!("p50, p95, p99 by route, {panel_name} at 15 s"),
            three(),
            Some((panel, 15)),
            [Aim::Below(0.12, 0.06), Aim::Below(0.4, 0.2)],
        ),
        question(
            &format!("availability over {all}"),
            vec![good(&all)],
            None,
            aims([Aim::Below(0.01, 0.005), Aim::Below(0.12, 0.06)]),
        ),
        Question {
            tolerance: Some(if hours > 48 { BURN } else { EXACT }),
            ..question(
                &format!("{} burn rates", windows.len()),
                windows,
                None,
                aims([Aim::Below(0.05, 0.025), Aim::Below(0.3, 0.15)]),
            )
        },
    ];
    if hours >= 24 {
        let aims = [Aim::Below(0.05, 0.025), Aim::Below(0.5, 0.25)];
        // Of 24 h of data the first hour is left out: earlier repetitions would begin before it.
        let (name, seconds) = if hours == 24 { ("23 h", day - hour) } else { ("24 h", day) };
        let name = format!("p50, p95, p99 by route, {name} at 2 m");
        list.push(question(&name, three(), Some((seconds, 120)), aims));
    }
    if hours >= 720 {
        let aims = [Aim::Below(0.02, 0.01), Aim::Below(0.2, 0.1)];
        let p95 = question("p95 by route, 30 d at 1 h", vec![quantile(0.95, "1h")], Some((month, 3_600)), aims);
        list.push(Question { tolerance: None, ..p95 });
    }
    list
}

/// The repetitions of one system.
#[derive(Default)]
struct Times {
    milliseconds: Vec<f64>,
    cpu_ms: f64,
    points: usize,
}

fn ask(question: &Question, hours: u64, servers: &[Server], end: i64, repetitions: usize, report: &mut Report) {
    let mut times: Vec<Times> = servers.iter().map(|_| Times::default()).collect();
    let start = Instant::now();
    for repetition in 0..repetitions {
        if repetition >= 3 && start.elapsed() > PATIENCE {
            break;
        }
        let at = end - BETWEEN_SAMPLES_MS - repetition as i64 * 60_000;
        let answers: Vec<Samples> =
            servers.iter().zip(&mut times).map(|(server, times)| once(question, server, at, times)).collect();
        compare_values(question, servers, &answers, report);
    }
    for (server, times) in servers.iter().zip(&times) {
        let done = times.milliseconds.len();
        let cells = [
            times.points.to_string(),
            figure(median(&times.milliseconds)),
            figure(times.cpu_ms / done as f64),
            done.to_string(),
        ];
        println!("{}", row(&[&question.name, &cells[0], server.peer.name(), &cells[1], &cells[2], &cells[3]]));
    }
    let of = |peer: Peer| servers.iter().position(|s| s.peer == peer).map(|i| &times[i].milliseconds);
    for (peer, aim) in [Peer::Prometheus, Peer::Victoria].into_iter().zip(question.aims) {
        if let (Some(ours), Some(theirs)) = (of(Peer::Always), of(peer)) {
            let what = format!("{} ({hours} h of data) ÷ {}", question.name, peer.name());
            report.ratio(&what, &format!("{} ms", figure(median(ours))), median_ratio(ours, theirs), aim);
        }
    }
}

/// Asks one system once.
fn once(question: &Question, server: &Server, at: i64, times: &mut Times) -> Samples {
    let paths: Vec<String> = question
        .expressions
        .iter()
        .map(|e| match question.range {
            Some((seconds, step)) => prom::range_path(e, at - seconds as i64 * 1000, at, step),
            None => prom::instant_path(e, at),
        })
        .collect();
    let mut http = server.connect();
    let cpu_before = cpu::cpu_seconds(server.pid());
    let start = Instant::now();
    let replies: Vec<Reply> = paths.iter().map(|p| http.get(p).expect("an answer comes")).collect();
    times.milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
    times.cpu_ms += (cpu::cpu_seconds(server.pid()) - cpu_before) * 1e3;
    let named = replies.iter().enumerate().flat_map(|(i, reply)| {
        assert_eq!(reply.status, 200, "{}: {}", server.peer.name(), reply.text());
        prom::samples(reply).into_iter().map(move |(labels, points)| (format!("{i} {labels}"), points))
    });
    let answer: Samples = named.collect();
    times.points = answer.values().map(Vec::len).sum();
    answer
}

/// Ours against Prometheus's: the same series, times and values.
fn compare_values(question: &Question, servers: &[Server], answers: &[Samples], report: &mut Report) {
    let of = |peer: Peer| servers.iter().position(|s| s.peer == peer).map(|i| &answers[i]);
    let (Some(ours), Some(theirs)) = (of(Peer::Always), of(Peer::Prometheus)) else { return };
    if theirs.is_empty() {
        report.wrong(format!("{}: Prometheus has no answer", question.name));
    }
    match question.tolerance {
        Some(tolerance) => {
            if let Some(difference) = difference(ours, theirs, tolerance) {
                report.wrong(format!("{}: {difference}", question.name));
            }
        }
        None => println!("{}: values are up to {:.3} from Prometheus's", question.name, furthest(ours, theirs)),
    }
}

/// The largest relative distance of two values.
fn furthest(ours: &Samples, theirs: &Samples) -> f64 {
    let pairs = ours.values().zip(theirs.values()).flat_map(|(our, their)| our.iter().zip(their));
    pairs.map(|(a, b)| (a.1 - b.1).abs() / b.1.abs()).filter(|d| d.is_finite()).fold(0.0, f64::max)
}

fn difference(ours: &Samples, theirs: &Samples, tolerance: f64) -> Option<String> {
    if !ours.keys().eq(theirs.keys()) {
        return Some(format!("{} series, Prometheus has {}", ours.len(), theirs.len()));
    }
    ours.iter().zip(theirs.values()).find_map(|((series, our), their)| {
        let same = |(a, b): (&(i64, f64), &(i64, f64))| a.0 == b.0 && close(a.1, b.1, tolerance);
        let equal = our.len() == their.len() && our.iter().zip(their).all(same);
        let at = || our.iter().zip(their).find(|pair| !same(*pair));
        (!equal).then(|| format!("{series}: {} points, Prometheus has {}; {:?}", our.len(), their.len(), at()))
    })
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * a.abs().max(b.abs())
}
