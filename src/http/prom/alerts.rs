//! `GET /api/v1/alerts`: the alerts that are pending or firing.

use axum::extract::State;
use serde::Serialize;

use super::reply::Reply;
use super::rule_form::{AlertJson, groups};
use crate::http::Api;

#[derive(Debug, Serialize)]
pub(super) struct Alerts {
    alerts: Vec<AlertJson>,
}

pub(super) async fn alerts(State(api): State<Api>) -> Reply<Alerts> {
    let rules = groups(&api).into_iter().flat_map(|group| group.rules);
    Reply::new(Alerts { alerts: rules.flat_map(|rule| rule.alerts.into_iter().flatten()).collect() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::http::prom::testing::get;

    #[tokio::test]
    async fn lists_what_is_active() {
        let data = get("/api/v1/alerts").await.1["data"].clone();
        assert_eq!(data["alerts"].as_array().map(Vec::len), Some(2));
        let first = &data["alerts"][0];
        assert_eq!(
            first["labels"],
            json!({"alertname": "AMemory", "objective": "a-memory", "severity": "critical", "instance": "x"})
        );
        assert_eq!((&first["state"], &first["value"]), (&json!("firing"), &json!("9.5e-01")));
        assert_eq!(first["activeAt"], json!("1970-01-01T00:00:10.000Z"));
        assert!(first["annotations"]["summary"].as_str().unwrap().contains("a-memory"), "{first}");
    }
}
