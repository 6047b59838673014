//! One row: columns by name, in whatever JSON form the sender's driver gave them.

use serde_json::{Map, Value};

use crate::base::Timestamp;

/// A row of a view.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a>(&'a Map<String, Value>);

impl<'a> Row<'a> {
    pub(super) fn new(columns: &'a Map<String, Value>) -> Self {
        Self(columns)
    }

    /// A string column; `None` when absent, NULL or empty.
    pub(super) fn text(&self, column: &str) -> Option<&'a str> {
        self.0.get(column).and_then(Value::as_str).filter(|v| !v.is_empty())
    }

    /// A column as text, numbers included, for ids.
    pub(super) fn id(&self, column: &str) -> Option<String> {
        match self.0.get(column)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A finite number; booleans count as 1 and 0, and digits in a string as the number (some drivers give
    /// `bigint` and `numeric` that way).
    pub(super) fn number(&self, column: &str) -> Option<f64> {
        let value = match self.0.get(column)? {
            Value::Number(number) => number.as_f64(),
            Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        value.filter(|v| v.is_finite())
    }

    pub(super) fn flag(&self, column: &str) -> Option<bool> {
        match self.0.get(column)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text == "t" || text == "true" => Some(true),
            Value::String(text) if text == "f" || text == "false" => Some(false),
            _ => None,
        }
    }

    /// A `timestamptz` in Unix seconds, to the microsecond; a number counts as Unix seconds.
    pub(super) fn time(&self, column: &str) -> Option<f64> {
        match self.0.get(column)? {
            Value::String(text) => parse_time(text),
            Value::Number(number) => number.as_f64().filter(|v| v.is_finite()),
            _ => None,
        }
    }

    /// A `pg_lsn` (`16/B374D848`) as bytes since the start of the log.
    pub(super) fn lsn(&self, column: &str) -> Option<f64> {
        let (high, low) = self.text(column)?.split_once('/')?;
        let part = |hex: &str| u64::from_str_radix(hex, 16).ok().filter(|v| *v <= u64::from(u32::MAX));
        Some(((part(high)? << 32) | part(low)?) as f64)
    }

    /// An `interval` in seconds; a number counts as seconds.
    pub(super) fn interval(&self, column: &str) -> Option<f64> {
        match self.0.get(column)? {
            Value::String(text) => parse_interval(text),
            Value::Number(number) => number.as_f64().filter(|v| v.is_finite()),
            _ => None,
        }
    }
}

/// RFC 3339, or PostgreSQL's own output form (`2026-11-21 02:12:05.1+00`).
fn parse_time(text: &str) -> Option<f64> {
    let seconds = |t: jiff::Timestamp| t.as_microsecond() as f64 / 1e6;
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(seconds(time));
    }
    Timestamp::parse(&text.replacen(' ', "T", 1)).ok().map(Timestamp::as_secs_f64)
}

/// PostgreSQL's default form: `1 day 02:03:04.5`, `-00:00:01`; days are 24 hours. Months and years, which
/// no column here has, give nothing.
fn parse_interval(text: &str) -> Option<f64> {
    let (days, clock) = match text.split_once(" day") {
        Some((days, rest)) => (days.parse::<f64>().ok()?, rest.trim_start_matches('s').trim()),
        None => (0.0, text),
    };
    let (sign, clock) = clock.strip_prefix('-').map_or((1.0, clock), |rest| (-1.0, rest));
    let mut seconds = 0.0;
    if !clock.is_empty() {
        let parts: Vec<f64> = clock.split(':').map(|p| p.parse().ok()).collect::<Option<_>>()?;
        let [hours, minutes, rest] = parts.as_slice() else { return None };
        seconds = hours * 3600.0 + minutes * 60.0 + rest;
    }
    Some(days * 86_400.0 + sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(json: &str, read: impl Fn(&Row<'_>) -> T) -> T {
        let map: Map<String, Value> = serde_json::from_str(&format!(r#"{{"v":{json}}}"#)).unwrap();
        read(&Row::new(&map))
    }

    #[test]
    fn numbers_come_in_three_forms() {
        for (json, expected) in [
            ("1.5", Some(1.5)),
            (r#""12345678901""#, Some(12_345_678_901.0)),
            ("true", Some(1.0)),
            ("null", None),
            (r#""NaN""#, None),
            ("[]", None),
        ] {
            assert_eq!(with(json, |r| r.number("v")), expected, "{json}");
        }
    }

    #[test]
    fn times_and_intervals_as_postgres_writes_them() {
        assert_eq!(with(r#""1970-01-01T01:00:02.5+01:00""#, |r| r.time("v")), Some(2.5));
        assert_eq!(with(r#""1970-01-01 00:00:02+00""#, |r| r.time("v")), Some(2.0));
        assert_eq!(with(r#""infinity""#, |r| r.time("v")), None);
        for (text, expected) in [
            ("00:00:00.25", Some(0.25)),
            ("1 day 02:03:04", Some(93_784.0)),
            ("2 days", Some(172_800.0)),
            ("-00:00:01", Some(-1.0)),
            ("1 year", None),
            ("", None),
        ] {
            assert_eq!(parse_interval(text), expected.or(if text.is_empty() { Some(0.0) } else { None }), "{text}");
        }
    }

    #[test]
    fn log_positions_are_bytes() {
        assert_eq!(with(r#""16/B374D848""#, |r| r.lsn("v")), Some(97_500_059_720.0));
        assert_eq!(with(r#""rubbish""#, |r| r.lsn("v")), None);
    }
}
