//! A reply of the Prometheus API, read for printing.

use serde_json::Value;

use crate::base::{Labels, Timestamp};
use crate::slo::Unit;

/// What the server answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// A scalar or a string.
    Single(String),
    /// The elements of an instant vector.
    Vector(Vec<(Labels, String)>),
    /// Series with their values in time.
    Matrix(Vec<Series>),
}

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) labels: Labels,
    /// Ascending in time; the values as the server wrote them.
    pub(super) values: Vec<(Timestamp, String)>,
}

impl Series {
    /// What can be drawn.
    pub(super) fn points(&self) -> impl Iterator<Item = (Timestamp, f64)> {
        let number = |(at, text): &(Timestamp, String)| Some((*at, text.parse().ok().filter(|v: &f64| v.is_finite())?));
        self.values.iter().filter_map(number)
    }
}

impl Answer {
    /// `None` when it is not in the form of the Prometheus API.
    pub(super) fn read(reply: &Value) -> Option<Self> {
        let data = &reply["data"];
        let result = &data["result"];
        let all = || result.as_array().into_iter().flatten();
        match data["resultType"].as_str()? {
            "scalar" | "string" => Some(Self::Single(result[1].as_str()?.to_owned())),
            "vector" => Some(Self::Vector(all().map(element).collect::<Option<_>>()?)),
            "matrix" => Some(Self::Matrix(all().map(series).collect::<Option<_>>()?)),
            _ => None,
        }
    }

    /// What the values measure, as far as names tell it.
    pub(super) fn unit(&self, expression: &str) -> Unit {
        let names: Vec<&str> = match self {
            Self::Single(_) => Vec::new(),
            Self::Vector(elements) => elements.iter().map(|(labels, _)| labels.metric_name()).collect(),
            Self::Matrix(series) => series.iter().map(|s| s.labels.metric_name()).collect(),
        };
        let quantile_of_seconds = expression.contains("histogram_quantile") && expression.contains("_seconds");
        let all = |suffix: &str| {
            !names.is_empty() && names.iter().all(|name| name.trim_end_matches("_sum").ends_with(suffix))
        };
        match () {
            () if all("_seconds") || quantile_of_seconds => Unit::Seconds,
            () if all("_bytes") => Unit::Bytes,
            () if all("_ratio") => Unit::Ratio,
            () => Unit::None,
        }
    }
}

fn labels(element: &Value) -> Option<Labels> {
    serde_json::from_value(element["metric"].clone()).ok()
}

fn element(element: &Value) -> Option<(Labels, String)> {
    let value = element.get("value").or_else(|| element.get("histogram"))?;
    Some((labels(element)?, text(&value[1])))
}

fn series(one: &Value) -> Option<Series> {
    let lists = [&one["values"], &one["histograms"]];
    let pairs = lists.into_iter().filter_map(Value::as_array).flatten();
    let value = |pair: &Value| Some((Timestamp::from_secs_f64(pair[0].as_f64()?)?, text(&pair[1])));
    let mut values: Vec<_> = pairs.map(value).collect::<Option<_>>()?;
    values.sort_by_key(|(at, _)| *at);
    Some(Series { labels: labels(one)?, values })
}

/// A number as it is, a histogram by what is in it.
fn text(value: &Value) -> String {
    match value.as_str() {
        Some(number) => number.to_owned(),
        None => format!("count {}, sum {}", plain(&value["count"]), plain(&value["sum"])),
    }
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matrix(name: &str) -> Answer {
        let reply = json!({"data": {"resultType": "matrix", "result": [
            {"metric": {"__name__": name}, "values": [[1.5, "1"], [2, "NaN"]],
             "histograms": [[1.75, {"count": "6", "sum": "11"}]]}]}});
        Answer::read(&reply).unwrap()
    }

    #[test]
    fn reads_series_in_time() {
        let Answer::Matrix(series) = matrix("x") else { panic!("no matrix") };
        let values: Vec<&str> = series[0].values.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(values, ["1", "count 6, sum 11", "NaN"]);
        assert_eq!(series[0].points().collect::<Vec<_>>(), [(Timestamp::from_millis(1500), 1.0)]);
        assert_eq!(Answer::read(&json!({"hello": 1})), None);
        assert_eq!(Answer::read(&json!({"data": {"resultType": "vector", "result": [{"x": 1}]}})), None);
    }

    #[test]
    fn units_are_guessed_by_name() {
        for (name, expression, unit) in [
            ("pause_seconds", "", Unit::Seconds),
            ("used_bytes", "", Unit::Bytes),
            ("hit_ratio", "", Unit::Ratio),
            ("up", "", Unit::None),
            ("", "histogram_quantile(0.9, rate(x_seconds_bucket[5m]))", Unit::Seconds),
            ("", "rate(x_seconds_count[5m])", Unit::None),
        ] {
            assert_eq!(matrix(name).unit(expression), unit, "{name} {expression}");
        }
    }
}
