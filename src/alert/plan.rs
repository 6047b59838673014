//! From readings to a change, pure: the evaluator runs it live, a backtest replays history through it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::{Labels, METRIC_NAME, Timestamp};
use crate::promql::Value;
use crate::slo::{AlertRule, CompiledObjective};

use super::book::{Draft, Subject, Who};
use super::incident::{self, Policy};
use super::model::AlertPhase;
use super::state::{Reading, Timing, Transition, step};

/// The most groups in breach that one rule may have. More is an error of the rule, which keeps the
/// alerts that there are: wiping them would resolve incidents that are not over.
pub const MAX_GROUPS: usize = 2000;

/// What one evaluation saw of an objective. An `Err` says why a query has no answer.
#[derive(Debug, Clone)]
pub struct ObjectiveReading<'a> {
    /// The objective.
    pub compiled: &'a CompiledObjective,
    /// The value of each group.
    pub values: Result<BTreeMap<Labels, f64>, String>,
    /// What each rule saw, in the rules' order.
    pub rules: Vec<Result<RuleReading, String>>,
}

impl ObjectiveReading<'_> {
    /// The first thing that went wrong.
    pub fn error(&self) -> Option<&str> {
        let value = self.values.as_ref().err();
        value.or_else(|| self.rules.iter().find_map(|r| r.as_ref().err())).map(String::as_str)
    }

    fn value(&self, group: &Labels) -> Option<f64> {
        self.values.as_ref().ok()?.get(group).copied()
    }
}

/// What one rule saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleReading {
    /// The groups in breach.
    pub breaches: BTreeSet<Labels>,
    /// The groups whose firing alert stays; `None`: the same.
    pub stays: Option<BTreeSet<Labels>>,
}

impl RuleReading {
    fn of(&self, group: &Labels) -> Reading {
        let breach = self.breaches.contains(group);
        Reading::Seen { breach, stay: self.stays.as_ref().map_or(breach, |stays| stays.contains(group)) }
    }
}

/// Steps every alert of the objectives that were read, and brings their incidents in line.
///
/// Two evaluations further apart than `evidence_gap` say nothing about the time between them.
pub fn judge(
    draft: &mut Draft,
    readings: &[ObjectiveReading<'_>],
    evidence_gap: Duration,
    policy: Policy<'_>,
    now: Timestamp,
) {
    for reading in readings {
        let mut touched: BTreeMap<Subject, bool> = BTreeMap::new();
        for (rule, seen) in reading.compiled.rules.iter().zip(&reading.rules) {
            let Ok(seen) = seen else { continue };
            for (subject, transition) in step_rule(draft, reading.compiled, rule, seen, evidence_gap, now) {
                *touched.entry(subject).or_default() |= transition == Transition::Fired;
            }
        }
        for (subject, fired) in touched {
            let value = reading.value(&subject.group);
            incident::settle(draft, reading.compiled, &subject, value, fired, policy, now);
        }
    }
}

/// Steps one rule for every group that is in breach or was.
fn step_rule(
    draft: &mut Draft,
    compiled: &CompiledObjective,
    rule: &AlertRule,
    seen: &RuleReading,
    evidence_gap: Duration,
    now: Timestamp,
) -> Vec<(Subject, Transition)> {
    let objective = &compiled.objective.name;
    let timing = Timing { hold: rule.hold, keep_firing: rule.keep_firing, evidence_gap };
    let mut subjects: BTreeSet<Subject> =
        draft.book.subjects(objective).filter(|s| draft.book.alert(s, &rule.id).is_some()).cloned().collect();
    subjects.extend(seen.breaches.iter().map(|g| Subject { objective: objective.clone(), group: g.clone() }));
    let mut changed = Vec::new();
    for subject in subjects {
        let (next, transition) = step(draft.book.alert(&subject, &rule.id), seen.of(&subject.group), &timing, now);
        draft.set_alert(&subject, &rule.id, next);
        if let Some(transition) = transition {
            audit(draft, &subject, rule, transition, now);
            changed.push((subject, transition));
        }
    }
    changed
}

fn audit(draft: &mut Draft, subject: &Subject, rule: &AlertRule, transition: Transition, now: Timestamp) {
    let before = match transition {
        Transition::Pending => "inactive",
        Transition::Fired if rule.hold.is_zero() => "inactive",
        Transition::Dropped | Transition::Fired => "pending",
        Transition::Resolved => "firing",
    };
    let name = format!("alert {}/{}{}", subject.objective, rule.id, subject.group);
    let states = [Some(before.to_owned()), Some(transition.as_str().to_owned())];
    draft.audit(now, Who::EVALUATOR, "alert", name, states);
}

/// The groups of an answer: an element's labels without the metric's name and without what the rule's
/// own labels say. A scalar is one group without labels, as in Prometheus.
pub fn groups(value: Value, own: &Labels) -> Result<BTreeMap<Labels, f64>, String> {
    let elements: BTreeMap<Labels, f64> = match value {
        Value::Scalar(v) => [(Labels::default(), v)].into(),
        Value::Vector(samples) => {
            let is_group = |name: &str| name != METRIC_NAME && own.get(name).is_none();
            samples.iter().filter_map(|s| Some((s.labels.filter(is_group), s.float()?))).collect()
        }
        Value::String(_) | Value::Matrix(_) => {
            return Err("the expression must be an instant vector or a scalar".to_owned());
        }
    };
    if elements.len() > MAX_GROUPS {
        return Err(format!("{} groups are more than {MAX_GROUPS}: group by fewer labels", elements.len()));
    }
    Ok(elements)
}

/// Ends what the configuration no longer has: objectives and rules that are gone.
pub fn prune(draft: &mut Draft, objectives: &[std::sync::Arc<CompiledObjective>], now: Timestamp) {
    let rules: BTreeMap<&str, BTreeSet<&str>> = objectives
        .iter()
        .map(|c| (c.objective.name.as_str(), c.rules.iter().map(|r| r.id.as_str()).collect()))
        .collect();
    let kept = |subject: &Subject, rule: &str| rules.get(subject.objective.as_str()).is_some_and(|r| r.contains(rule));
    let gone: Vec<(Subject, String)> = draft
        .book
        .alerts
        .iter()
        .flat_map(|(s, states)| states.keys().map(move |rule| (s.clone(), rule.clone())))
        .filter(|(s, rule)| !kept(s, rule))
        .collect();
    for (subject, rule) in gone {
        draft.set_alert(&subject, &rule, None);
    }
    let is_over =
        |s: &Subject| !draft.book.alerts.get(s).is_some_and(|a| a.values().any(|a| a.phase == AlertPhase::Firing));
    let over: Vec<_> = draft.book.incidents.iter().filter(|(s, _)| is_over(s)).map(|(_, r)| r.clone()).collect();
    for record in over {
        let reason = if rules.contains_key(record.incident.objective.as_str()) {
            "the rule that fired was removed from the configuration"
        } else {
            "the objective was removed from the configuration"
        };
        incident::resolve(draft, record, Who::CONFIGURATION, reason, now);
    }
}
