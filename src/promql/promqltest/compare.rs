//! Whether two values are the same but for rounding.

use crate::promql::value::Point;
use crate::sketch::{NativeBuckets, NativeHistogram};

/// The relative difference up to which two numbers are the same.
const TOLERANCE: f64 = 1e-6;

pub(super) fn same_number(a: f64, b: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (difference, size) = ((a - b).abs(), a.abs() + b.abs());
    if a == 0.0 || b == 0.0 || size < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / size.min(f64::MAX) < TOLERANCE
}

pub(super) fn same_point(found: &Point, expected: &Point, with_hints: bool) -> bool {
    match (found, expected) {
        (Point::Float(a), Point::Float(b)) => same_number(*a, *b),
        (Point::Histogram(a), Point::Histogram(b)) => same_histogram(a, b, with_hints),
        _ => false,
    }
}

fn same_histogram(a: &NativeHistogram, b: &NativeHistogram, with_hints: bool) -> bool {
    let numbers = |h: &NativeHistogram| [h.count, h.sum, h.zero_count];
    a.schema == b.schema
        && a.custom_bounds == b.custom_bounds
        && same_number(a.zero_threshold, b.zero_threshold)
        && numbers(a).into_iter().zip(numbers(b)).all(|(a, b)| same_number(a, b))
        && same_buckets(&a.positive, &b.positive)
        && same_buckets(&a.negative, &b.negative)
        && (!with_hints || a.reset_hint == b.reset_hint)
}

fn same_buckets(a: &NativeBuckets, b: &NativeBuckets) -> bool {
    let counted = |buckets: &NativeBuckets| buckets.0.iter().copied().filter(|b| b.1 != 0.0).collect::<Vec<_>>();
    let (a, b) = (counted(a), counted(b));
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && same_number(a.1, b.1))
}
