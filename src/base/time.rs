//! Instants. Everything inside is UTC milliseconds; zones exist only where people write calendars.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC. May be negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// What could not be read as an instant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a time: expected RFC 3339 (2026-11-20T12:00:00Z) or Unix seconds (1763640000.5)")]
pub struct ParseTimeError {
    text: String,
}

impl Timestamp {
    /// Earlier than every instant that can be stored.
    pub const MIN: Self = Self(i64::MIN);
    /// Later than every instant that can be stored.
    pub const MAX: Self = Self(i64::MAX);

    /// An instant from Unix milliseconds.
    #[inline]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// An instant from whole Unix seconds.
    #[inline]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// An instant from fractional Unix seconds, rounded to the millisecond;
    /// `None` for NaN, infinities and what lies more than 10,000 years away.
    pub fn from_secs_f64(seconds: f64) -> Option<Self> {
        const LIMIT: f64 = 3.2e11;
        (seconds.abs() < LIMIT).then(|| Self((seconds * 1000.0).round() as i64))
    }

    /// Unix milliseconds.
    #[inline]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Fractional Unix seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// The start of the step that holds this instant (steps count from the epoch; also right before it).
    ///
    /// A step under one millisecond counts as one.
    pub fn floor_to(self, step: Duration) -> Self {
        let step = millis(step).max(1);
        Self(self.0 - self.0.rem_euclid(step))
    }

    /// RFC 3339 in UTC with milliseconds, such as `2026-11-20T12:00:00.000Z`.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => format!("{t:.3}"),
            Err(_) => format!("{}ms", self.0),
        }
    }

    /// Reads RFC 3339 or fractional Unix seconds, as the Prometheus HTTP API takes them.
    pub fn parse(text: &str) -> Result<Self, ParseTimeError> {
        let error = || ParseTimeError { text: text.chars().take(60).collect() };
        if let Ok(seconds) = text.parse::<f64>() {
            return Self::from_secs_f64(seconds).ok_or_else(error);
        }
        text.parse::<jiff::Timestamp>().map(|t| Self(t.as_millisecond())).map_err(|_| error())
    }
}

/// Whole milliseconds of a duration, saturating.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(millis(rhs)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(millis(rhs)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_before_the_epoch_too() {
        let ten = Duration::from_secs(10);
        assert_eq!(Timestamp::from_millis(-1).floor_to(ten), Timestamp::from_secs(-10));
        assert_eq!(Timestamp::from_millis(19_999).floor_to(ten), Timestamp::from_secs(10));
    }

    #[test]
    fn parses_both_forms() {
        let expected = Timestamp::from_millis(1_763_640_000_500);
        assert_eq!(Timestamp::parse("1763640000.5"), Ok(expected));
        assert_eq!(Timestamp::parse("2025-11-20T12:00:00.5Z"), Ok(expected));
        assert_eq!(Timestamp::parse("2025-11-20T13:00:00.5+01:00"), Ok(expected));
        for bad in ["", "yesterday", "NaN", "inf", "1e300"] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prints_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_763_640_000_500).rfc3339(), "2025-11-20T12:00:00.500Z");
    }
}
