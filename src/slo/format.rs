//! Numbers as people read them: three significant digits and the unit that keeps them short.

use std::time::Duration;

use super::objective::{Comparison, Unit};

/// A value in its base unit, for people: `734 ms`, `99.95 %`, `1.5 GiB`, `120/s`.
pub fn format_value(value: f64, unit: Unit) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    match unit {
        Unit::Seconds => seconds(value),
        Unit::Ratio => format!("{} %", percent(value * 100.0)),
        Unit::Bytes => bytes(value),
        Unit::PerSecond => format!("{}/s", digits(value)),
        Unit::None => digits(value),
    }
}

/// A breach in words: `above 500 ms`.
pub fn format_comparison(comparison: &Comparison, unit: Unit) -> String {
    let number = |v: &f64| format_value(*v, unit);
    match comparison {
        Comparison::Above(x) => format!("above {}", number(x)),
        Comparison::AtOrAbove(x) => format!("at or above {}", number(x)),
        Comparison::Below(x) => format!("below {}", number(x)),
        Comparison::AtOrBelow(x) => format!("at or below {}", number(x)),
        Comparison::Between(low, high) => format!("between {} and {}", number(low), number(high)),
    }
}

/// A duration as the configuration writes it: `90s`, `5m`, `1h`, `30d`.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let whole = units.iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size));
    whole.map_or_else(|| format!("{millis}ms"), |(size, name)| format!("{}{name}", millis / size))
}

fn seconds(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size == 0.0 => "0 ms".to_owned(),
        _ if size < 0.001 => format!("{} µs", digits(value * 1e6)),
        _ if size < 1.0 => format!("{} ms", digits(value * 1e3)),
        _ if size < 120.0 => format!("{} s", digits(value)),
        _ if size < 7200.0 => format!("{} min", digits(value / 60.0)),
        _ if size < 172_800.0 => format!("{} h", digits(value / 3600.0)),
        _ => format!("{} d", digits(value / 86_400.0)),
    }
}

fn bytes(value: f64) -> String {
    let names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut scaled = value;
    let mut step = 0;
    while scaled.abs() >= 1024.0 && step + 1 < names.len() {
        scaled /= 1024.0;
        step += 1;
    }
    format!("{} {}", digits(scaled), names[step])
}

/// Percentages keep what tells 99.9 from 99.99: as many decimals as the distance to 100 needs.
fn percent(value: f64) -> String {
    let distance = (100.0 - value).abs();
    let decimals =
        if value > 90.0 && distance > 0.0 && distance < 10.0 { places(distance, 2) } else { places(value, 3) };
    trim(format!("{value:.decimals$}"))
}

fn digits(value: f64) -> String {
    let decimals = places(value, 3);
    trim(format!("{value:.decimals$}"))
}

/// Decimals that show `significant` digits of `value`, at most six.
fn places(value: f64, significant: i32) -> usize {
    if value == 0.0 {
        return 0;
    }
    let magnitude = value.abs().log10().floor() as i32;
    usize::try_from((significant - 1 - magnitude).clamp(0, 6)).unwrap_or(0)
}

fn trim(text: String) -> String {
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short_and_carry_their_unit() {
        for (value, unit, expected) in [
            (0.734, Unit::Seconds, "734 ms"),
            (0.000_25, Unit::Seconds, "250 µs"),
            (0.0, Unit::Seconds, "0 ms"),
            (2.5, Unit::Seconds, "2.5 s"),
            (600.0, Unit::Seconds, "10 min"),
            (0.999, Unit::Ratio, "99.9 %"),
            (0.9995, Unit::Ratio, "99.95 %"),
            (0.999_95, Unit::Ratio, "99.995 %"),
            (1.0, Unit::Ratio, "100 %"),
            (0.8, Unit::Ratio, "80 %"),
            (0.0012, Unit::Ratio, "0.12 %"),
            (536_870_912.0, Unit::Bytes, "512 MiB"),
            (1023.0, Unit::Bytes, "1023 B"),
            (100.0, Unit::PerSecond, "100/s"),
            (1_234.5, Unit::None, "1234"),
            (-3.25, Unit::None, "-3.25"),
            (f64::NAN, Unit::Seconds, "NaN"),
        ] {
            assert_eq!(format_value(value, unit), expected, "{value} {unit:?}");
        }
    }

    #[test]
    fn durations_are_written_as_the_configuration_has_them() {
        for (millis, expected) in [(300_000, "5m"), (90_000, "90s"), (2_592_000_000, "30d"), (1_500, "1500ms")] {
            assert_eq!(format_duration(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn breaches_are_words() {
        assert_eq!(format_comparison(&Comparison::Above(0.5), Unit::Seconds), "above 500 ms");
        assert_eq!(format_comparison(&Comparison::Between(0.1, 0.9), Unit::Ratio), "between 10 % and 90 %");
    }
}
