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
