//! Burn-rate alerts: how fast a budget is being spent, over a long window that decides and a short one that
//! clears (Google SRE workbook, chapter 5, "Multiwindow, multi-burn-rate alerts").
//!
//! The burn rate is the error ratio divided by the allowed error ratio: at 1 the budget is spent exactly by
//! the end of its window. The four tiers hold for windows of 7 days and more; below that their windows
//! shrink in proportion, and what can't work is left out and said.

use std::time::Duration;

use super::annotate;
use super::compiled::{AlertRule, Measure, RuleKind};
use super::format::{format_duration, format_value};
use super::judge::Judge;
use super::number::{number, tidy};
use super::objective::{Budget, CalendarPeriod, Objective, ObjectiveError, Unit, Window};
use super::promql::{by, increase};
use crate::base::Severity;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// From this budget window on the tiers are used as they are.
const UNSCALED_FROM: Duration = Duration::from_secs(7 * DAY);

/// A short window under two slots of a minute would judge a single slot.
const SHORTEST: Duration = Duration::from_secs(2 * MINUTE);

/// `(factor, long, short, severity)`.
const TIERS: [(f64, u64, u64, Severity); 4] = [
    (14.4, HOUR, 5 * MINUTE, Severity::Critical),
    (6.0, 6 * HOUR, 30 * MINUTE, Severity::Critical),
    (3.0, DAY, 2 * HOUR, Severity::Warning),
    (1.0, 3 * DAY, 6 * HOUR, Severity::Warning),
];

/// One tier: fires when both windows burn faster than `factor`.
#[derive(Debug, Clone, PartialEq)]
pub struct BurnTier {
    /// How many times faster than sustainable; strictly more than this is a breach.
    pub factor: f64,
    /// The window that decides.
    pub long: Duration,
    /// The window that clears.
    pub short: Duration,
    /// How bad.
    pub severity: Severity,
    /// The share of the whole budget that is gone when the long window has burnt at `factor`.
    pub budget_share: f64,
}

/// The length of a budget's window: a month counts as 30 days, a quarter as 91.
pub fn nominal_length(window: &Window) -> Duration {
    let days = match window {
        Window::Rolling(length) => return *length,
        Window::Calendar { period: CalendarPeriod::Week, .. } => 7,
        Window::Calendar { period: CalendarPeriod::Month, .. } => 30,
        Window::Calendar { period: CalendarPeriod::Quarter, .. } => 91,
    };
    Duration::from_secs(days * DAY)
}

/// The tiers of a budget, and in words what was clamped or left out.
pub fn burn_tiers(budget: &Budget) -> (Vec<BurnTier>, Vec<String>) {
    let window = nominal_length(&budget.window);
    let ceiling = 1.0 / (1.0 - budget.objective);
    let (mut tiers, mut remarks) = (Vec::new(), Vec::new());
    for (i, (factor, long, short, severity)) in TIERS.into_iter().enumerate() {
        let (long, short) = (scaled(long, window), scaled(short, window).max(SHORTEST));
        let name = format!("burn tier {factor}x over {}/{}", format_duration(long), format_duration(short));
        let next = TIERS.get(i + 1).map_or(0.0, |tier| tier.0);
        if long > window / 4 || long < 2 * short {
            let window = format_duration(window);
            remarks.push(format!("{name} is left out: its windows do not fit a budget of {window}"));
        } else if let Some(reachable) = reachable(factor, next, ceiling) {
            if reachable < factor {
                let limit = format!("everything failing burns at {}x", number(tidy(ceiling)));
                remarks.push(format!("{name} is clamped to {}x: {limit}", number(reachable)));
            }
            let budget_share = reachable * long.as_secs_f64() / window.as_secs_f64();
            tiers.push(BurnTier { factor: reachable, long, short, severity, budget_share });
        } else {
            let limit = number(tidy(ceiling));
            remarks.push(format!("{name} is left out: even everything failing burns only at {limit}x"));
        }
    }
    (tiers, remarks)
}

/// The factor, or 90 % of what can be reached when that still lies above the next tier.
fn reachable(factor: f64, next: f64, ceiling: f64) -> Option<f64> {
    if factor < ceiling {
        return Some(factor);
    }
    let clamped = (ceiling * 9.0).floor() / 10.0;
    (clamped > next && clamped >= 1.0).then_some(clamped)
}

/// A window of the unscaled table, in whole minutes.
fn scaled(seconds: u64, window: Duration) -> Duration {
    if window >= UNSCALED_FROM {
        return Duration::from_secs(seconds);
    }
    let share = window.as_secs_f64() / UNSCALED_FROM.as_secs_f64();
    Duration::from_secs((seconds as f64 * share / 60.0).round() as u64 * MINUTE)
}

/// The alerts of the objective's budget.
pub(crate) fn burn_rules(
    objective: &Objective,
    judge: &Judge,
    remarks: &mut Vec<String>,
) -> Result<Vec<AlertRule>, ObjectiveError> {
    let (Some(budget), Some(measure)) = (&objective.budget, judge.measure()) else { return Ok(Vec::new()) };
    if !budget.burn {
        return Ok(Vec::new());
    }
    let (tiers, said) = burn_tiers(budget);
    remarks.extend(said);
    if tiers.is_empty() {
        remarks.push("no burn tier is left: the budget has no burn alerts".to_owned());
    }
    let (groups, worst_of) = judge.grouping();
    let burn = Burn {
        allowed: tidy(1.0 - budget.objective),
        groups,
        worst: !worst_of.is_empty(),
        all: &measure.by,
        min_samples: objective.min_samples,
    };
    Ok(tiers.iter().map(|tier| rule(objective, &burn, &measure, tier)).collect())
}

/// What all tiers of one objective share.
struct Burn<'a> {
    allowed: f64,
    groups: &'a [String],
    worst: bool,
    all: &'a [String],
    min_samples: Option<u64>,
}

impl Burn<'_> {
    fn expr(&self, tier: &BurnTier, part: &str, part_is_bad: bool, total: &str) -> String {
        let limit = format!("{} * {}", number(tier.factor), number(self.allowed));
        let window = |w| format!("{} > {limit}", self.error_ratio(part, part_is_bad, total, w));
        let mut expr = format!("({}) and ({})", window(tier.long), window(tier.short));
        if let Some(n) = self.min_samples {
            expr.push_str(&format!(" and ({} >= {n})", increase(total, tier.long, self.all)));
        }
        if self.worst { format!("max{}({expr})", by(self.groups)) } else { expr }
    }

    /// A part that was never born counts as zero as long as there is a total.
    fn error_ratio(&self, part: &str, part_is_bad: bool, total: &str, window: Duration) -> String {
        let share = super::promql::share(part, total, window, self.all);
        if part_is_bad { share } else { format!("1 - {share}") }
    }
}

fn rule(objective: &Objective, burn: &Burn<'_>, measure: &Measure, tier: &BurnTier) -> AlertRule {
    let recorded = |metric: &str| format!("{metric}{{objective=\"{}\"}}", objective.name);
    let (long, short) = (format_duration(tier.long), format_duration(tier.short));
    let what = format!("the error budget burns more than {} times too fast", number(tier.factor));
    let share = format_value((tier.budget_share * 1000.0).round() / 1000.0, Unit::Ratio);
    let description =
        format!("Over {long} and over {short} {what}: at this rate {long} take {share} of the budget. {{{{labels}}}}");
    AlertRule {
        id: format!("burn-{long}"),
        alert_name: annotate::alert_name(objective, &format!("BurnRate{long}")),
        kind: RuleKind::Burn { factor: tier.factor, long: tier.long, short: tier.short },
        severity: tier.severity,
        expr: burn.expr(tier, &recorded(Measure::GOOD), false, &recorded(Measure::TOTAL)),
        export_expr: burn.expr(tier, &measure.part, measure.part_is_bad, &measure.total),
        stay_expr: None,
        hold: Duration::ZERO,
        keep_firing: Duration::ZERO,
        labels: annotate::labels(objective, tier.severity),
        annotations: annotate::annotations(objective, &what, description),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers(objective: f64, days: f64) -> (Vec<(f64, String, String)>, Vec<String>) {
        let window = Window::Rolling(Duration::from_secs_f64(days * 86_400.0));
        let (tiers, remarks) = burn_tiers(&Budget { objective, window, burn: true });
        (tiers.iter().map(|t| (t.factor, format_duration(t.long), format_duration(t.short))).collect(), remarks)
    }

    fn tier(factor: f64, long: &str, short: &str) -> (f64, String, String) {
        (factor, long.to_owned(), short.to_owned())
    }

    #[test]
    fn a_month_has_the_four_tiers_of_the_book() {
        let expected =
            vec![tier(14.4, "1h", "5m"), tier(6.0, "6h", "30m"), tier(3.0, "1d", "2h"), tier(1.0, "3d", "6h")];
        assert_eq!(tiers(0.999, 30.0), (expected, Vec::new()));
    }

    #[test]
    fn a_budget_of_thirty_days_is_spent_as_the_book_says() {
        let window = Window::Calendar { period: CalendarPeriod::Month, time_zone: "UTC".into() };
        let (tiers, _) = burn_tiers(&Budget { objective: 0.999, window, burn: true });
        let shares: Vec<f64> = tiers.iter().map(|t| (t.budget_share * 1000.0).round() / 10.0).collect();
        assert_eq!(shares, [2.0, 5.0, 10.0, 10.0]);
    }

    #[test]
    fn tiers_that_are_too_long_for_the_window_are_left_out_and_said() {
        let (week, remarks) = tiers(0.999, 7.0);
        assert_eq!(week.len(), 3);
        assert_eq!(remarks, ["burn tier 1x over 3d/6h is left out: its windows do not fit a budget of 7d"]);
        let (day, _) = tiers(0.999, 1.0);
        assert_eq!(day, [tier(14.4, "9m", "2m"), tier(6.0, "51m", "4m"), tier(3.0, "206m", "17m")]);
    }

    #[test]
    fn what_can_never_fire_is_clamped_or_left_out_and_said() {
        let (clamped, remarks) = tiers(0.9, 30.0);
        assert_eq!(clamped[0].0, 9.0);
        assert_eq!(remarks, ["burn tier 14.4x over 1h/5m is clamped to 9x: everything failing burns at 10x"]);
        let (low, remarks) = tiers(0.5, 30.0);
        assert_eq!(low.iter().map(|t| t.0).collect::<Vec<_>>(), [1.8, 1.0]);
        assert_eq!(remarks.len(), 3);
    }
}
