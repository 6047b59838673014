//! `GET /api/v1/metadata`: types of metrics; help and unit where a sender said them.
//!
//! As in Prometheus, the parts of a histogram or summary (`_bucket`, `_count`, `_sum`) that someone described are
//! listed under their family. What nobody described is listed by its own name, with the type that we know or
//! that its name tells.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;

use super::error::ApiError;
use super::params::Params;
use super::reply::Reply;
use crate::http::Api;
use crate::series::{Known, MetricType};

#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    #[serde(rename = "type")]
    kind: &'static str,
    help: String,
    unit: String,
}

const fn name_of(kind: MetricType) -> &'static str {
    match kind {
        MetricType::Counter => "counter",
        MetricType::Gauge => "gauge",
        MetricType::Histogram => "histogram",
        MetricType::GaugeHistogram => "gaugehistogram",
        MetricType::Summary => "summary",
        MetricType::Info => "info",
        MetricType::StateSet => "stateset",
        MetricType::Unknown => "unknown",
    }
}

/// The family of a metric and its description.
fn describe(known: &dyn Known, metric: &str) -> (String, Metadata) {
    let (family, kind, help, unit) = match known.metadata(metric) {
        Some((family, told)) => (family, told.kind, told.help.to_string(), told.unit.to_string()),
        None => (metric, known.metric_type(metric), String::new(), String::new()),
    };
    (family.to_owned(), Metadata { kind: name_of(kind), help, unit })
}

/// Each metric with its (one) description.
type ByMetric = BTreeMap<String, [Metadata; 1]>;

pub(super) async fn metadata(State(api): State<Api>, params: Params) -> Result<Reply<ByMetric>, ApiError> {
    let limit = params.limit()?;
    let wanted = params.get("metric");
    let names = api.known.stats(usize::MAX).by_metric;
    let described = names.iter().map(|(name, _)| describe(api.known.as_ref(), name));
    let mut families: ByMetric = described.map(|(family, metadata)| (family, [metadata])).collect();
    families.retain(|family, _| wanted.is_none_or(|wanted| family == wanted));
    if limit > 0 {
        families = families.into_iter().take(limit).collect();
    }
    Ok(Reply::new(families))
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
