//! The objectives file as types. Numbers are in base units (seconds, bytes, ratios 0 to 1).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Severity;

/// What a number measures; decides how it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// 0 to 1.
    Ratio,
    /// Bytes.
    Bytes,
    /// Events per second.
    PerSecond,
    /// A plain number.
    None,
}

impl Unit {
    /// The name used in JSON replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Ratio => "ratio",
            Self::Bytes => "bytes",
            Self::PerSecond => "per_second",
            Self::None => "",
        }
    }
}

/// One objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// Unique; `[a-z0-9-]`, at most 63 characters.
    pub name: String,
    /// For people; the name when absent.
    pub title: String,
    /// Who owns it.
    pub team: Option<String>,
    /// What is measured.
    pub indicator: Indicator,
    /// The unit of value, target and levels.
    pub unit: Unit,
    /// Where the line is drawn.
    pub target: Option<f64>,
    /// Threshold alerts: at most one for each severity.
    pub levels: Vec<Level>,
    /// An error budget, with its burn alerts.
    pub budget: Option<Budget>,
    /// A level is judged only with at least this many events in its window.
    pub min_samples: Option<u64>,
    /// What happens when there is no data.
    pub no_data: Option<NoData>,
    /// The escalation that its alerts climb; the default one when absent.
    pub escalation: Option<String>,
    /// Added to its alerts' labels.
    pub labels: BTreeMap<String, String>,
    /// Added to its alerts' annotations.
    pub annotations: BTreeMap<String, String>,
    /// A link to what to do.
    pub runbook: Option<String>,
    /// A link to where to look.
    pub dashboard: Option<String>,
    /// The file it was read from, for messages.
    pub source: String,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Indicator {
    /// A percentile of a histogram over a window.
    Percentile {
        /// The histogram.
        of: String,
        /// Above 0, below 100.
        p: f64,
        /// PromQL matchers, without braces; may be empty.
        filter: String,
        /// The window.
        over: Duration,
        /// One result for each value of these labels.
        by: Vec<String>,
        /// Judge the worst value of these labels instead of the merged one.
        worst_of: Vec<String>,
    },
    /// The share of a histogram's events at or below a bound.
    Threshold {
        /// The histogram.
        of: String,
        /// Inclusive.
        below: f64,
        /// PromQL matchers, without braces; may be empty.
        filter: String,
        /// The window that a level is judged on.
        over: Duration,
        /// One result for each value of these labels.
        by: Vec<String>,
        /// Judge the worst value of these labels instead of the merged one.
        worst_of: Vec<String>,
    },
    /// Good (or bad) events of all events: two counter selectors.
    Ratio {
        /// Which side the first selector counts.
        side: RatioSide,
        /// A selector of counters: good or bad events.
        part: String,
        /// A selector of counters: all events.
        total: String,
        /// The window that a level is judged on.
        over: Duration,
        /// One result for each value of these labels.
        by: Vec<String>,
    },
    /// Any PromQL expression with an instant vector or scalar as its result.
    Value {
        /// The expression.
        expr: String,
    },
}

/// What the first selector of a ratio counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatioSide {
    /// Good events.
    Good,
    /// Bad events.
    Bad,
}

/// A comparison with a number; true means breach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// `> x`
    Above(f64),
    /// `>= x`
    AtOrAbove(f64),
    /// `< x`
    Below(f64),
    /// `<= x`
    AtOrBelow(f64),
    /// Strictly between the two: a breach inside the range.
    Between(f64, f64),
}

/// One alert level.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// How bad.
    pub severity: Severity,
    /// What is a breach.
    pub breach: Comparison,
    /// How long the breach must last; zero fires at once.
    pub hold: Duration,
    /// How long it goes on firing after the breach ended.
    pub keep_firing: Duration,
    /// Once firing, it stays until the value is past this (`clear_above`, `clear_below`).
    pub clear: Option<Comparison>,
}

/// When no data counts as an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoData {
    /// After this long without a value.
    pub after: Duration,
    /// How bad.
    pub severity: Severity,
}

/// An error budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// The share of good events, above 0 and below 1.
    pub objective: f64,
    /// Over which time.
    pub window: Window,
    /// The burn-rate tiers; empty when burn alerts are off.
    pub burn: bool,
}

/// The window of a budget.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// The last so many days or hours.
    Rolling(Duration),
    /// The calendar's week, month or quarter in an IANA time zone.
    Calendar {
        /// Which.
        period: CalendarPeriod,
        /// IANA name; `UTC` when absent.
        time_zone: String,
    },
}

/// A calendar period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarPeriod {
    /// Monday to Sunday.
    Week,
    /// The first to the last.
    Month,
    /// Three months from January, April, July or October.
    Quarter,
}

/// Why a definition makes no objective.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ObjectiveError {
    /// The field's path inside the objective, such as `warning.above`.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}
