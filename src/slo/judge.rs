//! How each indicator is valued and judged, as PromQL.
//!
//! A percentile is judged without interpolation. With `R(b)` the share of values at or below `b`, and `q`
//! the percentile as a share, the nearest-rank percentile compares with `t` like this:
//!
//! | breach | judged as |
//! |---|---|
//! | above `t` | `R(t) < q` |
//! | at or above `t` | `R(t⁻) < q` |
//! | below `t` | `R(t⁻) >= q` |
//! | at or below `t` | `R(t) >= q` |
//!
//! where `t⁻` is the greatest number below `t` (counts at a bound include the bound). Both sides are exact
//! integer counts, so the verdict is the same wherever it is computed.

use std::time::Duration;

use promql_parser::parser::Expr;
use promql_parser::parser::value::ValueType;

use super::compiled::Measure;
use super::format::format_duration;
use super::number::{number, percent};
use super::objective::{Comparison, Indicator, Objective, ObjectiveError, RatioSide};
use super::promql::{Histogram, by, increase, instant, parse_expr, refuse, selector, share};

/// An indicator whose names and selectors have been checked.
#[derive(Debug)]
pub(crate) enum Judge {
    /// Judged by the share of values within the level's bound.
    Percentile { histogram: Histogram, metric: String, p: f64, groups: Groups },
    /// Judged by its own number, a share of events.
    Share { part: String, total: String, part_is_bad: bool, bound: Option<(String, f64)>, groups: Groups },
    /// Judged by its own number.
    Value { expr: String },
}

/// The window and the grouping of an indicator that counts events.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    over: Duration,
    by: Vec<String>,
    worst_of: Vec<String>,
    all: Vec<String>,
    min_samples: Option<u64>,
}

impl Groups {
    fn new(over: Duration, by: &[String], worst_of: &[String], min: Option<u64>) -> Result<Self, ObjectiveError> {
        if over < Duration::from_secs(1) {
            return refuse("indicator.over", "the window is at least 1s");
        }
        let all: Vec<String> = by.iter().chain(worst_of).cloned().collect();
        for (i, label) in all.iter().enumerate() {
            if !crate::base::labels::is_label_name(label) || label == "le" || label == "__name__" {
                return refuse("indicator.by", format!("{label:?} is not a label to group by"));
            }
            if all[..i].contains(label) {
                return refuse("indicator.by", format!("{label:?} is named twice"));
            }
        }
        Ok(Self { over, by: by.to_vec(), worst_of: worst_of.to_vec(), all, min_samples: min })
    }

    /// Keeps only groups with enough events.
    fn guarded(&self, condition: String, count: &str) -> String {
        match self.min_samples {
            None => condition,
            Some(n) => format!("({condition}) and ({} >= {n})", increase(count, self.over, &self.all)),
        }
    }

    /// Of the groups that differ only in the `worst_of` labels, the extreme one.
    fn worst(&self, expr: String, pick: &str) -> String {
        if self.worst_of.is_empty() { expr } else { format!("{pick}{}({expr})", by(&self.by)) }
    }
}

impl Judge {
    pub(crate) fn new(objective: &Objective) -> Result<Self, ObjectiveError> {
        let min = objective.min_samples;
        match &objective.indicator {
            Indicator::Percentile { of, p, filter, over, by, worst_of } => {
                if !(*p > 0.0 && *p < 100.0) {
                    return refuse("indicator.percentile.p", "a percentile lies above 0 and below 100");
                }
                let histogram = Histogram::new("indicator.percentile", of, filter)?;
                Ok(Self::Percentile {
                    histogram,
                    metric: of.clone(),
                    p: *p,
                    groups: Groups::new(*over, by, worst_of, min)?,
                })
            }
            Indicator::Threshold { of, below, filter, over, by, worst_of } => {
                let histogram = Histogram::new("indicator.threshold", of, filter)?;
                let (part, total) = (histogram.bucket(*below), histogram.count());
                let groups = Groups::new(*over, by, worst_of, min)?;
                Ok(Self::Share { part, total, part_is_bad: false, bound: Some((of.clone(), *below)), groups })
            }
            Indicator::Ratio { side, part, total, over, by } => {
                let path = if *side == RatioSide::Good { "indicator.ratio.good" } else { "indicator.ratio.bad" };
                let (part, total) = (selector(path, part)?, selector("indicator.ratio.total", total)?);
                let groups = Groups::new(*over, by, &[], min)?;
                Ok(Self::Share { part, total, part_is_bad: *side == RatioSide::Bad, bound: None, groups })
            }
            Indicator::Value { expr } => Self::value_of(expr, min),
        }
    }

    fn value_of(expr: &str, min_samples: Option<u64>) -> Result<Self, ObjectiveError> {
        const PATH: &str = "indicator.value";
        if min_samples.is_some() {
            return refuse("min_samples", "a value has no events to count: write the condition into its PromQL");
        }
        instant(PATH, expr)?;
        let parsed = parse_expr(PATH, expr)?;
        let text = expr.trim();
        let wrapped = match parsed {
            // A trailing comment must not swallow what follows.
            _ if text.contains(['#', '\n']) => format!("(\n{text}\n)"),
            Expr::Binary(_) | Expr::Unary(_) => format!("({text})"),
            _ => text.to_owned(),
        };
        let scalar = parsed.value_type() == ValueType::Scalar;
        Ok(Self::Value { expr: if scalar { format!("vector({wrapped})") } else { wrapped } })
    }

    /// What people see; of histograms the native form (`export` is false) or the classic one.
    pub(crate) fn value(&self, worst_is_high: bool, export: bool) -> String {
        let pick = if worst_is_high { "max" } else { "min" };
        match self {
            Self::Percentile { histogram, p, groups, .. } => {
                let mut labels = groups.all.clone();
                let source = if export { histogram.buckets() } else { histogram.native() };
                if export {
                    labels.insert(0, "le".to_owned());
                }
                let rates = format!("sum{}(rate({source}[{}]))", by(&labels), format_duration(groups.over));
                groups.worst(format!("histogram_quantile({}, {rates})", number(percent(*p))), pick)
            }
            Self::Share { part, total, groups, .. } => groups.worst(share(part, total, groups.over, &groups.all), pick),
            Self::Value { expr } => expr.clone(),
        }
    }

    /// An element for each group that this comparison calls a breach.
    pub(crate) fn breach(&self, comparison: Comparison) -> String {
        match self {
            Self::Percentile { histogram, p, groups, .. } => {
                let total = increase(&histogram.count(), groups.over, &groups.all);
                let conditions: Vec<String> = percentile_conditions(comparison)
                    .into_iter()
                    .map(|(bound, operator)| {
                        let within = increase(&histogram.bucket(bound), groups.over, &groups.all);
                        format!("{within} / {total} {operator} {}", number(percent(*p)))
                    })
                    .collect();
                let pick = if is_high(comparison) { "min" } else { "max" };
                groups.worst(groups.guarded(conditions.join(" and "), &histogram.count()), pick)
            }
            Self::Share { part, total, groups, .. } => {
                let compared = compare(&share(part, total, groups.over, &groups.all), comparison);
                let pick = if is_high(comparison) { "max" } else { "min" };
                groups.worst(groups.guarded(compared, total), pick)
            }
            Self::Value { expr } => compare(expr, comparison),
        }
    }

    /// The bounds that must be exact for these comparisons (and for a target).
    pub(crate) fn bounds(&self, comparisons: &[Comparison], target: Option<f64>) -> Vec<(String, f64)> {
        match self {
            Self::Percentile { metric, .. } => {
                let judged = comparisons.iter().flat_map(|c| percentile_conditions(*c)).map(|(bound, _)| bound);
                let mut bounds: Vec<f64> = judged.chain(target).collect();
                bounds.sort_unstable_by(f64::total_cmp);
                bounds.dedup();
                bounds.into_iter().map(|bound| (metric.clone(), bound)).collect()
            }
            Self::Share { bound, .. } => bound.iter().cloned().collect(),
            Self::Value { .. } => Vec::new(),
        }
    }

    /// How events are counted; only shares count good and bad ones.
    pub(crate) fn measure(&self) -> Option<Measure> {
        let Self::Share { part, total, part_is_bad, groups, .. } = self else { return None };
        Some(Measure { part: part.clone(), part_is_bad: *part_is_bad, total: total.clone(), by: groups.all.clone() })
    }

    /// The labels that tell groups apart, and those of which the worst counts.
    pub(crate) fn grouping(&self) -> (&[String], &[String]) {
        match self {
            Self::Percentile { groups, .. } | Self::Share { groups, .. } => (&groups.by, &groups.worst_of),
            Self::Value { .. } => (&[], &[]),
        }
    }
}

/// Whether high values are the breach.
pub(crate) fn is_high(comparison: Comparison) -> bool {
    matches!(comparison, Comparison::Above(_) | Comparison::AtOrAbove(_) | Comparison::Between(..))
}

/// The comparison that holds exactly when this one does not; a range has none.
pub(crate) fn inverse(comparison: Comparison) -> Option<Comparison> {
    match comparison {
        Comparison::Above(x) => Some(Comparison::AtOrBelow(x)),
        Comparison::AtOrAbove(x) => Some(Comparison::Below(x)),
        Comparison::Below(x) => Some(Comparison::AtOrAbove(x)),
        Comparison::AtOrBelow(x) => Some(Comparison::Above(x)),
        Comparison::Between(..) => None,
    }
}

fn compare(expr: &str, comparison: Comparison) -> String {
    match comparison {
        Comparison::Above(x) => format!("{expr} > {}", number(x)),
        Comparison::AtOrAbove(x) => format!("{expr} >= {}", number(x)),
        Comparison::Below(x) => format!("{expr} < {}", number(x)),
        Comparison::AtOrBelow(x) => format!("{expr} <= {}", number(x)),
        Comparison::Between(low, high) => format!("({expr} > {}) < {}", number(low), number(high)),
    }
}

/// `(bound, operator)`: the share of values within the bound, compared by the operator with the percentile.
fn percentile_conditions(comparison: Comparison) -> Vec<(f64, &'static str)> {
    match comparison {
        Comparison::Above(t) => vec![(t, "<")],
        Comparison::AtOrAbove(t) => vec![(t.next_down(), "<")],
        Comparison::Below(t) => vec![(t.next_down(), ">=")],
        Comparison::AtOrBelow(t) => vec![(t, ">=")],
        Comparison::Between(low, high) => vec![(low, "<"), (high.next_down(), ">=")],
    }
}
