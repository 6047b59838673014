//! Our own health: what the modules count themselves, under the names of the catalogue. The series loop asks
//! at each tick, so that our own metrics are series like any others: queried, exposed, judged.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::alert::{Desk, EvaluatorStats};
use crate::base::{Clock, DropReason, Labels, Severity, SteadyClock, Timestamp};
use crate::collect::CollectorStats;
use crate::http::Queries;
use crate::ingest::Tally;
use crate::notify;
use crate::series::{Counters, Delta, Item, Known, LimitUse};
use crate::telemetry::{RegisterError, Telemetry};

/// Who counts what.
pub(super) struct Own {
    /// What came in and what became of it.
    pub tally: Arc<Tally>,
    /// Series and journal.
    pub series: Arc<Counters>,
    /// Who knows how much of the limits is used.
    pub known: Arc<dyn Known>,
    /// The evaluator.
    pub evaluator: Arc<EvaluatorStats>,
    /// The dispatcher.
    pub dispatcher: Arc<notify::Counters>,
    /// The queries of all clients.
    pub queries: Arc<Queries>,
    /// The collectors.
    pub collectors: Vec<Arc<CollectorStats>>,
    /// Incidents.
    pub desk: Arc<Desk>,
    /// For the share of the processor, and the wall clock's steps.
    pub clock: Arc<SteadyClock>,
}

type Values = Vec<(Labels, f64)>;

fn one(value: f64) -> Values {
    vec![(Labels::default(), value)]
}

fn labelled(name: &'static str, label: &str, value: f64) -> (Labels, f64) {
    (Labels::new([(name, label)]), value)
}

/// What the series loop calls at each tick.
pub(super) fn source(own: Own) -> Result<impl Fn(Timestamp) -> Vec<Item> + Send + Sync + 'static, RegisterError> {
    let telemetry = Telemetry::new();
    let share = ProcessorShare { clock: own.clock.clone(), before: Mutex::new(None) };
    register_ingest(&telemetry, &own.tally)?;
    register_series(&telemetry, &own.series)?;
    register_limits(&telemetry, &own.known, &own.tally)?;
    register_evaluator(&telemetry, &own.evaluator)?;
    register_notifications(&telemetry, &own.dispatcher)?;
    register_queries(&telemetry, own.queries)?;
    register_collectors(&telemetry, own.collectors)?;
    register_incidents(&telemetry, own.desk)?;
    register_clock(&telemetry, own.clock)?;
    Ok(move |now| {
        let mut values = telemetry.gather();
        values.extend(share.since_last(&values));
        let item = |(labels, value)| Item { labels, at: now, delta: Delta::Sample(value) };
        values.into_iter().map(item).collect()
    })
}

fn register_ingest(telemetry: &Telemetry, tally: &Arc<Tally>) -> Result<(), RegisterError> {
    let of = |read: fn(&crate::ingest::EndpointCounts) -> u64| {
        let tally = tally.clone();
        move || {
            let counts = tally.counts();
            counts.iter().map(|c| labelled("endpoint", c.endpoint.as_str(), read(c) as f64)).collect::<Values>()
        }
    };
    telemetry.register("plimsoll_ingest_received_total", of(|c| c.received))?;
    telemetry.register("plimsoll_ingest_accepted_total", of(|c| c.accepted))?;
    let tally = tally.clone();
    telemetry.register("plimsoll_ingest_dropped_total", move || {
        let all = tally.counts();
        let dropped = all.iter().flat_map(|c| c.dropped.iter().map(move |(reason, n)| (c.endpoint, reason, *n)));
        let labels = |endpoint: &str, reason: &str| Labels::new([("endpoint", endpoint), ("reason", reason)]);
        dropped.map(|(endpoint, reason, n)| (labels(endpoint.as_str(), reason.as_str()), n as f64)).collect()
    })
}

fn register_series(telemetry: &Telemetry, counters: &Arc<Counters>) -> Result<(), RegisterError> {
    let of = |read: fn(&Counters) -> f64| {
        let counters = counters.clone();
        move || one(read(&counters))
    };
    telemetry.register("plimsoll_series", of(|c| c.head_series.get() as f64))?;
    telemetry.register("plimsoll_series_late_total", of(|c| c.late.get() as f64))?;
    telemetry.register("plimsoll_vitals_pending", of(|c| c.pending_vitals.get() as f64))?;
    telemetry.register("plimsoll_vitals_settled_total", of(|c| c.settled.get() as f64))?;
    telemetry.register("plimsoll_journal_commits_total", of(|c| c.journal_entries.get() as f64))?;
    telemetry.register("plimsoll_journal_bytes_total", of(|c| c.journal_bytes.get() as f64))?;
    telemetry.register("plimsoll_journal_errors_total", of(|c| c.journal_failures.get() as f64))?;
    telemetry.register("plimsoll_journal_commit_seconds_total", of(|c| c.journal_nanos.get() as f64 / 1e9))?;
    telemetry.register("plimsoll_journal_queue_length", of(|c| c.queue_depth.get() as f64))?;
    telemetry.register("plimsoll_history_samples_total", of(|c| c.history_samples.get() as f64))?;
    telemetry.register("plimsoll_history_waiting_samples", of(|c| c.history_waiting.get() as f64))?;
    telemetry.register("plimsoll_archive_ticks_total", of(|c| c.ticks_archived.get() as f64))?;
    telemetry.register("plimsoll_journal_missing_entries", of(|c| c.recovered_missing.get() as f64))?;
    telemetry.register("plimsoll_archive_errors_total", of(|c| c.archive_failures.get() as f64))?;
    telemetry.register("plimsoll_archive_damaged_total", of(|c| c.archive_damaged.get() as f64))?;
    let counters = counters.clone();
    telemetry.register("plimsoll_series_dropped_total", move || {
        counters.dropped().iter().map(|(reason, n)| labelled("reason", reason.as_str(), *n as f64)).collect()
    })
}

fn register_limits(telemetry: &Telemetry, known: &Arc<dyn Known>, tally: &Arc<Tally>) -> Result<(), RegisterError> {
    let of = |read: fn(&LimitUse) -> Option<u64>| {
        let known = known.clone();
        move || {
            let value = |l: LimitUse| Some(labelled("limit", l.name, read(&l)? as f64));
            known.limits().into_iter().filter_map(value).collect::<Values>()
        }
    };
    telemetry.register("plimsoll_limit_used", of(|l| l.used))?;
    telemetry.register("plimsoll_limit_allowed", of(|l| Some(l.allowed)))?;
    let (refused, tally) = (of(|l| Some(l.refused)), tally.clone());
    telemetry.register("plimsoll_limit_refused_total", move || {
        let body = labelled("limit", "body", tally.dropped_for(DropReason::TooLarge) as f64);
        refused().into_iter().chain([body]).collect()
    })
}

fn register_evaluator(telemetry: &Telemetry, stats: &Arc<EvaluatorStats>) -> Result<(), RegisterError> {
    let of = |read: fn(crate::alert::stats::StatsSnapshot) -> f64| {
        let stats = stats.clone();
        move || one(read(stats.snapshot()))
    };
    telemetry.register("plimsoll_evaluations_total", of(|s| s.evaluations as f64))?;
    telemetry.register("plimsoll_evaluation_missed_total", of(|s| s.missed as f64))?;
    telemetry.register("plimsoll_evaluation_failures_total", of(|s| s.failed_objectives as f64))?;
    telemetry.register("plimsoll_evaluation_duration_seconds", of(|s| s.duration.as_secs_f64()))?;
    telemetry.register("plimsoll_evaluation_lag_seconds", of(|s| s.lag.as_secs_f64()))
}

fn register_notifications(telemetry: &Telemetry, counters: &Arc<notify::Counters>) -> Result<(), RegisterError> {
    let attempts = counters.clone();
    telemetry.register("plimsoll_notifications_total", move || {
        let labels = |channel: &str, outcome: &str| Labels::new([("channel", channel), ("outcome", outcome)]);
        attempts.by_channel().map(|(channel, outcome, n)| (labels(channel, outcome.as_str()), n as f64)).collect()
    })?;
    let sums = counters.clone();
    telemetry.register("plimsoll_notification_latency_seconds_sum", move || one(sums.latency().sum))?;
    let counters = counters.clone();
    telemetry.register("plimsoll_notification_latency_seconds_count", move || {
        one(counters.latency().buckets.iter().sum::<u64>() as f64)
    })
}

fn register_queries(telemetry: &Telemetry, queries: Arc<Queries>) -> Result<(), RegisterError> {
    let running = queries.clone();
    telemetry.register("plimsoll_queries_running", move || one(running.running() as f64))?;
    telemetry.register("plimsoll_queries_total", move || {
        queries.ended().map(|(outcome, n)| labelled("outcome", outcome.as_str(), n as f64)).collect()
    })
}

fn register_collectors(telemetry: &Telemetry, collectors: Vec<Arc<CollectorStats>>) -> Result<(), RegisterError> {
    let collectors: Arc<[Arc<CollectorStats>]> = collectors.into();
    let of = |read: fn(&CollectorStats) -> f64| {
        let collectors = collectors.clone();
        move || collectors.iter().map(|c| labelled("collector", c.name(), read(c))).collect::<Values>()
    };
    telemetry.register("plimsoll_collector_cycles_total", of(|c| c.cycles() as f64))?;
    telemetry.register("plimsoll_collector_failures_total", of(|c| c.failures() as f64))?;
    telemetry.register("plimsoll_collector_skipped_total", of(|c| c.skipped() as f64))?;
    telemetry.register("plimsoll_collector_unrecorded_total", of(|c| c.unrecorded() as f64))?;
    telemetry.register("plimsoll_collector_duration_seconds", of(|c| c.took().as_secs_f64()))
}

fn register_incidents(telemetry: &Telemetry, desk: Arc<Desk>) -> Result<(), RegisterError> {
    telemetry.register("plimsoll_incidents_open", move || {
        let open = desk.open_incidents();
        let of = |severity: Severity| open.iter().filter(|s| **s == severity).count() as f64;
        let both = [Severity::Warning, Severity::Critical];
        both.into_iter().map(|s| labelled("severity", s.as_str(), of(s))).collect()
    })
}

fn register_clock(telemetry: &Telemetry, clock: Arc<SteadyClock>) -> Result<(), RegisterError> {
    let steps = clock.clone();
    telemetry.register("plimsoll_clock_steps_total", move || {
        let steps = steps.steps();
        let both = [("back", steps.back), ("forward", steps.forward)];
        both.into_iter().map(|(direction, n)| labelled("direction", direction, n as f64)).collect()
    })?;
    telemetry.register("plimsoll_clock_lead_seconds", move || one(clock.steps().lead.as_secs_f64()))
}

/// The share of the machine's processors that this process used since it was last asked.
struct ProcessorShare {
    clock: Arc<SteadyClock>,
    before: Mutex<Option<(f64, f64)>>,
}

impl ProcessorShare {
    fn since_last(&self, values: &Values) -> Option<(Labels, f64)> {
        let used = values.iter().find(|(l, _)| l.metric_name() == "process_cpu_seconds_total")?.1;
        let at = self.clock.monotonic().as_secs_f64();
        let (used_before, before) = self.before.lock().replace((used, at))?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let passed = at - before;
        let share = (used - used_before) / (passed * processors);
        (passed > 0.0).then(|| (Labels::metric::<&str, &str>("plimsoll_overhead_ratio", []), share))
    }
}
