//! Numbers, times and durations as people read them.

use std::time::Duration;

use crate::alert::{ObjectiveStatus, StatusKind};
use crate::base::Timestamp;
use crate::slo::{Comparison, CompiledObjective, Indicator};

/// Between a number and its unit: narrow, and no line breaks there.
const GAP: char = '\u{202f}';

/// What stands where there is no number.
pub(super) const NOTHING: &str = "—";

/// A value of `unit` (as in the API: `seconds`, `ratio`, `bytes`, `per_second`, or none).
pub(super) fn quantity(value: Option<f64>, unit: &str) -> String {
    let Some(value) = value.filter(|v| v.is_finite()) else { return NOTHING.to_owned() };
    match unit {
        "seconds" => seconds(value),
        "ratio" => percent(value),
        "bytes" => scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
        "per_second" => format!("{}/s", number(value)),
        _ => number(value),
    }
}

fn seconds(value: f64) -> String {
    match value.abs() {
        0.0 => format!("0{GAP}s"),
        v if v < 0.001 => format!("{}{GAP}µs", number(value * 1e6)),
        v if v < 1.0 => format!("{}{GAP}ms", number(value * 1e3)),
        v if v < 120.0 => format!("{}{GAP}s", number(value)),
        _ => duration(Duration::from_secs_f64(value.abs().min(1e12))),
    }
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if value.abs() < step {
            break;
        }
        (value, unit) = (value / step, next);
    }
    format!("{}{GAP}{unit}", number(value))
}

/// A share: more decimals the nearer it is to none or all.
pub(super) fn percent(share: f64) -> String {
    let value = share * 100.0;
    let gap = value.abs().min((100.0 - value).abs());
    let decimals = match gap {
        g if g < 1e-9 => 0,
        g if g < 0.01 => 4,
        g if g < 0.1 => 3,
        g if g < 1.0 => 2,
        g if g < 10.0 => 1,
        _ => usize::from(value.abs() < 100.0),
    };
    format!("{}{GAP}%", trimmed(value, decimals))
}

/// Three significant digits, thousands set apart.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = value.abs().log10().floor() as i32;
    trimmed(value, usize::try_from((2 - digits).clamp(0, 6)).unwrap_or(0))
}

/// A count of events.
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |w| ("−", w));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", grouped(whole))
}

fn grouped(digits: &str) -> String {
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(GAP);
        }
        out.push(digit);
    }
    out
}

/// The two largest units: `2 h 5 min`.
pub(super) fn duration(of: Duration) -> String {
    let seconds = of.as_secs();
    let two = |a: u64, a_unit: &str, b: u64, b_unit: &str| match b {
        0 => format!("{a}{GAP}{a_unit}"),
        _ => format!("{a}{GAP}{a_unit} {b}{GAP}{b_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds}{GAP}s"),
        60..3600 => two(seconds / 60, "min", 0, ""),
        3600..172_800 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// `03:12` today, else `20 Nov 03:12`; UTC.
pub(super) fn clock_time(at: Timestamp, now: Timestamp) -> String {
    clock(at, now, "03:12".len())
}

/// `03:12:45` today, else with the date; UTC.
pub(super) fn clock_second(at: Timestamp, now: Timestamp) -> String {
    clock(at, now, "03:12:45".len())
}

fn clock(at: Timestamp, now: Timestamp, length: usize) -> String {
    let text = at.rfc3339();
    let (date, time) = text.split_once('T').unwrap_or(("", &text));
    let time = time.get(..length).unwrap_or(time);
    match now.rfc3339().starts_with(date) {
        true => time.to_owned(),
        false => format!("{date} {time}"),
    }
}

/// The line with its direction: `≤ 200 ms`.
pub(super) fn target(value: Option<f64>, unit: &str, compiled: Option<&CompiledObjective>) -> String {
    let value = value.or_else(|| compiled.and_then(|c| c.objective.budget.as_ref()).map(|b| b.objective));
    match value {
        None => NOTHING.to_owned(),
        Some(_) => format!("{}{GAP}{}", direction(compiled), quantity(value, unit)),
    }
}

/// Which side of the line is good: the side that no level is on.
fn direction(compiled: Option<&CompiledObjective>) -> &'static str {
    let Some(objective) = compiled.map(|c| &c.objective) else { return "" };
    match (objective.levels.first().map(|l| l.breach), &objective.indicator) {
        (Some(Comparison::Above(_) | Comparison::AtOrAbove(_)), _) => "≤",
        (Some(Comparison::Below(_) | Comparison::AtOrBelow(_)), _) => "≥",
        (_, Indicator::Percentile { .. }) => "≤",
        (_, Indicator::Threshold { .. } | Indicator::Ratio { .. }) => "≥",
        _ => "",
    }
}

/// Whether the value is on the wrong side of the line, or nothing is left of the budget.
pub(super) fn is_past(status: &ObjectiveStatus, compiled: Option<&CompiledObjective>) -> bool {
    let line = status.target.or_else(|| compiled.and_then(|c| c.objective.budget.as_ref()).map(|b| b.objective));
    let beyond = match (status.value, line, direction(compiled)) {
        (Some(value), Some(line), "≤") => value > line,
        (Some(value), Some(line), "≥") => value < line,
        _ => false,
    };
    beyond || status.budget.as_ref().and_then(|b| b.remaining).is_some_and(|left| left <= 0.0)
}

/// The class of a state in the stylesheet, and its word.
pub(super) fn status(kind: StatusKind) -> (&'static str, &'static str) {
    match kind {
        StatusKind::Ok => ("ok", "ok"),
        StatusKind::Warning => ("warning", "warning"),
        StatusKind::Critical => ("critical", "critical"),
        StatusKind::NoData => ("no-data", "no data"),
        StatusKind::Frozen => ("frozen", "frozen"),
    }
}

/// `1 objective`, `3 objectives`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_naturally() {
        let show = |v, unit| quantity(Some(v), unit).replace(GAP, " ");
        assert_eq!(show(0.0000042, "seconds"), "4.2 µs");
        assert_eq!(show(0.62, "seconds"), "620 ms");
        assert_eq!(show(1.2345, "seconds"), "1.23 s");
        assert_eq!(show(7_300.0, "seconds"), "2 h 1 min");
        assert_eq!(show(0.99931, "ratio"), "99.931 %");
        assert_eq!((show(1.0, "ratio"), show(0.0, "ratio")), ("100 %".into(), "0 %".into()));
        assert_eq!((show(-0.2, "ratio"), show(0.871, "ratio")), ("−20 %".into(), "87.1 %".into()));
        assert_eq!(show(1_870_000_000.0, "bytes"), "1.74 GiB");
        assert_eq!(show(18_412.6, "per_second"), "18 413/s");
        assert_eq!((show(0.07, ""), show(-1234.0, "")), ("0.07".into(), "−1234".into()));
        assert_eq!((quantity(None, "seconds"), quantity(Some(f64::NAN), "")), (NOTHING.into(), NOTHING.into()));
    }

    #[test]
    fn durations_have_two_units() {
        let show = |s| duration(Duration::from_secs(s)).replace(GAP, " ");
        assert_eq!([show(5), show(300), show(7200), show(90_061 * 2)], ["5 s", "5 min", "2 h", "2 d 2 h"]);
    }

    #[test]
    fn other_days_are_named() {
        let now = Timestamp::parse("2026-11-21T03:12:00Z").unwrap();
        assert_eq!((clock_time(now, now), clock_second(now, now)), ("03:12".into(), "03:12:00".into()));
        assert_eq!(clock_time(now - Duration::from_secs(86_400), now), "2026-11-20 03:12");
    }
}
