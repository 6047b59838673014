//! Numbers with units: `200ms`, `80%`, `512MiB`, `100/s`, `0.01 USD/GB`; durations such as `1h30m`.

use std::time::Duration;

use crate::slo::Unit;

/// A number in its base unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// Seconds, bytes, a ratio, events per second, or a plain number.
    pub value: f64,
    /// Which of them.
    pub unit: Unit,
    /// A currency as written (`USD/GB`); such numbers have no base unit and must all be written alike.
    pub currency: Option<String>,
}

/// What is no number with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// There is no number in front.
    #[error("{0:?} does not begin with a number")]
    NotANumber(String),
    /// The unit is unknown.
    #[error(
        "{0:?} is not a unit: known are ns, us, ms, s, m, h, d, w; %; B, kB, MB, GB, TB, KiB, MiB, GiB, TiB; /s, /min, /h; and currencies such as USD or USD/GB"
    )]
    UnknownUnit(String),
    /// A duration's unit is unknown or missing.
    #[error("{0:?} is not a duration such as 500ms, 30s, 10m, 1h30m, 30d or 24 months")]
    NotADuration(String),
}

/// `(suffix, power of ten)` where the unit is a power of ten of the base unit, so that 200ms is exactly 0.2.
const DECIMAL: [(&str, Unit, i32); 17] = [
    ("ns", Unit::Seconds, -9),
    ("us", Unit::Seconds, -6),
    ("µs", Unit::Seconds, -6),
    ("μs", Unit::Seconds, -6),
    ("ms", Unit::Seconds, -3),
    ("s", Unit::Seconds, 0),
    ("%", Unit::Ratio, -2),
    ("B", Unit::Bytes, 0),
    ("kB", Unit::Bytes, 3),
    ("KB", Unit::Bytes, 3),
    ("MB", Unit::Bytes, 6),
    ("GB", Unit::Bytes, 9),
    ("TB", Unit::Bytes, 12),
    ("/s", Unit::PerSecond, 0),
    ("req/s", Unit::PerSecond, 0),
    ("rps", Unit::PerSecond, 0),
    ("", Unit::None, 0),
];

/// `(suffix, factor)` for all others.
const SCALED: [(&str, Unit, f64); 14] = [
    ("m", Unit::Seconds, 60.0),
    ("min", Unit::Seconds, 60.0),
    ("h", Unit::Seconds, 3600.0),
    ("d", Unit::Seconds, 86_400.0),
    ("w", Unit::Seconds, 604_800.0),
    ("KiB", Unit::Bytes, 1024.0),
    ("MiB", Unit::Bytes, 1_048_576.0),
    ("GiB", Unit::Bytes, 1_073_741_824.0),
    ("TiB", Unit::Bytes, 1_099_511_627_776.0),
    ("/min", Unit::PerSecond, 1.0 / 60.0),
    ("/m", Unit::PerSecond, 1.0 / 60.0),
    ("/h", Unit::PerSecond, 1.0 / 3600.0),
    ("/d", Unit::PerSecond, 1.0 / 86_400.0),
    ("req/min", Unit::PerSecond, 1.0 / 60.0),
];

/// Reads a number with its unit.
///
/// # Errors
/// No number, or an unknown unit.
pub fn parse_quantity(text: &str) -> Result<Quantity, UnitError> {
    let text = text.trim();
    let (digits, suffix) = split_number(text).ok_or_else(|| UnitError::NotANumber(text.to_owned()))?;
    let number = |scaled: &str| scaled.parse::<f64>().map_err(|_| UnitError::NotANumber(text.to_owned()));
    if let Some((_, unit, power)) = DECIMAL.iter().find(|(name, ..)| *name == suffix) {
        return Ok(Quantity { value: number(&format!("{digits}e{power}"))?, unit: *unit, currency: None });
    }
    if let Some((_, unit, factor)) = SCALED.iter().find(|(name, ..)| *name == suffix) {
        return Ok(Quantity { value: number(digits)? * factor, unit: *unit, currency: None });
    }
    if is_currency(suffix) {
        return Ok(Quantity { value: number(digits)?, unit: Unit::None, currency: Some(suffix.to_owned()) });
    }
    Err(UnitError::UnknownUnit(suffix.to_owned()))
}

/// `USD` or `USD/GB`: three capital letters, perhaps per something.
fn is_currency(suffix: &str) -> bool {
    let (currency, per) = suffix.split_once('/').unwrap_or((suffix, "x"));
    currency.len() == 3
        && currency.bytes().all(|b| b.is_ascii_uppercase())
        && !per.is_empty()
        && per.chars().all(char::is_alphanumeric)
}

/// The digits in front (sign and decimal point, no exponent) and what follows, both trimmed.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    digits.parse::<f64>().ok().filter(|n| n.is_finite()).map(|_| (digits, rest.trim_start()))
}

/// Reads a duration: one or more parts from weeks down to milliseconds, or months and years in words.
///
/// A month counts as 31 days and a year as 366, so that what is kept "24 months" is never dropped early.
///
/// # Errors
/// A missing or unknown unit, a negative number, more than 1,000 years.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let error = || UnitError::NotADuration(text.to_owned());
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return Err(error());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(error)?;
        let (digits, after) = rest.split_at(end);
        let after = after.trim_start();
        let unit_end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let (number, seconds) = (digits.parse::<f64>().map_err(|_| error())?, unit_seconds(unit).ok_or_else(error)?);
        total += number * seconds;
        rest = next.trim_start();
    }
    if total > 366_000.0 * 86_400.0 {
        return Err(error());
    }
    // Whole nanoseconds of a decimal fraction: 0.1 s is 100 ms, not 99.999999 ms.
    Ok(Duration::from_micros((total * 1e6).round() as u64))
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" => 0.001,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "month" | "months" => 31.0 * 86_400.0,
        "y" | "year" | "years" => 366.0 * 86_400.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base(text: &str) -> (f64, Unit) {
        let quantity = parse_quantity(text).unwrap();
        (quantity.value, quantity.unit)
    }

    #[test]
    fn reads_units_into_base_units() {
        assert_eq!(base("200ms"), (0.2, Unit::Seconds));
        assert_eq!(base("2.5s"), (2.5, Unit::Seconds));
        assert_eq!(base("30 min"), (1800.0, Unit::Seconds));
        assert_eq!(base("99.9%"), (0.999, Unit::Ratio));
        assert_eq!(base("512MiB"), (536_870_912.0, Unit::Bytes));
        assert_eq!(base("100KB"), (100_000.0, Unit::Bytes));
        assert_eq!(base("100/s"), (100.0, Unit::PerSecond));
        assert_eq!(base("600/min"), (10.0, Unit::PerSecond));
        assert_eq!(base("-1.5"), (-1.5, Unit::None));
        assert_eq!(parse_quantity("0.01 USD/GB").unwrap().currency.as_deref(), Some("USD/GB"));
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        for bad in ["", "ms", "1..2", "5 parsecs", "NaN", "inf", "1e400", "--1", "200 ms ms"] {
            assert!(parse_quantity(bad).is_err(), "{bad}");
        }
        assert!(parse_quantity("5 parsecs").unwrap_err().to_string().contains("MiB"));
    }

    #[test]
    fn reads_durations() {
        let seconds = |text| parse_duration(text).unwrap().as_secs_f64();
        assert_eq!((seconds("1h30m"), seconds("500ms"), seconds("0s")), (5400.0, 0.5, 0.0));
        assert_eq!((seconds("30d"), seconds("24 months")), (2_592_000.0, 24.0 * 31.0 * 86_400.0));
        for bad in ["", "5", "5 parsecs", "-5m", "m", "5m extra", "99999999999d", "1.2.3s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn milliseconds_are_exact(n in 0u32..10_000_000) {
            let expected: f64 = format!("{n}e-3").parse().unwrap();
            prop_assert_eq!(base(&format!("{n}ms")).0, expected);
            prop_assert_eq!(parse_duration(&format!("{n}ms")).unwrap(), Duration::from_millis(n.into()));
        }

        #[test]
        fn durations_survive_printing(millis in 0u64..10_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&crate::slo::format_duration(duration)).unwrap(), duration);
        }

        #[test]
        fn never_panics(text in "\\PC{0,20}") {
            let _outcome = (parse_quantity(&text).is_ok(), parse_duration(&text).is_ok());
        }
    }
}
