//! The stored histogram.

use super::bounds::Bounds;
use super::buckets::{Buckets, bucket_index, bucket_middle, bucket_upper};
use super::native::{NativeBuckets, NativeHistogram};

/// Values up to this size count as zero.
const SMALLEST: f64 = 1e-12;

/// Counts of non-negative values: exponential buckets of schema 5 and exact counts at bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    count: u64,
    sum: f64,
    zero: u64,
    exponential: Buckets,
    bounds: Bounds,
    /// `exact[i]` values lie in `(bounds[i-1], bounds[i]]`; what is above the last bound is not listed.
    exact: Vec<u64>,
}

/// What was to be taken away is not contained.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the histogram does not contain what is to be subtracted")]
pub struct SubtractError;

impl Histogram {
    /// An empty histogram that counts exactly at these bounds.
    pub fn new(bounds: Bounds) -> Self {
        let exact = vec![0; bounds.as_slice().len()];
        Self { count: 0, sum: 0.0, zero: 0, exponential: Buckets::default(), bounds, exact }
    }

    /// Counts `value` `times` times. `value` must be finite and not negative: validate at the edge.
    pub fn observe_n(&mut self, value: f64, times: u64) {
        debug_assert!(value.is_finite() && value >= 0.0, "{value} is no observation");
        self.count += times;
        self.sum += value * times as f64;
        if value > SMALLEST {
            self.exponential.add(bucket_index(value), times);
        } else {
            self.zero += times;
        }
        if let Some(slot) = self.exact.get_mut(self.bounds.slot(value)) {
            *slot += times;
        }
    }

    /// Counts `value` once.
    pub fn observe(&mut self, value: f64) {
        self.observe_n(value, 1);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum of all values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The mean, or `None` when nothing was counted.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The bounds at which counts are exact.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// How many values were `<= bound`, exactly; `None` when `bound` is not one of the bounds.
    pub fn count_le(&self, bound: f64) -> Option<u64> {
        if bound == f64::INFINITY {
            return Some(self.count);
        }
        self.bounds.position(bound).map(|i| self.exact[..=i].iter().sum())
    }

    /// `(bound, count of values <= bound)` for each bound, ascending, without `+Inf`.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let counts = self.exact.iter().scan(0, |sum, c| {
            *sum += c;
            Some(*sum)
        });
        self.bounds.as_slice().iter().copied().zip(counts)
    }

    /// The `q` quantile (0 to 1), at most 1.1 % from the value of rank `ceil(q * count)`;
    /// `None` when nothing was counted or `q` is outside.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if self.count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = ((q * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = self.zero;
        if seen >= rank {
            return Some(0.0);
        }
        for (index, count) in self.exponential.iter() {
            seen += count;
            if seen >= rank {
                return Some(bucket_middle(index));
            }
        }
        None
    }

    /// Adds the other's counts. A bound that only one side knows keeps that side's count: it counts
    /// since the bound exists.
    pub fn merge(&mut self, other: &Self) {
        self.widen(&other.bounds);
        self.count += other.count;
        self.sum += other.sum;
        self.zero += other.zero;
        for (index, count) in other.exponential.iter() {
            self.exponential.add(index, count);
        }
        for (bound, count) in other.bounds.as_slice().iter().zip(&other.exact) {
            if let Some(i) = self.bounds.position(*bound) {
                self.exact[i] += count;
            }
        }
    }

    /// Takes the other's counts away again: undoes [`Histogram::merge`] and [`Histogram::observe`].
    /// The sum is subtracted in floating point. On an error nothing has changed.
    pub fn subtract(&mut self, other: &Self) -> Result<(), SubtractError> {
        let mut rest = self.clone();
        rest.count = rest.count.checked_sub(other.count).ok_or(SubtractError)?;
        rest.zero = rest.zero.checked_sub(other.zero).ok_or(SubtractError)?;
        rest.sum = if rest.count == 0 { 0.0 } else { rest.sum - other.sum };
        for (index, count) in other.exponential.iter() {
            rest.exponential.take(index, count).then_some(()).ok_or(SubtractError)?;
        }
        for (bound, count) in other.bounds.as_slice().iter().zip(&other.exact) {
            let i = rest.bounds.position(*bound).ok_or(SubtractError)?;
            rest.exact[i] = rest.exact[i].checked_sub(*count).ok_or(SubtractError)?;
        }
        *self = rest;
        Ok(())
    }

    /// Counts at more bounds from now on.
    pub fn widen(&mut self, bounds: &Bounds) {
        let union = self.bounds.union(bounds);
        if union == self.bounds {
            return;
        }
        let mut exact = vec![0; union.as_slice().len()];
        for (bound, count) in self.bounds.as_slice().iter().zip(&self.exact) {
            if let Some(i) = union.position(*bound) {
                exact[i] = *count;
            }
        }
        (self.bounds, self.exact) = (union, exact);
    }

    /// The exponential part as PromQL sees it.
    pub fn to_native(&self) -> NativeHistogram {
        NativeHistogram {
            schema: super::SCHEMA,
            zero_threshold: SMALLEST,
            zero_count: self.zero as f64,
            count: self.count as f64,
            sum: self.sum,
            positive: NativeBuckets(self.exponential.iter().map(|(i, c)| (i, c as f64)).collect()),
            negative: NativeBuckets::default(),
            ..NativeHistogram::default()
        }
    }

    /// Bucket indices with their counts, and the count of zeros: what is written to disk.
    pub fn exponential(&self) -> (u64, impl Iterator<Item = (i32, u64)> + '_) {
        (self.zero, self.exponential.iter())
    }

    /// Counts per bound, not cumulative, aligned with [`Histogram::bounds`]: what is written to disk.
    pub fn exact(&self) -> &[u64] {
        &self.exact
    }

    /// Puts a histogram together from what was written to disk; `None` when the parts contradict each
    /// other (more bucketed values than values, or not one exact count for each bound).
    pub fn from_parts(
        sum: f64,
        zero: u64,
        exponential: impl IntoIterator<Item = (i32, u64)>,
        bounds: Bounds,
        exact: Vec<u64>,
    ) -> Option<Self> {
        let mut histogram = Self { sum, zero, count: zero, ..Self::new(bounds) };
        for (index, count) in exponential {
            histogram.exponential.add(index, count);
            histogram.count = histogram.count.checked_add(count)?;
        }
        let listed: u64 = exact.iter().try_fold(0u64, |sum, c| sum.checked_add(*c))?;
        let fits = exact.len() == histogram.bounds.as_slice().len() && listed <= histogram.count;
        histogram.exact = exact;
        fits.then_some(histogram)
    }

    /// The largest value that may have been counted: the upper end of the highest bucket.
    pub fn max_bound(&self) -> Option<f64> {
        self.exponential.iter().last().map(|(i, _)| bucket_upper(i)).or((self.count > 0).then_some(0.0))
    }
}

#[cfg(test)]
mod tests;
