//! Exponential buckets: the index of a value, and counts over a dense range of indices.

use std::collections::VecDeque;
use std::sync::OnceLock;

/// `2^SCHEMA` buckets for each doubling.
pub const SCHEMA: i32 = 5;

const PER_DOUBLING: usize = 1 << SCHEMA;
const MANTISSA_BITS: u32 = 52;
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;

/// The mantissas of `2^(i/32)` for `i` in `0..32`, ascending.
///
/// Comparing mantissas places a value that lies exactly on a bound in the bucket below it, which a
/// logarithm would miss by one unit in the last place.
fn mantissas() -> &'static [u64; PER_DOUBLING] {
    static TABLE: OnceLock<[u64; PER_DOUBLING]> = OnceLock::new();
    TABLE.get_or_init(|| std::array::from_fn(|i| (i as f64 / PER_DOUBLING as f64).exp2().to_bits() & MANTISSA))
}

/// The index `i` of the bucket `(2^((i-1)/32), 2^(i/32)]` that holds `value`.
///
/// `value` must be positive, finite and normal (at least 2.3e-308).
pub fn bucket_index(value: f64) -> i32 {
    let bits = value.to_bits();
    let exponent = ((bits >> MANTISSA_BITS) & 0x7ff) as i32 - 1023;
    let below = mantissas().partition_point(|m| *m < (bits & MANTISSA));
    (exponent << SCHEMA) + below as i32
}

/// The inclusive upper end of a bucket.
pub fn bucket_upper(index: i32) -> f64 {
    let fraction = index.rem_euclid(PER_DOUBLING as i32);
    let exponent = index.div_euclid(PER_DOUBLING as i32);
    let mantissa = mantissas()[fraction as usize];
    if (-1022..=1023).contains(&exponent) {
        return f64::from_bits((((exponent + 1023) as u64) << MANTISSA_BITS) | mantissa);
    }
    (f64::from(index) / PER_DOUBLING as f64).exp2()
}

/// The geometric middle of a bucket: at most 1.1 % from every value in it.
pub fn bucket_middle(index: i32) -> f64 {
    bucket_upper(index) * (-0.5 / PER_DOUBLING as f64).exp2()
}

/// Counts over a dense range of bucket indices.
#[derive(Debug, Clone, Default)]
pub(super) struct Buckets {
    first: i32,
    counts: VecDeque<u64>,
}

impl Buckets {
    pub(super) fn add(&mut self, index: i32, count: u64) {
        if count == 0 {
            return;
        }
        self.cover(index);
        self.counts[(index - self.first) as usize] += count;
    }

    /// Takes `count` away; `false`, and nothing taken, when there are fewer.
    pub(super) fn take(&mut self, index: i32, count: u64) -> bool {
        if count == 0 {
            return true;
        }
        let slot = usize::try_from(i64::from(index) - i64::from(self.first)).ok();
        let Some(left) = slot.and_then(|s| self.counts.get_mut(s)) else { return false };
        let Some(rest) = left.checked_sub(count) else { return false };
        *left = rest;
        true
    }

    /// Indices with a count, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        let first = self.first;
        self.counts.iter().enumerate().filter(|(_, c)| **c > 0).map(move |(i, c)| (first + i as i32, *c))
    }

    fn cover(&mut self, index: i32) {
        if self.counts.is_empty() {
            self.first = index;
        }
        while index < self.first {
            self.counts.push_front(0);
            self.first -= 1;
        }
        while index - self.first >= self.counts.len() as i32 {
            self.counts.push_back(0);
        }
    }
}

/// Equal when the counts are, however far the covered ranges reach.
impl PartialEq for Buckets {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_upper_ends() {
        for exponent in -20..20 {
            let value = f64::from(exponent).exp2();
            assert_eq!(bucket_index(value), exponent * 32, "2^{exponent}");
            assert_eq!(bucket_upper(exponent * 32), value);
            assert_eq!(bucket_index(f64::from_bits(value.to_bits() + 1)), exponent * 32 + 1);
        }
    }

    #[test]
    fn every_upper_end_lies_in_its_own_bucket() {
        for index in -3000..3000 {
            let upper = bucket_upper(index);
            assert_eq!(bucket_index(upper), index);
            assert_eq!(bucket_index(f64::from_bits(upper.to_bits() + 1)), index + 1);
        }
    }
}
