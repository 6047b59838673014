//! `GET /objectives/NAME`: its value over the last hour, its budget, and what it compiles to.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use maud::{Markup, html};

use super::chart::{Chart, chart};
use super::layout::{Failure, Page};
use super::{format, parts};
use crate::alert::{IncidentState, ObjectiveStatus};
use crate::base::Timestamp;
use crate::http::Api;
use crate::promql::{Answer, QueryError, QueryOptions, Value};
use crate::slo::{BudgetReport, CompiledObjective};

const REFRESH: u32 = 30;

/// What the chart shows, with its step: the hour, unless all values lie in its last minutes. Those of the first
/// half minute fall between the steps of the hour.
const HOUR: Window = Window { name: "The last hour", span: Duration::from_secs(3600), step: Duration::from_secs(30) };
const MINUTES: Window =
    Window { name: "The last ten minutes", span: Duration::from_secs(600), step: Duration::from_secs(10) };

/// A page waits no longer than this for its chart.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most groups listed.
const GROUPS: usize = 50;

/// The page.
pub(super) async fn page(State(api): State<Api>, Path(name): Path<String>) -> Result<Page<'static>, Failure> {
    let status = api.objectives.statuses().into_iter().find(|s| s.name == name);
    let (Some(status), Some(compiled)) = (status, api.objectives.compiled(&name)) else {
        return Err(Failure::not_found("No such objective"));
    };
    let now = api.clock.now();
    let drawn = picture(&api, &status, &compiled, now).await;
    let budget = budget(&api, &name, now).await;
    let body = html! {
        (head(&status, &compiled))
        (incidents(&api, &name, now).await?)
        (drawn)
        (budget)
        (groups(&status))
        (definition(&compiled))
    };
    Ok(Page { title: "Objective", section: "/", refresh: Some(REFRESH), body })
}

fn head(status: &ObjectiveStatus, compiled: &CompiledObjective) -> Markup {
    let objective = &compiled.objective;
    let (class, _) = format::status(status.status);
    html! {
        section class={ "hero " (class) } {
            p.meta { (parts::state(status, Some(compiled))) @if let Some(team) = &status.team { " " span.muted { (team) } } }
            h1 { (status.title) }
            dl.stats {
                (parts::stat("value", html! { (format::quantity(status.value, &status.unit)) }, class))
                (parts::stat("line", html! { (format::target(status.target, &status.unit, Some(compiled))) }, ""))
                @if let Some(budget) = &status.budget {
                    (parts::stat(&format!("budget left of {}", budget.window), parts::budget_bar(budget.remaining), ""))
                }
            }
            @if let Some(error) = &status.error { p.error { "The last evaluation failed: " (error) } }
            p.links {
                @if let Some(link) = objective.runbook.as_deref().and_then(|a| parts::link(a, "Runbook")) { (link) " " }
                @if let Some(link) = objective.dashboard.as_deref().and_then(|a| parts::link(a, "Dashboard")) { (link) " " }
                a href={ "/api/objectives/" (status.name) } { "JSON" }
            }
        }
    }
}

async fn incidents(api: &Api, name: &str, now: Timestamp) -> Result<Markup, Failure> {
    let mut open = api.on_call.incidents(false).await?;
    open.retain(|i| i.objective == name);
    Ok(html! {
        @for incident in &open {
            article class={ "card " (incident.severity.as_str()) @if incident.state != IncidentState::Firing { " answered" } } {
                div.what {
                    p.meta { (parts::severity(incident.severity)) " " (parts::incident_state(incident)) }
                    h3 { a href={ "/incidents/" (incident.id) } { (parts::breakable(&incident.summary)) } }
                    p.facts { "since " (parts::time(incident.started_at, now)) }
                }
                @if incident.state == IncidentState::Firing { div.press { (parts::acknowledge(incident, None)) } }
            }
        }
    })
}

struct Window {
    name: &'static str,
    span: Duration,
    step: Duration,
}

async fn picture(api: &Api, status: &ObjectiveStatus, compiled: &Arc<CompiledObjective>, now: Timestamp) -> Markup {
    let mut window = HOUR;
    let mut answer = read(api, compiled, &window, now).await;
    let recent = (now - MINUTES.span).as_millis();
    if answer.as_ref().is_ok_and(|a| first_point(a).is_none_or(|at| at.as_millis() >= recent)) {
        window = MINUTES;
        answer = read(api, compiled, &window, now).await;
    }
    let end = now.floor_to(window.step);
    let gap_ms = 2 * i64::try_from(window.step.as_millis()).unwrap_or(i64::MAX / 2);
    let settings = Chart { start: end - window.span, end, gap_ms, unit: &status.unit, target: status.target };
    let drawn = match answer {
        Err(error) => html! { p.error { "The value could not be read: " (error) } },
        Ok(answer) => chart(&settings, &answer).unwrap_or_else(|| {
            html! { p.muted { "No value in the last hour. Is its metric sent? Its expression is below." } }
        }),
    };
    html! { section { h2 { (window.name) } (drawn) } }
}

async fn read(api: &Api, compiled: &CompiledObjective, window: &Window, now: Timestamp) -> Result<Answer, QueryError> {
    let options = QueryOptions { timeout: PATIENCE, ..QueryOptions::default() };
    let end = now.floor_to(window.step);
    api.engine.range(&compiled.value, end - window.span, end, window.step, &options).await
}

fn first_point(answer: &Answer) -> Option<Timestamp> {
    let Value::Matrix(series) = &answer.value else { return None };
    series.iter().filter_map(|s| s.points.first().map(|(at, _)| *at)).min()
}

async fn budget(api: &Api, name: &str, now: Timestamp) -> Markup {
    match api.objectives.budget(name, None, now).await {
        Ok(None) => html! {},
        Ok(Some(report)) => budget_section(&report, now),
        Err(error) => html! { section { h2 { "Budget" } p.error { "It could not be read: " (error) } } },
    }
}

fn budget_section(report: &BudgetReport, now: Timestamp) -> Markup {
    let share = |v: Option<f64>| v.map_or_else(|| format::NOTHING.to_owned(), format::percent);
    let length = |v: Option<f64>| {
        v.filter(|v| v.is_finite() && *v >= 0.0).map(|v| format::duration(Duration::from_secs_f64(v.min(1e10))))
    };
    let spent = match report.remaining {
        Some(left) if left <= 0.0 => "nothing is left".to_owned(),
        _ => length(report.exhausted_in).unwrap_or_else(|| "not at this rate".to_owned()),
    };
    html! {
        section {
            h2 { "Budget of " (report.window) }
            dl.stats {
                (parts::stat("left", parts::budget_bar(report.remaining), ""))
                (parts::stat("good", html! { (share(report.sli)) }, ""))
                (parts::stat("aim", html! { (format::percent(report.target)) }, ""))
                (parts::stat("bad events", html! { (format::number(report.bad)) span.muted { " of " (format::number(report.total)) } }, ""))
                (parts::stat("spent in", html! { (spent) }, ""))
                // In the first minute none has been judged yet.
                @if let Some(measured) = report.coverage { (parts::stat("measured", html! { (format::percent(measured)) }, "")) }
            }
            p.facts.muted { "from " (parts::time(report.start, now)) " to " (parts::time(report.end, now)) }
            div.columns { (burn_table(report)) (contributor_table(report)) }
        }
    }
}

/// A burn rate of 1 spends the budget exactly by the end of its window.
fn burn_table(report: &BudgetReport) -> Markup {
    html! {
        table.small {
            caption { "How fast it burns (1 lasts exactly the window)" }
            thead { tr { th { "Over" } th.n { "Burn rate" } th.n { "Bad" } th.n { "Events" } } }
            tbody {
                @for burn in &report.burn {
                    tr {
                        td { (burn.window) }
                        td class={ "n " (burn_class(burn.rate)) } {
                            @match burn.rate { Some(rate) => { (format::number(rate)) "×" }, None => (format::NOTHING) }
                        }
                        td.n { (format::number((burn.total - burn.good).max(0.0))) }
                        td.n { (format::number(burn.total)) }
                    }
                }
            }
        }
    }
}

fn burn_class(rate: Option<f64>) -> &'static str {
    match rate {
        Some(r) if r >= 6.0 => "text-critical",
        Some(r) if r > 1.0 => "text-warning",
        _ => "",
    }
}

fn contributor_table(report: &BudgetReport) -> Markup {
    html! {
        @if !report.contributors.is_empty() {
            table.small {
                caption { "Who took it" }
                thead { tr { th { "Group" } th.n { "Bad" } th.n { "Share" } } }
                tbody {
                    @for part in &report.contributors {
                        tr {
                            td { (parts::tags(&part.labels)) }
                            td.n { (format::number(part.bad)) }
                            td.n { (format::percent(part.share)) }
                        }
                    }
                }
            }
        }
    }
}

fn groups(status: &ObjectiveStatus) -> Markup {
    let mut groups: Vec<_> = status.groups.iter().filter(|g| !g.labels.is_empty()).collect();
    groups.sort_by_key(|g| std::cmp::Reverse(g.status));
    html! {
        @if !groups.is_empty() {
            section {
                h2 { "Groups" }
                table.small {
                    thead { tr { th { "Group" } th { "State" } th.n { "Value" } } }
                    tbody {
                        @for group in groups.iter().take(GROUPS) {
                            tr {
                                td { (parts::tags(&group.labels)) }
                                td { (parts::badge(group.status)) }
                                td.n { (format::quantity(group.value, &status.unit)) }
                            }
                        }
                    }
                }
                @if groups.len() > GROUPS { p.muted { "and " (groups.len() - GROUPS) " more" } }
            }
        }
    }
}

fn definition(compiled: &CompiledObjective) -> Markup {
    html! {
        section.definition {
            h2 { "What it compiles to" }
            p.muted { "from " (compiled.objective.source) }
            h3 { "Value" }
            pre { (compiled.value) }
            @for rule in &compiled.rules {
                h3 {
                    (rule.alert_name) " " (parts::severity(rule.severity))
                    span.muted { " for " (format::duration(rule.hold)) }
                }
                pre { (rule.expr) }
            }
            @for remark in &compiled.remarks { p.remark { (remark) } }
        }
    }
}
