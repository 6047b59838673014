//! `GET /incidents/ID`: what broke, who was told, what happened, what to press.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use maud::{Markup, html};

use super::layout::{Failure, Page};
use super::{act, format, overview, parts};
use crate::alert::{Delivery, Incident, IncidentDetail, IncidentState, ObjectiveStatus, TimelineEntry};
use crate::base::Timestamp;
use crate::base::id::IncidentId;
use crate::http::Api;
use crate::http::api::{MAX_NAME, MAX_NOTE};

/// The page.
pub(super) async fn page(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Page<'static>, Failure> {
    let missing = || Failure::not_found("No such incident");
    let id = IncidentId::parse(&id).ok_or_else(missing)?;
    let detail = api.on_call.incident(id).await?.ok_or_else(missing)?;
    let status = api.objectives.statuses().into_iter().find(|s| s.name == detail.incident.objective);
    let now = api.clock.now();
    let body = html! {
        (head(&detail.incident, status.as_ref(), now))
        (buttons(&detail.incident, act::remembered(&headers).as_deref()))
        (why(&detail))
        (timeline(&detail.timeline, now))
        (deliveries(&detail.deliveries, now))
    };
    Ok(Page { title: "Incident", section: "/incidents", refresh: None, body })
}

/// Where to read on, by the annotations that may name it: ours, and those that pushed alerts use.
const GUIDES: [([&str; 2], &str); 2] =
    [(["runbook_url", "runbook"], "Runbook"), (["dashboard", "dashboard_url"], "Dashboard")];

fn head(incident: &Incident, status: Option<&ObjectiveStatus>, now: Timestamp) -> Markup {
    let class = match incident.state {
        IncidentState::Resolved => "ok",
        _ => incident.severity.as_str(),
    };
    let described = incident.annotations.get("description");
    html! {
        section class={ "hero " (class) } {
            p.meta { (parts::severity(incident.severity)) " " (parts::incident_state(incident)) }
            h1.long { (parts::breakable(&incident.summary)) }
            @if let Some(text) = described.filter(|t| **t != incident.summary) { p { (text) } }
            (facts(incident, status, now))
            p.links {
                @for (names, text) in GUIDES {
                    @if let Some(link) = names.iter().find_map(|n| parts::link(incident.annotations.get(*n)?, text)) { (link) " " }
                }
                @if status.is_some() { a href={ "/objectives/" (incident.objective) } { "Objective" } " " }
                a href={ "/api/incidents/" (incident.id) } { "JSON" }
            }
            (parts::tags(&incident.labels.without(&["objective", "severity"])))
        }
    }
}

fn facts(incident: &Incident, status: Option<&ObjectiveStatus>, now: Timestamp) -> Markup {
    let lasted = format::duration(incident.resolved_at.unwrap_or(now).since(incident.started_at));
    html! {
        dl.stats {
            (parts::stat("since", html! { (parts::time(incident.started_at, now)) span.muted { " " (lasted) } }, ""))
            @if let Some(status) = status.filter(|_| incident.state != IncidentState::Resolved) {
                (parts::stat("value now", html! { (format::quantity(status.value, &status.unit)) }, format::status(status.status).0))
                @if status.target.is_some() {
                    (parts::stat("line", html! { (format::quantity(status.target, &status.unit)) }, ""))
                }
                @if let Some(budget) = &status.budget {
                    (parts::stat(&format!("budget left of {}", budget.window), parts::budget_bar(budget.remaining), ""))
                }
            }
            @match (&incident.acknowledged_by, incident.acknowledged_at) {
                (Some(name), Some(at)) => (parts::stat("answered", html! { (name) span.muted { " " (parts::time(at, now)) } }, "")),
                _ => (parts::stat("escalation", html! { (overview::level(incident, now)) }, "")),
            }
            @if let Some(at) = incident.resolved_at { (parts::stat("resolved", parts::time(at, now), "")) }
        }
    }
}

/// The main thing to press first, then name and note, then the rest: one form.
fn buttons(incident: &Incident, name: Option<&str>) -> Markup {
    if incident.state == IncidentState::Resolved {
        return html! {};
    }
    let to = |word: &str| format!("/incidents/{}/{word}", incident.id);
    html! {
        section.actions {
            form method="post" action=(to("note")) {
                div.buttons {
                    @if incident.state == IncidentState::Firing {
                        button.primary formaction=(to("ack")) { "Acknowledge" }
                    } @else {
                        button formaction=(to("unack")) { "Take the acknowledgement back" }
                    }
                    button formaction=(to("escalate")) { "Escalate now" }
                    button formaction=(to("resolve")) { "Resolve" }
                }
                div.fields {
                    label { "Your name" input name="by" maxlength=(MAX_NAME) value=[name] autocomplete="name"; }
                    label.wide { "Note" input name="note" maxlength=(MAX_NOTE) autocomplete="off"; }
                    button { "Add note" }
                }
            }
        }
    }
}

/// Each sentence once: a level is told again when the severity rises, and the table below has every message.
fn why(detail: &IncidentDetail) -> Markup {
    let mut seen = BTreeSet::new();
    html! {
        @if !detail.why.is_empty() {
            section {
                h2 { "Who is told, and why" }
                ul.why { @for line in detail.why.iter().filter(|line| seen.insert(line.as_str())) { li { (line) } } }
            }
        }
    }
}

fn timeline(entries: &[TimelineEntry], now: Timestamp) -> Markup {
    html! {
        section {
            h2 { "What happened" }
            ol.timeline {
                @for entry in entries {
                    li class=(entry.event) {
                        span.when { (parts::second(entry.at, now)) }
                        div {
                            b { (entry.event) } " " span.muted { (entry.actor) " · " (entry.source) }
                            @if !entry.text.is_empty() { p { (entry.text) } }
                        }
                    }
                }
            }
        }
    }
}

fn deliveries(all: &[Delivery], now: Timestamp) -> Markup {
    html! {
        section {
            h2 { "What was sent" }
            @if all.is_empty() { p.muted { "Nothing. Has its escalation channels?" } } @else {
                table.list {
                    thead { tr { th { "Channel" } th { "State" } th { "What" } th.n { "Level" } th.n { "Tries" } th.n { "When" } } }
                    tbody { @for delivery in all { (delivery_row(delivery, now)) } }
                }
            }
        }
    }
}

fn delivery_row(delivery: &Delivery, now: Timestamp) -> Markup {
    let class = match delivery.status.as_str() {
        "sent" => "ok",
        "failed" => "critical",
        _ => "no-data",
    };
    html! {
        tr {
            td.title {
                b { (delivery.channel) } " " span.muted { (delivery.target) }
                @if let Some(error) = &delivery.error { div.error { (error) } }
                @if let Some(id) = &delivery.provider_id { div.muted { (id) } }
            }
            td { span class={ "badge " (class) } { (delivery.status) } }
            td data-label="what" { (delivery.kind) }
            td.n data-label="level" { (delivery.level) }
            td.n data-label="tries" { (delivery.attempts) }
            td.n data-label="when" { (parts::second(delivery.finished_at.unwrap_or(delivery.created_at), now)) }
        }
    }
}
