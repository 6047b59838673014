//! Parts of a date, in UTC, of a Unix time in seconds.

use super::FloatFn;

const DAY: i64 = 86_400;

pub(super) fn lookup(name: &str) -> Option<FloatFn> {
    Some(match name {
        "minute" => |t| with_seconds(t, |s| s.rem_euclid(3600) / 60),
        "hour" => |t| with_seconds(t, |s| s.rem_euclid(DAY) / 3600),
        "day_of_week" => |t| with_seconds(t, |s| (s.div_euclid(DAY) + 4).rem_euclid(7)),
        "day_of_month" => |t| with_seconds(t, |s| Date::of(s).day),
        "day_of_year" => |t| with_seconds(t, |s| Date::of(s).day_of_year()),
        "days_in_month" => |t| with_seconds(t, |s| Date::of(s).days_in_month()),
        "month" => |t| with_seconds(t, |s| Date::of(s).month),
        "year" => |t| with_seconds(t, |s| Date::of(s).year),
        _ => return None,
    })
}

/// NaN for what is no time within some 30 million years.
fn with_seconds(time: f64, part: fn(i64) -> i64) -> f64 {
    if time.abs() < 1e15 { part(time as i64) as f64 } else { f64::NAN }
}

struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    /// The proleptic Gregorian date. Counting years from March makes the leap day the last of its year,
    /// so that the month follows from the day by a line of slope 153/5 (30.6 days a month).
    fn of(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    fn is_leap_year(&self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }

    fn days_in_month(&self) -> i64 {
        match self.month {
            2 if self.is_leap_year() => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    fn day_of_year(&self) -> i64 {
        let months = (1..self.month).map(|month| Self { month, ..*self }.days_in_month());
        months.sum::<i64>() + self.day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, time: f64) -> f64 {
        lookup(name).unwrap()(time)
    }

    #[test]
    fn agrees_with_the_calendar_library() {
        for day in -200_000..200_000i64 {
            let seconds = day * DAY + 12_345;
            let zoned = jiff::Timestamp::from_second(seconds).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            let expected = [
                ("year", f64::from(zoned.year())),
                ("month", f64::from(zoned.month())),
                ("day_of_month", f64::from(zoned.day())),
                ("day_of_year", f64::from(zoned.day_of_year())),
                ("days_in_month", f64::from(zoned.days_in_month())),
                ("day_of_week", f64::from(zoned.weekday().to_sunday_zero_offset())),
                ("hour", 3.0),
                ("minute", 25.0),
            ];
            for (name, expected) in expected {
                assert_eq!(part(name, seconds as f64), expected, "{name} of {zoned}");
            }
        }
    }

    #[test]
    fn no_time_is_nan() {
        assert!(part("year", f64::NAN).is_nan() && part("hour", f64::INFINITY).is_nan());
    }
}
