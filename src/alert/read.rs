//! What one evaluation asks about one objective. Failures stay with the question that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::{Labels, Timestamp};
use crate::promql::{Engine, QueryOptions, SourceError};
use crate::series::Known;
use crate::slo::{AlertRule, CompiledObjective, Measure};

use super::budget;
use super::measure::Measured;
use super::plan::{ObjectiveReading, RuleReading, groups};
use super::selectors::Selectors;
use super::settings::Settings;

/// What was seen of one objective.
#[derive(Debug)]
pub struct ObjectiveSeen<'a> {
    /// For the state machine.
    pub reading: ObjectiveReading<'a>,
    /// What was counted; `None` when it counts nothing or could not be counted now.
    pub counted: Option<Counted>,
    /// Why it could not be counted.
    pub count_error: Option<String>,
    /// The part of the budget that is left.
    pub remaining: Result<Option<f64>, String>,
    /// How long all that took.
    pub took: Duration,
}

impl ObjectiveSeen<'_> {
    /// The first thing that went wrong.
    pub fn error(&self) -> Option<String> {
        let read = self.reading.error().map(str::to_owned);
        read.or_else(|| self.count_error.clone()).or_else(|| self.remaining.as_ref().err().cloned())
    }
}

/// What was counted of one objective.
#[derive(Debug)]
pub struct Counted {
    /// How far it is counted now.
    pub measured: Measured,
    /// Metric name, group, increment.
    pub increments: Vec<(&'static str, Labels, f64)>,
}

/// Asks everything about one objective. Without `measured` nothing is counted.
pub async fn read<'a>(
    engine: &dyn Engine,
    known: &dyn Known,
    settings: &Settings,
    compiled: &'a CompiledObjective,
    measured: Option<Measured>,
    now: Timestamp,
) -> ObjectiveSeen<'a> {
    let asking =
        Asking { engine, now, options: QueryOptions { timeout: settings.query_timeout(), ..Default::default() } };
    let no_labels = Labels::default();
    let values = asking.ask(&compiled.value, &no_labels).await;
    let mut rules = Vec::new();
    for rule in &compiled.rules {
        rules.push(asking.rule(rule).await);
    }
    let alive: BTreeSet<Labels> =
        values.iter().flatten().filter(|(_, v)| v.is_finite()).map(|(g, _)| g.clone()).collect();
    let counted = match (&compiled.measure, measured) {
        (Some(measure), Some(measured)) => count(known, measure, measured, &alive, now).await.map(Some),
        _ => Ok(None),
    };
    let (counted, count_error) = match counted {
        Ok(counted) => (counted, None),
        Err(error) => (None, Some(error)),
    };
    let remaining = budget::remaining(known, compiled, now).await.map_err(|e| told(&e));
    ObjectiveSeen {
        reading: ObjectiveReading { compiled, values, rules },
        counted,
        count_error,
        remaining,
        took: Duration::ZERO,
    }
}

struct Asking<'a> {
    engine: &'a dyn Engine,
    now: Timestamp,
    options: QueryOptions,
}

impl Asking<'_> {
    async fn ask(&self, expression: &str, own: &Labels) -> Result<BTreeMap<Labels, f64>, String> {
        let answer = self.engine.instant(expression, self.now, &self.options).await.map_err(|e| told(&e))?;
        groups(answer.value, own)
    }

    async fn rule(&self, rule: &AlertRule) -> Result<RuleReading, String> {
        let breaches = self.ask(&rule.expr, &rule.labels).await?.into_keys().collect();
        let stays = match &rule.stay_expr {
            Some(stay) => Some(self.ask(stay, &rule.labels).await?.into_keys().collect()),
            None => None,
        };
        Ok(RuleReading { breaches, stays })
    }
}

async fn count(
    known: &dyn Known,
    measure: &Measure,
    mut measured: Measured,
    alive: &BTreeSet<Labels>,
    now: Timestamp,
) -> Result<Counted, String> {
    let selectors = Selectors::parse(measure).map_err(|e| e.to_string())?;
    let read = |start, end| selectors.read(known, start, end);
    let since_anchor = read(measured.anchor, now).await.map_err(|e: SourceError| told(&e))?;
    let by: Vec<&str> = measure.by.iter().map(String::as_str).collect();
    let alive = alive.iter().map(|group| group.only(&by)).collect();
    let increments = measured.count(&since_anchor, &alive, selectors.is_single(), now);
    if let Some(anchor) = measured.next_anchor(now) {
        let settled = read(measured.anchor, anchor).await.map_err(|e| told(&e))?;
        measured.slide(anchor, &settled);
    }
    Ok(Counted { measured, increments })
}

/// An error with its causes, in one line.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
