//! An objective becomes PromQL: the value people see, the alerts, how its events are counted.

use std::sync::Arc;
use std::time::Duration;

use super::annotate;
use super::burn::burn_rules;
use super::compiled::{AlertRule, CompiledObjective, RuleKind};
use super::format::format_value;
use super::judge::{Judge, inverse, is_high};
use super::objective::{Comparison, Indicator, Level, NoData, Objective, ObjectiveError, RatioSide, Unit};
use super::promql::{parse_expr, refuse};
use crate::base::Severity;

/// Compiles an objective.
///
/// # Errors
/// A name, selector or expression that is not PromQL, a budget without events to count, levels that
/// contradict each other; the error's path is inside the objective.
pub fn compile(objective: Arc<Objective>) -> Result<CompiledObjective, ObjectiveError> {
    check(&objective)?;
    let judge = Judge::new(&objective)?;
    let worst_is_high = worst_is_high(&objective);
    let mut remarks: Vec<String> =
        order_remark(&objective).into_iter().chain(short_window_remark(&objective)).collect();
    let mut rules = Vec::new();
    let mut comparisons = Vec::new();
    for level in &objective.levels {
        comparisons.push(level.breach);
        comparisons.extend(stay_comparison(level)?);
        rules.push(level_rule(&objective, &judge, level)?);
    }
    rules.extend(burn_rules(&objective, &judge, &mut remarks)?);
    rules.extend(objective.no_data.map(|no_data| no_data_rule(&objective, &judge, no_data)));
    rules.sort_by_key(|rule: &AlertRule| (rule.kind == RuleKind::NoData, std::cmp::Reverse(rule.severity)));
    let value = judge.value(worst_is_high, false);
    check_expressions(&value, &rules)?;
    let thresholds = judge.bounds(&comparisons, objective.target);
    let measure = judge.measure();
    Ok(CompiledObjective { value, rules, measure, thresholds, remarks, objective })
}

/// The value in the form that reads classic buckets, for Prometheus servers and dashboards that have no
/// native histograms.
///
/// # Errors
/// As [`compile`].
pub fn export_value(objective: &Objective) -> Result<String, ObjectiveError> {
    Ok(Judge::new(objective)?.value(worst_is_high(objective), true))
}

/// The unit in which the histogram of the indicator counts, as its name says; `None` without a histogram.
pub fn unit_of_metric(objective: &Objective) -> Option<Unit> {
    match &objective.indicator {
        Indicator::Percentile { of, .. } | Indicator::Threshold { of, .. } => Some(unit_of_name(of)),
        _ => None,
    }
}

/// The unit that a metric's name ends in.
pub fn unit_of_name(metric: &str) -> Unit {
    match metric.rsplit('_').next() {
        Some("seconds") => Unit::Seconds,
        Some("bytes") => Unit::Bytes,
        Some("ratio") => Unit::Ratio,
        _ => Unit::None,
    }
}

/// Whether the worst of several groups is the highest; without levels it is for latencies and bad events.
fn worst_is_high(objective: &Objective) -> bool {
    let good_is_high = match &objective.indicator {
        Indicator::Threshold { .. } => true,
        Indicator::Ratio { side, .. } => *side == RatioSide::Good,
        _ => false,
    };
    objective.levels.first().map_or(!good_is_high, |level| is_high(level.breach))
}

fn check(objective: &Objective) -> Result<(), ObjectiveError> {
    let counts_events = matches!(objective.indicator, Indicator::Threshold { .. } | Indicator::Ratio { .. });
    if let Some(budget) = &objective.budget {
        if !counts_events {
            return refuse(
                "budget",
                "a budget is counted in good and bad events: use the indicator `threshold` (good = within a bound) or `ratio`",
            );
        }
        if !(budget.objective > 0.0 && budget.objective < 1.0) {
            return refuse("budget.objective", ZERO_TOLERANCE);
        }
    }
    let wants_all = counts_events && objective.target.is_some_and(|t| t >= 1.0) && !worst_is_high(objective);
    if wants_all {
        return refuse("target", ZERO_TOLERANCE);
    }
    check_labels(objective)?;
    if objective.levels.is_empty() && objective.budget.is_none() && objective.target.is_none() {
        return refuse("", "an objective needs at least one of `target`, `warning`, `critical` and `budget`");
    }
    Ok(())
}

/// A label of the objective's own would hide a group's label of the same name.
fn check_labels(objective: &Objective) -> Result<(), ObjectiveError> {
    let by = match &objective.indicator {
        Indicator::Percentile { by, .. } | Indicator::Threshold { by, .. } | Indicator::Ratio { by, .. } => {
            by.as_slice()
        }
        Indicator::Value { .. } => &[],
    };
    let fixed = ["objective", "severity", "team", "escalation"];
    match by.iter().find(|label| objective.labels.contains_key(*label) || fixed.contains(&label.as_str())) {
        Some(label) => {
            refuse("indicator", format!("groups by {label:?}, which is also a label of the objective's own"))
        }
        None => Ok(()),
    }
}

/// What is said instead of a target of 100 %.
pub(crate) const ZERO_TOLERANCE: &str = "a share of good events lies above 0% and below 100%: 100% leaves no budget, so no burn rate can be computed. \
     To allow no bad event at all, use the zero-tolerance form: `indicator: {value: 'sum(increase(bad_events_total[5m]))'}` with `critical: {above: 0, for: 0s}`";

/// What must hold for a firing level to go on: the opposite of what clears it.
fn stay_comparison(level: &Level) -> Result<Option<Comparison>, ObjectiveError> {
    let Some(clear) = level.clear else { return Ok(None) };
    let path = format!("{}.{}", level.severity, if is_high(clear) { "clear_above" } else { "clear_below" });
    let consistent = match (level.breach, clear) {
        (Comparison::Above(t) | Comparison::AtOrAbove(t), Comparison::Below(c) | Comparison::AtOrBelow(c)) => c <= t,
        (Comparison::Below(t) | Comparison::AtOrBelow(t), Comparison::Above(c) | Comparison::AtOrAbove(c)) => c >= t,
        _ => false,
    };
    if !consistent {
        return refuse(
            &path,
            "a level clears on the good side of its number: `above` with a lower `clear_below`, `below` with a higher `clear_above`",
        );
    }
    Ok(inverse(clear))
}

fn level_rule(objective: &Objective, judge: &Judge, level: &Level) -> Result<AlertRule, ObjectiveError> {
    if let Comparison::Between(low, high) = level.breach
        && low >= high
    {
        return refuse(&format!("{}.above", level.severity), "a range needs `above` to be lower than `below`");
    }
    let suffix = if level.severity == Severity::Critical { "Critical" } else { "Warning" };
    let alert_name = annotate::alert_name(objective, suffix);
    let expr = judge.breach(level.breach);
    let stay_expr = stay_comparison(level)?.map(|stay| judge.breach(stay));
    let export_expr = export_with_stay(objective, &alert_name, &expr, stay_expr.as_deref(), level.severity);
    Ok(AlertRule {
        id: level.severity.as_str().to_owned(),
        kind: RuleKind::Level,
        severity: level.severity,
        export_expr,
        expr,
        stay_expr,
        alert_name,
        hold: level.hold,
        keep_firing: level.keep_firing,
        labels: annotate::labels(objective, level.severity),
        annotations: annotate::level(objective, level),
    })
}

/// Prometheus has no second threshold for clearing; a rule that looks at its own alert has.
fn export_with_stay(objective: &Objective, name: &str, expr: &str, stay: Option<&str>, severity: Severity) -> String {
    let Some(stay) = stay else { return expr.to_owned() };
    let own = annotate::labels(objective, severity);
    let ignored: Vec<&str> = ["alertname", "alertstate"].into_iter().chain(own.iter().map(|(n, _)| n)).collect();
    let firing = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}");
    format!("({expr}) or (({stay}) and ignoring ({}) {firing})", ignored.join(", "))
}

fn no_data_rule(objective: &Objective, judge: &Judge, no_data: NoData) -> AlertRule {
    // NaN, a ratio of nothing, is no value either: no comparison holds for it.
    let absent = |export| format!("absent(({}) >= -Inf)", judge.value(worst_is_high(objective), export));
    let what = format!("no data for {}", super::format_duration(no_data.after));
    AlertRule {
        id: "no-data".to_owned(),
        alert_name: annotate::alert_name(objective, "NoData"),
        kind: RuleKind::NoData,
        severity: no_data.severity,
        expr: absent(false),
        export_expr: absent(true),
        stay_expr: None,
        hold: no_data.after,
        keep_firing: Duration::ZERO,
        labels: annotate::labels(objective, no_data.severity),
        annotations: annotate::annotations(objective, &what, format!("There has been {what}: its source may be down.")),
    }
}

fn check_expressions(value: &str, rules: &[AlertRule]) -> Result<(), ObjectiveError> {
    let of_rules = rules.iter().flat_map(|r| [Some(&r.expr), Some(&r.export_expr), r.stay_expr.as_ref()]).flatten();
    for expr in of_rules.map(String::as_str).chain([value]) {
        parse_expr("indicator", expr)?;
    }
    Ok(())
}

/// Said when the critical level is reached before the warning.
fn order_remark(objective: &Objective) -> Option<String> {
    let of = |severity| objective.levels.iter().find(|l| l.severity == severity).map(|l| l.breach);
    let (warning, critical) = (of(Severity::Warning)?, of(Severity::Critical)?);
    let (w, c) = (one_sided(warning)?, one_sided(critical)?);
    let misordered = is_high(warning) == is_high(critical) && if is_high(warning) { c < w } else { c > w };
    let value = |x| format_value(x, objective.unit);
    misordered.then(|| format!("critical ({}) is reached before warning ({})", value(c), value(w)))
}

/// Counters are sampled every 10 s, here and usually where Prometheus scrapes: a window of less than two
/// samples' distance often holds only one, and one sample has no increase.
const SHORTEST_WINDOW: Duration = Duration::from_secs(20);

fn short_window_remark(objective: &Objective) -> Option<String> {
    let over = match &objective.indicator {
        Indicator::Percentile { over, .. } | Indicator::Threshold { over, .. } | Indicator::Ratio { over, .. } => *over,
        Indicator::Value { .. } => return None,
    };
    (over < SHORTEST_WINDOW).then(|| {
        let (over, least) = (super::format_duration(over), super::format_duration(SHORTEST_WINDOW));
        format!("a window of {over} is shorter than two samples' distance ({least}): it will often have no value")
    })
}

fn one_sided(comparison: Comparison) -> Option<f64> {
    match comparison {
        Comparison::Above(x) | Comparison::AtOrAbove(x) | Comparison::Below(x) | Comparison::AtOrBelow(x) => Some(x),
        Comparison::Between(..) => None,
    }
}

#[cfg(test)]
mod tests;
