//! The engine against the real Prometheus: the same samples, the same expressions, every value compared.
//!
//! Debian's Prometheus is 2.42; the engine follows version 3. The samples and times are chosen so that the
//! known changes do not show, and each change has a case worked out by hand in `promql::eval::tests`:
//! - ranges and the lookback are open on the left (3.0): no sample lies exactly on an edge;
//! - `rate` and `increase` limit the extension at the start before they compare it with the zero point
//!   (2.52): counters that begin or go on inside a window are high there, and `rate` is not asked of what
//!   is no counter and has gaps;
//! - `atan2` drops the metric's name like every other operator (2.42 forgot it);
//! - the name of a label may be any text but none (3.0).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::base::{Labels, Timestamp};
use plimsoll::promql::memory::MemorySource;
use plimsoll::promql::{
    Answer, Engine, LocalEngine, Point, QueryError, QueryOptions, SeriesSamples, Value, parse_check,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::Value as Json;

use crate::support::prometheus::Prometheus;

mod corpus;

/// A multiple of two hours, so that the samples fill few blocks.
const BASE_SECS: i64 = 1_699_999_200;
const SAMPLES: u64 = 480;
const INTERVAL_MILLIS: i64 = 15_000;

/// Numbers that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn unit(&mut self) -> f64 {
        (self.next() % 1_000_000) as f64 / 1e6
    }
}

/// Scrape times: every 15 s with up to 0.9 s of jitter and never on a whole tenth of a second.
fn times(noise: &mut Noise) -> Vec<Timestamp> {
    let at = |k: u64, jitter: u64| BASE_SECS * 1000 + k as i64 * INTERVAL_MILLIS + (jitter % 9) as i64 * 100 + 37;
    (0..SAMPLES).map(|k| Timestamp::from_millis(at(k, noise.next()))).collect()
}

/// Two hours of counters with resets, gauges with odd values, histograms, gaps, late and early ends.
fn samples() -> Vec<SeriesSamples> {
    let mut noise = Noise(42);
    let mut all = Vec::new();
    for job in ["api", "web"] {
        for instance in ["i-1", "i-2"] {
            for (route, code) in [("/a", "200"), ("/a", "500"), ("/b", "200"), ("/b", "404")] {
                let labels = [("job", job), ("instance", instance), ("route", route), ("code", code)];
                all.push(counter(Labels::metric("requests_total", labels), &mut noise));
            }
            let labels = [("job", job), ("instance", instance)];
            all.push(gauge(Labels::metric("memory_bytes", labels), &mut noise, |v, _| (v * 1e9).round()));
            all.push(gauge(Labels::metric("up", labels), &mut noise, |v, _| f64::from(u8::from(v > 0.1))));
            let version = if job == "api" { "1.2" } else { "2.0" };
            let labels = [("job", job), ("instance", instance), ("version", version)];
            all.push(gauge(Labels::metric("build_info", labels), &mut noise, |_, _| 1.0));
        }
        all.extend(histogram(job, &mut noise));
    }
    all.push(gauge(Labels::metric("temperature", [("room", "a")]), &mut noise, |v, _| (v - 0.5) * 40.0));
    all.push(gauge(Labels::metric("temperature", [("room", "b")]), &mut noise, |v, k| match k % 50 {
        7 => f64::NAN,
        13 => f64::INFINITY,
        _ => v * 30.0,
    }));
    all.push(gauge(Labels::metric("steps_taken", [("room", "a")]), &mut noise, |_, k| (k / 40) as f64));
    let mut gaps = gauge(Labels::metric("sparse", [("room", "a")]), &mut noise, |v, _| v + 100.0);
    gaps.floats = gaps.floats.into_iter().enumerate().filter(|(k, _)| (k / 30) % 3 != 1).map(|(_, s)| s).collect();
    all.push(gaps);
    let mut late = counter(Labels::metric("late_total", [("job", "api")]), &mut noise);
    late.floats = late.floats.into_iter().skip(300).map(|(t, v)| (t, v + 5000.0)).collect();
    all.push(late);
    let mut gone = gauge(Labels::metric("gone", [("job", "api")]), &mut noise, |v, _| v);
    gone.floats = gone.floats.into_iter().take(200).collect();
    all.push(gone);
    all
}

fn counter(labels: Labels, noise: &mut Noise) -> SeriesSamples {
    let mut total = (noise.next() % 1000) as f64;
    let floats = times(noise).into_iter().map(|t| {
        total = if noise.next().is_multiple_of(170) { 0.0 } else { total + (noise.next() % 40) as f64 };
        (t, total)
    });
    SeriesSamples { floats: floats.collect(), labels, ..SeriesSamples::default() }
}

fn gauge(labels: Labels, noise: &mut Noise, value: fn(f64, u64) -> f64) -> SeriesSamples {
    let floats = times(noise).into_iter().zip(0..).map(|(t, k)| (t, value(noise.unit(), k)));
    SeriesSamples { floats: floats.collect(), labels, ..SeriesSamples::default() }
}

fn histogram(job: &str, noise: &mut Noise) -> Vec<SeriesSamples> {
    const BOUNDS: [&str; 6] = ["0.05", "0.1", "0.25", "0.5", "1", "+Inf"];
    let mut all = Vec::new();
    for route in ["/a", "/b"] {
        let labels = [("job", job), ("route", route)];
        let named = |name: &str| SeriesSamples { labels: Labels::metric(name, labels), ..SeriesSamples::default() };
        let mut buckets: Vec<SeriesSamples> = BOUNDS
            .iter()
            .map(|le| {
                let mut series = named("latency_seconds_bucket");
                series.labels = series.labels.with("le", le);
                series
            })
            .collect();
        let (mut sum, mut count) = (named("latency_seconds_sum"), named("latency_seconds_count"));
        let mut totals = [500.0, 700.0, 1000.0, 1400.0, 1900.0, 2000.0];
        let mut total = 800.0;
        for t in times(noise) {
            for _ in 0..noise.next() % 20 {
                let value = noise.unit().powi(2) * 1.3;
                total += value;
                for (n, le) in totals.iter_mut().zip(BOUNDS) {
                    *n += f64::from(u8::from(value <= le.parse().unwrap()));
                }
            }
            buckets.iter_mut().zip(totals).for_each(|(b, n)| b.floats.push(t, n));
            sum.floats.push(t, total);
            count.floats.push(t, totals[5]);
        }
        all.extend(buckets);
        all.extend([sum, count]);
    }
    all
}

/// What Prometheus's importer reads: one line a sample, the metrics one after the other.
fn openmetrics(series: &[SeriesSamples]) -> String {
    let mut sorted: Vec<&SeriesSamples> = series.iter().collect();
    sorted.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut text = String::new();
    for one in sorted {
        let labels = one.labels.to_string().replace("\", ", "\",");
        for (t, v) in one.floats.iter() {
            let value = if v.is_nan() { "NaN".to_owned() } else { plimsoll::promql::format::format_float(v) };
            writeln!(text, "{labels} {value} {}", t.as_secs_f64()).unwrap();
        }
    }
    text + "# EOF\n"
}

/// A series' labels, and its points with times in ms.
type Comparable = (BTreeMap<String, String>, Vec<(i64, f64)>);

/// Results in a form in which both sides can be compared.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Series(Vec<Comparable>),
    Text(String),
    /// The error's type.
    Failed(String),
}

fn parse_value(json: &Json) -> (i64, f64) {
    let seconds = json[0].as_f64().unwrap();
    let text = json[1].as_str().unwrap();
    ((seconds * 1000.0).round() as i64, text.parse().unwrap_or_else(|_| panic!("{text}")))
}

fn from_json(json: &Json) -> Outcome {
    if json["status"] == "error" {
        return Outcome::Failed(json["errorType"].as_str().unwrap().to_owned());
    }
    let result = &json["data"]["result"];
    let metric = |m: &Json| serde_json::from_value::<BTreeMap<String, String>>(m["metric"].clone()).unwrap();
    let all = || result.as_array().unwrap().iter();
    match json["data"]["resultType"].as_str().unwrap() {
        "scalar" => Outcome::Series(vec![(BTreeMap::new(), vec![parse_value(result)])]),
        "string" => Outcome::Text(result[1].as_str().unwrap().to_owned()),
        "vector" => Outcome::Series(all().map(|m| (metric(m), vec![parse_value(&m["value"])])).collect()),
        _ => Outcome::Series(
            all().map(|m| (metric(m), m["values"].as_array().unwrap().iter().map(parse_value).collect())).collect(),
        ),
    }
}

fn from_answer(answer: Result<Answer, QueryError>, at: Timestamp) -> Outcome {
    let labels = |l: &Labels| l.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>();
    let float = |p: &Point| match p {
        Point::Float(v) => *v,
        Point::Histogram(_) => panic!("a histogram among floats"),
    };
    match answer.map(|a| a.value) {
        Err(QueryError::BadData(_)) => Outcome::Failed("bad_data".to_owned()),
        Err(QueryError::Execution(_)) => Outcome::Failed("execution".to_owned()),
        Err(other) => panic!("{other:?}"),
        Ok(Value::Scalar(v)) => Outcome::Series(vec![(BTreeMap::new(), vec![(at.as_millis(), v)])]),
        Ok(Value::String(text)) => Outcome::Text(text),
        Ok(Value::Vector(samples)) => Outcome::Series(
            samples.iter().map(|s| (labels(&s.labels), vec![(at.as_millis(), float(&s.point))])).collect(),
        ),
        Ok(Value::Matrix(series)) => Outcome::Series(
            series
                .iter()
                .map(|s| (labels(&s.labels), s.points.iter().map(|(t, p)| (t.as_millis(), float(p))).collect()))
                .collect(),
        ),
    }
}

fn same_value(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// What differs, if anything; the order counts where `ordered`.
fn difference(theirs: &Outcome, ours: &Outcome, ordered: bool) -> Option<String> {
    let (Outcome::Series(theirs), Outcome::Series(ours)) = (theirs, ours) else {
        return (theirs != ours).then(|| format!("theirs {theirs:?}, ours {ours:?}"));
    };
    let (mut theirs, mut ours) = (theirs.clone(), ours.clone());
    if !ordered {
        theirs.sort_by(|a, b| a.0.cmp(&b.0));
        ours.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let names = |all: &[Comparable]| all.iter().map(|s| s.0.clone()).collect::<Vec<_>>();
    if names(&theirs) != names(&ours) {
        return Some(format!("series: theirs {:?}, ours {:?}", names(&theirs), names(&ours)));
    }
    for ((labels, a), (_, b)) in theirs.iter().zip(&ours) {
        let times = |points: &[(i64, f64)]| points.iter().map(|p| p.0).collect::<Vec<_>>();
        if times(a) != times(b) {
            return Some(format!("{labels:?}: times: theirs {:?}, ours {:?}", times(a), times(b)));
        }
        if let Some((x, y)) = a.iter().zip(b).find(|(x, y)| !same_value(x.1, y.1)) {
            return Some(format!("{labels:?} at {}: theirs {}, ours {}", x.0, x.1, y.1));
        }
    }
    None
}

struct Pair {
    prometheus: Prometheus,
    engine: LocalEngine,
}

impl Pair {
    async fn start() -> Self {
        let series = samples();
        let prometheus = Prometheus::with_data(&openmetrics(&series));
        prometheus.wait_ready().await;
        Self { prometheus, engine: LocalEngine::new(Arc::new(MemorySource::new(series))) }
    }

    async fn instant(&self, expression: &str, at: Timestamp, ordered: bool) -> Option<String> {
        let query = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect::<String>();
        let (_, json) = self.prometheus.get_json(&format!("/api/v1/query?query={query}&time={}", at.as_secs_f64()));
        let ours = from_answer(self.engine.instant(expression, at, &QueryOptions::default()).await, at);
        difference(&from_json(&json), &ours, ordered)
    }

    async fn range(&self, expression: &str, start: Timestamp, end: Timestamp, step_secs: u64) -> Option<String> {
        let query = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect::<String>();
        let (start_secs, end_secs) = (start.as_secs_f64(), end.as_secs_f64());
        let path = format!("/api/v1/query_range?query={query}&start={start_secs}&end={end_secs}&step={step_secs}");
        let (_, json) = self.prometheus.get_json(&path);
        let step = Duration::from_secs(step_secs);
        let ours = from_answer(self.engine.range(expression, start, end, step, &QueryOptions::default()).await, start);
        difference(&from_json(&json), &ours, true)
    }
}

/// Seven seconds past a multiple of ten: no edge of a window or subquery falls on an instant.
fn after_base(seconds: i64) -> Timestamp {
    Timestamp::from_secs(BASE_SECS + seconds + 7)
}

#[tokio::test(flavor = "multi_thread")]
async fn agrees_with_prometheus_on_the_corpus() {
    let pair = Pair::start().await;
    let mut differences = Vec::new();
    let mut answered = 0;
    let combinations = corpus::combinations();
    for expression in corpus::EXPRESSIONS.iter().copied().chain(combinations.iter().map(String::as_str)) {
        let ordered =
            expression.starts_with("sort") || expression.starts_with("topk(") || expression.starts_with("bottomk(");
        for seconds in [20, 1800, 4810, 7250] {
            if let Some(d) = pair.instant(expression, after_base(seconds), ordered).await {
                differences.push(format!("{expression} at +{seconds}: {d}"));
            }
        }
        if let Some(d) = pair.range(expression, after_base(-300), after_base(7600), 110).await {
            differences.push(format!("{expression} over the range: {d}"));
        }
        answered += 1;
    }
    assert!(answered >= 400, "the corpus has {answered} expressions");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// The corpus would agree if both sides answered nothing; it does not answer nothing.
#[tokio::test]
async fn most_of_the_corpus_has_values() {
    let engine = LocalEngine::new(Arc::new(MemorySource::new(samples())));
    let mut empty = Vec::new();
    for expression in corpus::EXPRESSIONS {
        match engine.instant(expression, after_base(4810), &QueryOptions::default()).await.map(|a| a.value) {
            Ok(Value::Vector(v)) if v.is_empty() => empty.push(*expression),
            Ok(Value::Matrix(v)) if v.is_empty() => empty.push(*expression),
            _ => {}
        }
    }
    assert!(empty.len() * 10 < corpus::EXPRESSIONS.len(), "{empty:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_prometheus_refuses() {
    let pair = Pair::start().await;
    for expression in corpus::REFUSED {
        assert!(parse_check(expression).is_err(), "{expression}");
        assert_eq!(pair.instant(expression, after_base(4810), false).await, None, "{expression}");
    }
    for expression in corpus::FAILING {
        assert_eq!(pair.instant(expression, after_base(4810), false).await, None, "{expression}");
    }
}

fn selector() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["requests_total", "memory_bytes", "up", "temperature", "gone", "late_total"]);
    let matcher =
        prop::sample::select(vec!["", "{job=\"api\"}", "{instance!=\"i-1\"}", "{route=~\"/a|\"}", "{job!~\"w.*\"}"]);
    (name, matcher).prop_map(|(name, matcher)| format!("{name}{matcher}"))
}

fn range_function() -> impl Strategy<Value = String> {
    let function = prop::sample::select(vec![
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "resets",
        "changes",
        "deriv",
        "sum_over_time",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "count_over_time",
        "last_over_time",
        "stddev_over_time",
    ]);
    let range = prop::sample::select(vec!["40s", "2m", "5m10s", "20m"]);
    let offset = prop::sample::select(vec!["", " offset 3m", " offset -1m"]);
    let direct = (function.clone(), selector(), range.clone(), offset.clone())
        .prop_map(|(f, s, r, o)| format!("{f}({s}[{r}]{o})"));
    let subquery = (function, selector(), range, prop::sample::select(vec!["10s", "30s", "1m"]), offset)
        .prop_map(|(f, s, r, step, o)| format!("{f}({s}[{r}:{step}]{o})"));
    prop_oneof![3 => direct, 1 => subquery]
}

fn vector() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![selector(), range_function()];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let grouping = prop::sample::select(vec!["", " by (job)", " by (route, code)", " without (instance)"]);
        let aggregation = prop::sample::select(vec!["sum", "avg", "min", "max", "count", "group", "stdvar"]);
        let function = prop::sample::select(vec!["abs", "ceil", "floor", "sqrt", "sgn", "round", "absent"]);
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%", "^", ">", "<=", "== bool", "!= bool"]);
        let set = prop::sample::select(vec!["and", "or", "unless"]);
        let matching = prop::sample::select(vec!["", " on (job)", " ignoring (code)", " on (job, instance)", " on ()"]);
        let grouped = prop::sample::select(vec!["", " group_left ()", " group_right ()"]);
        prop_oneof![
            (aggregation, grouping, inner.clone()).prop_map(|(a, g, v)| format!("{a}{g} ({v})")),
            (function, inner.clone()).prop_map(|(f, v)| format!("{f}({v})")),
            (inner.clone(), operator.clone(), -3.0..3.0f64).prop_map(|(v, o, n)| format!("({v}) {o} {n:.2}")),
            (inner.clone(), set, matching.clone(), inner.clone())
                .prop_map(|(a, o, m, b)| format!("({a}) {o}{m} ({b})")),
            (inner.clone(), operator, matching, grouped, inner).prop_map(|(a, o, m, g, b)| {
                let g = if m.is_empty() { "" } else { g };
                format!("({a}) {o}{m}{g} ({b})")
            }),
        ]
    })
}

/// Expressions that nobody thought of. The variance of timestamps is left out: Prometheus 2.42 loses all but
/// a few digits of it.
#[tokio::test(flavor = "multi_thread")]
async fn agrees_with_prometheus_on_generated_expressions() {
    let pair = Pair::start().await;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut differences = Vec::new();
    for _ in 0..1000 {
        let expression = vector().new_tree(&mut runner).unwrap().current();
        if let Some(d) = pair.instant(&expression, after_base(4810), false).await {
            differences.push(format!("{expression}: {d}"));
        }
        if let Some(d) = pair.range(&expression, after_base(900), after_base(7400), 650).await {
            differences.push(format!("{expression} over the range: {d}"));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
