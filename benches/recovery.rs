//! `kill -9`, and what comes after: how long until the server answers again, and what it has lost.
//!
//! `restart`: 50,008 series are loaded by remote write, the server is killed right after its last answer and
//! started again on what it left, several times. Samples are 5 s apart, so that two hours' worth of a usual
//! scraper lies within the last hour, which every system takes. All but the last three minutes are sent first, then
//! every server has the time to put them where it would have put them in the course of those hours.
//!
//! `loss`: two senders write 1,000 gauges whose value is the number of the step, as fast as they are answered, and
//! four send events; the server is killed amid that. Afterwards each sample that was acknowledged must be there
//! once, with its value, and each event must be counted once. The one request a sender had no answer to may be
//! there or not, but whole.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::args::Args;
use crate::common::cpu;
use crate::common::http::{Http, Reply};
use crate::common::peers::{Peer, Server, wait_until};
use crate::common::prom;
use crate::common::remote_write::{Request, Series, post, send_all};
use crate::common::shop::{METRIC, Shop};
use crate::common::table::{Aim, Report, figure, mebibytes, median, median_ratio, print_head, row};
use crate::remote_write::{answers, classic, now_ms, settle};

const ROUTES: usize = 893;
const PER_STEP: [f64; 4] = [35.0; 4];
const STEP_MS: i64 = 5_000;
const LANES: usize = 2;
/// Sent right before the kill: three minutes.
const LAST_STEPS: usize = 36;

pub(crate) fn run(args: &Args, report: &mut Report) {
    if args.wants_case("restart") {
        restarts(args, report);
    }
    if args.wants_case("loss") {
        losses(args, report);
    }
}

/// One server that was killed right after its last answer, and what its restarts took.
struct Restarts {
    server: Server,
    ready_s: Vec<f64>,
    answer_s: Vec<f64>,
    memory: Vec<f64>,
}

/// What is asked after a restart, of which time, and the right answer.
struct Question {
    expression: String,
    at_ms: i64,
    answer: f64,
}

fn restarts(args: &Args, report: &mut Report) {
    let usual = if args.long { 720 } else { 180 };
    let (steps, rounds) = (args.size(args.steps, usual, 48).min(720), args.rounds(3));
    println!("\nrestart, 50,008 series × {steps} samples, {rounds} restarts of each");
    let peers = Peer::installed(&[Peer::Always, Peer::Prometheus, Peer::Victoria]);
    let mut shops: Vec<(Server, Shop)> = peers.into_iter().filter_map(|peer| loaded(peer, steps)).collect();
    settle(args);
    let killed = shops.drain(..).map(|(server, shop)| loaded_to_the_end_and_killed(server, shop));
    let (mut servers, questions): (Vec<Restarts>, Vec<Question>) = killed.unzip();
    for _ in 0..rounds {
        servers.iter_mut().zip(&questions).for_each(|(server, question)| server.once(question));
    }
    print_head(&["medians", "ready s", "right answer s", "memory MiB"]);
    for done in &servers {
        // It acknowledges what it has not written, so a right answer may never come: it is not waited for.
        let answer = if done.answer_s.is_empty() { "–".to_owned() } else { figure(median(&done.answer_s)) };
        let memory = mebibytes(median(&done.memory));
        println!("{}", row(&[done.server.peer.name(), &figure(median(&done.ready_s)), &answer, &memory]));
    }
    let of = |peer: Peer| servers.iter().find(|s| s.server.peer == peer);
    if let (Some(ours), Some(theirs)) = (of(Peer::Always), of(Peer::Prometheus)) {
        for (what, ours, theirs) in
            [("ready", &ours.ready_s, &theirs.ready_s), ("right answer", &ours.answer_s, &theirs.answer_s)]
        {
            let absolute = format!("{} s", figure(median(ours)));
            let what = format!("{what} after kill -9 ÷ prometheus");
            report.ratio(&what, &absolute, median_ratio(ours, theirs), Aim::Below(0.3, 0.1));
        }
    }
}

/// A server that has all but the last steps; none when it does not take them.
fn loaded(peer: Peer, steps: usize) -> Option<(Server, Shop)> {
    let server = Server::start(peer);
    let mut shop = Shop::new(ROUTES, PER_STEP);
    let steps = steps.saturating_sub(LAST_STEPS);
    match send_all(server.port, LANES, |send| classic(&mut shop, steps, now_ms(), STEP_MS, send)) {
        Ok(()) => Some((server, shop)),
        Err(refusal) => {
            println!("{}: left out, {refusal}", peer.name());
            None
        }
    }
}

fn loaded_to_the_end_and_killed(mut server: Server, mut shop: Shop) -> (Restarts, Question) {
    let at_ms = now_ms();
    let sent = send_all(server.port, LANES, |send| classic(&mut shop, LAST_STEPS, at_ms, STEP_MS, send));
    server.kill();
    sent.expect("it took the ones before");
    let question = Question { expression: format!("sum({METRIC}_count)"), at_ms, answer: shop.count() };
    (Restarts { server, ready_s: Vec::new(), answer_s: Vec::new(), memory: Vec::new() }, question)
}

impl Restarts {
    /// Starts it, waits for the right answer, kills it.
    fn once(&mut self, question: &Question) {
        let server = &mut self.server;
        let start = server.start_again();
        server.wait_ready();
        self.ready_s.push(start.elapsed().as_secs_f64());
        if server.peer != Peer::Victoria {
            let Question { expression, at_ms, answer } = question;
            wait_until("the right answer", || answers(server.port, expression, *at_ms, *answer));
            self.answer_s.push(start.elapsed().as_secs_f64());
        }
        self.memory.push(cpu::resident_memory(server.pid()));
        server.kill();
    }
}

/// What became of acknowledged data.
#[derive(Debug, Default, Clone, Copy)]
struct Loss {
    acknowledged: usize,
    lost: usize,
    doubled: usize,
    altered: usize,
}

impl Loss {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.altered += other.altered;
    }
}

fn losses(args: &Args, report: &mut Report) {
    let rounds = args.rounds(3);
    println!("\nloss, {rounds} kills of each");
    let gauges = Peer::installed(&[Peer::Always, Peer::Write, Peer::Prometheus, Peer::Victoria]);
    let mut rows = Vec::new();
    for peer in gauges {
        rows.extend(total(peer, "samples", rounds, report, |k| samples(peer, k)));
    }
    for peer in [Peer::Always, Peer::Write] {
        rows.extend(total(peer, "events", rounds, report, |k| Ok(events(peer, k))));
    }
    print_head(&["what", "acknowledged", "lost", "doubled", "altered"]);
    rows.iter().for_each(|row| println!("{row}"));
}

/// All kills of one server; none when it does not take the data.
fn total(
    peer: Peer,
    what: &str,
    rounds: usize,
    report: &mut Report,
    kill: impl Fn(usize) -> Result<Loss, String>,
) -> Option<String> {
    let mut all = Loss::default();
    for k in 0..rounds {
        match kill(k) {
            Ok(loss) => all.add(loss),
            Err(refusal) => {
                println!("{}: left out, {refusal}", peer.name());
                return None;
            }
        }
    }
    let Loss { acknowledged, lost, doubled, altered } = all;
    if peer.is_ours() && (acknowledged == 0 || (lost, doubled, altered) != (0, 0, 0)) {
        report.wrong(format!("{}: {what} after kill -9: {all:?}", peer.name()));
    }
    let counts = [acknowledged, lost, doubled, altered].map(|n| n.to_string());
    Some(row(&[&format!("{}, {what}", peer.name()), &counts[0], &counts[1], &counts[2], &counts[3]]))
}

/// When the `k`th kill comes, counted from the first answer.
fn life(k: usize) -> Duration {
    Duration::from_millis(1_500 + 1_100 * k as u64)
}

const GAUGES_PER_LANE: usize = 500;
/// Between the times of two steps; with [`MOST_STEPS`] less than an hour.
const GAUGE_STEP_MS: i64 = 500;
const MOST_STEPS: usize = 6_000;

fn gauge_labels(lane: usize, gauge: usize) -> String {
    format!("l{lane}g{gauge}")
}

fn samples(peer: Peer, k: usize) -> Result<Loss, String> {
    let mut server = Server::start(peer);
    let start = now_ms() - MOST_STEPS as i64 * GAUGE_STEP_MS;
    let acknowledged = while_it_lives(&mut server, LANES, life(k), |http, lane, acknowledged| {
        send_gauges(http, lane, start, acknowledged)
    })?;
    server.start_again();
    server.wait_ready();
    let mut loss = Loss::default();
    let mut http = server.connect();
    for (lane, steps) in acknowledged.into_iter().enumerate() {
        for gauge in 0..GAUGES_PER_LANE {
            let expression = format!("loss_gauge{{n=\"{}\"}}[2h]", gauge_labels(lane, gauge));
            let path = prom::instant_path(&expression, start + MOST_STEPS as i64 * GAUGE_STEP_MS);
            let found = prom::samples(&http.get(&path).map_err(|e| e.to_string())?);
            loss.add(compare(&found.into_values().flatten().collect::<Vec<_>>(), start, steps));
        }
    }
    Ok(loss)
}

/// Runs the senders, kills the server amid them, and says how many steps of each were acknowledged.
fn while_it_lives(
    server: &mut Server,
    lanes: usize,
    life: Duration,
    send: impl Fn(&mut Http, usize, &AtomicUsize) -> Result<(), String> + Sync,
) -> Result<Vec<usize>, String> {
    let (port, send) = (server.port, &send);
    let steps: Vec<AtomicUsize> = (0..lanes).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = steps
            .iter()
            .enumerate()
            .map(|(lane, steps)| {
                scope.spawn(move || send(&mut Http::connect(port).map_err(|e| e.to_string())?, lane, steps))
            })
            .collect();
        wait_until("the first answer", || {
            steps.iter().all(|s| s.load(Ordering::SeqCst) > 0) || threads.iter().any(|t| t.is_finished())
        });
        let start = Instant::now();
        while start.elapsed() < life && !threads.iter().all(|t| t.is_finished()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        server.kill();
        // A refusal counts; that the connection broke does not.
        threads.into_iter().try_for_each(|t| t.join().expect("a sender ends in order"))
    })?;
    Ok(steps.into_iter().map(AtomicUsize::into_inner).collect())
}

fn send_gauges(http: &mut Http, lane: usize, start: i64, acknowledged: &AtomicUsize) -> Result<(), String> {
    let named = |g| Series::new(&[("__name__", "loss_gauge"), ("job", "loss"), ("n", &gauge_labels(lane, g))]);
    let series: Vec<Series> = (0..GAUGES_PER_LANE).map(named).collect();
    let mut request = Request::default();
    for step in 0..MOST_STEPS {
        let at = start + step as i64 * GAUGE_STEP_MS;
        series.iter().for_each(|s| request.samples(s, &[(at, step as f64)]));
        match post(http, &request.take()) {
            Ok(Ok(())) => drop(acknowledged.fetch_add(1, Ordering::SeqCst)),
            Ok(Err(refusal)) => return Err(refusal),
            Err(_gone) => break,
        }
    }
    Ok(())
}

/// The samples of one gauge against the steps that were acknowledged.
fn compare(found: &[(i64, f64)], start: i64, steps: usize) -> Loss {
    let mut times = vec![0usize; MOST_STEPS];
    let mut altered = 0;
    for &(at, value) in found {
        let step = ((at - start) / GAUGE_STEP_MS) as usize;
        let right = at == start + step as i64 * GAUGE_STEP_MS && step <= steps && value == step as f64;
        match times.get_mut(step) {
            Some(n) if right => *n += 1,
            _ => altered += 1,
        }
    }
    let lost = times[..steps].iter().filter(|n| **n == 0).count();
    let doubled = times.iter().map(|n| n.saturating_sub(1)).sum();
    Loss { acknowledged: steps, lost, doubled, altered }
}

const EVENT_LANES: usize = 4;
const EVENTS_PER_REQUEST: usize = 50;

fn events(peer: Peer, k: usize) -> Loss {
    let mut server = Server::start(peer);
    let acknowledged = while_it_lives(&mut server, EVENT_LANES, life(k), send_events).expect("events are taken");
    server.start_again();
    server.wait_ready();
    let mut http = server.connect();
    let mut loss = Loss::default();
    for (lane, requests) in acknowledged.into_iter().enumerate() {
        let value = |http: &mut Http, what: &str| {
            let name = format!("http_server_request_duration_seconds_{what}{{http_route=\"/lane{lane}\"}}");
            let reply = http.get(&prom::instant_path(&name, now_ms() + 10_000)).expect("an answer comes");
            only(&reply)
        };
        let (count, sum) = (value(&mut http, "count"), value(&mut http, "sum"));
        loss.add(compare_events(requests, count, sum));
    }
    loss
}

fn only(reply: &Reply) -> f64 {
    prom::samples(reply).into_values().flatten().map(|(_, v)| v).sum()
}

fn send_events(http: &mut Http, lane: usize, acknowledged: &AtomicUsize) -> Result<(), String> {
    let event = format!(
        r#"{{"kind":"http","service":"shop","route":"/lane{lane}","method":"GET","status":200,"duration_ms":500}}"#
    );
    let body = vec![event; EVENTS_PER_REQUEST].join("\n");
    loop {
        match http.post("/ingest/timings", "content-type: application/x-ndjson\r\n", body.as_bytes()) {
            Ok(reply) if reply.status == 204 => drop(acknowledged.fetch_add(1, Ordering::SeqCst)),
            Ok(reply) if reply.status == 503 => {}
            Ok(reply) => return Err(format!("answers {} {}", reply.status, reply.text())),
            Err(_gone) => return Ok(()),
        }
    }
}

/// Every event lasts half a second: the sum must fit the count.
fn compare_events(requests: usize, count: f64, sum: f64) -> Loss {
    let (acknowledged, count, half_seconds) = (requests * EVENTS_PER_REQUEST, count as usize, (sum * 2.0) as usize);
    Loss {
        acknowledged,
        lost: acknowledged.saturating_sub(count),
        doubled: count.saturating_sub(acknowledged + EVENTS_PER_REQUEST),
        altered: count.abs_diff(half_seconds) + count % EVENTS_PER_REQUEST,
    }
}
