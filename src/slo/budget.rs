//! Error budgets: what is allowed, spent and left, from integer counters.
//!
//! Everything is a ratio of sums. A mean of ratios gives a quiet hour the weight of a busy one: with
//! 99 % of a day's traffic in two hours at 1 % errors it says 0.083 % where 0.99 % is true.

use std::time::Duration;

use serde::Serialize;

use crate::base::{Labels, Timestamp};

use super::calendar::Span;
use super::format::format_duration;

/// The budget of one objective over one window, as `GET /api/objectives/NAME/budget` answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetReport {
    /// The objective's name.
    pub objective: String,
    /// `30d`, `month`, …
    pub window: String,
    /// Where the window begins.
    pub start: Timestamp,
    /// Where it ends (for a rolling window: now).
    pub end: Timestamp,
    /// The share of good events aimed at, 0 to 1.
    pub target: f64,
    /// Good events.
    pub good: f64,
    /// All events.
    pub total: f64,
    /// Bad events.
    pub bad: f64,
    /// good ÷ total; null without events.
    pub sli: Option<f64>,
    /// 1 when nothing is spent, 0 when all is, below 0 when overdrawn; null without events.
    pub remaining: Option<f64>,
    /// The same as minutes of full outage.
    pub minutes_remaining: Option<f64>,
    /// Seconds until nothing is left at the present rate; null when it lasts beyond the window.
    pub exhausted_in: Option<f64>,
    /// Minutes measured ÷ minutes that should have been, 0 to 1.
    pub coverage: Option<f64>,
    /// Burn rates, shortest window first.
    pub burn: Vec<BurnReport>,
    /// Who took how much of the budget, most first.
    pub contributors: Vec<Contributor>,
}

/// The burn rate over one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BurnReport {
    /// `5m`, `1h`, …
    pub window: String,
    /// Error ratio ÷ (1 - target): 1 spends the budget exactly by the end of its window.
    pub rate: Option<f64>,
    /// Good events.
    pub good: f64,
    /// All events.
    pub total: f64,
}

/// One group's part in the spending.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contributor {
    /// The group.
    pub labels: Labels,
    /// Its bad events.
    pub bad: f64,
    /// Its share of all bad events, 0 to 1.
    pub share: f64,
}

/// Events of a stretch of time; whole numbers below 2^53, so sums and differences are exact.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Good events.
    pub good: f64,
    /// All events.
    pub total: f64,
}

impl Counts {
    /// Events that were not good; never below zero.
    pub fn bad(self) -> f64 {
        (self.total - self.good).max(0.0)
    }

    /// good ÷ total; `None` without events.
    pub fn sli(self) -> Option<f64> {
        (self.total > 0.0).then(|| self.good / self.total)
    }

    /// Error ratio ÷ (1 - target): 1 spends the budget exactly by the end of its window (Site
    /// Reliability Workbook, chapter 5). `None` without events. `target` is above 0 and below 1.
    pub fn burn_rate(self, target: f64) -> Option<f64> {
        (self.total > 0.0).then(|| self.bad() / self.total / (1.0 - target))
    }

    /// 1 - bad ÷ allowed, where (1 - target) of all events may be bad. `None` without events.
    pub fn remaining(self, target: f64) -> Option<f64> {
        self.burn_rate(target).map(|spent| 1.0 - spent)
    }
}

/// What a report is made from.
#[derive(Debug, Clone)]
pub struct BudgetInput<'a> {
    /// The objective's name.
    pub objective: &'a str,
    /// How the window is called.
    pub window: String,
    /// Where it lies.
    pub span: Span,
    /// The share of good events aimed at, above 0 and below 1.
    pub target: f64,
    /// Events of the window up to `now`.
    pub counts: Counts,
    /// Minutes measured and minutes that should have been.
    pub minutes: (f64, f64),
    /// Events of shorter windows that end now, shortest first.
    pub burn: Vec<(Duration, Counts)>,
    /// Bad events of each group.
    pub bad_by_group: Vec<(Labels, f64)>,
    /// When.
    pub now: Timestamp,
}

/// The windows whose burn rates a report shows; those longer than the budget's window are left out.
pub const BURN_WINDOWS: [Duration; 7] = [
    Duration::from_secs(300),
    Duration::from_secs(1800),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(6 * 3600),
    Duration::from_secs(86_400),
    Duration::from_secs(3 * 86_400),
];

/// The window whose burn rate counts as the present one.
pub const PRESENT: Duration = Duration::from_secs(3600);

/// How many contributors a report lists.
const MAX_CONTRIBUTORS: usize = 20;

/// The report. Pure arithmetic: the same input gives the same report.
pub fn report(input: BudgetInput<'_>) -> BudgetReport {
    let BudgetInput { target, counts, span, .. } = input;
    let remaining = counts.remaining(target);
    let allowed_minutes = span.length().as_secs_f64() / 60.0 * (1.0 - target);
    BudgetReport {
        objective: input.objective.to_owned(),
        window: input.window,
        start: span.start,
        end: span.end,
        target,
        good: counts.good,
        total: counts.total,
        bad: counts.bad(),
        sli: counts.sli(),
        remaining,
        minutes_remaining: remaining.map(|r| r * allowed_minutes),
        exhausted_in: exhausted_in(remaining, present_rate(&input.burn, target), span, input.now),
        coverage: (input.minutes.1 > 0.0).then(|| (input.minutes.0 / input.minutes.1).min(1.0)),
        burn: input.burn.iter().map(|(window, counts)| burn_report(*window, *counts, target)).collect(),
        contributors: contributors(input.bad_by_group),
    }
}

fn burn_report(window: Duration, counts: Counts, target: f64) -> BurnReport {
    let rate = counts.burn_rate(target);
    BurnReport { window: format_duration(window), rate, good: counts.good, total: counts.total }
}

/// The burn rate over [`PRESENT`], or the longest shorter window there is.
fn present_rate(burn: &[(Duration, Counts)], target: f64) -> Option<f64> {
    let (_, counts) = burn.iter().rfind(|(window, _)| *window <= PRESENT)?;
    counts.burn_rate(target)
}

/// At rate `b` the whole budget lasts one window divided by `b`. `None` when that is beyond the window:
/// its whole length when it rolls, its end on the calendar.
fn exhausted_in(remaining: Option<f64>, rate: Option<f64>, span: Span, now: Timestamp) -> Option<f64> {
    let remaining = remaining?;
    if remaining <= 0.0 {
        return Some(0.0);
    }
    let window = span.length().as_secs_f64();
    let horizon = if span.end > now { span.end.since(now).as_secs_f64() } else { window };
    let seconds = remaining * window / rate.filter(|r| *r > 0.0)?;
    (seconds <= horizon).then_some(seconds)
}

fn contributors(mut bad_by_group: Vec<(Labels, f64)>) -> Vec<Contributor> {
    bad_by_group.retain(|(_, bad)| *bad > 0.0);
    let all: f64 = bad_by_group.iter().map(|(_, bad)| bad).sum();
    bad_by_group.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    bad_by_group.truncate(MAX_CONTRIBUTORS);
    bad_by_group.into_iter().map(|(labels, bad)| Contributor { labels, bad, share: bad / all }).collect()
}

#[cfg(test)]
mod tests;
