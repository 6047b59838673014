//! Native histograms and those with bounds of their own.

use proptest::prelude::*;

use super::schema::{BucketSpan, Count, Histogram, ZeroCount};
use super::*;
use crate::series::is_stale;
use crate::sketch::{NativeBuckets, NativeHistogram};

/// Buckets by index; integers when `float` is not set.
fn any_buckets(float: bool) -> impl Strategy<Value = BTreeMap<i32, f64>> {
    let count = (1..1_000_000u32).prop_map(move |n| if float { f64::from(n) / 8.0 } else { f64::from(n) });
    prop::collection::btree_map(-300..300i32, count, 0..12)
}

prop_compose! {
    fn any_native()(float in any::<bool>())(
        float in Just(float),
        schema in -4..=8i32,
        zero_count in 0..100u32,
        sum in -1e9..1e9f64,
        positive in any_buckets(float),
        negative in any_buckets(float),
    ) -> (bool, NativeHistogram) {
        let total = |b: &BTreeMap<i32, f64>| b.values().sum::<f64>();
        let native = NativeHistogram {
            schema,
            zero_threshold: 1e-128,
            zero_count: f64::from(zero_count),
            count: f64::from(zero_count) + total(&positive) + total(&negative),
            sum,
            positive: NativeBuckets(positive.into_iter().collect()),
            negative: NativeBuckets(negative.into_iter().collect()),
            ..NativeHistogram::default()
        };
        (float, native)
    }
}

/// Spans and absolute counts as a sender has them; short gaps are bridged by empty buckets, as Prometheus does.
fn spans(buckets: &NativeBuckets) -> (Vec<BucketSpan>, Vec<f64>) {
    let (mut spans, mut counts) = (Vec::<BucketSpan>::new(), Vec::new());
    let mut next = 0;
    for (index, count) in &buckets.0 {
        let gap = index - next;
        match spans.last_mut() {
            Some(last) if gap <= 2 => {
                counts.extend(vec![0.0; gap as usize]);
                last.length += gap as u32 + 1;
            }
            _ => spans.push(BucketSpan { offset: gap, length: 1 }),
        }
        counts.push(*count);
        next = index + 1;
    }
    (spans, counts)
}

fn deltas(counts: &[f64]) -> Vec<i64> {
    let before = [0.0].iter().chain(counts);
    counts.iter().zip(before).map(|(count, before)| (count - before) as i64).collect()
}

pub(super) fn message(float: bool, native: &NativeHistogram, timestamp: i64) -> Histogram {
    let ((positive_spans, positive), (negative_spans, negative)) = (spans(&native.positive), spans(&native.negative));
    let mut message = Histogram {
        sum: native.sum,
        schema: native.schema,
        zero_threshold: native.zero_threshold,
        positive_spans,
        negative_spans,
        timestamp,
        ..Histogram::default()
    };
    if float {
        message.count = Some(Count::Float(native.count));
        message.zero_count = Some(ZeroCount::Float(native.zero_count));
        (message.positive_counts, message.negative_counts) = (positive, negative);
    } else {
        message.count = Some(Count::Int(native.count as u64));
        message.zero_count = Some(ZeroCount::Int(native.zero_count as u64));
        (message.positive_deltas, message.negative_deltas) = (deltas(&positive), deltas(&negative));
    }
    message
}

/// Valid ones, for damaging.
pub(super) fn any_histogram() -> impl Strategy<Value = Histogram> {
    any_native().prop_map(|(float, native)| message(float, &native, 5))
}

fn read(histogram: Histogram) -> Decoded {
    read_with(&SeriesCache::new(100), vec![histogram])
}

fn read_with(cache: &SeriesCache, histograms: Vec<Histogram>) -> Decoded {
    let timeseries = vec![one::series(&[("__name__", "h"), ("job", "j")], &[], histograms)];
    let request = one::WriteRequest { timeseries, metadata: Vec::new() };
    decode_with(cache, Version::V1, &request.encode_to_vec()).unwrap()
}

proptest! {
    #[test]
    fn reads_every_histogram_of_every_schema((float, native) in any_native(), at in any::<i64>()) {
        let decoded = read(message(float, &native, at));
        let expected = Item {
            labels: Labels::metric("h", [("job", "j")]),
            at: Timestamp::from_millis(at),
            delta: Delta::Distribution(Arc::new(native)),
        };
        prop_assert_eq!(decoded.histograms, [expected]);
        prop_assert_eq!((decoded.samples.len(), decoded.refused.events()), (0, 0));
    }
}

fn valid() -> Histogram {
    let native = NativeHistogram {
        schema: 2,
        zero_threshold: 0.001,
        zero_count: 1.0,
        count: 7.0,
        sum: 3.5,
        positive: NativeBuckets(vec![(-1, 2.0), (4, 3.0)]),
        negative: NativeBuckets(vec![(0, 1.0)]),
        ..NativeHistogram::default()
    };
    message(false, &native, 1_000)
}

#[test]
fn refuses_what_prometheus_refuses() {
    assert_eq!(read(valid()).histograms.len(), 1);
    let broken: [fn(&mut Histogram); 9] = [
        |h| h.schema = 9,
        |h| h.schema = -5,
        |h| h.count = Some(Count::Int(8)),
        |h| h.positive_deltas[0] = -1,
        |h| h.positive_spans[0].length = 3,
        |h| h.positive_spans[1].offset = -1,
        |h| h.positive_spans[0].offset = i32::MAX,
        |h| h.zero_threshold = -1.0,
        |h| h.positive_deltas[0] = i64::MIN,
    ];
    for (i, change) in broken.iter().enumerate() {
        let mut histogram = valid();
        change(&mut histogram);
        let decoded = read(histogram);
        assert_eq!(decoded.histograms.len(), 0, "case {i}");
        assert_eq!(decoded.refused.by_reason().collect::<Vec<_>>(), [(DropReason::Invalid, 1)], "case {i}");
        assert!(decoded.refused.to_string().contains("h: a histogram"), "{}", decoded.refused);
    }
}

#[test]
fn values_that_are_not_numbers_lie_in_no_bucket() {
    let mut histogram = valid();
    histogram.sum = f64::NAN;
    histogram.count = Some(Count::Int(9));
    assert_eq!(read(histogram).histograms.len(), 1);
}

#[test]
fn a_stale_sum_is_the_end() {
    let stale = Histogram { sum: f64::from_bits(0x7ff0_0000_0000_0002), timestamp: 9, ..Histogram::default() };
    let decoded = read(stale);
    let [Item { delta: Delta::Distribution(end), .. }] = decoded.histograms.as_slice() else { panic!("{decoded:?}") };
    assert!(is_stale(end.sum));
}

/// Bounds 0.1, 1 and 10; 2, 0, 5 values and 1 above.
fn with_bounds() -> Histogram {
    Histogram {
        count: Some(Count::Int(8)),
        sum: 33.5,
        schema: -53,
        positive_spans: vec![BucketSpan { offset: 0, length: 1 }, BucketSpan { offset: 1, length: 2 }],
        positive_deltas: vec![2, 3, -4],
        custom_values: vec![0.1, 1.0, 10.0],
        timestamp: 1_000,
        ..Histogram::default()
    }
}

#[test]
fn bounds_of_its_own_become_a_classic_histogram() {
    let decoded = read(with_bounds());
    let shown: Vec<String> = decoded
        .custom
        .iter()
        .map(|item| match item.delta {
            Delta::Sample(v) => format!("{} {v}", item.labels),
            _ => panic!("{item:?}"),
        })
        .collect();
    let expected = [
        r#"h_bucket{job="j", le="0.1"} 2"#,
        r#"h_bucket{job="j", le="1"} 2"#,
        r#"h_bucket{job="j", le="10"} 7"#,
        r#"h_bucket{job="j", le="+Inf"} 8"#,
        r#"h_count{job="j"} 8"#,
        r#"h_sum{job="j"} 33.5"#,
    ];
    assert_eq!(shown, expected);
    assert_eq!((decoded.customs, decoded.histograms.len(), decoded.received()), (1, 0, 1));
}

#[test]
fn the_end_of_a_histogram_with_bounds_is_the_end_of_all_its_series() {
    let cache = SeriesCache::new(100);
    read_with(&cache, vec![with_bounds()]);
    let stale = Histogram { sum: f64::from_bits(0x7ff0_0000_0000_0002), timestamp: 2_000, ..Histogram::default() };
    let decoded = read_with(&cache, vec![stale]);
    assert_eq!((decoded.custom.len(), decoded.histograms.len()), (6, 0));
    assert!(decoded.custom.iter().all(|i| matches!(i.delta, Delta::Sample(v) if is_stale(v))), "{decoded:?}");
}

#[test]
fn refuses_bounds_that_cannot_be() {
    let broken: [fn(&mut Histogram); 5] = [
        |h| h.custom_values = vec![1.0, 0.5, 10.0],
        |h| h.custom_values = vec![0.1, 1.0, f64::INFINITY],
        |h| h.custom_values = vec![0.1],
        |h| h.zero_count = Some(ZeroCount::Int(1)),
        |h| h.positive_spans[0].offset = -1,
    ];
    for (i, change) in broken.iter().enumerate() {
        let mut histogram = with_bounds();
        change(&mut histogram);
        let decoded = read(histogram);
        assert_eq!((decoded.custom.len(), decoded.refused.events()), (0, 1), "case {i}");
    }
}
