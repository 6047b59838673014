//! A scripted world for tests: an engine that answers what it was told, series that remember events, and
//! a rig that ties them to the real desk and evaluator on a clock that moves by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::BoxFuture;
use crate::base::{Labels, METRIC_NAME, ManualClock, Matcher, Severity, SteadyClock, Timestamp};
use crate::promql::{
    Answer, Engine, InstantSample, Point, QueryError, QueryOptions, Selection, SeriesSamples, Source, SourceError,
    Value,
};
use crate::series::{
    Batch, Delta, Exposed, Known, MetricType, PendingVital, RecordError, Recorded, Recorder, SeriesStats, TICK,
};
use crate::sketch::Histogram;
use crate::slo::{
    AlertRule, Budget, Comparison, CompiledObjective, Escalation, EscalationLevel, Indicator, Level, Measure,
    Objective, RuleKind, Unit, Window,
};
use crate::store::memory_ledger::{MemoryLedger, Posted};

use super::ledger::Ledger;
use super::model::{Incident, OnCall};
use super::{Desk, Evaluator, EvaluatorStats, Settings};

/// Engine, series and recorder in one.
#[derive(Default)]
pub struct World {
    answers: Mutex<BTreeMap<String, Result<Value, String>>>,
    increments: Mutex<Vec<(Timestamp, Labels, f64)>>,
    samples: Mutex<Vec<(Timestamp, Labels, f64)>>,
    /// Recording fails while this is set.
    pub full: Mutex<bool>,
}

impl World {
    /// What `expression` is from now on: groups and values.
    pub fn answer(&self, expression: &str, elements: &[(Labels, f64)]) {
        let samples = elements.iter().map(|(l, v)| InstantSample { labels: l.clone(), point: Point::Float(*v) });
        self.answers.lock().insert(expression.to_owned(), Ok(Value::Vector(samples.collect())));
    }

    /// `expression` fails from now on.
    pub fn fail(&self, expression: &str) {
        self.answers.lock().insert(expression.to_owned(), Err("the source is gone".to_owned()));
    }

    /// Something happened `count` times.
    pub fn happen(&self, at: Timestamp, metric: &str, labels: &Labels, count: f64) {
        self.increments.lock().push((at, labels.with(METRIC_NAME, metric), count));
    }

    /// The sum of a counter's increments.
    pub fn total(&self, metric: &str) -> f64 {
        self.increments.lock().iter().filter(|(_, l, _)| l.metric_name() == metric).map(|(_, _, n)| n).sum()
    }

    /// The last sample of a gauge.
    pub fn gauge(&self, labels: &Labels) -> Option<f64> {
        self.samples.lock().iter().rfind(|(_, l, _)| l == labels).map(|(_, _, v)| *v)
    }
}

impl Engine for World {
    fn instant<'a>(
        &'a self,
        expression: &'a str,
        _at: Timestamp,
        _options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        let known = self.answers.lock().get(expression).cloned().unwrap_or(Ok(Value::Vector(Vec::new())));
        let answer = known.map_err(QueryError::Execution);
        let answer = answer.map(|value| Answer { value, warnings: Vec::new(), infos: Vec::new() });
        Box::pin(std::future::ready(answer))
    }

    fn range<'a>(
        &'a self,
        _expression: &'a str,
        _start: Timestamp,
        _end: Timestamp,
        _step: Duration,
        _options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(std::future::ready(Err(QueryError::Execution("not scripted".to_owned()))))
    }
}

impl Source for World {
    fn select<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>> {
        let samples = self.samples.lock();
        let inside = samples.iter().filter(|(at, labels, _)| {
            *at > selection.start && *at <= selection.end && Matcher::all_match(&selection.matchers, labels)
        });
        let mut series: BTreeMap<Labels, SeriesSamples> = BTreeMap::new();
        for (at, labels, value) in inside {
            let entry = series.entry(labels.clone()).or_default();
            entry.labels = labels.clone();
            entry.floats.push(*at, *value);
        }
        Box::pin(std::future::ready(Ok(series.into_values().collect())))
    }

    fn series<'a>(&'a self, _selection: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

impl Known for World {
    fn exposition(&self, _now: Timestamp) -> Vec<Exposed> {
        Vec::new()
    }

    fn histograms<'a>(
        &'a self,
        _matchers: &'a [Matcher],
        _start: Timestamp,
        _end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, Histogram)>, SourceError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// As the contract says: the start is resolved to its slot, the open slot counts up to the end.
    fn increases<'a>(
        &'a self,
        matchers: &'a [Matcher],
        start: Timestamp,
        end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, f64)>, SourceError>> {
        let start = start.floor_to(TICK);
        let aligned = end == end.floor_to(TICK);
        let mut sums: BTreeMap<Labels, f64> = BTreeMap::new();
        for (at, labels, count) in self.increments.lock().iter() {
            let before_end = if aligned { *at < end } else { *at <= end };
            if *at >= start && before_end && Matcher::all_match(matchers, labels) {
                *sums.entry(labels.clone()).or_default() += count;
            }
        }
        Box::pin(std::future::ready(Ok(sums.into_iter().collect())))
    }

    fn pending_vitals(&self, _since: Timestamp) -> Vec<PendingVital> {
        Vec::new()
    }

    fn stats(&self, _limit: usize) -> SeriesStats {
        SeriesStats::default()
    }

    fn metric_type(&self, _metric: &str) -> MetricType {
        MetricType::Unknown
    }
}

impl Recorder for World {
    fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        if *self.full.lock() {
            return Box::pin(std::future::ready(Err(RecordError::Full)));
        }
        for item in batch.items {
            match item.delta {
                Delta::Add(count) => self.increments.lock().push((item.at, item.labels, count)),
                Delta::Sample(value) => self.samples.lock().push((item.at, item.labels, value)),
                Delta::Observe(_) | Delta::Distribution(_) => {}
            }
        }
        Box::pin(std::future::ready(Ok(Recorded::default())))
    }
}

/// The one group that most tests use.
pub fn shop() -> Labels {
    Labels::new([("service_name", "shop-api")])
}

/// `api-latency`: p95, warning above 200 ms, critical above 500 ms, with a budget of 99 % over a day.
/// Its expressions are called `value`, `critical`, `critical-stay`, `warning` and `no-data`.
pub fn api_latency(hold: Duration) -> Arc<CompiledObjective> {
    let level = |severity, above| Level {
        severity,
        breach: Comparison::Above(above),
        hold,
        keep_firing: Duration::ZERO,
        clear: None,
    };
    let objective = Objective {
        name: "api-latency".into(),
        title: "API answers fast".into(),
        team: Some("platform".into()),
        indicator: Indicator::Percentile {
            of: "http_server_request_duration_seconds".into(),
            p: 95.0,
            filter: String::new(),
            over: Duration::from_secs(300),
            by: vec!["service_name".into()],
            worst_of: Vec::new(),
        },
        unit: Unit::Seconds,
        target: Some(0.2),
        levels: vec![level(Severity::Critical, 0.5), level(Severity::Warning, 0.2)],
        budget: Some(Budget { objective: 0.99, window: Window::Rolling(Duration::from_secs(86_400)), burn: true }),
        min_samples: None,
        no_data: None,
        escalation: Some("on-call".into()),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        runbook: None,
        dashboard: None,
        source: "test.yaml".into(),
    };
    let measure = Measure {
        part: r#"http_count{code=~"5.."}"#.into(),
        part_is_bad: true,
        total: "http_count".into(),
        by: vec!["service_name".into()],
    };
    Arc::new(CompiledObjective {
        objective: Arc::new(objective),
        value: "value".into(),
        rules: vec![
            rule("critical", Severity::Critical, RuleKind::Level, hold),
            rule("warning", Severity::Warning, RuleKind::Level, hold),
        ],
        measure: Some(measure),
        thresholds: Vec::new(),
        remarks: Vec::new(),
    })
}

/// A rule whose expression is its id.
pub fn rule(id: &str, severity: Severity, kind: RuleKind, hold: Duration) -> AlertRule {
    AlertRule {
        id: id.into(),
        alert_name: format!("ApiLatency-{id}"),
        kind,
        severity,
        expr: id.into(),
        export_expr: id.into(),
        stay_expr: None,
        hold,
        keep_firing: Duration::ZERO,
        labels: Labels::new([("objective", "api-latency"), ("severity", severity.as_str())]),
        annotations: vec![
            ("summary".into(), "{{value}}".into()),
            ("description".into(), "is {{value}} on {{labels}}".into()),
        ],
    }
}

/// Level 1 at once, level 2 after 15 min, level 3 after 30 min.
pub fn on_call(repeat: Option<Duration>) -> Vec<Escalation> {
    let level = |minutes: u64, notify: &[&str]| EscalationLevel {
        after: Duration::from_secs(60 * minutes),
        notify: notify.iter().map(|n| (*n).to_owned()).collect(),
    };
    let levels = vec![level(0, &["pagerduty", "slack"]), level(15, &["senior"]), level(30, &["manager", "sms"])];
    vec![Escalation { name: "on-call".into(), levels, repeat, is_default: true }]
}

/// The real desk and evaluator in a scripted world.
pub struct Rig {
    /// What is known and asked.
    pub world: Arc<World>,
    /// What is stored.
    pub ledger: Arc<MemoryLedger>,
    /// The machine's clocks.
    pub clock: ManualClock,
    /// The time as the service sees it.
    pub steady: Arc<SteadyClock>,
    /// What is evaluated.
    pub objectives: Vec<Arc<CompiledObjective>>,
    /// Who is told.
    pub escalations: Vec<Escalation>,
    /// The desk of the process that runs now.
    pub desk: Arc<Desk>,
    /// The evaluator of the process that runs now.
    pub evaluator: Evaluator,
    /// Its numbers.
    pub stats: Arc<EvaluatorStats>,
}

/// When tests begin: at a whole minute.
pub const START: Timestamp = Timestamp::from_secs(1_763_640_000);

impl Rig {
    /// A fresh process with one objective that fires when its breach has lasted `hold`.
    pub async fn new(hold: Duration) -> Self {
        Self::with(vec![api_latency(hold)], on_call(None)).await
    }

    /// A fresh process.
    pub async fn with(objectives: Vec<Arc<CompiledObjective>>, escalations: Vec<Escalation>) -> Self {
        let world = Arc::new(World::default());
        let ledger = Arc::new(MemoryLedger::default());
        let clock = ManualClock::at(START);
        let steady = Arc::new(SteadyClock::new(Arc::new(clock.clone())));
        let (desk, evaluator, stats) = start(&world, &ledger, &steady, &objectives, &escalations).await;
        Self { world, ledger, clock, steady, objectives, escalations, desk, evaluator, stats }
    }

    /// The process is killed and started again: only what was stored is left.
    pub async fn restart(&mut self) {
        let started = start(&self.world, &self.ledger, &self.steady, &self.objectives, &self.escalations).await;
        (self.desk, self.evaluator, self.stats) = started;
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        use crate::base::Clock;
        self.steady.now()
    }

    /// Lets time pass, then evaluates once.
    pub async fn tick(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.evaluator.evaluate(self.now(), Duration::ZERO).await;
    }

    /// Evaluates every 5 s for so many minutes; each page is delivered at once.
    pub async fn minutes(&mut self, minutes: u64) {
        for _ in 0..minutes * 12 {
            self.tick(5).await;
            self.deliver();
        }
    }

    /// The value is this, and rules of the levels that it is beyond are in breach.
    pub fn set_latency(&self, seconds: f64) {
        let elements = |breach: bool| if breach { vec![(shop(), seconds)] } else { Vec::new() };
        self.world.answer("value", &elements(true));
        self.world.answer("critical", &elements(seconds > 0.5));
        self.world.answer("warning", &elements(seconds > 0.2));
    }

    /// The dispatcher sends all that waits.
    pub fn deliver(&self) {
        for posted in self.ledger.outbox().iter().filter(|p| p.status == "pending") {
            self.ledger.mark(posted.envelope.id, "sent");
        }
    }

    /// Messages that were not cancelled: seconds since the start, kind, channel.
    pub fn sent(&self) -> Vec<(u64, &'static str, String)> {
        let all = self.ledger.outbox();
        let real = all.iter().filter(|p| p.status != "cancelled");
        let line = |p: &Posted| {
            (p.envelope.created_at.since(START).as_secs(), p.envelope.kind.as_str(), p.envelope.channel.clone())
        };
        real.map(line).collect()
    }

    /// The one live incident.
    pub async fn incident(&self) -> Incident {
        let live = OnCall::incidents(&*self.desk, false).await.unwrap();
        assert_eq!(live.len(), 1, "{live:?}");
        live[0].clone()
    }
}

async fn start(
    world: &Arc<World>,
    ledger: &Arc<MemoryLedger>,
    clock: &Arc<SteadyClock>,
    objectives: &[Arc<CompiledObjective>],
    escalations: &[Escalation],
) -> (Arc<Desk>, Evaluator, Arc<EvaluatorStats>) {
    use crate::base::Clock;
    let settings = Settings { public_url: "https://slo.example/".into(), ..Settings::default() };
    let ledger: Arc<dyn Ledger> = Arc::clone(ledger) as _;
    let known: Arc<dyn Known> = Arc::clone(world) as _;
    let desk =
        Desk::open(settings, ledger, known, objectives.to_vec(), escalations.to_vec(), clock.now()).await.unwrap();
    let stats = Arc::new(EvaluatorStats::default());
    let engine: Arc<dyn Engine> = Arc::clone(world) as _;
    let recorder: Arc<dyn Recorder> = Arc::clone(world) as _;
    let evaluator = Evaluator::new(Arc::clone(&desk), engine, recorder, clock.clone(), Arc::clone(&stats));
    (desk, evaluator, stats)
}
