//! Numbers as Prometheus prints them.

/// A sample's value in a JSON reply: the shortest decimal that reads back the same; below 1e-6 and from
/// 1e21 on with an exponent (`1e-07`, `1e+21`); `NaN`, `+Inf`, `-Inf`.
pub fn format_float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && size.is_finite() && !(1e-6..1e21).contains(&size) {
        return with_exponent(value);
    }
    format_decimal(value)
}

/// A number as `%g` prints it: with an exponent below 1e-4 and from 1e6 on.
pub fn format_short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && size.is_finite() && !(1e-4..1e6).contains(&size) {
        return with_exponent(value);
    }
    format_decimal(value)
}

/// A number as OpenMetrics writes it: like [`format_short`], with a point or an exponent in every finite one.
pub fn format_open_metrics(value: f64) -> String {
    let text = format_short(value);
    if value.is_finite() && !text.contains(['e', '.']) { text + ".0" } else { text }
}

/// A number without an exponent, however long: how `count_values` writes its label.
pub fn format_decimal(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

/// Go's `e` form: a sign and at least two digits.
fn with_exponent(value: f64) -> String {
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Milliseconds as seconds with three decimals, or none when they are zero: `1.500`, `2`.
pub fn format_seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let (seconds, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
    if rest == 0 { format!("{sign}{seconds}") } else { format!("{sign}{seconds}.{rest:03}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_numbers_as_go_does() {
        let cases = [
            (1.0, "1"),
            (0.25, "0.25"),
            (1e6, "1000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-07"),
            (0.000001, "0.000001"),
            (-2.5e-100, "-2.5e-100"),
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (0.1 + 0.2, "0.30000000000000004"),
        ];
        for (value, expected) in cases {
            assert_eq!(format_float(value), expected);
        }
        assert_eq!(format_decimal(1e21), "1000000000000000000000");
        assert_eq!([1e6, 999_999.5, 1e-5, 0.0001].map(format_short), ["1e+06", "999999.5", "1e-05", "0.0001"]);
    }

    #[test]
    fn prints_times_in_seconds() {
        for (millis, expected) in [(1500, "1.500"), (2000, "2"), (-20, "-0.020"), (1, "0.001"), (0, "0")] {
            assert_eq!(format_seconds(millis), expected);
        }
    }
}
