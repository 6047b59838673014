//! Where a budget's window begins and ends.
//!
//! Rolling windows end now. Calendar windows begin at midnight in their zone: a day that summer time
//! makes 23 or 25 hours long counts as long as it is, and where midnight does not exist the period
//! begins at the first instant of the day.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::base::Timestamp;

use super::format::format_duration;
use super::objective::{CalendarPeriod, Window};

/// A stretch of time: `start` exclusive, `end` inclusive, as counters are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: Timestamp,
    /// Where it ends; for a calendar window this lies ahead.
    pub end: Timestamp,
}

impl Span {
    /// How long it is.
    pub fn length(self) -> Duration {
        self.end.since(self.start)
    }
}

/// Why a window has no place in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// The zone is not in the IANA database.
    #[error("{0:?} is not an IANA time zone: expected a name such as Europe/Berlin")]
    Zone(String),
    /// The instant is beyond what calendars can hold.
    #[error("{0} is beyond the calendar")]
    Range(Timestamp),
}

impl Window {
    /// The window that `now` lies in.
    pub fn span(&self, now: Timestamp) -> Result<Span, CalendarError> {
        match self {
            Self::Rolling(length) => Ok(Span { start: now - *length, end: now }),
            Self::Calendar { period, time_zone } => calendar_span(*period, time_zone, now),
        }
    }

    /// `30d`, `6h`, `week`, `month`, `quarter`: how requests and replies name it.
    pub fn label(&self) -> String {
        match self {
            Self::Rolling(length) => format_duration(*length),
            Self::Calendar { period: CalendarPeriod::Week, .. } => "week".to_owned(),
            Self::Calendar { period: CalendarPeriod::Month, .. } => "month".to_owned(),
            Self::Calendar { period: CalendarPeriod::Quarter, .. } => "quarter".to_owned(),
        }
    }

    /// Reads what [`Window::label`] writes; calendar windows take `time_zone`. `None` when it is neither
    /// a whole number with `s`, `m`, `h`, `d` or `w` (up to ten years) nor a period.
    pub fn parse(text: &str, time_zone: &str) -> Option<Self> {
        let calendar = |period| Some(Self::Calendar { period, time_zone: time_zone.to_owned() });
        match text {
            "week" => return calendar(CalendarPeriod::Week),
            "month" => return calendar(CalendarPeriod::Month),
            "quarter" => return calendar(CalendarPeriod::Quarter),
            _ => {}
        }
        let unit = text.chars().last()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let number: u64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
        let length = number.checked_mul(seconds).filter(|s| (1..=315_360_000).contains(s))?;
        Some(Self::Rolling(Duration::from_secs(length)))
    }
}

fn calendar_span(period: CalendarPeriod, time_zone: &str, now: Timestamp) -> Result<Span, CalendarError> {
    let zone = TimeZone::get(time_zone).map_err(|_| CalendarError::Zone(time_zone.to_owned()))?;
    let out_of_range = || CalendarError::Range(now);
    let instant = jiff::Timestamp::from_millisecond(now.as_millis()).map_err(|_| out_of_range())?;
    let today = instant.to_zoned(zone.clone()).date();
    let (first, next) = period_of(period, today).ok_or_else(out_of_range)?;
    let start = midnight(first, &zone).ok_or_else(out_of_range)?;
    let end = midnight(next, &zone).ok_or_else(out_of_range)?;
    Ok(Span { start, end })
}

/// The first day of the period and of the one after it.
fn period_of(period: CalendarPeriod, day: Date) -> Option<(Date, Date)> {
    use jiff::ToSpan;
    let month = |m: i8| Date::new(day.year(), m, 1).ok();
    let (first, length) = match period {
        CalendarPeriod::Week => {
            let since_monday = i64::from(day.weekday().to_monday_zero_offset());
            (day.checked_sub(since_monday.days()).ok()?, 7.days())
        }
        CalendarPeriod::Month => (month(day.month())?, 1.month()),
        CalendarPeriod::Quarter => (month((day.month() - 1) / 3 * 3 + 1)?, 3.months()),
    };
    Some((first, first.checked_add(length).ok()?))
}

fn midnight(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let start = day.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
    Some(Timestamp::from_millis(start.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(period: CalendarPeriod, zone: &str, now: &str) -> (String, String) {
        let window = Window::Calendar { period, time_zone: zone.to_owned() };
        let span = window.span(Timestamp::parse(now).unwrap()).unwrap();
        (span.start.rfc3339(), span.end.rfc3339())
    }

    #[test]
    fn periods_begin_at_midnight_of_their_zone() {
        let month = span(CalendarPeriod::Month, "Europe/Berlin", "2026-03-15T12:00:00Z");
        assert_eq!(month, ("2026-02-28T23:00:00.000Z".into(), "2026-03-31T22:00:00.000Z".into()));
        let quarter = span(CalendarPeriod::Quarter, "UTC", "2026-11-20T12:00:00Z");
        assert_eq!(quarter, ("2026-10-01T00:00:00.000Z".into(), "2027-01-01T00:00:00.000Z".into()));
        let week = span(CalendarPeriod::Week, "America/New_York", "2026-11-02T02:00:00Z");
        assert_eq!(week, ("2026-10-26T04:00:00.000Z".into(), "2026-11-02T05:00:00.000Z".into()));
    }

    #[test]
    fn summer_time_makes_weeks_longer_and_shorter() {
        let hours = |now: &str| {
            let window = Window::Calendar { period: CalendarPeriod::Week, time_zone: "Europe/Berlin".to_owned() };
            window.span(Timestamp::parse(now).unwrap()).unwrap().length().as_secs() / 3600
        };
        assert_eq!(hours("2026-03-26T12:00:00Z"), 167, "the clock goes forward on Sunday the 29th");
        assert_eq!(hours("2026-10-22T12:00:00Z"), 169, "the clock goes back on Sunday the 25th");
    }

    #[test]
    fn a_missing_midnight_begins_with_the_day() {
        // In Chile the clock goes from 24:00 to 01:00: 6 September 2026 has no midnight.
        let month = span(CalendarPeriod::Month, "America/Santiago", "2026-09-06T12:00:00Z");
        assert_eq!(month.0, "2026-09-01T04:00:00.000Z");
        let zone = TimeZone::get("America/Santiago").unwrap();
        let day = midnight(Date::new(2026, 9, 6).unwrap(), &zone).unwrap();
        assert_eq!(day.rfc3339(), "2026-09-06T04:00:00.000Z");
    }

    #[test]
    fn labels_are_read_back() {
        for text in ["30d", "6h", "5m", "90s", "week", "month", "quarter"] {
            assert_eq!(Window::parse(text, "UTC").unwrap().label(), text);
        }
        for bad in ["", "d", "0d", "-1d", "1.5d", "30", "30x", "99999999d", "month ", "ü"] {
            assert_eq!(Window::parse(bad, "UTC"), None, "{bad}");
        }
        let zone = Window::Calendar { period: CalendarPeriod::Week, time_zone: "Mars/Olympus".to_owned() };
        assert_eq!(zone.span(Timestamp::from_secs(0)), Err(CalendarError::Zone("Mars/Olympus".to_owned())));
    }

    proptest! {
        /// Periods tile time: each holds its `now`, and the next begins where it ends.
        #[test]
        fn periods_tile_time(
            seconds in 0i64..4_000_000_000,
            period in prop_oneof![Just(CalendarPeriod::Week), Just(CalendarPeriod::Month), Just(CalendarPeriod::Quarter)],
            zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/Santiago"), Just("Pacific/Apia")],
        ) {
            let window = Window::Calendar { period, time_zone: zone.to_owned() };
            let now = Timestamp::from_secs(seconds);
            let this = window.span(now).unwrap();
            prop_assert!(this.start <= now && now < this.end);
            prop_assert_eq!(window.span(this.end).unwrap().start, this.end);
            prop_assert_eq!(window.span(this.start).unwrap(), this);
        }
    }
}
