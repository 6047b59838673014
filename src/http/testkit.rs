//! Fakes of every port with one story in them: a shop at 03:12 whose API has become slow.
//!
//! The library's own tests and the integration tests both include this file, so it names the library
//! `plimsoll`.
#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "test kit, shared by two crates that each use a part of it"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use parking_lot::Mutex;
use plimsoll::alert::{
    ActError, Action, AuditEntry, BudgetLeft, Delivery, GroupStatus, Incident, IncidentDetail, IncidentState,
    ObjectiveStatus, Objectives, OnCall, StatusKind, TimelineEntry,
};
use plimsoll::base::clock::BoxFuture;
use plimsoll::base::id::IncidentId;
use plimsoll::base::{Labels, ManualClock, Matcher, Severity, SharedClock, Timestamp};
use plimsoll::http::{Api, Ports};
use plimsoll::promql::{
    Answer, Engine, InstantSample, Point, QueryError, QueryOptions, RangeSeries, Selection, SeriesSamples, Source,
    SourceError, Value,
};
use plimsoll::series::{
    Batch, Exposed, Known, MetricCatalog, MetricType, PendingVital, RecordError, Recorded, Recorder, SeriesStats,
};
use plimsoll::sketch::Histogram;
use plimsoll::slo::{
    AlertRule, Budget, BudgetReport, BurnReport, CalendarPeriod, Comparison, CompiledObjective, Contributor, Indicator,
    Level, Objective, RatioSide, RuleKind, Unit, Window,
};
use tower::ServiceExt as _;

type Act = (Action, String, String, Option<String>);

/// The story's present.
pub fn now() -> Timestamp {
    Timestamp::parse("2026-11-21T03:12:00Z").unwrap()
}

fn minutes_ago(minutes: u64) -> Timestamp {
    now() - Duration::from_secs(60 * minutes)
}

/// The fakes, and a client for routers over them.
pub struct Kit {
    api: Api,
    on_call: Arc<FakeOnCall>,
}

/// An answer, read to its end.
pub struct Reply {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The JSON of a success.
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// The status of a problem document, which must be one and agree with itself.
    pub fn problem(&self) -> u16 {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let body: serde_json::Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(body["status"], self.status);
        assert!(!body["title"].as_str().unwrap().is_empty() && !body["detail"].as_str().unwrap().is_empty());
        self.status
    }
}

impl Kit {
    /// The story with everything in it.
    pub fn new() -> Self {
        Self::with(SharedState { objectives: objectives(), incidents: incidents(), data: true }, clock())
    }

    /// A server that has just been installed.
    pub fn empty() -> Self {
        Self::with(SharedState::default(), clock())
    }

    /// The story without its incidents.
    pub fn calm() -> Self {
        let mut objectives = objectives();
        for (status, _) in &mut objectives {
            status.status = StatusKind::Ok;
            status.groups.iter_mut().for_each(|g| g.status = StatusKind::Ok);
            status.value = status.target.or(status.value);
            status.budget.iter_mut().for_each(|b| b.remaining = Some(0.8));
        }
        Self::with(SharedState { objectives, incidents: Vec::new(), data: true }, clock())
    }

    /// Nobody is told, and yet one budget is overdrawn.
    pub fn overdrawn() -> Self {
        let mut objectives = objectives();
        for (status, _) in &mut objectives {
            status.status = StatusKind::Ok;
            status.groups.clear();
            status.value = status.target.or(status.value);
            status.budget.iter_mut().for_each(|b| b.remaining = Some(-0.2));
        }
        Self::with(SharedState { objectives, incidents: Vec::new(), data: true }, clock())
    }

    fn with(state: SharedState, clock: SharedClock) -> Self {
        let on_call = Arc::new(FakeOnCall { incidents: Mutex::new(state.incidents), ..FakeOnCall::default() });
        let api = Api::new(Ports {
            clock,
            engine: Arc::new(FakeEngine { data: state.data }),
            known: Arc::new(FakeKnown { data: state.data }),
            recorder: Arc::new(FakeRecorder),
            on_call: on_call.clone(),
            objectives: Arc::new(FakeObjectives(state.objectives)),
        });
        Self { api, on_call }
    }

    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// The incident that nobody has answered.
    pub fn incident_id(&self) -> IncidentId {
        incident_id(1)
    }

    /// What was asked of on-call, oldest first.
    pub fn acts(&self) -> Vec<Act> {
        self.on_call.acts.lock().clone()
    }

    /// From now on the incidents' database is down.
    pub fn fail_on_call(&self) {
        self.on_call.failing.store(true, Ordering::Relaxed);
    }

    pub fn request(&self, method: &str, path: &str) -> Builder {
        Request::builder().method(method).uri(path)
    }

    pub async fn send(&self, routes: Router<Api>, request: Builder, body: impl Into<Body>) -> Reply {
        let request = request.body(body.into()).unwrap();
        let response = routes.with_state(self.api()).oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
        Reply { status: head.status.as_u16(), headers: head.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub async fn get(&self, routes: Router<Api>, path: &str) -> Reply {
        self.send(routes, self.request("GET", path), "").await
    }

    pub async fn post_json(&self, routes: Router<Api>, path: &str, body: &str) -> Reply {
        let request = self.request("POST", path).header("content-type", "application/json");
        self.send(routes, request, body.to_owned()).await
    }

    pub async fn post_form(&self, routes: Router<Api>, path: &str, body: &str) -> Reply {
        let request = self.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        self.send(routes, request.header("sec-fetch-site", "same-origin"), body.to_owned()).await
    }
}

fn clock() -> SharedClock {
    Arc::new(ManualClock::at(now()))
}

#[derive(Default)]
struct SharedState {
    objectives: Vec<(ObjectiveStatus, CompiledObjective)>,
    incidents: Vec<IncidentDetail>,
    data: bool,
}

// ---- recorder and engine

struct FakeRecorder;

impl Recorder for FakeRecorder {
    fn record(&self, _batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        Box::pin(async { Err(RecordError::Stopped) })
    }
}

struct FakeEngine {
    data: bool,
}

/// `(part of the expression, values by instance)`; the first that is contained answers.
const INSTANT: &[(&str, &[(&str, f64)])] = &[
    ("keyspace_hits", &[("cache-1", 0.934), ("sessions", 0.61)]),
    ("redis_memory_max_bytes", &[("cache-1", 0.871)]),
    ("redis_memory_used_bytes", &[("cache-1", 1.87e9), ("sessions", 4.1e7)]),
    ("redis_up)", &[("cache-1", 1.0), ("sessions", 1.0)]),
    ("redis_connected_clients", &[("cache-1", 214.0), ("sessions", 37.0)]),
    ("redis_commands_processed", &[("cache-1", 18_412.6), ("sessions", 1_204.2)]),
    ("redis_evicted", &[("cache-1", 12.4), ("sessions", 0.0)]),
    ("redis_db_keys", &[("cache-1", 1_204_331.0), ("sessions", 88_120.0)]),
    ("redis_uptime", &[("cache-1", 1_209_600.0), ("sessions", 7_300.0)]),
    ("pg_settings_max_connections", &[("main", 0.42)]),
    ("pg_stat_activity_count", &[("main", 84.0)]),
    ("pg_up", &[("main", 1.0), ("replica", 0.0)]),
    ("blks_hit", &[("main", 0.9984)]),
    ("xact_rollback", &[("main", 0.0031)]),
    ("xact_commit", &[("main", 1_420.3)]),
    ("pg_database_size", &[("main", 4.6e10)]),
    ("deadlocks", &[("main", 0.0)]),
    ("pg_postmaster", &[("main", 1_762_000_000.0)]),
];

impl Engine for FakeEngine {
    fn instant<'a>(
        &'a self,
        expression: &'a str,
        _at: Timestamp,
        _options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        let found = INSTANT.iter().find(|(part, _)| expression.contains(part)).filter(|_| self.data);
        let sample = |(instance, value): &(&str, f64)| InstantSample {
            labels: Labels::new([("instance", *instance)]),
            point: Point::Float(*value),
        };
        let vector = found.map(|(_, values)| values.iter().map(sample).collect()).unwrap_or_default();
        Box::pin(async { Ok(answer(Value::Vector(vector))) })
    }

    fn range<'a>(
        &'a self,
        _expression: &'a str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
        _options: &'a QueryOptions,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        let routes = if self.data { &["/products/:id", "/search", "/cart"][..] } else { &[] };
        let matrix = routes.iter().enumerate().map(|(i, route)| curve(i, route, start, end, step)).collect();
        Box::pin(async { Ok(answer(Value::Matrix(matrix))) })
    }
}

fn answer(value: Value) -> Answer {
    Answer { value, warnings: Vec::new(), infos: Vec::new() }
}

/// Calm waves; the first route climbs in the last quarter, and the second has a gap.
fn curve(index: usize, route: &str, start: Timestamp, end: Timestamp, step: Duration) -> RangeSeries {
    let span = end.since(start).as_secs_f64();
    let mut points = Vec::new();
    let mut at = start;
    while at <= end {
        let x = at.since(start).as_secs_f64() / span;
        let wave = 0.11 + 0.03 * index as f64 + 0.02 * (x * 21.0 + index as f64).sin() + 0.008 * (x * 97.0).sin();
        let climb = if index == 0 { 0.5 * ((x - 0.72) * 12.0).clamp(0.0, 1.0) } else { 0.0 };
        if index != 1 || !(0.4..0.5).contains(&x) {
            points.push((at, Point::Float(wave + climb)));
        }
        at = at + step;
    }
    RangeSeries { labels: Labels::new([("http_route", route)]), points }
}

// ---- known

struct FakeKnown {
    data: bool,
}

const VITALS: [(&str, f64); 5] = [
    ("web_vitals_lcp_seconds", 1.9),
    ("web_vitals_inp_seconds", 0.17),
    ("web_vitals_cls", 0.07),
    ("web_vitals_fcp_seconds", 1.2),
    ("web_vitals_ttfb_seconds", 0.5),
];

const ROUTES: [(&str, f64, u32); 4] =
    [("/", 0.8, 900), ("/product/:id", 1.45, 2400), ("/search", 2.6, 310), ("/cart", 1.0, 42)];

fn vital_labels(metric: &str, route: &str, navigation: &str) -> Labels {
    let pairs = [("service_name", "shop"), ("route", route), ("device", "mobile"), ("navigation_type", navigation)];
    Labels::metric(metric, pairs)
}

fn spread(metric: &str, middle: f64, count: u32) -> Histogram {
    let mut histogram = Histogram::new(MetricCatalog::default().bounds(metric));
    for i in 0..count {
        let q = (f64::from(i) + 0.5) / f64::from(count);
        histogram.observe(middle * (0.25 + 1.1 * q + 0.6 * q.powi(6)));
    }
    histogram
}

impl Source for FakeKnown {
    fn select<'a>(&'a self, _: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn series<'a>(&'a self, _: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

impl Known for FakeKnown {
    fn exposition(&self, _now: Timestamp) -> Vec<Exposed> {
        Vec::new()
    }

    fn histograms<'a>(
        &'a self,
        matchers: &'a [Matcher],
        _start: Timestamp,
        _end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, Histogram)>, SourceError>> {
        let mut all = Vec::new();
        for (metric, middle) in VITALS {
            for (route, factor, count) in ROUTES {
                // INP only where someone interacted.
                let count = if metric.contains("inp") { count / 3 } else { count };
                all.push((vital_labels(metric, route, "navigate"), spread(metric, middle * factor, count)));
            }
            if !metric.contains("ttfb") {
                all.push((vital_labels(metric, "/search", "soft-navigation"), spread(metric, middle * 0.2, 120)));
            }
        }
        all.retain(|(labels, _)| self.data && Matcher::all_match(matchers, labels));
        Box::pin(async { Ok(all) })
    }

    fn increases<'a>(
        &'a self,
        _: &'a [Matcher],
        _: Timestamp,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<(Labels, f64)>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn pending_vitals(&self, _since: Timestamp) -> Vec<PendingVital> {
        let pending = |(metric, middle): (&str, f64)| PendingVital {
            labels: vital_labels(metric, "/cart", "navigate"),
            value: middle,
            weight: 7,
            start: minutes_ago(2),
        };
        if self.data { VITALS.into_iter().map(pending).collect() } else { Vec::new() }
    }

    fn stats(&self, _limit: usize) -> SeriesStats {
        SeriesStats::default()
    }

    fn metric_type(&self, _metric: &str) -> MetricType {
        MetricType::Unknown
    }
}

// ---- objectives

struct FakeObjectives(Vec<(ObjectiveStatus, CompiledObjective)>);

impl Objectives for FakeObjectives {
    fn statuses(&self) -> Vec<ObjectiveStatus> {
        self.0.iter().map(|(status, _)| status.clone()).collect()
    }

    fn compiled(&self, name: &str) -> Option<Arc<CompiledObjective>> {
        self.0.iter().find(|(s, _)| s.name == name).map(|(_, c)| Arc::new(c.clone()))
    }

    fn budget<'a>(
        &'a self,
        name: &'a str,
        window: Option<Window>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<BudgetReport>, SourceError>> {
        let budgeted = self.0.iter().any(|(s, _)| s.name == name && s.budget.is_some());
        Box::pin(async move { Ok(budgeted.then(|| report(name, window, now))) })
    }

    fn last_evaluation(&self) -> Option<Timestamp> {
        (!self.0.is_empty()).then(|| now() - Duration::from_secs(3))
    }
}

fn report(name: &str, window: Option<Window>, now: Timestamp) -> BudgetReport {
    let (window, length) = match window {
        None => ("30d".to_owned(), Duration::from_secs(30 * 86_400)),
        Some(Window::Rolling(length)) => (format!("{}d", length.as_secs() / 86_400), length),
        Some(Window::Calendar { period: CalendarPeriod::Month, .. }) => {
            ("month".into(), Duration::from_secs(20 * 86_400))
        }
        Some(Window::Calendar { .. }) => ("week".into(), Duration::from_secs(5 * 86_400)),
    };
    let burn = |window: &str, rate| BurnReport { window: window.into(), rate, good: 9_800.0, total: 10_000.0 };
    let part = |route, bad, share| Contributor { labels: Labels::new([("http_route", route)]), bad, share };
    BudgetReport {
        objective: name.into(),
        window,
        start: now - length,
        end: now,
        target: 0.999,
        good: 11_991_720.0,
        total: 12_000_000.0,
        bad: 8_280.0,
        sli: Some(0.99931),
        remaining: Some(0.31),
        minutes_remaining: Some(13.39),
        exhausted_in: Some(151_200.0),
        coverage: Some(0.9991),
        burn: vec![
            burn("5m", Some(11.2)),
            burn("30m", Some(7.9)),
            burn("1h", Some(5.4)),
            burn("2h", Some(2.1)),
            burn("6h", Some(1.3)),
            burn("1d", Some(0.6)),
            burn("3d", None),
        ],
        contributors: vec![
            part("/products/:id", 6_624.0, 0.8),
            part("/search", 1_242.0, 0.15),
            part("/cart", 414.0, 0.05),
        ],
    }
}

fn objective(name: &str, title: &str, unit: Unit, indicator: Indicator) -> Objective {
    Objective {
        name: name.into(),
        title: title.into(),
        team: Some("platform".into()),
        indicator,
        unit,
        target: None,
        levels: Vec::new(),
        budget: None,
        min_samples: None,
        no_data: None,
        escalation: Some("on-call".into()),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        runbook: Some("https://wiki.example/runbooks/api".into()),
        dashboard: Some("javascript:alert(1)".into()),
        source: "alert-rules/shop.yaml".into(),
    }
}

fn compiled(objective: Objective, value: &str) -> CompiledObjective {
    let rule = AlertRule {
        id: "critical".into(),
        alert_name: "ApiLatencyCritical".into(),
        kind: RuleKind::Level,
        severity: Severity::Critical,
        expr: format!("{value} > 0.5"),
        export_expr: format!("{value} > 0.5"),
        stay_expr: None,
        hold: Duration::from_secs(300),
        keep_firing: Duration::ZERO,
        labels: Labels::new([("objective", objective.name.as_str()), ("severity", "critical")]),
        annotations: Vec::new(),
    };
    CompiledObjective {
        objective: Arc::new(objective),
        value: value.into(),
        rules: vec![rule],
        measure: None,
        thresholds: Vec::new(),
        remarks: vec!["min_samples is 100: the critical level is judged only with that many events".into()],
    }
}

fn status(of: &Objective, kind: StatusKind, value: Option<f64>, budget: Option<f64>) -> ObjectiveStatus {
    ObjectiveStatus {
        name: of.name.clone(),
        title: of.title.clone(),
        team: of.team.clone(),
        status: kind,
        value,
        unit: of.unit.as_str().into(),
        target: of.target,
        groups: Vec::new(),
        budget: budget.map(|remaining| BudgetLeft { remaining: Some(remaining), window: "30d".into() }),
        evaluated_at: Some(now() - Duration::from_secs(3)),
        error: None,
    }
}

fn objectives() -> Vec<(ObjectiveStatus, CompiledObjective)> {
    let five_minutes = Duration::from_secs(300);
    let mut latency = objective(
        "api-latency",
        "API answers fast",
        Unit::Seconds,
        Indicator::Percentile {
            of: "http_server_request_duration_seconds".into(),
            p: 95.0,
            filter: String::new(),
            over: five_minutes,
            by: vec!["http_route".into()],
            worst_of: Vec::new(),
        },
    );
    latency.target = Some(0.2);
    let level =
        |severity, breach| Level { severity, breach, hold: five_minutes, keep_firing: Duration::ZERO, clear: None };
    latency.levels =
        vec![level(Severity::Critical, Comparison::Above(0.5)), level(Severity::Warning, Comparison::Above(0.2))];
    let mut available = objective(
        "api-availability",
        "API answers without errors",
        Unit::Ratio,
        Indicator::Ratio {
            side: RatioSide::Good,
            part: "ok_total".into(),
            total: "all_total".into(),
            over: five_minutes,
            by: Vec::new(),
        },
    );
    available.target = Some(0.999);
    available.budget =
        Some(Budget { objective: 0.999, window: Window::Rolling(Duration::from_secs(30 * 86_400)), burn: true });
    let value = |name: &str, title: &str, unit| objective(name, title, unit, Indicator::Value { expr: "x".into() });
    let mut memory = value("redis-memory", "Redis has memory left", Unit::Ratio);
    memory.target = Some(0.9);
    memory.levels = vec![level(Severity::Warning, Comparison::Above(0.8))];
    let mut lcp = value("shop-lcp", "Product pages show their main content soon enough", Unit::Seconds);
    lcp.target = Some(2.5);
    let mut orders = value("orders", "Orders come in", Unit::PerSecond);
    orders.team = Some("checkout".into());
    let query =
        "histogram_quantile(0.95, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket[5m])))";
    let groups = [
        ("/products/:id", StatusKind::Critical, 0.62),
        ("/search", StatusKind::Ok, 0.15),
        ("/cart", StatusKind::Ok, 0.18),
    ];
    let mut first = status(&latency, StatusKind::Critical, Some(0.62), None);
    first.groups = groups
        .map(|(route, status, v)| GroupStatus { labels: Labels::new([("http_route", route)]), status, value: Some(v) })
        .to_vec();
    vec![
        (first, compiled(latency, query)),
        (status(&available, StatusKind::Warning, Some(0.99931), Some(0.31)), compiled(available, "good / total")),
        (
            status(&memory, StatusKind::Warning, Some(0.871), Some(-0.2)),
            compiled(memory, "redis_memory_used_bytes / redis_memory_max_bytes"),
        ),
        (status(&lcp, StatusKind::Ok, Some(2.18), Some(0.92)), compiled(lcp, "p75")),
        (status(&orders, StatusKind::NoData, None, None), compiled(orders, "rate(orders_total[5m])")),
    ]
}

// ---- on-call

#[derive(Default)]
struct FakeOnCall {
    incidents: Mutex<Vec<IncidentDetail>>,
    acts: Mutex<Vec<Act>>,
    failing: AtomicBool,
}

impl FakeOnCall {
    fn check(&self) -> Result<(), ActError> {
        match self.failing.load(Ordering::Relaxed) {
            true => Err(ActError::Store("the disk is full".into())),
            false => Ok(()),
        }
    }

    fn apply(&self, id: IncidentId, action: Action, by: &str, now: Timestamp) -> Result<Incident, ActError> {
        let mut incidents = self.incidents.lock();
        let found = incidents.iter_mut().find(|d| d.incident.id == id).ok_or(ActError::NotFound(id))?;
        let incident = &mut found.incident;
        if incident.state == IncidentState::Resolved {
            return Err(ActError::Resolved(id));
        }
        match action {
            Action::Acknowledge if incident.acknowledged_at.is_none() => {
                incident.state = IncidentState::Acknowledged;
                (incident.acknowledged_at, incident.acknowledged_by) = (Some(now), Some(by.to_owned()));
            }
            Action::Unacknowledge => {
                incident.state = IncidentState::Firing;
                (incident.acknowledged_at, incident.acknowledged_by) = (None, None);
            }
            Action::Resolve => {
                incident.state = IncidentState::Resolved;
                incident.resolved_at = Some(now);
            }
            Action::Escalate => incident.level += 1,
            Action::Acknowledge | Action::Note => {}
        }
        Ok(incident.clone())
    }
}

impl OnCall for FakeOnCall {
    fn incidents(&self, all: bool) -> BoxFuture<'_, Result<Vec<Incident>, ActError>> {
        let list = self.incidents.lock().iter().map(|d| d.incident.clone()).collect::<Vec<_>>();
        let kept = list.into_iter().filter(|i| all || i.state != IncidentState::Resolved).collect();
        Box::pin(async move { self.check().map(|()| kept) })
    }

    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Result<Option<IncidentDetail>, ActError>> {
        let found = self.incidents.lock().iter().find(|d| d.incident.id == id).cloned();
        Box::pin(async move { self.check().map(|()| found) })
    }

    fn act<'a>(
        &'a self,
        id: IncidentId,
        action: Action,
        by: &'a str,
        source: &'a str,
        note: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Incident, ActError>> {
        self.acts.lock().push((action, by.into(), source.into(), note.map(Into::into)));
        let outcome = self.check().and_then(|()| self.apply(id, action, by, now));
        Box::pin(async move { outcome })
    }

    fn audit(&self, since: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, ActError>> {
        let entry = |at, action: &str| AuditEntry {
            at,
            actor: "evaluator".into(),
            source: "engine".into(),
            action: action.into(),
            subject: "api-latency".into(),
            before: None,
            after: Some("firing".into()),
        };
        let all = [entry(minutes_ago(26 * 60), "fired"), entry(minutes_ago(18), "fired")];
        let kept = all.into_iter().filter(|e| e.at >= since).take(limit).collect();
        Box::pin(async move { self.check().map(|()| kept) })
    }
}

fn incident_id(number: u32) -> IncidentId {
    IncidentId::parse(&format!("0199d5f0-0000-7000-8000-00000000000{number:x}")).filter(|_| number > 0).unwrap()
}

fn incident(number: u32, objective: &str, severity: Severity, summary: &str, started: u64) -> Incident {
    Incident {
        id: incident_id(number),
        state: IncidentState::Firing,
        severity,
        objective: objective.into(),
        labels: Labels::new([
            ("objective", objective),
            ("severity", severity.as_str()),
            ("http_route", "/products/:id"),
        ]),
        summary: summary.into(),
        level: 1,
        started_at: minutes_ago(started),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        url: format!("http://127.0.0.1:1876/incidents/{}", incident_id(number)),
        escalation: Some("on-call".into()),
        generation: 1,
        next_level_at: Some(now() + Duration::from_secs(124)),
        annotations: BTreeMap::from([
            ("runbook".into(), "https://wiki.example/runbooks/api-latency".into()),
            ("dashboard".into(), "javascript:alert(1)".into()),
            ("description".into(), "The 95th percentile of /products/:id is 620 ms; the line is at 200 ms.".into()),
        ]),
    }
}

fn incidents() -> Vec<IncidentDetail> {
    let slow = incident(
        1,
        "api-latency",
        Severity::Critical,
        "API answers fast: p95 is 620 ms on /products/:id, over 500 ms",
        18,
    );
    let mut burning = incident(
        2,
        "api-availability",
        Severity::Warning,
        "API answers without errors: budget burns 5.4 times too fast",
        47,
    );
    burning.state = IncidentState::Acknowledged;
    (burning.acknowledged_at, burning.acknowledged_by) = (Some(minutes_ago(41)), Some("ada".into()));
    burning.next_level_at = None;
    let mut over =
        incident(3, "redis-memory", Severity::Warning, "<script>alert('memory')</script> Redis ran short", 1500);
    over.state = IncidentState::Resolved;
    over.resolved_at = Some(minutes_ago(1440));
    let event = |minutes, event: &str, actor: &str, text: &str| TimelineEntry {
        at: minutes_ago(minutes),
        actor: actor.into(),
        source: "engine".into(),
        event: event.into(),
        text: text.into(),
    };
    let delivery = |channel: &str, target: &str, status: &str, error: Option<&str>| Delivery {
        channel: channel.into(),
        target: target.into(),
        kind: "trigger".into(),
        level: 1,
        status: status.into(),
        attempts: if error.is_some() { 3 } else { 1 },
        provider_id: error.is_none().then(|| "PD-1".into()),
        error: error.map(Into::into),
        created_at: minutes_ago(18),
        finished_at: Some(minutes_ago(18)),
    };
    let story = |incident: Incident| IncidentDetail {
        timeline: vec![
            event(18, "fired", "evaluator", "p95 of /products/:id is 620 ms, above 500 ms for 5 min"),
            event(18, "level", "escalation", "level 1 of on-call: pagerduty, slack"),
        ],
        deliveries: vec![
            delivery("pagerduty", "shop-oncall", "sent", None),
            delivery("slack", "#shop-alerts", "failed", Some("503 Service Unavailable: upstream connect error")),
        ],
        why: vec![
            "pagerduty was told at level 1 because the incident fired.".into(),
            "email-senior is told at 03:14 unless someone acknowledges first.".into(),
        ],
        incident,
    };
    vec![story(slow), story(burning), story(over)]
}
