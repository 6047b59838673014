//! Numbers as PromQL and Prometheus write them.

/// A bucket bound as the label `le` has it in Prometheus's text format: `0.5`, `1`, `1e-05`, `1e+06`, `+Inf`
/// (the shortest form that reads back the same, with an exponent below 1e-4 and from 1e6 on, as Go's
/// `strconv.FormatFloat(x, 'g', -1, 64)`).
///
/// This is the one place that formats `le`: compiled expressions select by it, so whoever writes series must
/// use it too. (OpenMetrics would write `1.0`; Prometheus before 3.0 keeps the two apart.)
pub fn format_le(bound: f64) -> String {
    if bound.is_infinite() {
        return if bound > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{bound:e}");
    let exponent = scientific.split_once('e').and_then(|(_, e)| e.parse::<i32>().ok()).unwrap_or(0);
    if bound == 0.0 || (-4..6).contains(&exponent) {
        return bound.to_string();
    }
    let mantissa = scientific.split('e').next().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A number as PromQL reads it.
pub(crate) fn number(value: f64) -> String {
    format_le(value)
}

/// Removes what decimal fractions leave behind in binary (`1 - 0.999` is `0.0010000000000000009`).
pub(crate) fn tidy(value: f64) -> f64 {
    format!("{value:.12}").parse().unwrap_or(value)
}

/// `p / 100` without rounding twice: 99.9 becomes 0.999.
pub(crate) fn percent(p: f64) -> f64 {
    format!("{p}e-2").parse().unwrap_or(p / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_prometheus_writes_them() {
        let cases = [
            (0.5, "0.5"),
            (1.0, "1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (0.0, "0"),
            (f64::INFINITY, "+Inf"),
        ];
        for (bound, text) in cases {
            assert_eq!(format_le(bound), text);
        }
    }

    #[test]
    fn decimal_fractions_stay_decimal() {
        assert_eq!((percent(99.9), tidy(1.0 - 0.999)), (0.999, 0.001));
    }
}
