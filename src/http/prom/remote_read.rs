//! `POST /api/v1/read`: Prometheus remote read, the form `SAMPLES` (snappy over protobuf), so that a Prometheus
//! can query what is kept here as its own.
//!
//! Absent on purpose: streamed chunks. A reader that prefers them takes samples as well.

mod message;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use prost::Message;

use self::message::{LabelMatcher, Query, QueryResult, ReadRequest, ReadResponse, TimeSeries};
use super::error::ApiError;
use crate::base::MatchOp;
use crate::base::{Matcher, Timestamp};
use crate::http::Api;
use crate::promql::{QueryOptions, Selection};

/// The largest request after unpacking: it lists matchers, not samples.
const REQUEST_BYTES: usize = 1 << 20;

pub(super) async fn read(State(api): State<Api>, body: Bytes) -> Result<Response, ApiError> {
    let mut results = Vec::new();
    let mut left = QueryOptions::default().max_samples;
    for query in unpack(&body)?.queries {
        let series = api.known.select(&selection(query)?).await?;
        let timeseries: Vec<TimeSeries> = series.into_iter().map(TimeSeries::from).collect();
        let samples: usize = timeseries.iter().map(|t| t.samples.len() + t.histograms.len()).sum();
        left = left.checked_sub(samples).ok_or_else(|| ApiError::too_large("the answer has too many samples"))?;
        results.push(QueryResult { timeseries });
    }
    let packed = snap::raw::Encoder::new().compress_vec(&ReadResponse { results }.encode_to_vec());
    let packed = packed.map_err(|e| ApiError::too_large(format!("the answer cannot be packed: {e}")))?;
    Ok(([(CONTENT_TYPE, "application/x-protobuf"), (CONTENT_ENCODING, "snappy")], packed).into_response())
}

fn unpack(body: &[u8]) -> Result<ReadRequest, ApiError> {
    let unreadable = |e: String| ApiError::bad_data(format!("the request is not snappy over protobuf: {e}"));
    let length = snap::raw::decompress_len(body).map_err(|e| unreadable(e.to_string()))?;
    if length > REQUEST_BYTES {
        return Err(ApiError::too_large(format!("the request is larger than {REQUEST_BYTES} bytes")));
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(body).map_err(|e| unreadable(e.to_string()))?;
    ReadRequest::decode(bytes.as_slice()).map_err(|e| unreadable(e.to_string()))
}

/// Both ends of a remote read are inclusive, of a selection only the later one.
fn selection(query: Query) -> Result<Selection, ApiError> {
    let matchers: Result<Vec<Matcher>, ApiError> = query.matchers.into_iter().map(matcher).collect();
    Ok(Selection {
        matchers: matchers?,
        start: Timestamp::from_millis(query.start.saturating_sub(1)),
        end: Timestamp::from_millis(query.end),
    })
}

fn matcher(matcher: LabelMatcher) -> Result<Matcher, ApiError> {
    let op = match matcher.kind {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Regex,
        3 => MatchOp::NotRegex,
        other => return Err(ApiError::bad_data(format!("matchers of type {other} are unknown"))),
    };
    Matcher::new(matcher.name, op, matcher.value).map_err(|e| ApiError::bad_data(e.to_string()))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};

    use super::message::{Label, Sample};
    use super::*;
    use crate::http::prom::testing::answer;

    async fn post(body: Vec<u8>) -> (StatusCode, Bytes) {
        let response = answer(Request::post("/api/v1/read").body(Body::from(body)).unwrap()).await;
        (response.status(), to_bytes(response.into_body(), 1 << 20).await.unwrap())
    }

    async fn asked(name: &str, kind: i32, start: i64, end: i64) -> Vec<TimeSeries> {
        let matcher = LabelMatcher { kind, name: "__name__".to_owned(), value: name.to_owned() };
        let request = ReadRequest { queries: vec![Query { start, end, matchers: vec![matcher] }] };
        let packed = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap();
        let (status, body) = post(packed).await;
        assert_eq!(status, StatusCode::OK);
        let bytes = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        ReadResponse::decode(bytes.as_slice()).unwrap().results.remove(0).timeseries
    }

    #[tokio::test]
    async fn answers_samples_with_both_ends() {
        let label = |name: &str, value: &str| Label { name: name.to_owned(), value: value.to_owned() };
        let series = asked("up", 0, 60_000, 120_000).await;
        assert_eq!(series.len(), 2);
        assert_eq!(series[0].labels, [label("__name__", "up"), label("job", "a")]);
        let sample = |value, timestamp| Sample { value, timestamp };
        assert_eq!(series[0].samples, [sample(2.0, 60_000), sample(3.0, 120_000)]);
        assert_eq!(asked("nat.*", 2, 0, 0).await.len(), 1);
        assert_eq!(asked("up", 1, 0, 0).await.len(), 1);
    }

    #[tokio::test]
    async fn histograms_keep_their_buckets() {
        let histogram = asked("native", 0, 0, 0).await.remove(0).histograms.remove(0);
        assert_eq!((histogram.count, histogram.sum, histogram.zero_count), (Some(6.0), 11.0, Some(2.0)));
        assert_eq!((histogram.positive_spans[0].offset, histogram.positive_counts), (1, vec![3.0]));
        assert_eq!((histogram.negative_spans[0].length, histogram.negative_counts), (1, vec![1.0]));
    }

    #[tokio::test]
    async fn refuses_what_is_no_request() {
        let packed = |bytes: &[u8]| snap::raw::Encoder::new().compress_vec(bytes).unwrap();
        let alien = LabelMatcher { kind: 9, name: "a".to_owned(), value: "b".to_owned() };
        let alien = ReadRequest { queries: vec![Query { start: 0, end: 0, matchers: vec![alien] }] };
        for body in [b"rubbish".to_vec(), packed(b"\xff\xff"), packed(&alien.encode_to_vec())] {
            assert_eq!(post(body).await.0, StatusCode::BAD_REQUEST);
        }
        assert_eq!(post(packed(&vec![0; REQUEST_BYTES + 1])).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
