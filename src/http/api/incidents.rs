//! `GET /api/incidents?state=open|all` and `GET /api/incidents/ID`.

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::query::{parameter, wrong};
use super::{no_incident, reply};
use crate::alert::{Delivery, Incident, IncidentDetail, IncidentState, TimelineEntry};
use crate::base::id::IncidentId;
use crate::base::{Labels, Severity, Timestamp};
use crate::http::{Api, Problem};

/// An incident as the contract has it: nothing of how it is kept.
#[derive(Serialize)]
pub(super) struct IncidentReply<'a> {
    id: IncidentId,
    state: IncidentState,
    severity: Severity,
    objective: &'a str,
    labels: &'a Labels,
    summary: &'a str,
    level: u32,
    started_at: Timestamp,
    acknowledged_at: Option<Timestamp>,
    acknowledged_by: Option<&'a str>,
    resolved_at: Option<Timestamp>,
    url: &'a str,
}

impl<'a> From<&'a Incident> for IncidentReply<'a> {
    fn from(incident: &'a Incident) -> Self {
        Self {
            id: incident.id,
            state: incident.state,
            severity: incident.severity,
            objective: &incident.objective,
            labels: &incident.labels,
            summary: &incident.summary,
            level: incident.level,
            started_at: incident.started_at,
            acknowledged_at: incident.acknowledged_at,
            acknowledged_by: incident.acknowledged_by.as_deref(),
            resolved_at: incident.resolved_at,
            url: &incident.url,
        }
    }
}

#[derive(Serialize)]
struct DetailReply<'a> {
    #[serde(flatten)]
    incident: IncidentReply<'a>,
    timeline: &'a [TimelineEntry],
    deliveries: &'a [Delivery],
    why: &'a [String],
}

impl<'a> From<&'a IncidentDetail> for DetailReply<'a> {
    fn from(detail: &'a IncidentDetail) -> Self {
        Self {
            incident: (&detail.incident).into(),
            timeline: &detail.timeline,
            deliveries: &detail.deliveries,
            why: &detail.why,
        }
    }
}

/// Incidents, newest first; only unresolved ones unless `state=all`.
pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let state = parameter(query.as_deref(), "state");
    let all = match state.as_deref() {
        None | Some("open") => false,
        Some("all") => true,
        Some(other) => return Err(wrong("state", other, "open or all")),
    };
    let incidents = api.on_call.incidents(all).await?;
    let replies: Vec<IncidentReply<'_>> = incidents.iter().map(IncidentReply::from).collect();
    Ok(reply(json!({"incidents": replies})))
}

/// One incident with its story.
pub(super) async fn one(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, Problem> {
    let known = IncidentId::parse(&id).ok_or_else(|| no_incident(&id))?;
    let detail = api.on_call.incident(known).await?.ok_or_else(|| no_incident(&id))?;
    Ok(reply(DetailReply::from(&detail)))
}

#[cfg(test)]
mod tests {
    use crate::http::api::routes;
    use crate::http::testkit::Kit;

    #[tokio::test]
    async fn lists_open_ones_and_all() {
        let kit = Kit::new();
        let open = kit.get(routes(), "/api/incidents").await.json();
        assert_eq!(open["incidents"].as_array().unwrap().len(), 2);
        let first = open["incidents"][0].as_object().unwrap();
        let mut names: Vec<&str> = first.keys().map(String::as_str).collect();
        names.sort_unstable();
        let expected = "acknowledged_at acknowledged_by id labels level objective resolved_at severity started_at state summary url";
        assert_eq!(names.join(" "), expected);
        let all = kit.get(routes(), "/api/incidents?state=all").await.json();
        assert_eq!(all["incidents"].as_array().unwrap().len(), 3);
        assert_eq!(kit.get(routes(), "/api/incidents?state=closed").await.problem(), 400);
    }

    #[tokio::test]
    async fn one_tells_its_story() {
        let kit = Kit::new();
        let one = kit.get(routes(), &format!("/api/incidents/{}", kit.incident_id())).await.json();
        assert_eq!((one["state"].as_str(), one["severity"].as_str()), (Some("firing"), Some("critical")));
        assert_eq!(one["timeline"][0]["event"], "fired");
        assert_eq!(one["deliveries"][0]["channel"], "pagerduty");
        assert_eq!(one["deliveries"][0]["provider_id"], "PD-1");
        assert!(one["why"][0].as_str().unwrap().contains("level 1"));
        assert_eq!(kit.get(routes(), "/api/incidents/not-an-id").await.problem(), 404);
        let other = "/api/incidents/0199d5f0-0000-7000-8000-000000000000";
        assert_eq!(kit.get(routes(), other).await.problem(), 404);
    }

    #[tokio::test]
    async fn a_failing_database_is_503() {
        let kit = Kit::new();
        kit.fail_on_call();
        assert_eq!(kit.get(routes(), "/api/incidents").await.problem(), 503);
    }
}
