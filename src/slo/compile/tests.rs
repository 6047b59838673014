use std::collections::BTreeMap;

use super::*;
use crate::slo::{Budget, Measure, Window};

const HTTP: &str = "http_server_request_duration_seconds";

fn objective(indicator: Indicator, levels: Vec<Level>) -> Objective {
    Objective {
        name: "api-latency".into(),
        title: "API".into(),
        team: Some("platform".into()),
        indicator,
        unit: Unit::Seconds,
        target: None,
        levels,
        budget: None,
        min_samples: None,
        no_data: None,
        escalation: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        runbook: None,
        dashboard: None,
        source: "test".into(),
    }
}

fn p95(by: &[&str], worst_of: &[&str]) -> Indicator {
    let labels = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    let over = Duration::from_secs(300);
    Indicator::Percentile {
        of: HTTP.into(),
        p: 95.0,
        filter: "a=\"b\"".into(),
        over,
        by: labels(by),
        worst_of: labels(worst_of),
    }
}

fn ratio(side: RatioSide) -> Indicator {
    Indicator::Ratio {
        side,
        part: "part_total".into(),
        total: "all_total".into(),
        over: Duration::from_secs(300),
        by: Vec::new(),
    }
}

fn level(severity: Severity, breach: Comparison) -> Level {
    Level { severity, breach, hold: Duration::ZERO, keep_firing: Duration::ZERO, clear: None }
}

fn critical(breach: Comparison) -> Vec<Level> {
    vec![level(Severity::Critical, breach)]
}

fn compiled(objective: Objective) -> CompiledObjective {
    compile(Arc::new(objective)).unwrap()
}

fn expr(indicator: Indicator, breach: Comparison) -> String {
    compiled(objective(indicator, critical(breach))).rules[0].expr.clone()
}

#[test]
fn percentiles_are_judged_by_exact_counts() {
    let within = |le: &str| {
        format!("sum(increase({HTTP}_bucket{{a=\"b\",le=\"{le}\"}}[5m])) / sum(increase({HTTP}_count{{a=\"b\"}}[5m]))")
    };
    let below = "0.49999999999999994";
    let cases = [
        (Comparison::Above(0.5), format!("{} < 0.95", within("0.5"))),
        (Comparison::AtOrAbove(0.5), format!("{} < 0.95", within(below))),
        (Comparison::Below(0.5), format!("{} >= 0.95", within(below))),
        (Comparison::AtOrBelow(0.5), format!("{} >= 0.95", within("0.5"))),
        (Comparison::Between(0.2, 0.5), format!("{} < 0.95 and {} >= 0.95", within("0.2"), within(below))),
    ];
    for (breach, expected) in cases {
        assert_eq!(expr(p95(&[], &[]), breach), expected);
    }
}

#[test]
fn the_value_is_for_people_and_the_bounds_are_named() {
    let mut latency = objective(p95(&["http_route"], &[]), critical(Comparison::Above(0.5)));
    latency.target = Some(0.2);
    let result = compiled(latency.clone());
    assert_eq!(result.value, format!("histogram_quantile(0.95, sum by (http_route) (rate({HTTP}{{a=\"b\"}}[5m])))"));
    assert_eq!(
        export_value(&latency).unwrap(),
        format!("histogram_quantile(0.95, sum by (le, http_route) (rate({HTTP}_bucket{{a=\"b\"}}[5m])))")
    );
    assert_eq!(result.thresholds, [(HTTP.to_owned(), 0.2), (HTTP.to_owned(), 0.5)]);
    assert_eq!(result.measure, None);
}

#[test]
fn groups_the_worst_group_and_few_samples() {
    let mut grouped = objective(p95(&["route"], &["region"]), critical(Comparison::Above(0.5)));
    grouped.min_samples = Some(100);
    let count = format!("sum by (route, region) (increase({HTTP}_count{{a=\"b\"}}[5m]))");
    let bucket = format!("sum by (route, region) (increase({HTTP}_bucket{{a=\"b\",le=\"0.5\"}}[5m]))");
    let result = compiled(grouped);
    assert_eq!(result.rules[0].expr, format!("min by (route) (({bucket} / {count} < 0.95) and ({count} >= 100))"));
    assert!(result.value.starts_with("max by (route) (histogram_quantile("), "{}", result.value);
}

#[test]
fn a_part_that_was_never_born_counts_as_zero() {
    let share = "(sum(increase(part_total[5m])) or 0 * sum(increase(all_total[5m]))) / sum(increase(all_total[5m]))";
    assert_eq!(expr(ratio(RatioSide::Bad), Comparison::Above(0.01)), format!("{share} > 0.01"));
    assert_eq!(expr(ratio(RatioSide::Good), Comparison::Below(0.99)), format!("{share} < 0.99"));
}

#[test]
fn values_keep_their_own_grouping_and_scalars_become_vectors() {
    let value = |text: &str| Indicator::Value { expr: text.into() };
    assert_eq!(expr(value("a / b"), Comparison::Above(0.9)), "(a / b) > 0.9");
    assert_eq!(expr(value("up"), Comparison::Between(1.0, 2.0)), "(up > 1) < 2");
    assert_eq!(expr(value("time()"), Comparison::Above(5.0)), "vector(time()) > 5");
    assert_eq!(expr(value("a # the rest"), Comparison::Above(5.0)), "(\na # the rest\n) > 5");
}

#[test]
fn a_clear_threshold_holds_what_fires() {
    let mut levels = critical(Comparison::Above(0.9));
    levels[0].clear = Some(Comparison::Below(0.8));
    let rule = compiled(objective(Indicator::Value { expr: "x".into() }, levels)).rules.remove(0);
    assert_eq!(rule.stay_expr.as_deref(), Some("x >= 0.8"));
    assert_eq!(
        rule.export_expr,
        "(x > 0.9) or ((x >= 0.8) and ignoring (alertname, alertstate, objective, severity, team) ALERTS{alertname=\"ApiLatencyCritical\",alertstate=\"firing\"})"
    );
}

#[test]
fn rules_carry_labels_texts_and_come_most_severe_first() {
    let levels =
        vec![level(Severity::Warning, Comparison::Above(0.2)), level(Severity::Critical, Comparison::Above(0.5))];
    let mut full = objective(p95(&[], &[]), levels);
    full.no_data = Some(NoData { after: Duration::from_secs(180), severity: Severity::Critical });
    full.escalation = Some("on-call".into());
    full.runbook = Some("https://run.example".into());
    full.annotations.insert("summary".into(), "mine".into());
    full.labels.insert("tier".into(), "gold".into());
    let rules = compiled(full).rules;
    assert_eq!(rules.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["critical", "warning", "no-data"]);
    let labels: Vec<(&str, &str)> = rules[0].labels.iter().collect();
    let expected = [
        ("escalation", "on-call"),
        ("objective", "api-latency"),
        ("severity", "critical"),
        ("team", "platform"),
        ("tier", "gold"),
    ];
    assert_eq!(labels, expected);
    assert_eq!(rules[1].alert_name, "ApiLatencyWarning");
    let texts: BTreeMap<_, _> = rules[0].annotations.iter().cloned().collect();
    assert_eq!((texts["summary"].as_str(), texts["runbook_url"].as_str()), ("mine", "https://run.example"));
    assert_eq!(texts["description"], "p95 over 5m above 500 ms. Now {{value}} {{labels}}");
    assert_eq!(rules[2].hold, Duration::from_secs(180));
    assert!(rules[2].expr.starts_with("absent((histogram_quantile(") && rules[2].export_expr.contains("_bucket"));
}

#[test]
fn burn_alerts_read_what_was_measured_and_export_what_was_counted() {
    let mut availability = objective(ratio(RatioSide::Good), Vec::new());
    let window = Window::Rolling(Duration::from_secs(30 * 86_400));
    availability.budget = Some(Budget { objective: 0.999, window, burn: true });
    availability.min_samples = Some(50);
    let result = compiled(availability);
    let ids: Vec<&str> = result.rules.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["burn-1h", "burn-6h", "burn-1d", "burn-3d"]);
    let side = |good: &str, total: &str, w: &str| {
        format!(
            "(1 - (sum(increase({good}[{w}])) or 0 * sum(increase({total}[{w}]))) / sum(increase({total}[{w}])) > 14.4 * 0.001)"
        )
    };
    let both = |good: &str, total: &str| {
        format!("{} and {} and (sum(increase({total}[1h])) >= 50)", side(good, total, "1h"), side(good, total, "5m"))
    };
    let recorded = |metric: &str| format!("{metric}{{objective=\"api-latency\"}}");
    assert_eq!(result.rules[0].expr, both(&recorded(Measure::GOOD), &recorded(Measure::TOTAL)));
    assert_eq!(result.rules[0].export_expr, both("part_total", "all_total"));
    assert_eq!(result.rules[0].alert_name, "ApiLatencyBurnRate1h");
    assert_eq!(result.measure.unwrap().total, "all_total");
}

#[test]
fn contradictions_are_refused_where_they_stand() {
    let refused = |objective: Objective| compile(Arc::new(objective)).unwrap_err().path;
    let mut clears_upwards = critical(Comparison::Above(0.5));
    clears_upwards[0].clear = Some(Comparison::Below(0.6));
    assert_eq!(refused(objective(p95(&[], &[]), clears_upwards)), "critical.clear_below");
    assert_eq!(refused(objective(p95(&["le"], &[]), critical(Comparison::Above(0.5)))), "indicator.by");
    assert_eq!(refused(objective(p95(&["team"], &[]), critical(Comparison::Above(0.5)))), "indicator");
    assert_eq!(refused(objective(p95(&[], &[]), critical(Comparison::Between(0.5, 0.2)))), "critical.above");
    assert_eq!(
        refused(objective(Indicator::Value { expr: "x[5m]".into() }, critical(Comparison::Above(1.0)))),
        "indicator.value"
    );
}

#[test]
fn a_window_that_is_often_without_value_is_remarked() {
    let of = |seconds| {
        let mut indicator = ratio(RatioSide::Good);
        if let Indicator::Ratio { over, .. } = &mut indicator {
            *over = Duration::from_secs(seconds);
        }
        compile(Arc::new(objective(indicator, critical(Comparison::Below(0.9))))).unwrap().remarks
    };
    assert_eq!(of(20), Vec::<String>::new());
    assert!(of(10)[0].contains("10s"), "{:?}", of(10));
}
