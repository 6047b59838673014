//! `GET /api/v1/status/…`: what clients ask to find out whom they talk to.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;

use super::error::ApiError;
use super::params::Params;
use super::reply::Reply;
use crate::base::DropReason;
use crate::http::Api;
use crate::promql::QueryOptions;

/// The version of Prometheus whose API this is: Grafana chooses its requests by it.
const API_VERSION: &str = "3.0.0";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildInfo {
    version: &'static str,
    revision: &'static str,
    branch: &'static str,
    build_user: &'static str,
    build_date: &'static str,
    go_version: &'static str,
}

pub(super) async fn build_info() -> Reply<BuildInfo> {
    Reply::new(BuildInfo {
        version: API_VERSION,
        revision: concat!("plimsoll-", env!("CARGO_PKG_VERSION")),
        branch: "",
        build_user: "",
        build_date: "",
        go_version: "",
    })
}

/// Those of Prometheus's flags that have a meaning here.
pub(super) async fn flags() -> Reply<BTreeMap<&'static str, String>> {
    let options = QueryOptions::default();
    Reply::new(BTreeMap::from([
        ("query.lookback-delta", format!("{}s", options.lookback.as_secs())),
        ("query.timeout", format!("{}s", options.timeout.as_secs())),
        ("query.max-samples", options.max_samples.to_string()),
        ("query.max-concurrency", super::queries::CONCURRENT.to_string()),
    ]))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuntimeInfo {
    server_time: String,
    time_series_count: usize,
}

pub(super) async fn runtime_info(State(api): State<Api>) -> Reply<RuntimeInfo> {
    Reply::new(RuntimeInfo { server_time: api.clock.now().rfc3339(), time_series_count: api.known.stats(0).series })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tsdb {
    head_stats: HeadStats,
    series_count_by_metric_name: Vec<Count>,
    label_value_count_by_label_name: Vec<Count>,
    memory_in_bytes_by_label_name: Vec<Count>,
    series_count_by_label_value_pair: Vec<Count>,
    /// Ours, not Prometheus's.
    limits: BTreeMap<&'static str, Limit>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadStats {
    num_series: usize,
    num_label_pairs: usize,
}

/// How much of a limit is used; `used` is absent where the limit holds for each datum alone.
#[derive(Debug, Serialize)]
struct Limit {
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
    allowed: u64,
    refused: u64,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fullest: Option<String>,
}

#[derive(Debug, Serialize)]
struct Count {
    name: String,
    value: usize,
}

/// How much is kept, the ten largest of each kind unless `limit` says otherwise.
pub(super) async fn tsdb(State(api): State<Api>, params: Params) -> Result<Reply<Tsdb>, ApiError> {
    let limit = match params.limit()? {
        0 => 10,
        limit => limit,
    };
    let stats = api.known.stats(limit);
    let counts = |list: Vec<(String, usize)>| list.into_iter().map(|(name, value)| Count { name, value }).collect();
    Ok(Reply::new(Tsdb {
        head_stats: HeadStats { num_series: stats.series, num_label_pairs: stats.label_pairs },
        series_count_by_metric_name: counts(stats.by_metric),
        label_value_count_by_label_name: counts(stats.by_label),
        memory_in_bytes_by_label_name: counts(stats.memory_by_label),
        series_count_by_label_value_pair: counts(stats.by_pair),
        limits: limits(&api),
    }))
}

fn limits(api: &Api) -> BTreeMap<&'static str, Limit> {
    let of_series = api.known.limits().into_iter().map(|l| {
        (
            l.name,
            Limit {
                used: l.used,
                allowed: l.allowed,
                refused: l.refused,
                reason: l.reason.as_str(),
                fullest: l.fullest,
            },
        )
    });
    let body = Limit {
        used: None,
        allowed: api.edge().settings.limits.body as u64,
        refused: api.edge().intake.tally().dropped_for(DropReason::TooLarge),
        reason: DropReason::TooLarge.as_str(),
        fullest: None,
    };
    of_series.chain([("body", body)]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::http::prom::testing::get;

    #[tokio::test]
    async fn says_who_this_is() {
        let data = get("/api/v1/status/buildinfo").await.1["data"].clone();
        assert_eq!(data["version"], json!("3.0.0"));
        assert!(data["revision"].as_str().unwrap().starts_with("plimsoll-"));
        assert_eq!(get("/api/v1/status/flags").await.1["data"]["query.timeout"], json!("120s"));
    }

    #[tokio::test]
    async fn says_how_much_is_kept() {
        let data = get("/api/v1/status/tsdb").await.1["data"].clone();
        assert_eq!(data["headStats"]["numSeries"], json!(3));
        assert_eq!(data["limits"]["body"], json!({"allowed": 1 << 20, "refused": 0, "reason": "too_large"}));
        assert_eq!(data["seriesCountByMetricName"][0], json!({"name": "up", "value": 2}));
        let info = get("/api/v1/status/runtimeinfo").await.1["data"].clone();
        assert_eq!(info, json!({"serverTime": "1970-01-01T00:01:00.000Z", "timeSeriesCount": 3}));
    }
}
