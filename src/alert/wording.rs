//! What an alert says, in one line: what broke, how bad, where the line is, and for whom.

use std::collections::BTreeMap;

use crate::base::Labels;
use crate::slo::{
    AlertRule, CompiledObjective, Indicator, Objective, RatioSide, RuleKind, format_comparison, format_duration,
    format_value,
};

/// The line, such as `api-latency: p95 of http_server_request_duration_seconds is 734 ms (critical above
/// 500 ms) for shop-api`. An objective's own `summary` annotation takes its place.
pub fn summary(compiled: &CompiledObjective, rule: &AlertRule, value: Option<f64>, group: &Labels) -> String {
    let objective = &compiled.objective;
    if let Some(own) = objective.annotations.get("summary") {
        return fill(own, objective, value, group);
    }
    let what = match &rule.kind {
        RuleKind::Level => level(objective, rule, value),
        RuleKind::Burn { factor, long, short } => {
            burn(objective, *factor, &format_duration(*long), &format_duration(*short))
        }
        RuleKind::NoData => no_data(objective),
    };
    let whom = if group.is_empty() { String::new() } else { format!(" for {}", people(group)) };
    format!("{}: {what}{whom}", objective.name)
}

/// The rule's annotations with value and labels filled in, and the value in words.
pub fn annotations(
    compiled: &CompiledObjective,
    rule: &AlertRule,
    value: Option<f64>,
    group: &Labels,
) -> BTreeMap<String, String> {
    let objective = &compiled.objective;
    let filled = |text: &String| fill(text, objective, value, group);
    let mut all: BTreeMap<String, String> = rule.annotations.iter().map(|(n, t)| (n.clone(), filled(t))).collect();
    all.remove("summary");
    if let Some(value) = value {
        all.insert("value".to_owned(), format_value(value, objective.unit));
    }
    all
}

fn level(objective: &Objective, rule: &AlertRule, value: Option<f64>) -> String {
    let level = objective.levels.iter().find(|l| l.severity == rule.severity);
    let line = level.map(|l| format!(" {}", format_comparison(&l.breach, objective.unit))).unwrap_or_default();
    let is = value.map_or("is over its line".to_owned(), |v| format!("is {}", format_value(v, objective.unit)));
    format!("{} {is} ({}{line})", measured(objective), rule.severity)
}

fn burn(objective: &Objective, factor: f64, long: &str, short: &str) -> String {
    let target = objective.budget.as_ref().map_or(0.0, |b| b.objective);
    let target = format_value(target, crate::slo::Unit::Ratio);
    format!("error budget of {target} burns more than {factor} times too fast over {long} and {short}")
}

fn no_data(objective: &Objective) -> String {
    let after = objective.no_data.map(|n| format!(" for {}", format_duration(n.after))).unwrap_or_default();
    format!("no data{after}")
}

/// What is measured, in words.
fn measured(objective: &Objective) -> String {
    match &objective.indicator {
        Indicator::Percentile { of, p, .. } => format!("p{p} of {of}"),
        Indicator::Threshold { of, below, .. } => {
            format!("share of {of} within {}", format_value(*below, crate::slo::Unit::Seconds))
        }
        Indicator::Ratio { side: RatioSide::Good, .. } => "share of good events".to_owned(),
        Indicator::Ratio { side: RatioSide::Bad, .. } => "share of bad events".to_owned(),
        Indicator::Value { .. } => objective.title.clone(),
    }
}

/// `a, b`: the values alone, which is how people call a group.
fn people(group: &Labels) -> String {
    group.iter().map(|(_, value)| value).collect::<Vec<_>>().join(", ")
}

fn fill(text: &str, objective: &Objective, value: Option<f64>, group: &Labels) -> String {
    let value = value.map_or("unknown".to_owned(), |v| format_value(v, objective.unit));
    let mut filled = text.replace("{{value}}", &value).replace("{{labels}}", &people(group));
    for (name, value) in group.iter() {
        filled = filled.replace(&format!("{{{{labels.{name}}}}}"), value);
    }
    filled
}
