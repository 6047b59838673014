use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, NumberDataPoint,
    ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_763_640_000);
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;
const DELTA: i32 = AggregationTemporality::Delta as i32;
const END: u32 = DataPointFlags::NoRecordedValueMask as u32;

fn nanos(at: Timestamp) -> u64 {
    at.as_millis() as u64 * 1_000_000
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let value = |v: &str| Some(AnyValue { value: Some(Any::StringValue(v.to_owned())) });
    pairs.iter().map(|(k, v)| KeyValue { key: (*k).to_owned(), value: value(v), ..Default::default() }).collect()
}

fn request(name: &str, unit: &str, data: Data) -> ExportMetricsServiceRequest {
    let metric = Metric { name: name.into(), unit: unit.into(), data: Some(data), ..Default::default() };
    let resource = Some(Resource { attributes: pairs(&[("service.name", "shop")]), ..Default::default() });
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }];
    let of = ResourceMetrics { resource, scope_metrics, ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![of] }
}

fn number(value: Value) -> NumberDataPoint {
    NumberDataPoint {
        attributes: pairs(&[("k", "v")]),
        time_unix_nano: nanos(NOW),
        value: Some(value),
        ..Default::default()
    }
}

fn sum(temporality: i32, is_monotonic: bool, point: NumberDataPoint) -> Data {
    Data::Sum(Sum { data_points: vec![point], aggregation_temporality: temporality, is_monotonic })
}

fn classic(bounds: &[f64], counts: &[u64], sum: f64) -> HistogramDataPoint {
    HistogramDataPoint {
        time_unix_nano: nanos(NOW),
        count: counts.iter().sum(),
        sum: Some(sum),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..Default::default()
    }
}

fn histogram(temporality: i32, point: HistogramDataPoint) -> Data {
    Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: temporality })
}

fn exponential(temporality: i32, point: ExponentialHistogramDataPoint) -> Data {
    Data::ExponentialHistogram(ExponentialHistogram { data_points: vec![point], aggregation_temporality: temporality })
}

fn converted(request: &ExportMetricsServiceRequest) -> Converted {
    convert(request, None, &Running::default(), NOW)
}

/// The items as text: name, labels but the target's, what happens.
fn texts(out: &Converted) -> Vec<String> {
    out.items
        .iter()
        .map(|item| {
            assert_eq!(item.labels.value("job"), "shop", "{item:?}");
            let labels = item.labels.without(&["job", "service_name"]);
            let what = match &item.delta {
                Delta::Sample(v) if v.to_bits() == stale_bits() => "end".to_owned(),
                Delta::Sample(v) => format!("= {v}"),
                Delta::Add(v) => format!("+ {v}"),
                Delta::Distribution(h) if h.sum.to_bits() == stale_bits() => "end".to_owned(),
                Delta::Distribution(h) => format!("~ {} of {}", h.count, h.sum),
                Delta::Observe(_) => "?".to_owned(),
            };
            format!("{labels} {what}")
        })
        .collect()
}

fn stale_bits() -> u64 {
    crate::promql::source::STALE_NAN
}

fn reasons(out: &Converted) -> Vec<DropReason> {
    out.refused.iter().map(|(_, r)| r.reason).collect()
}

#[test]
fn the_specifications_example_comes_out_under_prometheus_names() {
    let text = include_str!("../../../../tests/golden/otlp/metrics.json");
    let request: ExportMetricsServiceRequest = serde_json::from_str(text).unwrap();
    let then = Timestamp::from_millis(1_544_712_660_300);
    let out = convert(&request, None, &Running::default(), then);
    let items: Vec<String> = out.items.iter().map(|i| format!("{} {:?}", i.labels, i.delta)).collect();
    let of = |labels: &str| format!("job=\"my.service\", {labels}service_name=\"my.service\"");
    let counter = of("my_counter_attr=\"some value\", ");
    let gauge = of("my_gauge_attr=\"some value\", ");
    let attribute = "my_histogram_attr=\"some value\", ";
    assert_eq!(
        items,
        [
            format!("my_counter_total{{{counter}}} Add(5.0)"),
            format!("my_gauge_ratio{{{gauge}}} Sample(10.0)"),
            format!("my_histogram_sum{{{}}} Add(2.0)", of(attribute)),
            format!(
                "my_histogram_bucket{{job=\"my.service\", le=\"1\", {attribute}service_name=\"my.service\"}} Add(1.0)"
            ),
            format!(
                "my_histogram_bucket{{job=\"my.service\", le=\"+Inf\", {attribute}service_name=\"my.service\"}} Add(2.0)"
            ),
            format!("my_histogram_count{{{}}} Add(2.0)", of(attribute)),
        ]
    );
    assert_eq!((out.points, out.refused.len()), (4, 0));
    let (place, labels, difference) = &out.differences[0];
    assert_eq!(*place, 4);
    assert_eq!(labels.metric_name(), "my_exponential_histogram");
    assert_eq!((difference.positive.0.as_slice(), difference.zero_count), (&[(3, 2.0)][..], 1.0));
}

#[test]
fn numbers_are_samples_or_steps() {
    for (data, expected) in [
        (Data::Gauge(Gauge { data_points: vec![number(Value::AsInt(-3))] }), r#"m{k="v"} = -3"#),
        (sum(CUMULATIVE, true, number(Value::AsDouble(2.5))), r#"m_total{k="v"} = 2.5"#),
        (sum(CUMULATIVE, false, number(Value::AsInt(7))), r#"m{k="v"} = 7"#),
        (sum(DELTA, true, number(Value::AsInt(7))), r#"m_total{k="v"} + 7"#),
    ] {
        let out = converted(&request("m", "", data));
        assert_eq!(texts(&out), [expected]);
        assert_eq!((out.items[0].at, out.points), (NOW, 1));
    }
}

#[test]
fn what_cannot_be_kept_is_refused_with_a_reason() {
    let point = || number(Value::AsInt(7));
    let late = NumberDataPoint { time_unix_nano: nanos(NOW - Duration::from_secs(31 * 86_400)), ..point() };
    let long = NumberDataPoint { attributes: pairs(&[("k", &"x".repeat(1025))]), ..point() };
    let many = NumberDataPoint { attributes: pairs(&[("k", "v"); 65]), ..point() };
    let none = NumberDataPoint { value: None, ..point() };
    let nested = HistogramDataPoint { count: 9, ..classic(&[1.0], &[1, 1], 2.0) };
    for (name, data, reason) in [
        ("m", sum(DELTA, false, point()), DropReason::Unsupported),
        ("m", sum(0, true, point()), DropReason::Invalid),
        ("m", sum(DELTA, true, number(Value::AsInt(-1))), DropReason::Implausible),
        ("m", sum(DELTA, true, late), DropReason::OutOfRange),
        ("m", sum(CUMULATIVE, true, long), DropReason::TooLong),
        ("m", sum(CUMULATIVE, true, many), DropReason::TooManyLabels),
        ("m", sum(CUMULATIVE, true, none), DropReason::Invalid),
        ("slo:events", sum(CUMULATIVE, true, point()), DropReason::Invalid),
        ("plimsoll.series", sum(CUMULATIVE, true, point()), DropReason::Invalid),
        ("...", sum(CUMULATIVE, true, point()), DropReason::Invalid),
        ("m", histogram(CUMULATIVE, classic(&[2.0, 1.0], &[0, 1, 1], 2.0)), DropReason::Invalid),
        ("m", histogram(CUMULATIVE, classic(&[1.0, 2.0], &[1, 1], 2.0)), DropReason::Invalid),
        ("m", histogram(CUMULATIVE, nested), DropReason::Invalid),
        ("m", histogram(DELTA, classic(&[1.0], &[1, 1], -2.0)), DropReason::Implausible),
    ] {
        let out = converted(&request(name, "", data));
        assert_eq!((reasons(&out), out.items.len(), out.points), (vec![reason], 0, 1), "{name} {out:?}");
    }
    let nothing = Metric { name: "m".into(), ..Default::default() };
    let mut empty = request("m", "", sum(DELTA, false, point()));
    empty.resource_metrics[0].scope_metrics[0].metrics = vec![nothing];
    assert_eq!(reasons(&converted(&empty)), [DropReason::Unsupported]);
}

#[test]
fn histograms_are_cumulative_buckets() {
    let point = classic(&[0.5, 1.0], &[3, 0, 2], 4.5);
    let out = converted(&request("http.server.request.duration", "s", histogram(CUMULATIVE, point.clone())));
    let name = "http_server_request_duration_seconds";
    assert_eq!(
        texts(&out),
        [
            format!("{name}_bucket{{le=\"0.5\"}} = 3"),
            format!("{name}_bucket{{le=\"1\"}} = 3"),
            format!("{name}_bucket{{le=\"+Inf\"}} = 5"),
            format!("{name}_sum = 4.5"),
            format!("{name}_count = 5"),
        ]
    );
    let without = HistogramDataPoint { sum: None, bucket_counts: vec![], explicit_bounds: vec![], ..point };
    let out = converted(&request("m", "", histogram(DELTA, without)));
    assert_eq!(texts(&out), [r#"m_bucket{le="+Inf"} + 5"#, "m_count + 5"]);
}

#[test]
fn summaries_are_quantiles() {
    let quantile_values =
        vec![ValueAtQuantile { quantile: 0.99, value: 0.2 }, ValueAtQuantile { quantile: 1.0, value: 3.0 }];
    let point =
        SummaryDataPoint { time_unix_nano: nanos(NOW), count: 9, sum: 4.0, quantile_values, ..Default::default() };
    let out = converted(&request("m", "s", Data::Summary(Summary { data_points: vec![point] })));
    let expected = [
        r#"m_seconds{quantile="0.99"} = 0.2"#,
        r#"m_seconds{quantile="1"} = 3"#,
        "m_seconds_sum = 4",
        "m_seconds_count = 9",
    ];
    assert_eq!(texts(&out), expected);
}

#[test]
fn a_point_without_a_value_ends_its_series() {
    let number = NumberDataPoint { flags: END, value: None, ..number(Value::AsInt(0)) };
    assert_eq!(texts(&converted(&request("m", "", sum(CUMULATIVE, true, number.clone())))), [r#"m_total{k="v"} end"#]);
    assert_eq!(reasons(&converted(&request("m", "", sum(DELTA, true, number)))), [DropReason::Dummy]);
    let point = HistogramDataPoint { flags: END, explicit_bounds: vec![1.0], ..Default::default() };
    let out = converted(&request("m", "", histogram(CUMULATIVE, point)));
    assert_eq!(texts(&out), [r#"m_bucket{le="1"} end"#, r#"m_bucket{le="+Inf"} end"#, "m_sum end", "m_count end"]);
    let point = ExponentialHistogramDataPoint { flags: END, ..Default::default() };
    assert_eq!(texts(&converted(&request("m", "", exponential(CUMULATIVE, point)))), ["m end"]);
    // A NaN with the marker's bits is a value like others.
    let nan = Value::AsDouble(f64::from_bits(stale_bits()));
    let gauge = Data::Gauge(Gauge { data_points: vec![super::tests::number(nan)] });
    assert_eq!(texts(&converted(&request("m", "", gauge))), [r#"m{k="v"} = NaN"#]);
}

#[test]
fn a_new_start_shows_an_empty_series_first() {
    let running = Running::default();
    let at = |seconds| NOW + Duration::from_secs(seconds);
    let run = |start: u64, time: u64, data: &dyn Fn(u64, u64) -> Data| {
        let out = convert(&request("m", "", data(nanos(at(start)), nanos(at(time)))), None, &running, at(time));
        let texts = texts(&out).into_iter().zip(out.items.iter().map(|i| i.at.since(NOW).as_secs()));
        let found: Vec<(String, u64)> = texts.collect();
        running.began(out.beginnings);
        found
    };
    let counter = |start_time_unix_nano, time_unix_nano| {
        let point = NumberDataPoint {
            start_time_unix_nano,
            time_unix_nano,
            value: Some(Value::AsInt(5)),
            ..Default::default()
        };
        sum(CUMULATIVE, true, point)
    };
    assert_eq!(run(0, 10, &counter), [("m_total = 5".to_owned(), 10)]);
    assert_eq!(run(0, 20, &counter), [("m_total = 5".to_owned(), 20)]);
    assert_eq!(run(25, 30, &counter), [("m_total = 0".to_owned(), 25), ("m_total = 5".to_owned(), 30)]);
    let native = |start_time_unix_nano, time_unix_nano| {
        let positive = Some(Buckets { offset: 0, bucket_counts: vec![2] });
        let point = ExponentialHistogramDataPoint {
            start_time_unix_nano,
            time_unix_nano,
            count: 2,
            sum: Some(3.0),
            positive,
            ..Default::default()
        };
        exponential(CUMULATIVE, point)
    };
    assert_eq!(run(0, 40, &native), [("m ~ 2 of 3".to_owned(), 40)]);
    assert_eq!(run(45, 50, &native), [("m ~ 0 of 0".to_owned(), 45), ("m ~ 2 of 3".to_owned(), 50)]);
    let classic = |start_time_unix_nano, time_unix_nano| {
        histogram(
            CUMULATIVE,
            HistogramDataPoint { start_time_unix_nano, time_unix_nano, count: 1, ..Default::default() },
        )
    };
    run(0, 60, &classic);
    let texts: Vec<String> = run(65, 70, &classic).into_iter().map(|(t, at)| format!("{t} @{at}")).collect();
    assert_eq!(
        texts,
        [r#"m_bucket{le="+Inf"} = 0 @65"#, r#"m_bucket{le="+Inf"} = 1 @70"#, "m_count = 0 @65", "m_count = 1 @70"]
    );
}

#[test]
fn target_info_stands_beside_points_and_never_alone() {
    let mut request = request("m", "", Data::Gauge(Gauge { data_points: vec![number(Value::AsInt(1))] }));
    request.resource_metrics[0].resource.as_mut().unwrap().attributes.extend(pairs(&[("host.name", "h1")]));
    let out = converted(&request);
    assert_eq!(out.items[1].labels, Labels::metric("target_info", [("job", "shop"), ("host_name", "h1")]));
    request.resource_metrics[0].scope_metrics.clear();
    assert_eq!(converted(&request).items, []);
}

#[test]
fn attributes_of_a_point_do_not_say_who_sent_it() {
    let point =
        NumberDataPoint { attributes: pairs(&[("service.name", "other"), ("job", "x")]), ..number(Value::AsInt(1)) };
    let out = converted(&request("m", "", Data::Gauge(Gauge { data_points: vec![point] })));
    assert_eq!(out.items[0].labels, Labels::metric("m", [("job", "shop"), ("service_name", "shop")]));
}

proptest::proptest! {
    /// Whatever the values, and however they are cut into requests: the steps add up to the exact count at
    /// each bound, and to the sum.
    #[test]
    fn differences_of_histograms_add_up_to_what_was_observed(
        batches in proptest::collection::vec(proptest::collection::vec(0u32..40, 0..20), 1..8),
    ) {
        let bounds = [5.0, 10.0, 20.0];
        let mut totals: BTreeMap<String, f64> = BTreeMap::new();
        for batch in &batches {
            let mut counts = [0u64; 4];
            for value in batch {
                counts[bounds.iter().position(|b| f64::from(*value) <= *b).unwrap_or(3)] += 1;
            }
            let point = classic(&bounds, &counts, batch.iter().map(|v| f64::from(*v)).sum());
            for item in converted(&request("m", "", histogram(DELTA, point))).items {
                let Delta::Add(step) = item.delta else { panic!("{item:?}") };
                *totals.entry(item.labels.without(&["job", "service_name"]).to_string()).or_default() += step;
            }
        }
        let all: Vec<f64> = batches.iter().flatten().map(|v| f64::from(*v)).collect();
        let at_most = |bound: f64| all.iter().filter(|v| **v <= bound).count() as f64;
        let expected = BTreeMap::from([
            (r#"m_bucket{le="5"}"#.to_owned(), at_most(5.0)),
            (r#"m_bucket{le="10"}"#.to_owned(), at_most(10.0)),
            (r#"m_bucket{le="20"}"#.to_owned(), at_most(20.0)),
            (r#"m_bucket{le="+Inf"}"#.to_owned(), all.len() as f64),
            ("m_count".to_owned(), all.len() as f64),
            ("m_sum".to_owned(), all.iter().sum()),
        ]);
        proptest::prop_assert_eq!(totals, expected);
    }
}

#[test]
fn what_a_request_says_of_its_metrics_is_known() {
    let mut request = request("orders", "{order}", sum(CUMULATIVE, true, number(Value::AsInt(1))));
    request.resource_metrics[0].scope_metrics[0].metrics[0].description = "Orders placed.".into();
    let described = convert(&request, None, &Running::default(), NOW).described;
    let expected = Metadata::new(MetricType::Counter, "Orders placed.", "{order}");
    assert_eq!(described, [("orders_total".to_owned(), expected)]);
}
