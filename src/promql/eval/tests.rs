//! Cases worked out by hand, each with the series in Prometheus's notation. Agreement with Prometheus
//! itself on a large corpus is tested in `tests/it/prometheus_api.rs`.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Labels, Timestamp};
use crate::promql::memory::{MemorySource, growing_histograms};
use crate::promql::value::{Point, Value};
use crate::promql::{Answer, Engine, LocalEngine, QueryError, QueryOptions};
use crate::sketch::{Bounds, Histogram, NativeHistogram};

async fn ask(source: MemorySource, expression: &str, at_secs: i64) -> Result<Answer, QueryError> {
    let engine = LocalEngine::new(Arc::new(source));
    engine.instant(expression, Timestamp::from_secs(at_secs), &QueryOptions::default()).await
}

/// To eleven digits: what is worked out by hand has no rounding errors.
fn number(value: f64) -> String {
    crate::promql::format::format_float(format!("{value:.10e}").parse().unwrap())
}

/// `labels value` of each element, in order.
async fn show(text: &str, expression: &str, at_secs: i64) -> Vec<String> {
    let answer = ask(MemorySource::load(text).unwrap(), expression, at_secs).await;
    match answer.unwrap_or_else(|e| panic!("{expression}: {e}")).value {
        Value::Vector(samples) => {
            samples.iter().map(|s| format!("{} {}", s.labels, number(s.float().unwrap()))).collect()
        }
        Value::Scalar(v) => vec![number(v)],
        other => panic!("{expression}: {other:?}"),
    }
}

async fn fails(text: &str, expression: &str, at_secs: i64) -> String {
    match ask(MemorySource::load(text).unwrap(), expression, at_secs).await {
        Err(QueryError::Execution(message)) => message,
        other => panic!("{expression}: {other:?}"),
    }
}

const REQUESTS: &str = "load 1m
    requests_total{route=\"/a\", code=\"200\"} 0+60x10
    requests_total{route=\"/a\", code=\"500\"} 0+6x10
    requests_total{route=\"/b\", code=\"200\"} 0+30x10";

/// Six samples in (0, 360] from 60 to 360: they span 300 s and rise by 300. To the start it is 60 s, less
/// than 1.1 distances, and 60 s is also where the counter was zero; to the end 0 s. (300 + 60) / 300 * 300
/// over 360 s is 1.
#[tokio::test]
async fn rate_reaches_the_edges() {
    assert_eq!(
        show(REQUESTS, "rate(requests_total{route=\"/a\",code=\"200\"}[6m])", 360).await,
        ["{code=\"200\", route=\"/a\"} 1"]
    );
}

/// Samples at 240, 300, 360 and 420 in (0, 430]: span 180, distance 60. To the start it is 240 s, over the
/// limit of 66 s, so 30 s; zero would lie 180 * 1000/90 s before, which is no limit. To the end 10 s.
/// 90 * (180 + 30 + 10) / 180 = 110. (Prometheus before 2.52 answers the same here.)
#[tokio::test]
async fn increase_extends_by_half_a_distance_where_the_series_begins() {
    assert_eq!(show("load 1m\nx_total _x4 1000+30x3", "increase(x_total[430s])", 430).await, ["{} 110"]);
}

/// Samples 10, 110, 210 at 240, 300, 360 in (0, 360]: rise 200 in 120 s. The start is 240 s away, over the
/// limit of 66, so 30 s; but the counter was zero 120 * 10/200 = 6 s before. 200 * 126 / 120 = 210.
/// A zero further away than half a distance (here 90 at 54 s) does not stretch it: 200 * 150 / 120 = 250,
/// where Prometheus before 2.52 answered 200 * 174 / 120 = 290.
#[tokio::test]
async fn counters_are_not_extended_below_zero() {
    assert_eq!(show("load 1m\nx_total _x4 10+100x2", "increase(x_total[6m])", 360).await, ["{} 210"]);
    assert_eq!(show("load 1m\nx_total _x4 90+100x2", "increase(x_total[6m])", 360).await, ["{} 250"]);
    assert_eq!(show("load 1m\nx _x4 10+100x2", "delta(x[6m])", 360).await, ["{} 250"]);
}

/// 10, 20, 5, 15 rises by 10, then is reset and rises by 5 and 10: 15 - 10 + 20 = 25 in 180 s; 60 s to the
/// start of (0, 240] is the zero point 180 * 10/25 = 72 s before or less.
#[tokio::test]
async fn resets_are_made_good() {
    let text = "load 1m\nx_total _ 10 20 5 15";
    assert_eq!(show(text, "increase(x_total[4m])", 240).await, [format!("{{}} {}", number(25.0 * 240.0 / 180.0))]);
    assert_eq!(show(text, "resets(x_total[4m])", 240).await, ["{} 1"]);
    assert_eq!(show(text, "changes(x_total[4m])", 240).await, ["{} 3"]);
    assert_eq!(show(text, "irate(x_total[4m])", 180).await, [format!("{{}} {}", number(5.0 / 60.0))]);
}

#[tokio::test]
async fn stale_series_vanish_at_once() {
    let text = "load 1m\nx 1 2 stale _ 5";
    assert_eq!(show(text, "x", 119).await, ["x 2"]);
    assert!(show(text, "x", 120).await.is_empty());
    assert_eq!(show(text, "count_over_time(x[5m])", 240).await, ["{} 3"]);
    assert_eq!(show(text, "absent(x)", 130).await, ["{} 1"]);
}

#[tokio::test]
async fn offsets_and_fixed_times() {
    let text = "load 1m\nx 0+1x20";
    assert_eq!(show(text, "x offset 5m", 600).await, ["x 5"]);
    assert_eq!(show(text, "x offset -5m", 600).await, ["x 15"]);
    assert_eq!(show(text, "x @ 120", 600).await, ["x 2"]);
    assert_eq!(show(text, "x @ end() offset 1m", 600).await, ["x 9"]);
    assert_eq!(show(text, "sum_over_time(x[3m] @ 300 offset 1m)", 600).await, ["{} 9"]);
    assert_eq!(show(text, "max_over_time(x[3m:1m] @ 300)", 600).await, ["{} 5"]);
    assert_eq!(show(text, "max_over_time((x @ 60)[3m:1m])", 600).await, ["{} 1"]);
}

/// A subquery's instants are multiples of its step: 60, 90 and 120 in (50, 120].
#[tokio::test]
async fn subqueries_are_aligned_to_their_step() {
    let text = "load 10s\nx 0+1x20";
    assert_eq!(show(text, "sum_over_time(x[70s:30s])", 120).await, ["{} 27"]);
    assert_eq!(show(text, "count_over_time(x[2m:])", 179).await, ["{} 2"]);
    assert_eq!(show(text, "max_over_time(rate(x[30s])[1m:10s])", 120).await, ["{} 0.1"]);
}

#[tokio::test]
async fn ratios_match_by_labels() {
    let errors = "sum by (route) (rate(requests_total{code=~\"5..\"}[5m]))";
    let all = "sum by (route) (rate(requests_total[5m]))";
    let found = show(REQUESTS, &format!("{errors} / {all}"), 600).await;
    assert_eq!(found, [format!("{{route=\"/a\"}} {}", number(6.0 / 66.0))]);
    let shares = "requests_total / on (route) group_left sum by (route) (requests_total)";
    let found = show(REQUESTS, shares, 600).await;
    assert_eq!(found.len(), 3);
    assert!(found.contains(&"{code=\"200\", route=\"/b\"} 1".to_owned()));
}

#[tokio::test]
async fn comparisons_filter_or_answer_bool() {
    assert_eq!(show(REQUESTS, "requests_total > 500", 600).await, ["requests_total{code=\"200\", route=\"/a\"} 600"]);
    assert_eq!(show(REQUESTS, "500 < requests_total", 600).await, ["requests_total{code=\"200\", route=\"/a\"} 600"]);
    let bools = show(REQUESTS, "requests_total{code=\"200\"} >= bool 300", 600).await;
    assert_eq!(bools, ["{code=\"200\", route=\"/a\"} 1", "{code=\"200\", route=\"/b\"} 1"]);
    assert_eq!(show(REQUESTS, "1 < bool 2", 0).await, ["1"]);
    let less = "sum by (route) (requests_total) < on (route) group_right requests_total * 2";
    assert_eq!(
        show(REQUESTS, less, 600).await,
        ["{code=\"200\", route=\"/a\"} 660", "{code=\"200\", route=\"/b\"} 300"]
    );
}

#[tokio::test]
async fn set_operators() {
    let text = "load 1m\na{x=\"1\"} 1\na{x=\"2\"} 2\nb{x=\"2\"} 20\nb{x=\"3\"} 30";
    assert_eq!(show(text, "a and b", 0).await, ["a{x=\"2\"} 2"]);
    assert_eq!(show(text, "a{x=\"1\"} and b", 0).await, Vec::<String>::new());
    assert_eq!(show(text, "a and on (x) b", 0).await, ["a{x=\"2\"} 2"]);
    assert_eq!(show(text, "a unless on (x) b", 0).await, ["a{x=\"1\"} 1"]);
    assert_eq!(show(text, "a or on (x) b", 0).await, ["a{x=\"1\"} 1", "a{x=\"2\"} 2", "b{x=\"3\"} 30"]);
    assert_eq!(show(text, "c or vector(7)", 0).await, ["{} 7"]);
}

#[tokio::test]
async fn ambiguous_matches_are_errors() {
    let text = "load 1m\na{x=\"1\",y=\"1\"} 1\na{x=\"1\",y=\"2\"} 2\nb{x=\"1\"} 3";
    assert!(
        fails(text, "b + on (x) a", 0)
            .await
            .contains("found duplicate series for the match group {x=\"1\"} on the right")
    );
    assert!(fails(text, "a + on (x) b", 0).await.contains("many-to-one matching must be explicit"));
    assert!(fails(text, "label_replace(a, \"y\", \"\", \"\", \"\")", 0).await.contains("same labelset"));
    assert!(fails(text, "sum by (x) (a) * on () group_left (y) a", 0).await.contains("found duplicate"));
    assert_eq!(show(text, "nothing + on (x) a", 0).await, Vec::<String>::new());
    assert!(fails("load 1m\na 1\nb 2", "rate({__name__=~\"a|b\"}[1m:10s])", 60).await.contains("same labelset"));
}

#[tokio::test]
async fn aggregations() {
    let text = "load 1m\nx{a=\"1\",b=\"1\"} 1\nx{a=\"1\",b=\"2\"} 2\nx{a=\"2\",b=\"1\"} 6\nx{a=\"2\",b=\"2\"} NaN";
    assert_eq!(show(text, "sum by (a) (x)", 0).await, ["{a=\"1\"} 3", "{a=\"2\"} NaN"]);
    assert_eq!(show(text, "max without (b) (x)", 0).await, ["{a=\"1\"} 2", "{a=\"2\"} 6"]);
    assert_eq!(show(text, "min(x)", 0).await, ["{} 1"]);
    assert_eq!(show(text, "count(x)", 0).await, ["{} 4"]);
    assert_eq!(show(text, "group by (a) (x)", 0).await, ["{a=\"1\"} 1", "{a=\"2\"} 1"]);
    assert_eq!(show(text, "avg by (a) (x{b=\"1\"})", 0).await, ["{a=\"1\"} 1", "{a=\"2\"} 6"]);
    assert_eq!(show(text, "stddev by (a) (x)", 0).await[0], "{a=\"1\"} 0.5");
    assert_eq!(show(text, "quantile(0.5, x == x)", 0).await, ["{} 2"]);
    assert_eq!(show(text, "topk(2, x)", 0).await, ["x{a=\"2\", b=\"1\"} 6", "x{a=\"1\", b=\"2\"} 2"]);
    assert_eq!(show(text, "bottomk by (a) (1, x)", 0).await, ["x{a=\"1\", b=\"1\"} 1", "x{a=\"2\", b=\"1\"} 6"]);
    assert_eq!(show(text, "topk(0, x)", 0).await, Vec::<String>::new());
    assert_eq!(show(text, "count_values(\"v\", x{a=\"1\"})", 0).await, ["{v=\"1\"} 1", "{v=\"2\"} 1"]);
    assert_eq!(show(text, "limitk(1, x)", 0).await, ["x{a=\"1\", b=\"1\"} 1"]);
}

#[tokio::test]
async fn classic_quantiles() {
    let text = "load 1m
        h_bucket{le=\"0.1\"} 0+2x10
        h_bucket{le=\"0.2\"} 0+6x10
        h_bucket{le=\"+Inf\"} 0+8x10";
    assert_eq!(show(text, "histogram_quantile(0.5, rate(h_bucket[5m]))", 600).await, ["{} 0.15"]);
    assert_eq!(show(text, "histogram_quantile(0.99, h_bucket)", 600).await, ["{} 0.2"]);
    assert_eq!(show(text, "histogram_fraction(0, 0.2, h_bucket)", 600).await, ["{} 0.75"]);
}

fn native(values: &[f64]) -> NativeHistogram {
    let mut h = Histogram::new(Bounds::none());
    values.iter().for_each(|v| h.observe(*v));
    h.to_native()
}

fn native_source() -> MemorySource {
    let minute = Duration::from_secs(60);
    let mut source = MemorySource::default();
    for (route, values) in [("/a", &[0.1, 0.2, 0.4][..]), ("/b", &[0.8])] {
        let labels = Labels::metric("h", [("route", route)]);
        source.push(growing_histograms(labels, &native(values), minute, 11));
    }
    source
}

/// The histogram grows by its own size each minute: 5 times in the 5 samples of (300, 600] extended to
/// 300 s, so the rate per second is a sixtieth of it.
#[tokio::test]
async fn native_rates_and_quantiles() {
    let show = async |expression: &str| match ask(native_source(), expression, 600).await.unwrap().value {
        Value::Vector(samples) => samples.iter().map(|s| s.float().unwrap()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(show("histogram_count(increase(h[5m]))").await, [15.0, 5.0]);
    assert_eq!(show("histogram_count(sum(increase(h[5m])))").await, [20.0]);
    assert!((show("histogram_sum(sum(rate(h[5m])))").await[0] - 1.5 / 60.0).abs() < 1e-12);
    assert!((show("histogram_avg(sum(rate(h[5m])))").await[0] - 1.5 / 4.0).abs() < 1e-12);
    let median = show("histogram_quantile(0.5, sum(rate(h[5m])))").await[0];
    // Half of the values are at most 0.2: from above, the median is where the bucket of 0.4 begins.
    assert!((median / 0.4).ln().abs() < 2f64.ln() / 32.0, "{median}");
    assert_eq!(show("histogram_fraction(0, 0.5, sum(rate(h[5m])))").await, [0.75]);
    assert_eq!(show("histogram_count(h * 2)").await, [66.0, 22.0]);
    assert_eq!(show("histogram_count(h - h)").await, [0.0, 0.0]);
    assert_eq!(show("count(h == h)").await, [2.0]);
    assert_eq!(show("histogram_count(avg_over_time(h[5m]))").await, [27.0, 9.0]);
    assert!(show("h + 1").await.is_empty());
}

#[tokio::test]
async fn native_resets_are_made_good() {
    let mut source = MemorySource::default();
    let mut series =
        growing_histograms(Labels::metric("h", [("a", "1")]), &native(&[1.0, 2.0]), Duration::from_secs(60), 4);
    // Two values a minute: 2, 4, then 2 again (a reset), 4.
    for i in [2, 3] {
        series.histograms[i].1 = series.histograms[i - 2].1.clone();
    }
    source.push(series);
    let answer = ask(source, "increase(h[4m])", 180).await.unwrap();
    let Value::Vector(samples) = answer.value else { panic!("no vector") };
    let Point::Histogram(h) = &samples[0].point else { panic!("no histogram") };
    // 4 - 2 + 4 = 6 over 180 s; the window begins 60 s earlier, where it was zero after 180 * 2/6.
    assert!((h.count - 6.0 * 240.0 / 180.0).abs() < 1e-9, "{}", h.count);
}

#[tokio::test]
async fn remarks_are_made_once() {
    let source = MemorySource::load("load 1m\nx{a=\"1\"} 0+1x10\nx{a=\"2\"} 0+1x10").unwrap();
    let answer = ask(source.clone(), "rate(x[5m])", 600).await.unwrap();
    assert_eq!(answer.infos.len(), 1);
    let answer = ask(source, "quantile(2, x)", 600).await.unwrap();
    assert_eq!(answer.warnings, ["PromQL warning: quantile value should be between 0 and 1, got 2"]);
}
