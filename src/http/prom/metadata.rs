//! `GET /api/v1/metadata`: types of metrics. Help and unit are not kept and stay empty.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;

use super::error::ApiError;
use super::params::Params;
use super::reply::Reply;
use crate::http::Api;
use crate::series::MetricType;

#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    #[serde(rename = "type")]
    kind: &'static str,
    help: &'static str,
    unit: &'static str,
}

impl Metadata {
    fn of(kind: MetricType) -> Self {
        let kind = match kind {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::Unknown => "unknown",
        };
        Self { kind, help: "", unit: "" }
    }
}

/// Each metric with its (one) description.
type ByMetric = BTreeMap<String, [Metadata; 1]>;

pub(super) async fn metadata(State(api): State<Api>, params: Params) -> Result<Reply<ByMetric>, ApiError> {
    let limit = params.limit()?;
    let wanted = params.get("metric");
    let mut names: Vec<String> = api.known.stats(usize::MAX).by_metric.into_iter().map(|(name, _)| name).collect();
    names.retain(|name| wanted.is_none_or(|wanted| name == wanted));
    names.sort_unstable();
    if limit > 0 {
        names.truncate(limit);
    }
    let described = names.into_iter().map(|name| {
        let metadata = Metadata::of(api.known.metric_type(&name));
        (name, [metadata])
    });
    Ok(Reply::new(described.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::http::prom::testing::get;

    #[tokio::test]
    async fn names_types() {
        let all = get("/api/v1/metadata").await.1["data"].clone();
        assert_eq!(
            all,
            json!({"native": [{"type": "histogram", "help": "", "unit": ""}],
                   "up": [{"type": "gauge", "help": "", "unit": ""}]})
        );
        let one = get("/api/v1/metadata?metric=up").await.1["data"].clone();
        assert_eq!(one.as_object().map(|o| o.len()), Some(1));
    }
}
