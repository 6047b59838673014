//! Pieces that several pages share.

use axum::http::{HeaderMap, header};
use maud::{Markup, html};

use super::format;
use crate::alert::{Incident, IncidentState, ObjectiveStatus, StatusKind};
use crate::base::{Labels, Severity, Timestamp};
use crate::http::Api;
use crate::slo::CompiledObjective;

/// A state as a coloured word.
pub(super) fn badge(kind: StatusKind) -> Markup {
    let (class, word) = format::status(kind);
    html! { span class={ "badge " (class) } { (word) } }
}

/// The state of an objective. One that no level and no burn rate finds wrong, while its value or its budget
/// is on the wrong side of the line, is not called `ok`.
pub(super) fn state(status: &ObjectiveStatus, compiled: Option<&CompiledObjective>) -> Markup {
    match status.status == StatusKind::Ok && format::is_past(status, compiled) {
        true => {
            html! { span.badge.past title="No level is broken and no burn rate too fast, so nobody is told" { "past the line" } }
        }
        false => badge(status.status),
    }
}

/// A severity as a coloured word.
pub(super) fn severity(of: Severity) -> Markup {
    html! { span class={ "badge " (of.as_str()) } { (of.as_str()) } }
}

/// The state of an incident as a word.
pub(super) fn incident_state(incident: &Incident) -> Markup {
    let (class, word) = match incident.state {
        IncidentState::Firing => ("unanswered", "nobody has answered"),
        IncidentState::Acknowledged => ("answered", "acknowledged"),
        IncidentState::Resolved => ("over", "resolved"),
    };
    html! { span class={ "state " (class) } { (word) } }
}

/// An instant: the time of day, the date when it is not today, exact in the tooltip.
pub(super) fn time(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at.rfc3339()) title=(at.rfc3339()) { (format::clock_time(at, now)) } }
}

/// The same to the second, where the order within a minute matters.
pub(super) fn second(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at.rfc3339()) title=(at.rfc3339()) { (format::clock_second(at, now)) } }
}

/// `18 min ago`
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at.rfc3339()) title=(at.rfc3339()) { (format::duration(now.since(at))) " ago" } }
}

/// How much of a budget is left: a bar and a number. Nothing left is a full red bar.
pub(super) fn budget_bar(remaining: Option<f64>) -> Markup {
    let Some(left) = remaining.filter(|r| r.is_finite()) else {
        return html! { span.budget { span.muted { "no events" } } };
    };
    let class = match left {
        l if l <= 0.0 => "spent",
        l if l < 0.25 => "low",
        _ => "left",
    };
    let width = if left <= 0.0 { 100.0 } else { (left * 100.0).clamp(1.5, 100.0) };
    html! {
        span.budget {
            svg class={ "bar " (class) } viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                rect.track width="100" height="8" {}
                rect.fill width=(format!("{width:.1}")) height="8" {}
            }
            span.num { (format::percent(left)) }
        }
    }
}

/// Labels as small tags, without the metric's name.
pub(super) fn tags(labels: &Labels) -> Markup {
    html! {
        span.tags {
            @for (name, value) in labels.without_name().iter() { span.tag { b { (name) } " " (value) } }
        }
    }
}

/// Text whose long names may break after an underscore: metric names are wider than a phone.
pub(super) fn breakable(text: &str) -> Markup {
    html! { @for part in text.split_inclusive('_') { (part) @if part.ends_with('_') { wbr; } } }
}

/// A link to an outside address, only when it is one: `http` or `https`.
pub(super) fn link(address: &str, text: &str) -> Option<Markup> {
    let url = url::Url::parse(address).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
    Some(html! { a href=(url.as_str()) rel="noreferrer noopener" { (text) } })
}

/// The button that stops the climbing.
pub(super) fn acknowledge(incident: &Incident, back: Option<&str>) -> Markup {
    html! {
        form method="post" action={ "/incidents/" (incident.id) "/ack" } {
            @if let Some(back) = back { input type="hidden" name="back" value=(back); }
            button.primary { "Acknowledge" }
        }
    }
}

/// A figure with its name, as in a row of key figures.
pub(super) fn stat(name: &str, value: Markup, class: &str) -> Markup {
    html! { div class={ "stat " (class) } { dt { (name) } dd { (value) } } }
}

/// The address that the reader used, for commands to copy. A strange `Host` header is not repeated.
pub(super) fn own_address(api: &Api, headers: &HeaderMap) -> String {
    let prefix = api.edge().settings.route_prefix.trim_matches('/');
    let separator = if prefix.is_empty() { "" } else { "/" };
    format!("{}{separator}{prefix}", origin(headers))
}

fn origin(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let plain = |h: &&str| h.len() < 256 && h.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
    let host = text(header::HOST.as_str()).filter(plain).filter(|h| !h.is_empty()).unwrap_or("127.0.0.1:1876");
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        assert!(link("https://wiki.example/a?b=\"c\"", "x").unwrap().into_string().contains("%22c%22"));
        for bad in ["javascript:alert(1)", "data:text/html,x", "/relative", "", "JaVaScRiPt:alert(1)", "file:///etc"] {
            assert!(link(bad, "x").is_none(), "{bad}");
        }
    }

    #[test]
    fn a_strange_host_is_not_repeated() {
        let with = |host: &str| {
            let host = host.parse().unwrap();
            origin(&HeaderMap::from_iter([(header::HOST, host)]))
        };
        assert_eq!(with("slo.example:1876"), "http://slo.example:1876");
        assert_eq!(with("x'; rm -rf /"), "http://127.0.0.1:1876");
    }

    #[test]
    fn an_overdrawn_budget_is_a_full_bar() {
        let shown = budget_bar(Some(-0.2)).into_string();
        assert!(shown.contains("spent") && shown.contains("width=\"100.0\""), "{shown}");
        assert!(budget_bar(Some(0.31)).into_string().contains("width=\"31.0\""));
        assert!(budget_bar(None).into_string().contains("no events"));
    }
}
