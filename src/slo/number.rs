//! Numbers as PromQL and Prometheus write them.

use crate::sketch::format_le;

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
    fn decimal_fractions_stay_decimal() {
        assert_eq!((percent(99.9), tidy(1.0 - 0.999)), (0.999, 0.001));
    }
}
