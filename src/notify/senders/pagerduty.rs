//! PagerDuty, Events API v2: <https://developer.pagerduty.com/docs/events-api-v2-overview>.
//!
//! The receiver merges events by `dedup_key`, so a repeat after a lost answer pages nobody twice.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::base::clock::BoxFuture;
use crate::base::{Labels, SharedClock};
use crate::egress::{Client, Request};
use crate::notify::envelope::{Envelope, Kind, Notice};
use crate::notify::render;
use crate::notify::sender::{Receipt, SendError, Sender};
use crate::notify::settings;

/// The longest `dedup_key`, in characters.
const KEY_CHARS: usize = 255;
/// The longest `summary`, in characters.
const SUMMARY_CHARS: usize = 1024;
/// The longest value of a custom detail, in characters; ours, not theirs.
const DETAIL_CHARS: usize = 4096;
/// The largest event, in bytes; theirs is 512 KB. Above, the details go, not the page.
const EVENT_BYTES: usize = 512_000;

pub(super) struct PagerDuty {
    settings: settings::PagerDuty,
    client: Client,
    clock: SharedClock,
}

impl PagerDuty {
    pub(super) fn new(settings: settings::PagerDuty, client: Client, clock: SharedClock) -> Self {
        Self { settings, client, clock }
    }
}

impl Sender for PagerDuty {
    fn target(&self) -> String {
        format!("PagerDuty at {}", self.settings.url.host_str().unwrap_or_default())
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let body = event(self.settings.routing_key.expose(), envelope);
            let request = Request::post(self.settings.url.clone(), "application/json", body);
            let request = request.secret(&self.settings.routing_key);
            let answer = self.client.send(request, self.clock.now()).await?;
            let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
            let id = said.as_ref().and_then(|v| v["dedup_key"].as_str()).map(|key| render::clip(key, KEY_CHARS));
            Ok(Receipt { provider_id: Some(id.unwrap_or_else(|| dedup_key(&envelope.key))) })
        })
    }
}

fn event(routing_key: &str, envelope: &Envelope) -> Vec<u8> {
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": action(envelope.kind),
        "dedup_key": dedup_key(&envelope.key),
    });
    if matches!(envelope.kind, Kind::Trigger | Kind::Test) {
        let links = render::links(envelope);
        let page = links.first().filter(|_| !envelope.notice.url.is_empty()).map(|l| l.href.clone());
        event["payload"] = payload(envelope);
        event["links"] = links.iter().map(|l| json!({"href": l.href, "text": l.text})).collect();
        event["client"] = "Plimsoll".into();
        if let Some(page) = page {
            event["client_url"] = page.into();
        }
    }
    let body = super::json(&event);
    if body.len() <= EVENT_BYTES {
        return body;
    }
    event["payload"]["custom_details"] = json!({"note": "The details were too large to be sent."});
    super::json(&event)
}

fn action(kind: Kind) -> &'static str {
    match kind {
        Kind::Trigger | Kind::Test => "trigger",
        Kind::Acknowledge => "acknowledge",
        Kind::Resolve => "resolve",
    }
}

/// The key as it is, or its hash when it is too long.
fn dedup_key(key: &str) -> String {
    if key.chars().count() <= KEY_CHARS { key.to_owned() } else { hex::encode(Sha256::digest(key.as_bytes())) }
}

fn payload(envelope: &Envelope) -> Value {
    let notice = &envelope.notice;
    let summary = match envelope.kind {
        Kind::Test => format!("[TEST] {}", notice.summary),
        _ => notice.summary.clone(),
    };
    let summary = render::one_line(&summary);
    let summary = if summary.is_empty() { notice.objective.clone() } else { summary };
    let mut payload = json!({
        "summary": render::clip(&summary, SUMMARY_CHARS),
        "source": source(notice),
        "severity": notice.severity.as_str(),
        "timestamp": notice.started_at.rfc3339(),
        "class": render::clip(&notice.objective, KEY_CHARS),
        "custom_details": details(envelope),
    });
    for (field, label) in [("component", "service_name"), ("group", "team")] {
        if let Some(value) = notice.labels.get(label) {
            payload[field] = render::clip(&render::one_line(value), KEY_CHARS).into();
        }
    }
    payload
}

/// What is affected: the service or the instance, else the objective itself.
fn source(notice: &Notice) -> String {
    let named = ["service_name", "instance"].iter().find_map(|label| notice.labels.get(label));
    render::clip(&render::one_line(named.unwrap_or(&notice.objective)), KEY_CHARS)
}

fn details(envelope: &Envelope) -> Value {
    let notice = &envelope.notice;
    let mut details = Map::new();
    for (name, value) in &notice.annotations {
        details.insert(render::clip(name, KEY_CHARS), render::clip(value, DETAIL_CHARS).into());
    }
    details.insert("incident".to_owned(), notice.incident.to_string().into());
    details.insert("labels".to_owned(), labels(&notice.labels));
    details.insert("level".to_owned(), notice.level.into());
    Value::Object(details)
}

fn labels(labels: &Labels) -> Value {
    labels.iter().map(|(n, v)| (render::clip(n, KEY_CHARS), render::clip(v, DETAIL_CHARS))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::envelope::testing::envelope;

    fn parsed(envelope: &Envelope) -> Value {
        serde_json::from_slice(&event("R", envelope)).unwrap()
    }

    #[test]
    fn long_keys_are_hashed_and_stay_the_same() {
        let mut e = envelope("pagerduty", &"k".repeat(256));
        let key = parsed(&e)["dedup_key"].clone();
        assert_eq!(key.as_str().map(str::len), Some(64));
        e.kind = Kind::Resolve;
        assert_eq!(parsed(&e)["dedup_key"], key);
        assert_eq!(dedup_key(&"é".repeat(255)), "é".repeat(255));
    }

    #[test]
    fn too_large_details_are_left_out_not_the_page() {
        let mut e = envelope("pagerduty", "k");
        e.notice.annotations = (0..200).map(|i| (format!("a{i}"), "x".repeat(5000))).collect();
        let event = event("R", &e);
        assert!(event.len() < EVENT_BYTES);
        let event: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(event["payload"]["custom_details"], json!({"note": "The details were too large to be sent."}));
        assert_eq!(event["payload"]["severity"], "critical");
    }
}
