//! Properties, checked against sorted data.

use proptest::prelude::*;

use super::*;

/// Durations in seconds from microseconds to hours, with zeros and values on bounds among them.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-6.0..4.0f64).prop_map(|e| 10f64.powf(e)),
        1 => Just(0.0),
        1 => prop::sample::select(vec![0.1, 0.25, 0.5, 1.0, 2.5]),
    ]
}

fn bounds() -> Bounds {
    Bounds::new([0.1, 0.25, 0.5, 1.0, 2.5]).unwrap()
}

fn filled(values: &[f64]) -> Histogram {
    let mut histogram = Histogram::new(bounds());
    values.iter().for_each(|v| histogram.observe(*v));
    histogram
}

/// Equal in every integer; sums to floating-point accuracy.
fn same(a: &Histogram, b: &Histogram) -> bool {
    let sums = (a.sum - b.sum).abs() <= 1e-9 * (1.0 + a.sum.abs());
    sums && Histogram { sum: 0.0, ..a.clone() } == Histogram { sum: 0.0, ..b.clone() }
}

fn merged(a: &Histogram, b: &Histogram) -> Histogram {
    let mut sum = a.clone();
    sum.merge(b);
    sum
}

proptest! {
    #[test]
    fn quantiles_are_within_one_point_one_percent(mut values in prop::collection::vec(value(), 1..400), q in 0.0..=1.0f64) {
        let histogram = filled(&values);
        values.sort_unstable_by(f64::total_cmp);
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let exact = values[rank - 1];
        let estimate = histogram.quantile(q).unwrap();
        prop_assert!((estimate - exact).abs() <= 0.011 * exact, "{estimate} for {exact}");
    }

    #[test]
    fn counts_at_bounds_are_exact(values in prop::collection::vec(value(), 0..400)) {
        let histogram = filled(&values);
        for bound in bounds().as_slice() {
            let exact = values.iter().filter(|v| *v <= bound).count() as u64;
            prop_assert_eq!(histogram.count_le(*bound), Some(exact));
        }
        prop_assert_eq!(histogram.count_le(f64::INFINITY), Some(values.len() as u64));
        prop_assert_eq!(histogram.count_le(0.3), None);
    }

    #[test]
    fn merging_is_associative_and_commutative(
        a in prop::collection::vec(value(), 0..60),
        b in prop::collection::vec(value(), 0..60),
        c in prop::collection::vec(value(), 0..60),
    ) {
        let (x, y, z) = (filled(&a), filled(&b), filled(&c));
        prop_assert!(same(&merged(&x, &y), &merged(&y, &x)));
        prop_assert!(same(&merged(&merged(&x, &y), &z), &merged(&x, &merged(&y, &z))));
        let all: Vec<f64> = a.into_iter().chain(b).chain(c).collect();
        prop_assert!(same(&merged(&merged(&x, &y), &z), &filled(&all)));
    }

    #[test]
    fn subtraction_undoes_insertion(a in prop::collection::vec(value(), 0..60), b in prop::collection::vec(value(), 1..60)) {
        let mut histogram = merged(&filled(&a), &filled(&b));
        histogram.subtract(&filled(&b)).unwrap();
        prop_assert!((histogram.sum - filled(&a).sum).abs() <= 1e-6 * (1.0 + filled(&b).sum));
        histogram.sum = filled(&a).sum;
        prop_assert!(same(&histogram, &filled(&a)));
        prop_assert_eq!(filled(&[]).subtract(&filled(&b)), Err(SubtractError));
    }

    #[test]
    fn what_is_written_reads_back(values in prop::collection::vec(value(), 0..100)) {
        let histogram = filled(&values);
        let (zero, buckets) = histogram.exponential();
        let back = Histogram::from_parts(histogram.sum, zero, buckets, bounds(), histogram.exact().to_vec());
        prop_assert_eq!(back, Some(histogram));
    }
}

#[test]
fn a_new_bound_counts_from_its_birth() {
    let mut histogram = filled(&[0.2, 0.2]);
    histogram.widen(&Bounds::new([0.3]).unwrap());
    histogram.observe(0.28);
    assert_eq!(histogram.count_le(0.25), Some(2));
    assert_eq!(histogram.count_le(0.5), Some(3));
}

#[test]
fn empty_has_no_quantile() {
    assert_eq!(filled(&[]).quantile(0.5), None);
    assert_eq!(filled(&[1.0]).quantile(1.5), None);
    assert_eq!(filled(&[0.0]).quantile(0.5), Some(0.0));
}
