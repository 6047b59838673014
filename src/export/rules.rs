//! Prometheus rule files: one group for each objective.
//!
//! The rules read the raw metrics, so they need nothing of ours but the definitions. What Prometheus can't
//! do the same is written beside the group: it loses the first value of a counter born between two scrapes,
//! and its alerts don't climb.

use std::sync::Arc;
use std::time::Duration;

use super::text::annotation;
use super::yaml::Doc;
use crate::slo::{AlertRule, CompiledObjective, Objective, format_duration};

/// A rule file for Prometheus 2.42 and later.
pub fn rules_yaml(objectives: &[Arc<CompiledObjective>]) -> String {
    let mut text =
        "# Written by `plimsoll export rules`. Needs Prometheus 2.42 or later (keep_firing_for).\n".to_owned();
    text.push_str(&Doc::map([("groups", groups(objectives))]).render());
    text
}

/// A `PrometheusRule` of the Prometheus Operator.
pub fn prometheus_rule_yaml(objectives: &[Arc<CompiledObjective>]) -> String {
    let metadata = Doc::map([
        ("name", Doc::text("plimsoll-objectives")),
        ("labels", Doc::map([("app.kubernetes.io/managed-by", Doc::text("plimsoll"))])),
    ]);
    let resource = Doc::map([
        ("apiVersion", Doc::text("monitoring.coreos.com/v1")),
        ("kind", Doc::text("PrometheusRule")),
        ("metadata", metadata),
        ("spec", Doc::map([("groups", groups(objectives))])),
    ]);
    format!("# Written by `plimsoll export prometheusrule`.\n{}", resource.render())
}

fn groups(objectives: &[Arc<CompiledObjective>]) -> Doc {
    Doc::List(objectives.iter().filter(|o| !o.rules.is_empty()).map(|o| group(o)).collect())
}

fn group(compiled: &CompiledObjective) -> Doc {
    let rules = compiled.rules.iter().map(|r| rule(&compiled.objective, r)).collect();
    Doc::map([("name", Doc::text(format!("plimsoll-{}", compiled.objective.name))), ("rules", Doc::List(rules))])
}

fn rule(objective: &Objective, rule: &AlertRule) -> Doc {
    let mut fields = vec![("alert", Doc::text(&rule.alert_name)), ("expr", Doc::text(&rule.export_expr))];
    let mut duration = |name, value: Duration| {
        if !value.is_zero() {
            fields.push((name, Doc::text(format_duration(value))));
        }
    };
    duration("for", rule.hold);
    duration("keep_firing_for", rule.keep_firing);
    fields.push(("labels", Doc::map(rule.labels.iter().map(|(name, value)| (name, Doc::text(value))))));
    let annotations =
        rule.annotations.iter().map(|(name, text)| (name.as_str(), Doc::text(annotation(text, objective, rule))));
    fields.push(("annotations", Doc::map(annotations)));
    Doc::map(fields)
}
