use super::*;
use crate::base::{Labels, ManualClock};
use crate::promql::memory::MemorySource;
use crate::promql::value::{Point, Value};

fn engine(text: &str) -> LocalEngine {
    LocalEngine::new(Arc::new(MemorySource::load(text).unwrap()))
}

async fn values(engine: &LocalEngine, expression: &str, at_secs: i64) -> Vec<f64> {
    let answer = engine.instant(expression, Timestamp::from_secs(at_secs), &QueryOptions::default()).await.unwrap();
    match answer.value {
        Value::Vector(samples) => samples.iter().map(|s| s.float().unwrap()).collect(),
        Value::Scalar(v) => vec![v],
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_sample_is_seen_until_it_is_a_lookback_old() {
    let engine = engine("load 1m\nx 1");
    assert_eq!(values(&engine, "x", 0).await, [1.0]);
    assert_eq!(values(&engine, "x", 299).await, [1.0]);
    // Open on the left since Prometheus 3.
    assert!(values(&engine, "x", 300).await.is_empty());
    assert!(values(&engine, "x", -1).await.is_empty());
}

#[tokio::test]
async fn a_range_is_open_on_the_left() {
    let engine = engine("load 1m\nx 0+1x10");
    assert_eq!(values(&engine, "count_over_time(x[5m])", 300).await, [5.0]);
    assert_eq!(values(&engine, "count_over_time(x[5m])", 301).await, [5.0]);
    assert_eq!(values(&engine, "count_over_time(x[5m:1m])", 300).await, [5.0]);
    assert!(values(&engine, "rate(x[1m])", 300).await.is_empty());
}

#[tokio::test]
async fn steps_of_a_range_query_are_those_of_instant_queries() {
    let engine = engine("load 15s\nx_total{a=\"1\"} 0+7x100 3+2x50\nx_total{a=\"2\"} 5+1x20 _x30 100+3x80");
    for expression in
        ["rate(x_total[2m])", "x_total", "sum(increase(x_total[1m]) > 1)", "avg_over_time(x_total[95s:7s])"]
    {
        let (start, end) = (Timestamp::from_secs(3), Timestamp::from_secs(2400));
        let options = QueryOptions::default();
        let answer = engine.range(expression, start, end, Duration::from_secs(37), &options).await.unwrap();
        let Value::Matrix(series) = answer.value else { panic!("no matrix") };
        let mut found = 0;
        for at in (3..=2400).step_by(37).map(Timestamp::from_secs) {
            let Value::Vector(samples) = engine.instant(expression, at, &options).await.unwrap().value else {
                panic!("no vector")
            };
            for sample in &samples {
                let row = series.iter().find(|s| s.labels == sample.labels).unwrap();
                assert!(row.points.contains(&(at, sample.point.clone())), "{expression} at {at}");
            }
            found += samples.len();
        }
        assert_eq!(found, series.iter().map(|s| s.points.len()).sum::<usize>(), "{expression}");
        assert!(found > 50, "{expression}");
    }
}

#[tokio::test]
async fn limits_are_errors() {
    let engine = engine("load 1s\nx 0+1x1000");
    let at = Timestamp::from_secs(900);
    let few = QueryOptions { max_samples: 100, ..QueryOptions::default() };
    for expression in ["x[10m]", "sum_over_time(vector(1)[1h:1s])", "sum_over_time(vector(1)[1000y:1ms])"] {
        let error = engine.instant(expression, at, &few).await.unwrap_err();
        assert!(matches!(error, QueryError::Execution(_)), "{expression}: {error:?}");
    }
    let error = engine.range("vector(1)", Timestamp::from_secs(0), at, Duration::from_secs(1), &few).await.unwrap_err();
    assert!(matches!(error, QueryError::Execution(_)));
    assert!(engine.instant("x[10s]", at, &few).await.is_ok());
}

/// Never answers.
struct Stuck;

impl Source for Stuck {
    fn select<'a>(&'a self, _: &'a Selection) -> BoxFuture<'a, Result<Vec<SeriesSamples>, SourceError>> {
        Box::pin(std::future::pending())
    }

    fn series<'a>(&'a self, _: &'a Selection) -> BoxFuture<'a, Result<Vec<Labels>, SourceError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_query_that_takes_too_long_times_out() {
    let clock = ManualClock::at(Timestamp::from_secs(0));
    let engine = LocalEngine::with_clock(Arc::new(Stuck), Arc::new(clock.clone()));
    let options = QueryOptions { timeout: Duration::from_secs(5), ..QueryOptions::default() };
    let query = engine.instant("x", Timestamp::from_secs(0), &options);
    tokio::pin!(query);
    assert!(futures::poll!(&mut query).is_pending());
    clock.advance(Duration::from_secs(5));
    assert!(matches!(query.await, Err(QueryError::Timeout(_))));
}

#[test]
fn a_cancelled_evaluation_stops() {
    let expr = parse("sum(vector(1))").unwrap();
    let plan = plan::check(&expr).unwrap();
    let limits = Limits { max_samples: 100, cancelled: &AtomicBool::new(true) };
    assert!(matches!(eval::instant(&plan, eval::Loaded::default(), limits), Err(QueryError::Execution(_))));
}

#[tokio::test]
async fn long_evaluations_leave_the_thread() {
    let engine = engine("load 1s\nx 0+1x1000");
    let found = values(&engine, "sum_over_time(vector(1)[100000s:1s])", 900_000).await;
    assert_eq!(found, [100_000.0]);
}

#[tokio::test]
async fn scalars_and_strings_are_answers() {
    let engine = engine("load 1m\nx 1");
    let options = QueryOptions::default();
    let at = Timestamp::from_secs(60);
    let value = |expression| engine.instant(expression, at, &options);
    assert_eq!(value("\"a\"").await.unwrap().value, Value::String("a".into()));
    assert_eq!(value("time() * 2").await.unwrap().value, Value::Scalar(120.0));
    let Value::Matrix(series) = value("x[2m]").await.unwrap().value else { panic!("no matrix") };
    assert_eq!(series[0].points, [(Timestamp::from_secs(0), Point::Float(1.0))]);
    let error = engine.range("\"a\"", at, at, Duration::from_secs(1), &options).await.unwrap_err();
    assert!(error.to_string().contains("invalid expression type \"string\" for range query"));
}

/// The deepest expressions that are let through fit on the stack of a worker thread, unoptimised too.
#[tokio::test]
async fn the_deepest_expressions_fit_on_the_stack() {
    let engine = engine("load 1s\nx 0+1x1000");
    let deep = 96;
    let nest = |deep: usize, open: &str, close: &str| format!("{}x{}", open.repeat(deep), close.repeat(deep));
    let nested = |open, close| nest(deep, open, close);
    for expression in [
        nested("abs(", ")"),
        nested("sum(", ")"),
        nested("(", ")"),
        nested("-", ""),
        nested("1 + ", ""),
        nested("1 ^ ", ""),
        nested("", " + 1"),
        // A call and its subquery are a level each.
        nest(deep / 3, "max_over_time(", "[5s:1s])"),
    ] {
        let answer = engine.instant(&expression, Timestamp::from_secs(900), &QueryOptions::default()).await;
        assert!(answer.is_ok(), "{expression}: {answer:?}");
    }
}

/// Times at the ends of the scale are only far away.
#[tokio::test]
async fn extreme_times_do_not_overflow() {
    let engine = engine("load 1m\nx 0+1x10");
    let options = QueryOptions::default();
    for at in [Timestamp::MIN, Timestamp::MAX] {
        for expression in [
            "x",
            "x offset 1y",
            "x offset -1y",
            "rate(x[1y])",
            "sum_over_time(x[1d:1h] offset -1y)",
            "predict_linear(x[1h] @ 600, 60)",
            "x @ start()",
            "hour()",
        ] {
            assert!(engine.instant(expression, at, &options).await.is_ok(), "{expression} at {at}");
            assert!(engine.range(expression, at, at, Duration::from_secs(1), &options).await.is_ok());
        }
    }
}

async fn cost(engine: &LocalEngine, expression: &str, seconds: std::ops::RangeInclusive<i64>) -> (usize, usize) {
    let options = QueryOptions { stats: Some(Default::default()), ..QueryOptions::default() };
    let (start, end) = (Timestamp::from_secs(*seconds.start()), Timestamp::from_secs(*seconds.end()));
    engine.range(expression, start, end, Duration::from_secs(60), &options).await.unwrap();
    let stats = options.stats.unwrap().get();
    (stats.samples, stats.peak_samples)
}

#[tokio::test]
async fn what_selectors_see_is_counted_by_step() {
    let engine = engine("load 30s\nx{a=\"1\"} 0+1x20\nx{a=\"2\"} 0+1x2 stale");
    assert_eq!(cost(&engine, "x", 30..=30).await, (2, 4));
    // The second series has ended at the second step.
    assert_eq!(cost(&engine, "x", 60..=120).await, (3, 9));
    assert_eq!(cost(&engine, "rate(x[2m])", 120..=240).await, (4 + 2 + 4 + 4, 10));
    assert_eq!(cost(&engine, "x + x offset 1m", 60..=60).await.0, 4);
    assert_eq!(cost(&engine, "1", 60..=120).await, (0, 0));
}
