//! What a message says, before it takes the form of a channel: what broke, how bad, since when, what to
//! look at and where to answer.
//!
//! Labels and some annotations hold text from outside. Here it loses its control characters; each channel
//! escapes what its own markup needs. Links are only those of the operator (the incident's page, the
//! objective's runbook and dashboard), never found in text.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};
use url::Url;

use crate::base::Timestamp;

use super::envelope::{Envelope, Kind, Notice};

/// The most characters of one value that a message repeats.
const VALUE: usize = 1000;
/// The most labels that a message lists.
const LABELS: usize = 30;

/// A link with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it leads to.
    pub text: &'static str,
    /// `http` or `https`, at most 2,000 characters.
    pub href: String,
}

/// The first `limit` characters of a text; what is cut shows as `…`, which is counted.
pub fn clip(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The text in one line: without control characters and without those that turn the direction of writing.
pub fn one_line(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let blank = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    text.chars().filter(|c| !turns(*c)).map(blank).collect::<String>().trim().to_owned()
}

/// One line: how bad and what broke, or what became of it.
pub fn headline(envelope: &Envelope) -> String {
    let notice = &envelope.notice;
    let summary = one_line(&notice.summary);
    match envelope.kind {
        Kind::Trigger => format!("{}: {summary}", title(notice.severity.as_str())),
        Kind::Acknowledge => match &notice.acknowledged_by {
            Some(who) => format!("Acknowledged by {}: {summary}", one_line(who)),
            None => format!("Acknowledged: {summary}"),
        },
        Kind::Resolve => format!("Resolved: {summary}"),
        Kind::Test => format!("[TEST] {}: {summary}", title(notice.severity.as_str())),
    }
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What identifies an incident for people and stays the same through its life: the objective and the
/// labels of its group.
pub fn subject(notice: &Notice) -> String {
    let group = notice.labels.iter().filter(|(name, _)| !matches!(*name, "objective" | "severity" | "alertname"));
    let group: Vec<String> = group.map(|(name, value)| format!("{name}={value}")).collect();
    let group = if group.is_empty() { String::new() } else { format!(" ({})", group.join(", ")) };
    clip(&one_line(&format!("{}{group}", notice.objective)), 120)
}

/// The value of an annotation, in one line; `None` when it is absent or empty.
pub fn annotation<'a>(notice: &'a Notice, name: &str) -> Option<&'a str> {
    notice.annotations.iter().find(|(n, v)| n == name && !v.trim().is_empty()).map(|(_, v)| v.as_str())
}

/// Names and values, in the order in which someone who was woken needs them.
pub fn facts(envelope: &Envelope) -> Vec<(String, String)> {
    let notice = &envelope.notice;
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: &str| facts.push((one_line(name), clip(&one_line(value), VALUE)));
    add("Objective", &notice.objective);
    add("Severity", notice.severity.as_str());
    add("Since", &instant(notice.started_at));
    if let Some(end) = notice.resolved_at {
        add("Until", &format!("{} (lasted {})", instant(end), lasting(end.since(notice.started_at))));
    }
    if let Some(who) = &notice.acknowledged_by {
        add("Answered by", who);
    }
    if notice.level > 1 {
        add("Escalation level", &notice.level.to_string());
    }
    for (name, value) in notice.annotations.iter().filter(|(n, _)| !is_link(n) && n != "summary") {
        add(&title(name), value);
    }
    for (name, value) in notice.labels.iter().filter(|(n, _)| !matches!(*n, "objective" | "severity")).take(LABELS) {
        add(name, value);
    }
    facts
}

fn is_link(name: &str) -> bool {
    matches!(name, "runbook" | "runbook_url" | "dashboard" | "dashboard_url")
}

/// Where to go: the incident's page first (that is where one acknowledges), then runbook and dashboard.
pub fn links(envelope: &Envelope) -> Vec<Link> {
    let notice = &envelope.notice;
    let answer = if envelope.kind == Kind::Trigger { "View and acknowledge" } else { "View incident" };
    let either = |a, b| annotation(notice, a).or_else(|| annotation(notice, b));
    let all = [
        (answer, Some(notice.url.as_str())),
        ("Runbook", either("runbook", "runbook_url")),
        ("Dashboard", either("dashboard", "dashboard_url")),
    ];
    all.into_iter().filter_map(|(text, href)| Some(Link { text, href: web_address(href?)? })).collect()
}

/// The text as a web address, when it is one.
fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let good = matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.as_str().len() <= 2000;
    good.then(|| url.to_string())
}

/// An instant as people read it, to the second, in UTC.
pub fn instant(at: Timestamp) -> String {
    let text = at.rfc3339();
    match text.split_once('T') {
        Some((date, time)) => format!("{date} {} UTC", time.split('.').next().unwrap_or(time)),
        None => text,
    }
}

/// A duration as people say it, in its two greatest units.
pub fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    let said = parts[first..].iter().take(2).filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}"));
    let said = said.collect::<Vec<_>>().join(" ");
    if said.is_empty() { "0 s".to_owned() } else { said }
}

/// The whole message as plain text.
pub fn plain(envelope: &Envelope) -> String {
    let mut text = format!("{}\n\n", clip(&headline(envelope), VALUE));
    for link in links(envelope) {
        text.push_str(&format!("{}: {}\n", link.text, link.href));
    }
    text.push('\n');
    for (name, value) in facts(envelope) {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&format!("\n-- \nPlimsoll, incident {}\n", envelope.notice.incident));
    text
}

/// The whole message as an HTML page without scripts, images or foreign styles.
pub fn page(envelope: &Envelope) -> Markup {
    let notice = &envelope.notice;
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (subject(notice)) } }
            body style="font-family:sans-serif;font-size:15px;color:#1a1a1a" {
                h1 style="font-size:19px" { (clip(&headline(envelope), VALUE)) }
                p { @for link in links(envelope) { a href=(link.href) style="margin-right:1em" { (link.text) } " " } }
                table cellpadding="4" {
                    @for (name, value) in facts(envelope) {
                        tr { th align="left" valign="top" { (name) } td { (value) } }
                    }
                }
                p style="color:#666" { "Plimsoll, incident " (notice.incident) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Labels;
    use crate::notify::envelope::testing::envelope;

    #[test]
    fn clips_by_characters() {
        assert_eq!(clip("ab🚢d", 4), "ab🚢d");
        assert_eq!(clip("ab🚢de", 4), "ab🚢…");
        assert_eq!(clip("ab🚢de", 3), "ab…");
    }

    #[test]
    fn text_from_outside_stays_in_its_line() {
        assert_eq!(one_line("a\r\nBcc: x\u{202e}y\u{0}\u{2028}z "), "a  Bcc: xy  z");
    }

    #[test]
    fn headlines_say_what_the_message_does() {
        let mut e = envelope("slack", "k");
        assert_eq!(headline(&e), "Critical: p95 of shop-api is 812 ms, above 500 ms");
        e.kind = Kind::Acknowledge;
        e.notice.acknowledged_by = Some("Ada".to_owned());
        assert!(headline(&e).starts_with("Acknowledged by Ada: p95"));
        e.kind = Kind::Resolve;
        assert!(headline(&e).starts_with("Resolved: p95"));
        e.kind = Kind::Test;
        assert!(headline(&e).starts_with("[TEST] Critical: p95"));
    }

    #[test]
    fn the_subject_does_not_change_with_the_incident() {
        let mut e = envelope("mail", "k");
        let first = subject(&e.notice);
        assert_eq!(first, "api-latency (service_name=shop-api)");
        e.notice.summary = "p95 is 3 s".to_owned();
        e.notice.severity = crate::base::Severity::Warning;
        e.notice.labels = e.notice.labels.with("severity", "warning");
        assert_eq!(subject(&e.notice), first);
    }

    #[test]
    fn facts_tell_since_when_and_how_long() {
        let mut e = envelope("slack", "k");
        let end = e.notice.started_at + Duration::from_secs(3723);
        e.notice.resolved_at = Some(end);
        e.notice.level = 2;
        let facts = facts(&e);
        let get = |name: &str| facts.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(get("Since"), Some("2026-11-20 11:55:00 UTC"));
        assert_eq!(get("Until"), Some("2026-11-20 12:57:03 UTC (lasted 1 h 2 min)"));
        assert_eq!(get("Escalation level"), Some("2"));
        assert_eq!(get("Description"), Some("The API answers slowly."));
        assert_eq!(get("service_name"), Some("shop-api"));
        assert_eq!(get("Runbook"), None, "links are links");
    }

    #[test]
    fn only_web_addresses_become_links() {
        let mut e = envelope("slack", "k");
        assert_eq!(links(&e).iter().map(|l| l.text).collect::<Vec<_>>(), ["View and acknowledge", "Runbook"]);
        e.notice.annotations = vec![
            ("runbook".to_owned(), "javascript:alert(1)".to_owned()),
            ("dashboard".to_owned(), format!("https://x.example/{}", "y".repeat(3000))),
        ];
        assert_eq!(links(&e).len(), 1);
    }

    #[test]
    fn html_escapes_what_comes_from_outside() {
        let mut e = envelope("mail", "k");
        e.notice.labels = Labels::new([("route", "<script>alert(1)</script>")]);
        let page = page(&e).into_string();
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
    }

    #[test]
    fn durations_in_two_units() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(lasting(Duration::from_secs(seconds)), text);
        }
    }
}
