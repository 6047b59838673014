//! Query results as JSON: numbers of samples are strings, times are seconds.

use axum::response::{IntoResponse, Response};
use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::reply::{Reply, truncate};
use crate::base::{Labels, Timestamp};
use crate::promql::format::{format_float, format_seconds};
use crate::promql::native;
use crate::promql::{Answer, InstantSample, Point, RangeSeries, Value};
use crate::sketch::NativeHistogram;

/// The whole reply; `at` stamps what has no time of its own.
pub(super) fn respond(mut answer: Answer, at: Timestamp, limit: usize) -> Response {
    let cut = match &mut answer.value {
        Value::Vector(samples) => truncate(samples, limit),
        Value::Matrix(series) => truncate(series, limit),
        Value::Scalar(_) | Value::String(_) => None,
    };
    answer.warnings.extend(cut);
    Reply::with_notes(QueryData { value: answer.value, at }, answer.warnings, answer.infos).into_response()
}

/// `{"resultType":…,"result":…}`.
#[derive(Debug)]
pub(super) struct QueryData {
    value: Value,
    at: Timestamp,
}

impl Serialize for QueryData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        match &self.value {
            Value::Scalar(v) => {
                map.serialize_entry("resultType", "scalar")?;
                map.serialize_entry("result", &Sample(self.at, *v))?;
            }
            Value::String(text) => {
                map.serialize_entry("resultType", "string")?;
                map.serialize_entry("result", &(Seconds(self.at), text))?;
            }
            Value::Vector(samples) => {
                map.serialize_entry("resultType", "vector")?;
                map.serialize_entry("result", &Each(samples, |s| Instant(s, self.at)))?;
            }
            Value::Matrix(series) => {
                map.serialize_entry("resultType", "matrix")?;
                map.serialize_entry("result", &Each(series, Series))?;
            }
        }
        map.end()
    }
}

/// A list written element by element.
struct Each<'a, T, F>(&'a [T], F);

impl<'a, T, U: Serialize, F: Fn(&'a T) -> U> Serialize for Each<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            list.serialize_element(&(self.1)(item))?;
        }
        list.end()
    }
}

struct Instant<'a>(&'a InstantSample, Timestamp);

impl Serialize for Instant<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("metric", &self.0.labels)?;
        match &self.0.point {
            Point::Float(v) => map.serialize_entry("value", &Sample(self.1, *v))?,
            Point::Histogram(h) => map.serialize_entry("histogram", &(Seconds(self.1), HistogramJson(h)))?,
        }
        map.end()
    }
}

struct Series<'a>(&'a RangeSeries);

impl Serialize for Series<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let floats: Vec<_> = self.0.points.iter().filter_map(float_sample).collect();
        let histograms: Vec<_> = self.0.points.iter().filter_map(histogram_sample).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry::<_, Labels>("metric", &self.0.labels)?;
        if !floats.is_empty() {
            map.serialize_entry("values", &floats)?;
        }
        if !histograms.is_empty() {
            map.serialize_entry("histograms", &histograms)?;
        }
        map.end()
    }
}

fn float_sample((at, point): &(Timestamp, Point)) -> Option<Sample> {
    match point {
        Point::Float(v) => Some(Sample(*at, *v)),
        Point::Histogram(_) => None,
    }
}

fn histogram_sample((at, point): &(Timestamp, Point)) -> Option<(Seconds, HistogramJson<'_>)> {
    match point {
        Point::Float(_) => None,
        Point::Histogram(h) => Some((Seconds(*at), HistogramJson(h))),
    }
}

/// `[time, "value"]`.
struct Sample(Timestamp, f64);

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (Seconds(self.0), format_float(self.1)).serialize(serializer)
    }
}

/// A JSON number with the digits of [`format_seconds`].
struct Seconds(Timestamp);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = format_seconds(self.0.as_millis());
        RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// `{"count":…,"sum":…,"buckets":[[boundaries, lower, upper, count],…]}`.
struct HistogramJson<'a>(&'a NativeHistogram);

impl Serialize for HistogramJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let buckets = native::buckets(self.0);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("count", &format_float(self.0.count))?;
        map.serialize_entry("sum", &format_float(self.0.sum))?;
        if !buckets.is_empty() {
            map.serialize_entry("buckets", &Each(&buckets, BucketJson))?;
        }
        map.end()
    }
}

struct BucketJson<'a>(&'a native::Bucket);

impl BucketJson<'_> {
    /// Which ends belong to the bucket: 0 the upper, 1 the lower, 3 both.
    fn boundaries(&self) -> u8 {
        if self.0.holds_zero() {
            3
        } else if self.0.upper <= 0.0 {
            1
        } else {
            0
        }
    }
}

impl Serialize for BucketJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(4)?;
        tuple.serialize_element(&self.boundaries())?;
        for value in [self.0.lower, self.0.upper, self.0.count] {
            tuple.serialize_element(&format_float(value))?;
        }
        tuple.end()
    }
}
