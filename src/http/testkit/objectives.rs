//! The story's objectives, their state and budgets.

use super::*;

pub(super) struct FakeObjectives(pub(super) Vec<(ObjectiveStatus, CompiledObjective)>);

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

    fn evaluate_every(&self) -> Duration {
        Duration::from_secs(5)
    }
}

pub(super) fn report(name: &str, window: Option<Window>, now: Timestamp) -> BudgetReport {
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

pub(super) fn objective(name: &str, title: &str, unit: Unit, indicator: Indicator) -> Objective {
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

pub(super) fn compiled(objective: Objective, value: &str) -> CompiledObjective {
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

pub(super) fn status(of: &Objective, kind: StatusKind, value: Option<f64>, budget: Option<f64>) -> ObjectiveStatus {
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
        took: std::time::Duration::ZERO,
        rules: Vec::new(),
    }
}

pub(super) fn objectives() -> Vec<(ObjectiveStatus, CompiledObjective)> {
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
