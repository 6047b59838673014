//! Messages, channels and a dispatcher over a real outbox, for the tests of what goes out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plimsoll::base::id::{EnvelopeId, IncidentId};
use plimsoll::base::{Clock, Labels, ManualClock, Severity, SharedClock, Timestamp};
use plimsoll::egress::{Client, Limits, Policy};
use plimsoll::notify::{self, Channel, Dispatcher, Envelope, Kind, Notice, Sender, Target};
use plimsoll::store::memory_outbox::{MemoryOutbox, Stored};

/// 2026-11-20 12:00 UTC.
pub const NOON: Timestamp = Timestamp::from_secs(1_795_176_000);

/// A dispatcher over some channels, with an outbox in memory and a clock that stands.
pub struct Office {
    pub outbox: Arc<MemoryOutbox>,
    pub clock: ManualClock,
    dispatcher: Dispatcher,
}

impl Office {
    /// With a client that waits `patience` for an answer.
    pub fn new(channels: &[(&str, Target)], patience: Duration) -> Self {
        let clock = ManualClock::at(NOON);
        let shared: SharedClock = Arc::new(clock.clone());
        let client = Client::new(Limits { connect: patience, total: patience }, Policy::Configured).expect("a client");
        let senders: HashMap<String, Arc<dyn Sender>> = channels
            .iter()
            .map(|(name, target)| {
                let channel = Channel { name: (*name).to_owned(), target: target.clone() };
                ((*name).to_owned(), notify::build(&channel, &client, &shared).expect("a sender"))
            })
            .collect();
        let outbox = Arc::new(MemoryOutbox::default());
        let dispatcher =
            Dispatcher::new(outbox.clone(), senders, Arc::new(notify::Open), shared, tokio::sync::watch::channel(()).1);
        Self { outbox, clock, dispatcher }
    }

    /// Puts messages in and sends until nothing is due.
    pub async fn post(&self, envelopes: impl IntoIterator<Item = Envelope>) -> Vec<Stored> {
        for envelope in envelopes {
            self.outbox.put(envelope);
        }
        self.pump().await
    }

    /// Sends what is due now, once.
    pub async fn pump_once(&self) -> usize {
        self.dispatcher.pump_once(self.clock.now()).await.expect("the outbox works")
    }

    /// Sends until nothing is due, and returns all messages.
    pub async fn pump(&self) -> Vec<Stored> {
        while self.pump_once().await > 0 {}
        self.outbox.rows()
    }
}

/// A critical page to `channel` on a new incident.
pub fn page(channel: &str) -> Envelope {
    let notice = Notice {
        incident: IncidentId::new(NOON),
        objective: "api-latency".to_owned(),
        severity: Severity::Critical,
        summary: "p95 of shop-api is 812 ms, above 500 ms".to_owned(),
        labels: Labels::new([
            ("http_route", "/products/:id"),
            ("objective", "api-latency"),
            ("service_name", "shop-api"),
            ("severity", "critical"),
            ("team", "platform"),
        ]),
        annotations: [
            ("description", "The API answers slowly."),
            ("value", "812 ms"),
            ("budget", "41 % left of 30d"),
            ("runbook", "https://wiki.example/latency"),
            ("dashboard", "https://grafana.example/d/api?from=now-1h&to=now"),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .into(),
        url: "https://plimsoll.example/incidents/1".to_owned(),
        started_at: NOON - Duration::from_secs(300),
        resolved_at: None,
        acknowledged_by: None,
        level: 1,
    };
    Envelope {
        id: EnvelopeId::new(NOON),
        channel: channel.to_owned(),
        kind: Kind::Trigger,
        key: format!("api-latency/{}", notice.incident),
        generation: 1,
        notice,
        created_at: NOON,
        due_at: NOON,
    }
}

/// What follows on a page: its acknowledgement by Ada.
pub fn acknowledged(page: &Envelope) -> Envelope {
    let mut next = Envelope { id: EnvelopeId::new(NOON), kind: Kind::Acknowledge, ..page.clone() };
    next.notice.acknowledged_by = Some("Ada".to_owned());
    next
}

/// What follows on a page: its resolution, now.
pub fn resolved(page: &Envelope) -> Envelope {
    let mut next = Envelope { id: EnvelopeId::new(NOON), kind: Kind::Resolve, ..page.clone() };
    next.notice.resolved_at = Some(NOON);
    next.notice.summary = "p95 of shop-api is 120 ms".to_owned();
    next
}

/// A page whose label and texts were written by someone hostile.
pub fn hostile(channel: &str) -> Envelope {
    let mut page = page(channel);
    let emoji = "🚢".repeat(6000);
    page.notice.labels = page
        .notice
        .labels
        .with("http_route", "<!channel> & <https://evil.example|click> https://evil.example")
        .with("service_name", "shop\r\nBcc: everyone@example.com\r\n\r\nhello")
        .with("region", &"x".repeat(10_000))
        .with("fleet", &emoji);
    page.notice.summary = format!("<!here> \r\n.\r\n\u{202e}{emoji}");
    page.notice.annotations.push(("description".to_owned(), format!("</table><script>alert(1)</script>{emoji}")));
    page
}
