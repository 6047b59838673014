//! Two objectives: one fires for one instance and waits for another, one was never evaluated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{AlertPhase, AlertStatus, ObjectiveStatus, RuleStatus, StatusKind};
use crate::base::{Labels, Severity, Timestamp};
use crate::slo::{AlertRule, CompiledObjective, Indicator, Objective, RuleKind, Unit};

pub(super) fn statuses() -> Vec<ObjectiveStatus> {
    let alert = |instance: &str, phase, value| AlertStatus {
        group: Labels::new([("instance", instance)]),
        phase,
        active_since: Timestamp::from_secs(10),
        clear_since: None,
        value: Some(value),
    };
    let alerts = vec![alert("x", AlertPhase::Firing, 0.95), alert("y", AlertPhase::Pending, 0.91)];
    let rules = vec![RuleStatus { id: "critical".to_owned(), error: None, alerts }];
    let evaluated = ObjectiveStatus { rules, evaluated_at: Some(Timestamp::from_secs(50)), ..unknown("a-memory") };
    vec![unknown("b-latency"), evaluated]
}

fn unknown(name: &str) -> ObjectiveStatus {
    ObjectiveStatus {
        name: name.to_owned(),
        title: name.to_owned(),
        team: None,
        status: StatusKind::NoData,
        value: None,
        unit: String::new(),
        target: None,
        groups: Vec::new(),
        budget: None,
        evaluated_at: None,
        error: None,
        took: Duration::ZERO,
        rules: Vec::new(),
    }
}

pub(super) fn compiled(name: &str) -> Option<CompiledObjective> {
    match name {
        "a-memory" => Some(of(name, "AMemory", "a")),
        "b-latency" => Some(of(name, "BLatency", "b")),
        _ => None,
    }
}

fn of(name: &str, alert: &str, expr: &str) -> CompiledObjective {
    let rule = AlertRule {
        id: "critical".to_owned(),
        alert_name: alert.to_owned(),
        kind: RuleKind::Level,
        severity: Severity::Critical,
        expr: format!("{expr} > 0.9"),
        export_expr: format!("{expr} > 0.9"),
        stay_expr: None,
        hold: Duration::from_secs(300),
        keep_firing: Duration::from_secs(60),
        labels: Labels::new([("objective", name), ("severity", "critical")]),
        annotations: Vec::new(),
    };
    CompiledObjective {
        objective: Arc::new(objective(name, expr)),
        value: expr.to_owned(),
        rules: vec![rule],
        measure: None,
        thresholds: Vec::new(),
        remarks: Vec::new(),
    }
}

fn objective(name: &str, expr: &str) -> Objective {
    Objective {
        name: name.to_owned(),
        title: name.to_owned(),
        team: None,
        indicator: Indicator::Value { expr: expr.to_owned() },
        unit: Unit::None,
        target: None,
        levels: Vec::new(),
        budget: None,
        min_samples: None,
        no_data: None,
        escalation: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        runbook: None,
        dashboard: None,
        source: "rules/shop.yaml".to_owned(),
    }
}
