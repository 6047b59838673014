//! `GET|POST /api/v1/query_range`: the values of an expression over a range of time.

use axum::extract::State;
use axum::response::Response;

use super::error::ApiError;
use super::params::Params;
use super::result;
use crate::base::time::millis;
use crate::http::Api;
use crate::promql::QueryOptions;

/// More points a series than this are refused: enough for a minute's resolution over a week.
const MAX_POINTS: i64 = 11_000;

pub(super) async fn query_range(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let start = params.require_time("start")?;
    let end = params.require_time("end")?;
    if end < start {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step = params.duration("step")?.ok_or_else(|| ApiError::parameter("step", "it is missing"))?;
    if step.is_zero() {
        let problem = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::parameter("step", problem));
    }
    if end.as_millis().saturating_sub(start.as_millis()) / millis(step).max(1) > MAX_POINTS {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. \
             Try decreasing the query resolution (?step=XX)",
        ));
    }
    let expression = params.require("query")?;
    let limit = params.limit()?;
    let options = params.options()?;
    let queries = &api.edge().queries;
    let ask = async |options: QueryOptions| api.engine.range(expression, start, end, step, &options).await;
    let (answer, stats) = queries.run(&api.clock, options, ask).await?;
    Ok(result::respond(answer, end, limit, stats))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use crate::http::prom::testing::{get, post_form};

    #[tokio::test]
    async fn answers_a_matrix() {
        let (status, body) = get("/api/v1/query_range?query=up&start=0&end=60&step=30").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            body["data"],
            json!({"resultType": "matrix", "result": [
                {"metric": {"__name__": "up", "job": "a"}, "values": [[0, "1"], [30, "1"], [60, "2"]]},
                {"metric": {"__name__": "up", "job": "b"}, "values": [[0, "0.25"], [30, "0.25"], [60, "0.5"]]}]})
        );
        let (_, scalar) = post_form("/api/v1/query_range", "query=time()&start=0&end=1&step=500ms").await;
        assert_eq!(scalar["data"]["result"], json!([{"metric": {}, "values": [[0, "0"], [0.500, "0.5"], [1, "1"]]}]));
    }

    #[tokio::test]
    async fn native_histograms_come_apart_from_floats() {
        let (_, body) = get("/api/v1/query_range?query=native&start=0&end=0&step=1").await;
        assert_eq!(body["data"]["result"][0]["histograms"][0][1]["count"], json!("6"));
        assert!(body["data"]["result"][0].get("values").is_none());
    }

    #[tokio::test]
    async fn refuses_what_prometheus_refuses() {
        for uri in [
            "query=up&end=60&step=30",
            "query=up&start=0&step=30",
            "query=up&start=0&end=60",
            "query=up&start=60&end=0&step=30",
            "query=up&start=0&end=60&step=0",
            "query=up&start=0&end=60&step=-5",
            "query=up&start=0&end=11001&step=1",
            "query=up%5B5m%5D&start=0&end=60&step=30",
            "query=%22a%22&start=0&end=60&step=30",
        ] {
            let (status, body) = get(&format!("/api/v1/query_range?{uri}")).await;
            assert_eq!((status, &body["errorType"]), (StatusCode::BAD_REQUEST, &json!("bad_data")), "{uri}");
        }
        let (status, _) = get("/api/v1/query_range?query=up&start=0&end=11000&step=1").await;
        assert_eq!(status, StatusCode::OK);
    }
}
