//! `GET /`: is everything within the line, and if not, what to press.

use std::cmp::Reverse;

use axum::extract::State;
use axum::http::HeaderMap;
use maud::{Markup, html};

use super::layout::{Failure, Page};
use super::{format, parts};
use crate::alert::{Incident, IncidentState, ObjectiveStatus, StatusKind};
use crate::base::Timestamp;
use crate::http::Api;

/// Seconds between reloads.
const REFRESH: u32 = 15;

/// The most groups that a row of the table names.
const GROUPS: usize = 3;

/// The page.
pub(super) async fn page(State(api): State<Api>, headers: HeaderMap) -> Result<Page<'static>, Failure> {
    let mut incidents = api.on_call.incidents(false).await?;
    incidents.sort_by_key(|i| (i.state == IncidentState::Acknowledged, Reverse(i.severity), i.started_at));
    let mut objectives = api.objectives.statuses();
    objectives.sort_by_key(|o| Reverse(o.status));
    let now = api.clock.now();
    let past = objectives.iter().filter(|o| format::is_past(o, api.objectives.compiled(&o.name).as_deref())).count();
    let body = html! {
        (hero(past, &objectives, &incidents, api.objectives.last_evaluation(), now))
        @if !incidents.is_empty() {
            section.incidents {
                h2 { "Open incidents" }
                @for incident in &incidents { (card(incident, &objectives, now)) }
            }
        }
        @if objectives.is_empty() { (first_steps(&api, &headers)) } @else { (table(&api, &objectives)) }
    };
    Ok(Page { title: title(&objectives), section: "/", refresh: Some(REFRESH), body })
}

fn worst(objectives: &[ObjectiveStatus]) -> StatusKind {
    objectives.iter().map(|o| o.status).max().unwrap_or(StatusKind::NoData)
}

fn title(objectives: &[ObjectiveStatus]) -> &'static str {
    match worst(objectives) {
        StatusKind::Critical => "Critical",
        StatusKind::Warning => "Warning",
        _ => "Overview",
    }
}

/// The big line, and one sentence below it.
fn hero(
    past: usize,
    objectives: &[ObjectiveStatus],
    incidents: &[Incident],
    evaluated: Option<Timestamp>,
    now: Timestamp,
) -> Markup {
    let (class, _) = format::status(worst(objectives));
    let unanswered = incidents.iter().filter(|i| i.state == IncidentState::Firing).count();
    html! {
        section class={ "hero " (class) } {
            h1 { (headline(objectives, past)) }
            p {
                @match (incidents.len(), unanswered) {
                    (0, _) => "No open incident.",
                    (open, 0) => { (format::counted(open, "open incident", "open incidents")) ", all acknowledged." },
                    (_, n) => { strong { (format::counted(n, "incident", "incidents")) " nobody has answered." } },
                }
                @match evaluated {
                    Some(at) => { " Judged " (parts::ago(at, now)) "." },
                    None => " Nothing has been judged yet.",
                }
            }
        }
    }
}

/// `past` counts those on the wrong side of their line, whether anyone is told or not.
fn headline(objectives: &[ObjectiveStatus], past: usize) -> String {
    let count = |kind| objectives.iter().filter(|o| o.status == kind).count();
    let (critical, warning) = (count(StatusKind::Critical), count(StatusKind::Warning));
    let unmeasured = count(StatusKind::NoData) + count(StatusKind::Frozen);
    match (objectives.len(), critical, warning, unmeasured) {
        (0, ..) => "No objectives yet".to_owned(),
        (all, 0, 0, _) if past > 0 => format!("No alert, but {past} of {all} past the line"),
        (_, 0, 0, 0) => format!("All {} within the line", format::counted(objectives.len(), "objective", "objectives")),
        (_, 0, 0, n) => {
            format!("{} without data, the others within the line", format::counted(n, "objective", "objectives"))
        }
        (_, 0, w, _) => format::counted(w, "warning", "warnings"),
        (_, c, 0, _) => format!("{c} critical"),
        (_, c, w, _) => format!("{c} critical, {}", format::counted(w, "warning", "warnings")),
    }
}

/// An incident with what to press.
fn card(incident: &Incident, objectives: &[ObjectiveStatus], now: Timestamp) -> Markup {
    let answered = incident.state == IncidentState::Acknowledged;
    let status = objectives.iter().find(|o| o.name == incident.objective);
    html! {
        article class={ "card " (incident.severity.as_str()) @if answered { " answered" } } {
            div.what {
                p.meta { (parts::severity(incident.severity)) " " (parts::incident_state(incident)) }
                h3 { a href={ "/incidents/" (incident.id) } { (parts::breakable(&incident.summary)) } }
                p.facts {
                    "since " (parts::time(incident.started_at, now)) ", "
                    (format::duration(now.since(incident.started_at)))
                    @match &incident.acknowledged_by {
                        Some(name) => { " · answered by " b { (name) } },
                        None => { " · " (level(incident, now)) },
                    }
                }
                @if let Some(budget) = status.and_then(|s| s.budget.as_ref()) {
                    p.facts { "budget left of " (budget.window) " " (parts::budget_bar(budget.remaining)) }
                }
            }
            @if !answered { div.press { (parts::acknowledge(incident, Some("/"))) } }
        }
    }
}

/// `level 1, next in 2 min`
pub(super) fn level(incident: &Incident, now: Timestamp) -> String {
    let level = match incident.level {
        0 => "nobody told yet".to_owned(),
        n => format!("level {n} told"),
    };
    match incident.next_level_at {
        Some(at) if at > now => format!("{level}, next in {}", format::duration(at.since(now))),
        Some(_) => format!("{level}, next now"),
        None => level,
    }
}

fn table(api: &Api, objectives: &[ObjectiveStatus]) -> Markup {
    html! {
        section {
            h2 { "Objectives" }
            table.objectives {
                thead { tr { th { "Objective" } th { "State" } th.n { "Value" } th.n { "Line" } th { "Budget left" } } }
                tbody { @for objective in objectives { (row(api, objective)) } }
            }
        }
    }
}

fn row(api: &Api, status: &ObjectiveStatus) -> Markup {
    let compiled = api.objectives.compiled(&status.name);
    let is_past = status.status == StatusKind::Ok && format::is_past(status, compiled.as_deref());
    html! {
        tr class=(if is_past { "past" } else { format::status(status.status).0 }) {
            td.title {
                a href={ "/objectives/" (status.name) } { (status.title) }
                @if let Some(error) = &status.error { div.error { (error) } }
                (groups(status))
            }
            td { (parts::state(status, compiled.as_deref())) }
            td.n data-label="value" { (format::quantity(status.value, &status.unit)) }
            td.n.line data-label="line" { (format::target(status.target, &status.unit, compiled.as_deref())) }
            td data-label="budget" class=[status.budget.is_none().then_some("nothing")] {
                @match &status.budget {
                    Some(budget) => { (parts::budget_bar(budget.remaining)) " " span.muted { "of " (budget.window) } },
                    None => span.muted { (format::NOTHING) },
                }
            }
        }
    }
}

/// The groups in trouble; none when all is well.
fn groups(status: &ObjectiveStatus) -> Markup {
    let mut bad: Vec<_> =
        status.groups.iter().filter(|g| g.status > StatusKind::Frozen && !g.labels.is_empty()).collect();
    bad.sort_by_key(|g| Reverse(g.status));
    html! {
        @for group in bad.iter().take(GROUPS) {
            div.group {
                (parts::tags(&group.labels)) " " b { (format::quantity(group.value, &status.unit)) }
            }
        }
        @if bad.len() > GROUPS { div.muted { "and " (bad.len() - GROUPS) " more" } }
    }
}

/// What to do with a server that knows nothing yet.
fn first_steps(api: &Api, headers: &HeaderMap) -> Markup {
    let own = parts::own_address(api, headers);
    html! {
        section.empty {
            h2 { "First steps" }
            ol {
                li { "Put the script into your pages:" pre { "<script defer src=\"" (own) "/sdk/plimsoll.js\" data-site=\"shop\"></script>" } }
                li {
                    "Send a request's duration from a service:"
                    pre {
                        "curl " (own) "/ingest/timings -H 'content-type: application/json' \\\n  "
                        "-d '[{\"kind\":\"http\",\"service\":\"shop-api\",\"route\":\"/products/:id\",\"method\":\"GET\",\"status\":200,\"duration_ms\":12.3}]'"
                    }
                }
                li { "Say what is good enough, in " code { "alert-rules/shop.yaml" } ", then " code { "plimsoll check" } " it:"
                    pre {
                        "objectives:\n  - name: api-latency\n    title: API answers fast\n    indicator:\n"
                        "      percentile: {of: http_server_request_duration_seconds, p: 95, over: 5m}\n"
                        "    target: 200ms\n    critical: {above: 500ms, for: 5m}"
                    }
                }
            }
            p.muted { "To see all of it working: " code { "plimsoll demo" } "." }
        }
    }
}
