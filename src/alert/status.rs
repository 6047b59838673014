//! The state of objectives in words and numbers, from what the last evaluation saw. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::{Labels, Severity, Timestamp};
use crate::slo::{AlertRule, Comparison, CompiledObjective, Indicator, Objective, RatioSide};

use super::book::{Book, Subject};
use super::model::{AlertPhase, AlertStatus, BudgetLeft, GroupStatus, ObjectiveStatus, RuleStatus, StatusKind};
use super::plan::ObjectiveReading;

/// The state before the first evaluation.
pub fn unknown(compiled: &CompiledObjective) -> ObjectiveStatus {
    let objective = &compiled.objective;
    ObjectiveStatus {
        name: objective.name.clone(),
        title: objective.title.clone(),
        team: objective.team.clone(),
        status: StatusKind::NoData,
        value: None,
        unit: objective.unit.as_str().to_owned(),
        target: objective.target.or(objective.budget.as_ref().map(|b| b.objective)),
        groups: Vec::new(),
        budget: objective.budget.as_ref().map(|b| BudgetLeft { remaining: None, window: b.window.label() }),
        evaluated_at: None,
        error: None,
        took: Duration::ZERO,
        rules: Vec::new(),
    }
}

/// The state after an evaluation. Where a query failed, the values before it stay, with the error.
pub fn after(
    reading: &ObjectiveReading<'_>,
    book: &Book,
    before: Option<&ObjectiveStatus>,
    remaining: Option<f64>,
    now: Timestamp,
) -> ObjectiveStatus {
    let mut status = unknown(reading.compiled);
    let old: BTreeMap<Labels, f64> = before.map(values).unwrap_or_default();
    let values = reading.values.as_ref().unwrap_or(&old);
    let objective = &reading.compiled.objective;
    status.groups = group_statuses(reading.compiled, values, book);
    status.status = status.groups.iter().map(|g| g.status).max().unwrap_or(StatusKind::NoData);
    status.value = worst_value(objective, &status);
    if let Some(budget) = &mut status.budget {
        budget.remaining = remaining;
    }
    status.evaluated_at = Some(now);
    status.error = reading.error().map(str::to_owned);
    status.rules = rule_statuses(reading, values, book);
    status
}

fn rule_statuses(reading: &ObjectiveReading<'_>, values: &BTreeMap<Labels, f64>, book: &Book) -> Vec<RuleStatus> {
    let of = |(rule, seen): (&AlertRule, &Result<_, String>)| RuleStatus {
        id: rule.id.clone(),
        error: seen.as_ref().err().cloned(),
        alerts: alerts(&reading.compiled.objective.name, rule, values, book),
    };
    reading.compiled.rules.iter().zip(&reading.rules).map(of).collect()
}

/// The alerts of one rule that are pending or firing.
fn alerts(objective: &str, rule: &AlertRule, values: &BTreeMap<Labels, f64>, book: &Book) -> Vec<AlertStatus> {
    let status = |subject: &Subject| {
        let state = book.alert(subject, &rule.id)?;
        matches!(state.phase, AlertPhase::Pending | AlertPhase::Firing).then(|| AlertStatus {
            group: subject.group.clone(),
            phase: state.phase,
            active_since: state.active_since,
            clear_since: state.clear_since,
            value: values.get(&subject.group).copied(),
        })
    };
    book.subjects(objective).filter_map(status).collect()
}

fn values(status: &ObjectiveStatus) -> BTreeMap<Labels, f64> {
    status.groups.iter().filter_map(|g| Some((g.labels.clone(), g.value?))).collect()
}

fn group_statuses(compiled: &CompiledObjective, values: &BTreeMap<Labels, f64>, book: &Book) -> Vec<GroupStatus> {
    let name = &compiled.objective.name;
    let firing = book.subjects(name).filter(|s| worst_firing(compiled, book, s).is_some()).map(|s| &s.group);
    let all: BTreeSet<&Labels> = values.keys().chain(firing).collect();
    let status = |labels: &Labels| {
        let subject = Subject { objective: name.clone(), group: labels.clone() };
        let value = values.get(labels).copied().filter(|v| v.is_finite());
        let status = match (worst_firing(compiled, book, &subject), value) {
            (Some(Severity::Critical), _) => StatusKind::Critical,
            (Some(Severity::Warning), _) => StatusKind::Warning,
            (None, None) => StatusKind::NoData,
            (None, Some(_)) => StatusKind::Ok,
        };
        GroupStatus { labels: labels.clone(), status, value }
    };
    all.into_iter().map(status).collect()
}

/// The severity of what fires for a subject. A person may have closed the incident; what fires, fires.
fn worst_firing(compiled: &CompiledObjective, book: &Book, subject: &Subject) -> Option<Severity> {
    let fires = |id: &str| book.alert(subject, id).is_some_and(|a| a.phase == AlertPhase::Firing);
    compiled.rules.iter().filter(|r| fires(&r.id)).map(|r| r.severity).max()
}

/// The value of the worst group; among equals, the one furthest in the direction of a breach.
fn worst_value(objective: &Objective, status: &ObjectiveStatus) -> Option<f64> {
    let worst = status.groups.iter().filter(|g| g.status == status.status);
    let values = worst.filter_map(|g| g.value);
    if high_is_bad(objective) { values.max_by(f64::total_cmp) } else { values.min_by(f64::total_cmp) }
}

fn high_is_bad(objective: &Objective) -> bool {
    match objective.levels.first().map(|l| l.breach) {
        Some(Comparison::Above(_) | Comparison::AtOrAbove(_) | Comparison::Between(..)) => true,
        Some(Comparison::Below(_) | Comparison::AtOrBelow(_)) => false,
        None => {
            !matches!(objective.indicator, Indicator::Threshold { .. } | Indicator::Ratio { side: RatioSide::Good, .. })
        }
    }
}
