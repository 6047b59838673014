//! Objectives in Prometheus's form: a group for each, a rule for each of its alerts.
//!
//! Names, expressions and labels are those of `plimsoll export rules`, so that whoever reads the rules here and
//! whoever loads the exported file sees the same. The states are those of our own evaluation, which reads what
//! is kept here and not the exported expression; the two mean the same.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::alert::{AlertPhase, AlertStatus, ObjectiveStatus, RuleStatus, wording};
use crate::base::{Labels, Timestamp};
use crate::export::rules::{Group, Rule, group};
use crate::http::Api;
use crate::slo::{AlertRule, CompiledObjective};

/// A group of rules.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupJson {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) rules: Vec<RuleJson>,
    #[serde(serialize_with = "seconds")]
    interval: f64,
    limit: u32,
    #[serde(serialize_with = "seconds")]
    evaluation_time: f64,
    last_evaluation: String,
}

/// An alerting rule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleJson {
    state: &'static str,
    pub(super) name: String,
    query: String,
    #[serde(serialize_with = "seconds")]
    duration: f64,
    #[serde(serialize_with = "seconds")]
    keep_firing_for: f64,
    pub(super) labels: Labels,
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alerts: Option<Vec<AlertJson>>,
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(serialize_with = "seconds")]
    evaluation_time: f64,
    last_evaluation: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// An alert that is pending or firing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertJson {
    labels: Labels,
    annotations: BTreeMap<String, String>,
    state: &'static str,
    active_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_firing_since: Option<Timestamp>,
    value: String,
}

/// All groups, by file and name as Prometheus lists them.
pub(super) fn groups(api: &Api) -> Vec<GroupJson> {
    let interval = api.objectives.evaluate_every().as_secs_f64();
    let of = |status: ObjectiveStatus| {
        let compiled = api.objectives.compiled(&status.name)?;
        Some(group_json(group(&compiled)?, &compiled, &status, interval))
    };
    let mut all: Vec<GroupJson> = api.objectives.statuses().into_iter().filter_map(of).collect();
    all.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
    all
}

fn group_json(group: Group, compiled: &CompiledObjective, status: &ObjectiveStatus, interval: f64) -> GroupJson {
    let rules = group.rules.into_iter().zip(&compiled.rules);
    GroupJson {
        name: group.name,
        file: compiled.objective.source.clone(),
        rules: rules.map(|(rule, of)| rule_json(rule, of, compiled, status)).collect(),
        interval,
        limit: 0,
        evaluation_time: status.took.as_secs_f64(),
        last_evaluation: last_evaluation(status),
    }
}

fn rule_json(rule: Rule, of: &AlertRule, compiled: &CompiledObjective, status: &ObjectiveStatus) -> RuleJson {
    let seen = status.rules.iter().find(|r| r.id == of.id);
    let alerts: Vec<&AlertStatus> = seen.iter().flat_map(|r| &r.alerts).collect();
    RuleJson {
        state: alerts.iter().map(|a| a.phase).max_by_key(|p| *p == AlertPhase::Firing).map_or("inactive", state),
        name: rule.alert,
        query: rule.expr,
        duration: rule.hold.as_secs_f64(),
        keep_firing_for: rule.keep_firing.as_secs_f64(),
        labels: rule.labels,
        annotations: rule.annotations.into_iter().collect(),
        alerts: Some(alerts.into_iter().map(|a| alert_json(a, of, compiled)).collect()),
        health: health(seen),
        last_error: seen.and_then(|r| r.error.clone()),
        // The queries of an objective are asked as one.
        evaluation_time: status.took.as_secs_f64(),
        last_evaluation: last_evaluation(status),
        kind: "alerting",
    }
}

fn alert_json(alert: &AlertStatus, rule: &AlertRule, compiled: &CompiledObjective) -> AlertJson {
    let own = rule.labels.iter().chain([("alertname", rule.alert_name.as_str())]);
    let mut annotations = wording::annotations(compiled, rule, alert.value, &alert.group);
    annotations.insert("summary".to_owned(), wording::summary(compiled, rule, alert.value, &alert.group));
    AlertJson {
        labels: own.fold(alert.group.clone(), |labels, (name, value)| labels.with(name, value)),
        annotations,
        state: state(alert.phase),
        active_at: alert.active_since,
        keep_firing_since: alert.clear_since.filter(|_| alert.phase == AlertPhase::Firing),
        value: exponent_form(alert.value.unwrap_or(f64::NAN)),
    }
}

const fn state(phase: AlertPhase) -> &'static str {
    match phase {
        AlertPhase::Firing => "firing",
        AlertPhase::Pending => "pending",
        AlertPhase::Inactive | AlertPhase::Resolved => "inactive",
    }
}

fn health(seen: Option<&RuleStatus>) -> &'static str {
    match seen {
        None => "unknown",
        Some(RuleStatus { error: Some(_), .. }) => "err",
        Some(_) => "ok",
    }
}

/// Whole numbers without a point, as Prometheus writes them.
fn seconds<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 { serializer.serialize_i64(*value as i64) } else { serializer.serialize_f64(*value) }
}

/// What has never been evaluated was at Go's zero time.
fn last_evaluation(status: &ObjectiveStatus) -> String {
    status.evaluated_at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), Timestamp::rfc3339)
}

/// `6.2e-01`: alerts write their value with an exponent, whatever its size.
fn exponent_form(value: f64) -> String {
    if !value.is_finite() {
        return crate::promql::format::format_float(value);
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let sign = if exponent.starts_with('-') { '-' } else { '+' };
    format!("{mantissa}e{sign}{:0>2}", exponent.trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_an_exponent() {
        let cases = [(0.62, "6.2e-01"), (1.0, "1e+00"), (0.0, "0e+00"), (-1.5e120, "-1.5e+120"), (12.0, "1.2e+01")];
        for (value, text) in cases {
            assert_eq!(exponent_form(value), text);
        }
        assert_eq!(exponent_form(f64::INFINITY), "+Inf");
    }
}
