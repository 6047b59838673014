//! Classic bucket bounds.

use std::sync::Arc;

/// Finite, strictly ascending upper bounds; `+Inf` is implied and not stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds(Arc<[f64]>);

/// A bound that is NaN or infinite.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("bucket bound {0} is not a finite number")]
pub struct BoundsError(f64);

impl Bounds {
    /// Sorts and deduplicates.
    pub fn new(bounds: impl IntoIterator<Item = f64>) -> Result<Self, BoundsError> {
        let mut bounds: Vec<f64> = bounds.into_iter().collect();
        if let Some(bad) = bounds.iter().find(|b| !b.is_finite()) {
            return Err(BoundsError(*bad));
        }
        bounds.sort_unstable_by(f64::total_cmp);
        bounds.dedup();
        Ok(Self(bounds.into()))
    }

    /// No bound but `+Inf`.
    pub fn none() -> Self {
        Self(Arc::from([]))
    }

    /// The bounds, ascending.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// All bounds of both.
    pub fn union(&self, other: &Self) -> Self {
        if Arc::ptr_eq(&self.0, &other.0) || self == other {
            return self.clone();
        }
        let mut all: Vec<f64> = self.0.iter().chain(other.0.iter()).copied().collect();
        all.sort_unstable_by(f64::total_cmp);
        all.dedup();
        Self(all.into())
    }

    /// The index of the first bound `>= value`; the number of bounds when there is none.
    pub fn slot(&self, value: f64) -> usize {
        self.0.partition_point(|b| *b < value)
    }

    /// The index of exactly this bound.
    pub fn position(&self, bound: f64) -> Option<usize> {
        self.0.binary_search_by(|b| b.total_cmp(&bound)).ok()
    }
}

/// A bucket bound as the label `le` has it in Prometheus's text format: `0.5`, `1`, `1e-05`, `1e+06`, `+Inf`
/// (the shortest form that reads back the same, with an exponent below 1e-4 and from 1e6 on, as Go's
/// `strconv.FormatFloat(x, 'g', -1, 64)`).
///
/// This is the one place that formats `le`: compiled expressions select by it, so whoever writes series uses
/// it too. (OpenMetrics would write `1.0`; Prometheus before 3.0 keeps the two apart.)
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
}
