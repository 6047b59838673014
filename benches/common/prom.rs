//! The Prometheus query API, which all peers speak.

use std::collections::BTreeMap;
use std::io::Result;

use serde_json::Value;

use super::http::{Http, Reply};

/// Samples by series (its labels as text) and time in milliseconds.
pub(crate) type Samples = BTreeMap<String, Vec<(i64, f64)>>;

/// The path of an instant query; VictoriaMetrics is asked to leave its cache out.
pub(crate) fn instant_path(expression: &str, at_ms: i64) -> String {
    let time = at_ms as f64 / 1000.0;
    format!("/api/v1/query?query={}&time={time:.3}&nocache=1", escaped(expression))
}

/// The path of a range query.
pub(crate) fn range_path(expression: &str, start_ms: i64, end_ms: i64, step_s: u64) -> String {
    let (start, end) = (start_ms as f64 / 1000.0, end_ms as f64 / 1000.0);
    format!("/api/v1/query_range?query={}&start={start:.3}&end={end:.3}&step={step_s}&nocache=1", escaped(expression))
}

fn escaped(expression: &str) -> String {
    url::form_urlencoded::byte_serialize(expression.as_bytes()).collect()
}

/// One number: the value of an expression that has a single series; `None` while it has none.
pub(crate) fn number(http: &mut Http, expression: &str, at_ms: i64) -> Result<Option<f64>> {
    let reply = http.get(&instant_path(expression, at_ms))?;
    Ok(samples(&reply).into_values().next().and_then(|s| s.first().map(|(_, v)| *v)))
}

/// What an answer contains; empty for an error.
pub(crate) fn samples(reply: &Reply) -> Samples {
    let json: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let series = json["data"]["result"].as_array().cloned().unwrap_or_default();
    series.iter().map(|s| (labels(&s["metric"]), points(s))).collect()
}

fn labels(metric: &Value) -> String {
    let pairs: BTreeMap<String, Value> = metric.as_object().cloned().unwrap_or_default().into_iter().collect();
    pairs.iter().map(|(name, value)| format!("{name}={value} ")).collect()
}

fn points(series: &Value) -> Vec<(i64, f64)> {
    let point = |p: &Value| {
        let at = p[0].as_f64()?;
        Some(((at * 1000.0).round() as i64, p[1].as_str()?.parse().ok()?))
    };
    match series["values"].as_array() {
        Some(values) => values.iter().filter_map(point).collect(),
        None => point(&series["value"]).into_iter().collect(),
    }
}
