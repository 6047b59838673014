//! A webhook in the form of Alertmanager's (version 4):
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>.
//!
//! Beyond that form: `Idempotency-Key` is the message's id, the same in every attempt, and
//! `X-Plimsoll-Signature: t=SECONDS,v1=HEX` is the HMAC-SHA256 of `SECONDS.BODY`. The form has no word for an
//! acknowledgement, so none is sent.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Position;

use crate::base::clock::BoxFuture;
use crate::base::retry::Class;
use crate::base::{Labels, Secret, SharedClock, Timestamp};
use crate::egress::{Client, Request, redact};
use crate::notify::envelope::{Envelope, Kind};
use crate::notify::render;
use crate::notify::sender::{Receipt, SendError, Sender};
use crate::notify::settings;

const SIGNATURE: HeaderName = HeaderName::from_static("x-plimsoll-signature");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How Go, and so Alertmanager, writes the end of what has not ended.
const NOT_ENDED: &str = "0001-01-01T00:00:00Z";
/// The longest label or annotation, in characters; ours.
const VALUE_CHARS: usize = 4096;

pub(super) struct Webhook {
    channel: String,
    settings: settings::Webhook,
    client: Client,
    clock: SharedClock,
}

impl Webhook {
    pub(super) fn new(channel: &str, settings: settings::Webhook, client: Client, clock: SharedClock) -> Self {
        Self { channel: channel.to_owned(), settings, client, clock }
    }
}

impl Sender for Webhook {
    fn target(&self) -> String {
        format!("webhook at {}", redact::place(&self.settings.url))
    }

    fn declines(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Acknowledge => Some("webhooks are not told of acknowledgements"),
            Kind::Resolve if !self.settings.send_resolved => Some("send_resolved is off for this webhook"),
            Kind::Resolve | Kind::Trigger | Kind::Test => None,
        }
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let now = self.clock.now();
            let body = super::json(&message(&self.channel, envelope));
            let id = header(&envelope.id.to_string())?;
            let signature = self.settings.secret.as_ref().map(|s| header(&signature(s, now, &body))).transpose()?;
            let mut request = Request::post(self.settings.url.clone(), "application/json", body);
            request = request.header(IDEMPOTENCY_KEY, id);
            if let (Some(secret), Some(signature)) = (&self.settings.secret, signature) {
                request = request.header(SIGNATURE, signature).secret(secret);
            }
            self.client.send(request, now).await?;
            Ok(Receipt::default())
        })
    }
}

fn header(text: &str) -> Result<HeaderValue, SendError> {
    let refused = |_| SendError { class: Class::Permanent, message: "a header holds control characters".to_owned() };
    HeaderValue::from_str(text).map_err(refused)
}

/// `t=SECONDS,v1=HEX`: the HMAC-SHA256 of `SECONDS.BODY` under the shared secret, for senders and receivers.
pub fn signature(secret: &Secret, now: Timestamp, body: &[u8]) -> String {
    let seconds = now.as_millis().div_euclid(1000);
    // HMAC takes keys of every length; the error exists for other algorithms.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return String::new() };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

fn message(channel: &str, envelope: &Envelope) -> Value {
    let notice = &envelope.notice;
    let (status, ends_at) = match envelope.kind {
        Kind::Resolve => ("resolved", notice.resolved_at.unwrap_or(envelope.created_at).rfc3339()),
        Kind::Trigger | Kind::Acknowledge | Kind::Test => ("firing", NOT_ENDED.to_owned()),
    };
    let named = notice.labels.with("objective", &notice.objective).with("severity", notice.severity.as_str());
    let named = if named.get("alertname").is_some() { named } else { named.with("alertname", &notice.objective) };
    let (labels, annotations) = (strings(named.iter()), annotations(envelope));
    json!({
        "version": "4",
        "groupKey": envelope.key,
        "truncatedAlerts": 0,
        "status": status,
        "receiver": channel,
        "groupLabels": {"objective": notice.objective},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": external_url(&notice.url),
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": notice.started_at.rfc3339(),
            "endsAt": ends_at,
            "generatorURL": notice.url,
            "fingerprint": format!("{:016x}", fingerprint(&named)),
        }],
    })
}

fn annotations(envelope: &Envelope) -> Value {
    let notice = &envelope.notice;
    let summary = match envelope.kind {
        Kind::Test => format!("[TEST] {}", notice.summary),
        _ => notice.summary.clone(),
    };
    let given = notice.annotations.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    strings(given.chain([("summary", summary.as_str())]))
}

fn strings<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    pairs.map(|(name, value)| (name.to_owned(), render::clip(value, VALUE_CHARS))).collect()
}

/// Scheme, host and port of the incident's page.
fn external_url(page: &str) -> String {
    url::Url::parse(page).map_or_else(|_| String::new(), |url| url[..Position::BeforePath].to_owned())
}

/// Prometheus's fingerprint of a label set: FNV-1a over the sorted names and values, 0xFF after each.
fn fingerprint(labels: &Labels) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    for (name, value) in labels.iter() {
        name.bytes().for_each(&mut add);
        add(0xff);
        value.bytes().for_each(&mut add);
        add(0xff);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_seconds_and_body() {
        // printf '1763640000.{}' | openssl dgst -sha256 -hmac Jefe
        let signed = signature(&Secret::new("Jefe"), Timestamp::from_millis(1_763_640_000_999), b"{}");
        let expected = "t=1763640000,v1=139cf8bd41d17d65551fb19ef87a3e5b28cdae2b21146d7712d373d47dfb8737";
        assert_eq!(signed, expected);
    }

    #[test]
    fn the_page_gives_the_external_url() {
        assert_eq!(external_url("https://p.example:8443/incidents/1?x=y"), "https://p.example:8443");
        assert_eq!(external_url("nowhere"), "");
    }
}
