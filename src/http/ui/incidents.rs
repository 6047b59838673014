//! `GET /incidents`: the open ones, then what is over.

use axum::extract::State;
use maud::{Markup, html};

use super::layout::{Failure, Page};
use super::{format, overview, parts};
use crate::alert::{Incident, IncidentState};
use crate::base::Timestamp;
use crate::http::Api;

const REFRESH: u32 = 15;

/// The most resolved incidents listed.
const RESOLVED: usize = 200;

/// The page.
pub(super) async fn page(State(api): State<Api>) -> Result<Page<'static>, Failure> {
    let all = api.on_call.incidents(true).await?;
    let (over, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|i| i.state == IncidentState::Resolved);
    let now = api.clock.now();
    let body = html! {
        h1 { "Incidents" }
        @if open.is_empty() && over.is_empty() {
            section.empty {
                h2 { "None so far" }
                p { "An objective in breach for long enough becomes an incident and climbs its escalation." }
            }
        }
        @if !open.is_empty() { section { h2 { "Open" } (table(&open, now)) } }
        @if !over.is_empty() { section { h2 { "Over" } (table(&over[..over.len().min(RESOLVED)], now)) } }
    };
    Ok(Page { title: "Incidents", section: "/incidents", refresh: Some(REFRESH), body })
}

fn table(incidents: &[Incident], now: Timestamp) -> Markup {
    html! {
        table.list {
            thead { tr { th { "Incident" } th { "Severity" } th { "State" } th.n { "Since" } th.n { "Lasted" } th {} } }
            tbody {
                @for incident in incidents {
                    tr class=(incident.severity.as_str()) {
                        td.title { a href={ "/incidents/" (incident.id) } { (parts::breakable(&incident.summary)) } }
                        td { (parts::severity(incident.severity)) }
                        td { (parts::incident_state(incident)) " " span.muted { (detail(incident, now)) } }
                        td.n data-label="since" { (parts::time(incident.started_at, now)) }
                        td.n data-label="lasted" {
                            (format::duration(incident.resolved_at.unwrap_or(now).since(incident.started_at)))
                        }
                        td.press {
                            @if incident.state == IncidentState::Firing { (parts::acknowledge(incident, Some("/incidents"))) }
                        }
                    }
                }
            }
        }
    }
}

fn detail(incident: &Incident, now: Timestamp) -> String {
    match (incident.state, &incident.acknowledged_by) {
        (IncidentState::Firing, _) => overview::level(incident, now),
        (_, Some(name)) => format!("by {name}"),
        _ => String::new(),
    }
}
