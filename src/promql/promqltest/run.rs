//! Carries commands out.

use std::sync::Arc;
use std::time::Duration;

use super::compare::{same_number, same_point};
use super::expect::{Expectation, ExpectedSeries};
use super::script::{Command, Eval, When, parse};
use super::storage::Storage;
use crate::base::time::millis;
use crate::base::{Labels, Timestamp};
use crate::promql::value::{Answer, Point, RangeSeries, Value};
use crate::promql::{Engine, LocalEngine, QueryError, QueryOptions};

/// What became of a file's cases.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) total: usize,
    /// Where and why.
    pub(super) failures: Vec<String>,
}

pub(super) async fn run(name: &str, text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let mut storage = Storage::default();
    for step in parse(text) {
        let result = match step.command {
            Command::Clear => {
                storage.clear();
                continue;
            }
            Command::Load { interval, series, as_native } => {
                storage.load(interval, &series, as_native).unwrap_or_else(|e| panic!("{name}:{}: {e}", step.line));
                continue;
            }
            Command::Eval(eval) => {
                outcome.total += 1;
                let engine = LocalEngine::new(Arc::new(storage.source()));
                check(&engine, &eval)
                    .await
                    .map_err(|why| format!("{name}:{}: {}\n    {why}", step.line, eval.expression))
            }
        };
        outcome.failures.extend(result.err());
    }
    outcome
}

async fn check(engine: &LocalEngine, eval: &Eval) -> Result<(), String> {
    let answer = ask(engine, &eval.expression, eval.when).await;
    let failure = eval.expected.iter().find_map(|e| match e {
        Expectation::Fail(text) => Some(text),
        _ => None,
    });
    match (answer, failure) {
        (Err(error), Some(text)) if text.fits(&error.to_string()) => Ok(()),
        (Err(error), _) => Err(error.to_string()),
        (Ok(answer), Some(_)) => Err(format!("does not fail: {:?}", answer.value)),
        (Ok(answer), None) => {
            Expectation::check_remarks(&eval.expected, &answer)?;
            check_value(&answer, eval)?;
            check_as_range(engine, eval, &answer).await
        }
    }
}

async fn ask(engine: &LocalEngine, expression: &str, when: When) -> Result<Answer, QueryError> {
    let time = |since: Duration| Timestamp::from_millis(millis(since));
    let options = QueryOptions::default();
    match when {
        When::At(at) => engine.instant(expression, time(at), &options).await,
        When::Range { start, end, step } => engine.range(expression, time(start), time(end), step, &options).await,
    }
}

/// Elements and series as one: labels and the points by their times.
type Found = Vec<(Labels, Vec<(Timestamp, Point)>)>;

fn check_value(answer: &Answer, eval: &Eval) -> Result<(), String> {
    let (start, step) = eval.expected.iter().find_map(times).unwrap_or(match eval.when {
        When::At(at) => (at, Duration::ZERO),
        When::Range { start, step, .. } => (start, step),
    });
    let at = Timestamp::from_millis(millis(start));
    let found = match &answer.value {
        Value::Scalar(v) => return check_scalar(*v, &eval.expected),
        Value::String(text) => return check_string(text, &eval.expected),
        Value::Vector(samples) => samples.iter().map(|s| (s.labels.clone(), vec![(at, s.point.clone())])).collect(),
        Value::Matrix(series) => series.iter().map(|s| (s.labels.clone(), s.points.clone())).collect(),
    };
    let ordered = eval.expected.iter().any(|e| matches!(e, Expectation::Ordered));
    check_series(&found, &eval.expected, (start, step), ordered)
}

fn times(expectation: &Expectation) -> Option<(Duration, Duration)> {
    match expectation {
        Expectation::RangeVector { start, step } => Some((*start, *step)),
        _ => None,
    }
}

fn check_scalar(found: f64, expected: &[Expectation]) -> Result<(), String> {
    let fits = |e: &Expectation| matches!(e, Expectation::Scalar(v) if same_number(*v, found));
    if expected.iter().any(fits) { Ok(()) } else { Err(format!("is {found}")) }
}

fn check_string(found: &str, expected: &[Expectation]) -> Result<(), String> {
    let fits = |e: &Expectation| matches!(e, Expectation::String(text) if text == found);
    if expected.iter().any(fits) { Ok(()) } else { Err(format!("is {found:?}")) }
}

fn check_series(
    found: &Found,
    expected: &[Expectation],
    (start, step): (Duration, Duration),
    ordered: bool,
) -> Result<(), String> {
    let expected: Vec<&ExpectedSeries> = expected.iter().filter_map(series_of).collect();
    for (i, (labels, points)) in found.iter().enumerate() {
        let wanted = if ordered {
            expected.get(i).filter(|e| e.labels == *labels)
        } else {
            expected.iter().find(|e| e.labels == *labels)
        };
        let Some(wanted) = wanted else { return Err(format!("there is {labels} {points:?}")) };
        let values = wanted.values.iter().enumerate().filter_map(|(i, value)| {
            let time = millis(start) + millis(step) * i as i64;
            Some((Timestamp::from_millis(time), value.clone()?))
        });
        let values: Vec<_> = values.collect();
        let same = values.len() == points.len()
            && points.iter().zip(&values).all(|(f, w)| f.0 == w.0 && same_point(&f.1, &w.1, wanted.with_hints));
        if !same {
            return Err(format!("{labels} is {points:?}\n    expected {values:?}"));
        }
    }
    let missing =
        expected.iter().find(|e| e.values.iter().any(Option::is_some) && !found.iter().any(|f| f.0 == e.labels));
    missing.map_or(Ok(()), |e| Err(format!("there is no {}", e.labels)))
}

fn series_of(expectation: &Expectation) -> Option<&ExpectedSeries> {
    match expectation {
        Expectation::Series(series) => Some(series),
        _ => None,
    }
}

/// What holds at an instant holds at the middle step of a range around it, unless the expression asks for the
/// range itself.
async fn check_as_range(engine: &LocalEngine, eval: &Eval, answer: &Answer) -> Result<(), String> {
    let When::At(at) = eval.when else { return Ok(()) };
    let asks_for_range = ["start()", "end()", "step()", "range()"].iter().any(|f| eval.expression.contains(f));
    let ordered = eval.expected.iter().any(|e| matches!(e, Expectation::Ordered));
    if asks_for_range || ordered || !matches!(answer.value, Value::Scalar(_) | Value::Vector(_)) {
        return Ok(());
    }
    let minute = Duration::from_secs(60);
    let middle = Timestamp::from_millis(millis(at));
    let (start, end) = (Timestamp::from_millis(millis(at) - 60_000), Timestamp::from_millis(millis(at) + 60_000));
    let range = engine.range(&eval.expression, start, end, minute, &QueryOptions::default()).await;
    let Value::Matrix(series) = range.map_err(|e| format!("as a range: {e}"))?.value else {
        return Err("as a range: no matrix".to_owned());
    };
    let at_middle = |s: RangeSeries| {
        let points: Vec<_> = s.points.into_iter().filter(|p| p.0 == middle).collect();
        (!points.is_empty()).then_some((s.labels, points))
    };
    let found: Found = series.into_iter().filter_map(at_middle).collect();
    if let (Value::Scalar(_), [(_, points)]) = (&answer.value, found.as_slice()) {
        let Point::Float(v) = points[0].1 else { return Err("as a range: a histogram".to_owned()) };
        return check_scalar(v, &eval.expected).map_err(|e| format!("as a range: {e}"));
    }
    check_series(&found, &eval.expected, (at, Duration::ZERO), false).map_err(|e| format!("as a range: {e}"))
}
