//! Prometheus rule files: one group for each objective.
//!
//! The rules read the raw metrics, so they need nothing of ours but the definitions. What Prometheus can't
//! do the same is written beside the group: it loses the first value of a counter born between two scrapes,
//! and its alerts don't climb.

use std::sync::Arc;
use std::time::Duration;

use super::text::annotation;
use super::yaml::Doc;
use crate::base::Labels;
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

/// The rules of one objective, as Prometheus has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// `plimsoll-` and the objective's name.
    pub name: String,
    /// In the order of [`CompiledObjective::rules`].
    pub rules: Vec<Rule>,
}

/// One alerting rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The alert's name.
    pub alert: String,
    /// PromQL over the raw metrics.
    pub expr: String,
    /// `for`.
    pub hold: Duration,
    /// `keep_firing_for`.
    pub keep_firing: Duration,
    /// The alert's own labels.
    pub labels: Labels,
    /// Texts with Prometheus's templates.
    pub annotations: Vec<(String, String)>,
}

/// What an objective is in Prometheus; `None` without rules.
pub fn group(compiled: &CompiledObjective) -> Option<Group> {
    let rules: Vec<Rule> = compiled.rules.iter().map(|r| rule(&compiled.objective, r)).collect();
    (!rules.is_empty()).then(|| Group { name: format!("plimsoll-{}", compiled.objective.name), rules })
}

fn rule(objective: &Objective, rule: &AlertRule) -> Rule {
    let text = |(name, text): &(String, String)| (name.clone(), annotation(text, objective, rule));
    Rule {
        alert: rule.alert_name.clone(),
        expr: rule.export_expr.clone(),
        hold: rule.hold,
        keep_firing: rule.keep_firing,
        labels: rule.labels.clone(),
        annotations: rule.annotations.iter().map(text).collect(),
    }
}

fn groups(objectives: &[Arc<CompiledObjective>]) -> Doc {
    Doc::List(objectives.iter().filter_map(|o| group(o)).map(|g| group_doc(&g)).collect())
}

fn group_doc(group: &Group) -> Doc {
    let rules = group.rules.iter().map(rule_doc).collect();
    Doc::map([("name", Doc::text(&group.name)), ("rules", Doc::List(rules))])
}

fn rule_doc(rule: &Rule) -> Doc {
    let mut fields = vec![("alert", Doc::text(&rule.alert)), ("expr", Doc::text(&rule.expr))];
    let mut duration = |name, value: Duration| {
        if !value.is_zero() {
            fields.push((name, Doc::text(format_duration(value))));
        }
    };
    duration("for", rule.hold);
    duration("keep_firing_for", rule.keep_firing);
    fields.push(("labels", Doc::map(rule.labels.iter().map(|(name, value)| (name, Doc::text(value))))));
    let annotations = rule.annotations.iter().map(|(name, text)| (name.as_str(), Doc::text(text)));
    fields.push(("annotations", Doc::map(annotations)));
    Doc::map(fields)
}
