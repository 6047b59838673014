//! The messages of remote read (`prompb/remote.proto` and `prompb/types.proto` of Prometheus), as far as the form
//! `SAMPLES` needs them.

use prost::Message;

use crate::promql::SeriesSamples;
use crate::sketch::{NativeBuckets, NativeHistogram};

#[derive(Clone, PartialEq, Message)]
pub(super) struct ReadRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) queries: Vec<Query>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Query {
    #[prost(int64, tag = "1")]
    pub(super) start: i64,
    #[prost(int64, tag = "2")]
    pub(super) end: i64,
    #[prost(message, repeated, tag = "3")]
    pub(super) matchers: Vec<LabelMatcher>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct LabelMatcher {
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ReadResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) results: Vec<QueryResult>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct QueryResult {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

/// A histogram with counts that need not be whole.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(double, optional, tag = "2")]
    pub(super) count: Option<f64>,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(double, tag = "5")]
    pub(super) zero_threshold: f64,
    #[prost(double, optional, tag = "7")]
    pub(super) zero_count: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    pub(super) negative_spans: Vec<Span>,
    #[prost(double, repeated, tag = "10")]
    pub(super) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<Span>,
    #[prost(double, repeated, tag = "13")]
    pub(super) positive_counts: Vec<f64>,
    #[prost(int64, tag = "15")]
    pub(super) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(super) custom_values: Vec<f64>,
}

/// Buckets side by side; the offset counts from the end of the span before.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

impl From<SeriesSamples> for TimeSeries {
    fn from(series: SeriesSamples) -> Self {
        let label = |(name, value): (&str, &str)| Label { name: name.to_owned(), value: value.to_owned() };
        let sample = |(at, value): (crate::base::Timestamp, f64)| Sample { value, timestamp: at.as_millis() };
        Self {
            labels: series.labels.iter().map(label).collect(),
            samples: series.floats.iter().map(sample).collect(),
            histograms: series.histograms.iter().map(|(at, h)| Histogram::of(h, at.as_millis())).collect(),
        }
    }
}

impl Histogram {
    fn of(histogram: &NativeHistogram, timestamp: i64) -> Self {
        let counts = |buckets: &NativeBuckets| buckets.0.iter().map(|(_, count)| *count).collect();
        Self {
            count: Some(histogram.count),
            sum: histogram.sum,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: Some(histogram.zero_count),
            negative_spans: spans(&histogram.negative),
            negative_counts: counts(&histogram.negative),
            positive_spans: spans(&histogram.positive),
            positive_counts: counts(&histogram.positive),
            timestamp,
            custom_values: histogram.custom_bounds.to_vec(),
        }
    }
}

fn spans(buckets: &NativeBuckets) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0;
    for (index, _) in &buckets.0 {
        match spans.last_mut() {
            Some(span) if *index == next => span.length += 1,
            _ => spans.push(Span { offset: index - next, length: 1 }),
        }
        next = index + 1;
    }
    spans
}
