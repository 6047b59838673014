use std::sync::Arc;

use http_body_util::BodyExt;
use serde_json::json;

use super::*;
use crate::base::Labels;
use crate::promql::{InstantSample, RangeSeries};
use crate::sketch::{NativeBuckets, NativeHistogram};

fn answer(value: Value) -> Answer {
    Answer { value, warnings: Vec::new(), infos: Vec::new() }
}

fn series(name: &str, points: Vec<Point>) -> RangeSeries {
    let points = points.into_iter().zip(0..).map(|(point, at)| (Timestamp::from_secs(at), point));
    RangeSeries { labels: Labels::new([("__name__", name)]), points: points.collect() }
}

fn histogram() -> Point {
    Point::Histogram(Arc::new(NativeHistogram {
        schema: 0,
        zero_threshold: 0.0,
        zero_count: 0.0,
        count: 1.0,
        sum: 2.0,
        positive: NativeBuckets::default(),
        negative: NativeBuckets::default(),
        custom_bounds: Arc::default(),
        reset_hint: Default::default(),
    }))
}

/// The frames of a reply's body.
async fn frames(value: Value) -> Vec<Bytes> {
    let mut body = respond(answer(value), Timestamp::from_secs(0), 0, None).into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap().into_data().unwrap());
    }
    frames
}

async fn json_of(value: Value) -> serde_json::Value {
    serde_json::from_slice(&frames(value).await.concat()).unwrap()
}

#[tokio::test]
async fn a_large_result_comes_in_pieces_and_whole() {
    let floats = |n: usize| (0..n).map(|i| Point::Float(i as f64 / 3.0)).collect::<Vec<_>>();
    let all: Vec<RangeSeries> = [0, 1, 9000, 511, 512, 513, 20_000].map(|n| series("x", floats(n))).into();
    let frames = frames(Value::Matrix(all.clone())).await;
    assert!(frames.len() > 10, "{}", frames.len());
    assert!(frames.iter().all(|f| f.len() < PIECE + POINTS * 60), "no piece is much larger than it should be");
    let read: serde_json::Value = serde_json::from_slice(&frames.concat()).unwrap();
    for (index, one) in all.iter().enumerate() {
        let values = read["data"]["result"][index]["values"].as_array().cloned().unwrap_or_default();
        assert_eq!(values.len(), one.points.len());
        for (value, (at, point)) in values.iter().zip(&one.points) {
            let Point::Float(float) = point else { unreachable!() };
            assert_eq!(*value, json!([at.as_millis() / 1000, float.to_string()]));
        }
    }
}

#[tokio::test]
async fn a_small_result_has_a_length() {
    let response = respond(answer(Value::Scalar(1.5)), Timestamp::from_millis(500), 0, None);
    let length = axum::body::HttpBody::size_hint(response.body()).exact();
    let text = r#"{"status":"success","data":{"resultType":"scalar","result":[0.500,"1.5"]}}"#;
    assert_eq!(length, Some(text.len() as u64));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
}

#[tokio::test]
async fn floats_and_histograms_of_a_series_stand_apart() {
    let mut points = vec![Point::Float(1.0), histogram(), Point::Float(2.0)];
    points.extend(vec![histogram(); 600]);
    let read = json_of(Value::Matrix(vec![series("x", points), series("y", vec![])])).await;
    let x = &read["data"]["result"][0];
    assert_eq!(x["values"], json!([[0, "1"], [2, "2"]]));
    assert_eq!(x["histograms"].as_array().map(Vec::len), Some(601));
    assert_eq!(x["histograms"][0], json!([1, {"count": "1", "sum": "2"}]));
    assert_eq!(read["data"]["result"][1], json!({"metric": {"__name__": "y"}}));
}

#[tokio::test]
async fn limits_and_notes_are_told() {
    let sample = InstantSample { labels: Labels::new([("a", "\"")]), point: Point::Float(f64::NAN) };
    let mut answer = answer(Value::Vector(vec![sample; 3]));
    answer.infos.push("so".to_owned());
    let body = respond(answer, Timestamp::from_secs(1), 2, None).into_body().collect().await.unwrap().to_bytes();
    let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let one = json!({"metric": {"a": "\""}, "value": [1, "NaN"]});
    assert_eq!(
        read,
        json!({"status": "success", "data": {"resultType": "vector", "result": [one, one]},
               "warnings": ["results truncated due to limit"], "infos": ["so"]})
    );
}
