use proptest::prelude::*;

use super::*;
use crate::sketch::{Bounds, Histogram};

fn of(values: &[f64]) -> NativeHistogram {
    let mut h = Histogram::new(Bounds::none());
    values.iter().for_each(|v| h.observe(*v));
    h.to_native()
}

fn hand_made(schema: i32, zero: (f64, f64), positive: &[(i32, f64)], negative: &[(i32, f64)]) -> NativeHistogram {
    let counts = positive.iter().chain(negative).map(|b| b.1);
    NativeHistogram {
        schema,
        zero_threshold: zero.0,
        zero_count: zero.1,
        count: zero.1 + counts.sum::<f64>(),
        sum: 10.0,
        positive: NativeBuckets(positive.to_vec()),
        negative: NativeBuckets(negative.to_vec()),
        ..NativeHistogram::default()
    }
}

fn quantile(q: f64, h: &NativeHistogram) -> f64 {
    super::quantile(q, h).0
}

#[test]
fn bounds_of_every_schema() {
    assert_eq!(bound(3, 0), 8.0);
    assert_eq!(bound(1, -1), 4.0);
    assert_eq!(bound(-2, 0), 0.25);
    assert_eq!(bound(2, 1), 2.0);
    for index in -200..200 {
        let expected = crate::sketch::bucket_upper(index);
        assert!((bound(index, 5) / expected - 1.0).abs() < 1e-15, "{index}");
    }
}

/// Four values in (1, 2] at schema 0: the middle of the logarithmic scale is the square root of 2, as
/// Prometheus 3 has it; 1.5 would be Prometheus 2.
#[test]
fn quantiles_interpolate_exponentially() {
    let h = hand_made(0, (0.001, 0.0), &[(1, 4.0)], &[]);
    assert!((quantile(0.5, &h) - 2f64.sqrt()).abs() < 1e-12);
    assert_eq!(quantile(1.0, &h), 2.0);
    assert_eq!(quantile(0.0, &h), 1.0);
    let negative = hand_made(0, (0.001, 0.0), &[], &[(1, 4.0)]);
    assert!((quantile(0.5, &negative) + 2f64.sqrt()).abs() < 1e-12);
    assert_eq!(quantile(0.0, &negative), -2.0);
}

#[test]
fn the_zero_bucket_is_linear_and_one_sided_where_known() {
    let positive = hand_made(0, (0.5, 2.0), &[(1, 2.0)], &[]);
    assert_eq!(quantile(0.25, &positive), 0.25);
    let both = hand_made(0, (0.5, 2.0), &[(1, 1.0)], &[(1, 1.0)]);
    assert_eq!(quantile(0.5, &both), 0.0);
}

#[test]
fn edges_of_quantiles() {
    let h = hand_made(0, (0.001, 0.0), &[(1, 4.0)], &[]);
    assert_eq!(quantile(-1.0, &h), f64::NEG_INFINITY);
    assert_eq!(quantile(2.0, &h), f64::INFINITY);
    assert!(quantile(f64::NAN, &h).is_nan() && quantile(0.5, &hand_made(0, (0.0, 0.0), &[], &[])).is_nan());
}

#[test]
fn fractions_are_inverse_to_quantiles() {
    let h = hand_made(0, (0.001, 0.0), &[(1, 4.0), (2, 4.0)], &[]);
    assert_eq!(fraction(1.0, 2.0, &h), 0.5);
    assert!((fraction(f64::NEG_INFINITY, 2f64.sqrt(), &h) - 0.25).abs() < 1e-12);
    assert_eq!(fraction(f64::NEG_INFINITY, f64::INFINITY, &h), 1.0);
    assert_eq!(fraction(3.0, 2.0, &h), 0.0);
}

#[test]
fn schemas_meet_at_the_coarser_one() {
    let mut fine = hand_made(1, (0.001, 0.0), &[(1, 1.0), (2, 2.0), (3, 4.0)], &[]);
    let coarse = hand_made(0, (0.001, 0.0), &[(1, 10.0), (2, 20.0)], &[]);
    add(&mut fine, &coarse).unwrap();
    assert_eq!(fine.schema, 0);
    assert_eq!(fine.positive.0, [(1, 13.0), (2, 24.0)]);
}

/// The wider zero bucket ends inside (1, 2], which has values, so both end at 2.
#[test]
fn zero_buckets_meet_where_no_bucket_is_cut() {
    let mut narrow = hand_made(0, (0.25, 1.0), &[(0, 3.0), (1, 5.0), (2, 7.0)], &[]);
    let wide = hand_made(0, (1.5, 10.0), &[(2, 1.0)], &[]);
    add(&mut narrow, &wide).unwrap();
    assert_eq!(narrow.zero_threshold, 2.0);
    assert_eq!(narrow.zero_count, 19.0);
    assert_eq!(narrow.positive.0, [(2, 8.0)]);
    assert_eq!(narrow.count, 27.0);
}

#[test]
fn resets_are_seen_in_any_bucket() {
    let before = hand_made(0, (0.001, 1.0), &[(1, 4.0), (3, 2.0)], &[]);
    let grown = hand_made(0, (0.001, 1.0), &[(1, 4.0), (2, 9.0), (3, 2.0)], &[]);
    let moved = hand_made(0, (0.001, 1.0), &[(1, 3.0), (2, 9.0), (3, 2.0)], &[]);
    let lost = hand_made(0, (0.001, 1.0), &[(1, 99.0)], &[]);
    assert!(!is_reset(&grown, &before) && !is_reset(&before, &before));
    assert!(is_reset(&moved, &before) && is_reset(&lost, &before) && is_reset(&before, &grown));
    assert!(is_reset(&NativeHistogram { schema: 1, ..grown.clone() }, &before));
    let coarser = hand_made(-1, (0.001, 1.0), &[(1, 13.0), (2, 2.0)], &[]);
    assert!(!is_reset(&coarser, &grown));
}

proptest! {
    #[test]
    fn adding_is_counting_together(a in prop::collection::vec(1e-6..1e6f64, 1..40),
                                   b in prop::collection::vec(1e-6..1e6f64, 1..40)) {
        let mut sum = of(&a);
        add(&mut sum, &of(&b)).unwrap();
        let together = of(&[a.clone(), b.clone()].concat());
        prop_assert_eq!(&sum.positive, &together.positive);
        subtract(&mut sum, &of(&b)).unwrap();
        prop_assert_eq!(sum.positive, of(&a).positive);
    }

    #[test]
    fn coarsening_keeps_counts_and_bounds(values in prop::collection::vec(1e-6..1e6f64, 1..40), schema in -4..5i32) {
        let fine = of(&values);
        let coarse = coarsen(&fine, schema);
        let total: f64 = coarse.positive.0.iter().map(|b| b.1).sum();
        prop_assert_eq!(total, values.len() as f64);
        for bucket in buckets(&coarse) {
            let inside = values.iter().filter(|v| **v > bucket.lower && **v <= bucket.upper).count();
            prop_assert_eq!(inside as f64, bucket.count);
        }
    }

    #[test]
    fn quantiles_of_schema_5_are_close(mut values in prop::collection::vec(1e-6..1e6f64, 20..60), q in 0.0..1.0f64) {
        let found = quantile(q, &of(&values));
        values.sort_by(f64::total_cmp);
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let exact = values[rank - 1];
        prop_assert!((found / exact).ln().abs() <= 2f64.ln() / 32.0 + 1e-9, "{} for {}", found, exact);
    }
}
