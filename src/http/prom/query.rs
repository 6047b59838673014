//! `GET|POST /api/v1/query`: the value of an expression at one instant.

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::params::Params;
use super::reply::Reply;
use super::result;
use crate::http::Api;
use crate::promql::QueryOptions;

pub(super) async fn query(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let expression = params.require("query")?;
    let at = params.time("time")?.unwrap_or_else(|| api.clock.now());
    let limit = params.limit()?;
    let options = params.options()?;
    let queries = &api.edge().queries;
    let ask = async |options: QueryOptions| api.engine.instant(expression, at, &options).await;
    let (answer, stats) = queries.run(&api.clock, options, ask).await?;
    Ok(result::respond(answer, at, limit, stats))
}

/// `GET|POST /api/v1/query_exemplars`: no exemplars are kept, so there are none to list.
pub(super) async fn exemplars(params: Params) -> Result<Response, ApiError> {
    crate::promql::parse_check(params.require("query")?)?;
    Ok(Reply::new(Vec::<()>::new()).into_response())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::http::prom::testing::{get, post_form};

    #[tokio::test]
    async fn answers_vectors_scalars_strings_and_matrices() {
        let (status, body) = get("/api/v1/query?query=up&time=60").await;
        assert_eq!(status, StatusCode::OK);
        let expected = json!({"status": "success", "data": {"resultType": "vector", "result": [
            {"metric": {"__name__": "up", "job": "a"}, "value": [60, "2"]},
            {"metric": {"__name__": "up", "job": "b"}, "value": [60, "0.5"]}]}});
        assert_eq!(body, expected);

        let data = async |uri: &str| get(uri).await.1["data"].clone();
        assert_eq!(
            data("/api/v1/query?query=1/0&time=1.5").await,
            json!({"resultType": "scalar", "result": [1.500, "+Inf"]})
        );
        assert_eq!(
            data("/api/v1/query?query=%22a%22&time=2").await,
            json!({"resultType": "string", "result": [2, "a"]})
        );
        assert_eq!(
            data("/api/v1/query?query=up%7Bjob=%22a%22%7D%5B2m%5D&time=60").await,
            json!({"resultType": "matrix", "result": [
                {"metric": {"__name__": "up", "job": "a"}, "values": [[0, "1"], [60, "2"]]}]})
        );
    }

    #[tokio::test]
    async fn native_histograms_list_their_buckets() {
        let (_, body) = get("/api/v1/query?query=native&time=0").await;
        let histogram = &body["data"]["result"][0]["histogram"];
        assert_eq!(histogram[0], json!(0));
        assert_eq!(
            histogram[1],
            json!({"count": "6", "sum": "11", "buckets": [
                [1, "-2", "-1", "1"], [3, "-0.5", "0.5", "2"], [0, "1", "2", "3"]]})
        );
    }

    #[tokio::test]
    async fn errors_have_prometheus_types() {
        let cases = [
            ("/api/v1/query", StatusCode::BAD_REQUEST, "bad_data"),
            ("/api/v1/query?query=sum(", StatusCode::BAD_REQUEST, "bad_data"),
            ("/api/v1/query?query=up&time=x", StatusCode::BAD_REQUEST, "bad_data"),
            ("/api/v1/query?query=up&timeout=x", StatusCode::BAD_REQUEST, "bad_data"),
            ("/api/v1/query?query=up&limit=-1", StatusCode::BAD_REQUEST, "bad_data"),
            ("/api/v1/query?query=up*on()up&time=60", StatusCode::UNPROCESSABLE_ENTITY, "execution"),
        ];
        for (uri, status, kind) in cases {
            let (found, body) = get(uri).await;
            assert_eq!((found, &body["status"], &body["errorType"]), (status, &json!("error"), &json!(kind)), "{uri}");
            assert!(body["error"].as_str().is_some_and(|e| !e.is_empty()));
        }
    }

    #[tokio::test]
    async fn takes_forms_limits_and_notes() {
        let (status, body) = post_form("/api/v1/query", "query=rate(up%5B5m%5D)&time=60&limit=1").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body["data"]["result"].as_array().map(Vec::len), Some(1));
        assert_eq!(body["warnings"], json!(["results truncated due to limit"]));
        assert!(body["infos"][0].as_str().unwrap().contains("might not be a counter"));
    }

    #[tokio::test]
    async fn says_what_it_cost_when_asked() {
        let (_, body) = get("/api/v1/query?query=rate(up%5B5m%5D)&time=60&stats=all").await;
        let stats = &body["data"]["stats"];
        assert_eq!(stats["samples"], json!({"totalQueryableSamples": 4, "peakSamples": 4}));
        assert!(stats["timings"]["execTotalTime"].is_f64() && stats["timings"]["innerEvalTime"].is_f64(), "{stats}");
        assert!(get("/api/v1/query?query=up&time=60").await.1["data"].get("stats").is_none());
    }

    #[tokio::test]
    async fn there_are_no_exemplars() {
        let (status, body) = get("/api/v1/query_exemplars?query=up").await;
        assert_eq!((status, &body["data"]), (StatusCode::OK, &json!([])));
    }
}
