//! What goes out over HTTP, against stand-ins that check the wire format strictly. An arrival that is not in
//! form, that nobody asked for, or that a test did not look at fails the test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use plimsoll::base::{ManualClock, Secret};
use plimsoll::demo::receiver::{Addresses, Arrival, Provider, Reaction, Receiver};
use plimsoll::notify::settings::{Email, PagerDuty, Slack, Tls, Webhook};
use plimsoll::notify::{Kind, Target};
use plimsoll::store::memory_outbox::{Status, Stored};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::pages::{NOON, Office, acknowledged, hostile, page, resolved};

const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";
const WEBHOOK_SECRET: &str = "correct horse";
const PATIENCE: Duration = Duration::from_secs(10);

/// A stand-in on free ports with a script of reactions.
struct Stand {
    addresses: Addresses,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    script: Arc<Mutex<VecDeque<Reaction>>>,
    _task: JoinSet<()>,
}

impl Stand {
    async fn new() -> Self {
        let (arrivals, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(VecDeque::new())));
        let (seen, left) = (arrivals.clone(), script.clone());
        let hook = move |arrival: &Arrival| {
            seen.lock().unwrap().push(arrival.clone());
            left.lock().unwrap().pop_front().unwrap_or(Reaction::Usual)
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let receiver =
            Receiver::bind(any, any, Some(Secret::new(WEBHOOK_SECRET)), clock, Arc::new(hook)).await.unwrap();
        let addresses = receiver.addresses().unwrap();
        let mut task = JoinSet::new();
        task.spawn(receiver.run(CancellationToken::new()));
        Self { addresses, arrivals, script, _task: task }
    }

    /// The next arrivals are answered so.
    fn script(&self, reactions: &[Reaction]) {
        self.script.lock().unwrap().extend(reactions);
    }

    /// What arrived since the last look, refused or not.
    fn all(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.arrivals.lock().unwrap())
    }

    /// What arrived since the last look, all of it in form and for one provider.
    fn taken(&self, provider: Provider) -> Vec<Value> {
        let all = self.all();
        let good = |a: &Arrival| a.provider == provider && a.checked.is_ok();
        assert!(all.iter().all(good), "{:#?}", all.iter().map(|a| (&a.provider, &a.checked)).collect::<Vec<_>>());
        all.iter().map(|a| serde_json::from_slice(&a.body).unwrap_or(Value::Null)).collect()
    }

    fn office(&self, patience: Duration) -> Office {
        Office::new(&self.channels(WEBHOOK_SECRET, true), patience)
    }

    fn channels(&self, secret: &str, send_resolved: bool) -> [(&'static str, Target); 4] {
        let url = |text: &str| text.parse().unwrap();
        let pagerduty = PagerDuty { routing_key: Secret::new(ROUTING_KEY), url: url(&self.addresses.pagerduty) };
        let webhook = Webhook { url: url(&self.addresses.webhook), secret: Some(Secret::new(secret)), send_resolved };
        let mail = Email {
            smtp: Secret::new(self.addresses.smtp.clone()),
            from: "slo@example.com".to_owned(),
            to: vec!["a@example.com".to_owned()],
            tls: Tls::None,
        };
        [
            ("pagerduty", Target::PagerDuty(pagerduty)),
            ("slack", Target::Slack(Slack { webhook: Secret::new(self.addresses.slack.clone()) })),
            ("hook", Target::Webhook(webhook)),
            ("mail", Target::Email(mail)),
        ]
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.all().is_empty(), "something arrived that the test did not look at");
            assert!(self.script.lock().unwrap().is_empty(), "the stand-in was not asked as often as expected");
        }
    }
}

fn all_sent(rows: &[Stored]) {
    let failed: Vec<_> = rows.iter().filter(|r| r.status != Status::Sent).map(|r| (&r.status, &r.error)).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test]
async fn pagerduty_field_by_field() {
    let stand = Stand::new().await;
    let page = page("pagerduty");
    let rows = stand.office(PATIENCE).post([page.clone(), acknowledged(&page), resolved(&page)]).await;
    all_sent(&rows);
    assert!(rows.iter().all(|r| r.provider_id.as_deref() == Some(page.key.as_str())), "{rows:?}");
    let labels = json!({"http_route": "/products/:id", "objective": "api-latency", "service_name": "shop-api",
        "severity": "critical", "team": "platform"});
    let trigger = json!({
        "routing_key": ROUTING_KEY,
        "event_action": "trigger",
        "dedup_key": page.key,
        "payload": {
            "summary": "p95 of shop-api is 812 ms, above 500 ms",
            "source": "shop-api",
            "severity": "critical",
            "timestamp": "2026-11-20T11:55:00.000Z",
            "component": "shop-api",
            "group": "platform",
            "class": "api-latency",
            "custom_details": {
                "incident": page.notice.incident.to_string(), "level": 1, "labels": labels,
                "description": "The API answers slowly.", "value": "812 ms", "budget": "41 % left of 30d",
                "runbook": "https://wiki.example/latency",
                "dashboard": "https://grafana.example/d/api?from=now-1h&to=now",
            },
        },
        "links": [
            {"href": "https://plimsoll.example/incidents/1", "text": "View and acknowledge"},
            {"href": "https://wiki.example/latency", "text": "Runbook"},
            {"href": "https://grafana.example/d/api?from=now-1h&to=now", "text": "Dashboard"},
        ],
        "client": "Plimsoll",
        "client_url": "https://plimsoll.example/incidents/1",
    });
    let follow = |action: &str| json!({"routing_key": ROUTING_KEY, "event_action": action, "dedup_key": page.key});
    assert_eq!(stand.taken(Provider::PagerDuty), [trigger, follow("acknowledge"), follow("resolve")]);
}

#[tokio::test]
async fn pagerduty_maps_severities_and_marks_tests() {
    let stand = Stand::new().await;
    let (mut warning, mut test) = (page("pagerduty"), page("pagerduty"));
    warning.notice.severity = plimsoll::base::Severity::Warning;
    test.kind = Kind::Test;
    all_sent(&stand.office(PATIENCE).post([warning, test]).await);
    let events = stand.taken(Provider::PagerDuty);
    assert_eq!(events[0]["payload"]["severity"], "warning");
    assert_eq!(events[1]["event_action"], "trigger");
    assert_eq!(events[1]["payload"]["summary"], "[TEST] p95 of shop-api is 812 ms, above 500 ms");
}

#[tokio::test]
async fn slack_field_by_field() {
    let stand = Stand::new().await;
    let page = page("slack");
    all_sent(&stand.office(PATIENCE).post([page.clone()]).await);
    let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
    let mrkdwn = |text: &str| json!({"type": "mrkdwn", "text": text, "verbatim": true});
    let button = |n: usize, text: &str, url: &str| json!({"type": "button", "text": plain(text), "url": url, "action_id": format!("open-{n}")});
    let expected = json!({
        "text": "Critical: p95 of shop-api is 812 ms, above 500 ms",
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [
            {"type": "header", "text": plain("api-latency (http_route=/products/:id, service_name=shop-api, team=platform)")},
            {"type": "section", "text": mrkdwn("Critical: p95 of shop-api is 812 ms, above 500 ms")},
            {"type": "section", "fields": [
                plain("Objective\napi-latency"), plain("Severity\ncritical"), plain("Since\n2026-11-20 11:55:00 UTC"),
                plain("Description\nThe API answers slowly."), plain("Value\n812 ms"), plain("Budget\n41 % left of 30d"),
                plain("http_route\n/products/:id"), plain("service_name\nshop-api"), plain("team\nplatform"),
            ]},
            {"type": "actions", "elements": [
                button(0, "View and acknowledge", "https://plimsoll.example/incidents/1"),
                button(1, "Runbook", "https://wiki.example/latency"),
                button(2, "Dashboard", "https://grafana.example/d/api?from=now-1h&to=now"),
            ]},
            {"type": "context", "elements": [mrkdwn(&format!("Plimsoll, incident {}, level 1", page.notice.incident))]},
        ],
    });
    assert_eq!(stand.taken(Provider::Slack), [expected]);
}

#[tokio::test]
async fn slack_tells_acknowledgement_and_resolution() {
    let stand = Stand::new().await;
    let page = page("slack");
    all_sent(&stand.office(PATIENCE).post([acknowledged(&page), resolved(&page)]).await);
    let messages = stand.taken(Provider::Slack);
    assert_eq!(messages[0]["text"], "Acknowledged by Ada: p95 of shop-api is 812 ms, above 500 ms");
    assert_eq!(messages[1]["text"], "Resolved: p95 of shop-api is 120 ms");
    let until = "Until\n2026-11-20 12:00:00 UTC (lasted 5 min)";
    assert_eq!(messages[1]["blocks"][2]["fields"][3]["text"], until);
}

#[tokio::test]
async fn webhook_field_by_field_and_signed() {
    use hmac::{Hmac, KeyInit, Mac};
    let stand = Stand::new().await;
    let page = page("hook");
    let office = stand.office(PATIENCE);
    all_sent(&office.post([page.clone()]).await);
    let arrivals = stand.all();
    let [arrival] = &arrivals[..] else { panic!("{arrivals:?}") };
    assert_eq!(arrival.checked.as_ref().map(|p| p.key.clone()), Ok(page.id.to_string()));
    let header = |name: &str| arrival.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("idempotency-key"), page.id.to_string());
    assert_eq!(header("user-agent"), format!("Plimsoll/{}", env!("CARGO_PKG_VERSION")));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
    mac.update(&[b"1795176000.", &arrival.body[..]].concat());
    let expected = format!("t=1795176000,v1={}", hex::encode(mac.finalize().into_bytes()));
    assert_eq!(header("x-plimsoll-signature"), expected);
    let labels = json!({"alertname": "api-latency", "http_route": "/products/:id", "objective": "api-latency",
        "service_name": "shop-api", "severity": "critical", "team": "platform"});
    let annotations = json!({"summary": "p95 of shop-api is 812 ms, above 500 ms", "value": "812 ms",
        "description": "The API answers slowly.", "budget": "41 % left of 30d", "runbook": "https://wiki.example/latency",
        "dashboard": "https://grafana.example/d/api?from=now-1h&to=now"});
    let message = json!({
        "version": "4", "groupKey": page.key, "truncatedAlerts": 0, "status": "firing", "receiver": "hook",
        "groupLabels": {"objective": "api-latency"}, "commonLabels": labels, "commonAnnotations": annotations,
        "externalURL": "https://plimsoll.example",
        "alerts": [{
            "status": "firing", "labels": labels, "annotations": annotations,
            "startsAt": "2026-11-20T11:55:00.000Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://plimsoll.example/incidents/1", // What Alertmanager itself gives this label set.
            "fingerprint": "2fdbec4317ecc452",
        }],
    });
    assert_eq!(serde_json::from_slice::<Value>(&arrival.body).unwrap(), message);
}

#[tokio::test]
async fn webhooks_are_told_the_end_unless_they_do_not_want_it() {
    let stand = Stand::new().await;
    let page = page("hook");
    let rows = stand.office(PATIENCE).post([page.clone(), acknowledged(&page), resolved(&page)]).await;
    assert_eq!(rows.iter().map(|r| r.status).collect::<Vec<_>>(), [Status::Sent, Status::Cancelled, Status::Sent]);
    let messages = stand.taken(Provider::Webhook);
    assert_eq!((&messages[1]["status"], &messages[1]["alerts"][0]["status"]), (&json!("resolved"), &json!("resolved")));
    assert_eq!(messages[1]["alerts"][0]["endsAt"], "2026-11-20T12:00:00.000Z");
    assert_eq!(messages[1]["alerts"][0]["fingerprint"], messages[0]["alerts"][0]["fingerprint"]);
    let quiet = Office::new(&stand.channels(WEBHOOK_SECRET, false), PATIENCE);
    let rows = quiet.post([resolved(&page)]).await;
    assert_eq!(rows[0].error.as_deref(), Some("send_resolved is off for this webhook"));
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let stand = Stand::new().await;
    let rows = Office::new(&stand.channels("wrong horse", true), PATIENCE).post([page("hook")]).await;
    assert_eq!(rows[0].status, Status::Dead);
    assert_eq!(stand.all()[0].checked, Err(vec!["the signature is wrong".to_owned()]));
}

#[tokio::test]
async fn failures_are_retried_by_their_class() {
    let stand = Stand::new().await;
    let wait = Duration::from_secs(120);
    for channel in ["pagerduty", "slack", "hook"] {
        for (status, retry_after, expected) in [
            (429, Some(120), Some(wait)),
            (503, Some(120), Some(wait)),
            (429, None, Some(Duration::ZERO)),
            (500, None, Some(Duration::ZERO)),
            (502, None, Some(Duration::ZERO)),
            (408, None, Some(Duration::ZERO)),
            (400, Some(120), None),
            (403, None, None),
            (404, None, None),
            (410, None, None),
            (302, None, None),
        ] {
            let code = StatusCode::from_u16(status).unwrap();
            stand.script(&[Reaction::Fail(code, retry_after)]);
            let office = stand.office(PATIENCE);
            office.outbox.put(page(channel));
            office.pump_once().await;
            let row = office.outbox.rows().remove(0);
            assert_eq!(stand.all().len(), 1, "{channel} {status}");
            match expected {
                None => assert_eq!(row.status, Status::Dead, "{channel} {status}"),
                Some(wait) => {
                    let until = row.due_at.since(NOON);
                    let jitter = if wait.is_zero() { Duration::from_secs(1) } else { Duration::ZERO };
                    assert!(until >= wait && until <= wait + jitter, "{channel} {status}: {until:?}");
                    assert_eq!(row.status, Status::Pending, "{channel} {status}");
                }
            }
            assert!(row.error.unwrap().contains(&status.to_string()));
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_repeated_under_the_same_key() {
    let stand = Stand::new().await;
    for (channel, key) in [("pagerduty", None), ("hook", Some(()))] {
        let office = stand.office(Duration::from_millis(500));
        let page = page(channel);
        stand.script(&[Reaction::Silence]);
        office.outbox.put(page.clone());
        office.pump_once().await;
        let row = office.outbox.rows().remove(0);
        assert_eq!(row.status, Status::Pending, "{:?}", row.error);
        assert!(row.error.unwrap().contains("no answer"));
        office.clock.advance(Duration::from_secs(1));
        all_sent(&office.pump().await);
        let keys: Vec<_> = stand.all().into_iter().map(|a| a.checked.unwrap().key).collect();
        let expected = if key.is_some() { page.id.to_string() } else { page.key.clone() };
        assert_eq!(keys, [expected.clone(), expected], "{channel}");
    }
}

#[tokio::test]
async fn a_resolution_never_overtakes_its_page() {
    let stand = Stand::new().await;
    let page = page("pagerduty");
    let office = stand.office(PATIENCE);
    stand.script(&[Reaction::Fail(StatusCode::INTERNAL_SERVER_ERROR, Some(60)), Reaction::Usual]);
    let rows = office.post([page.clone(), resolved(&page)]).await;
    assert_eq!(
        rows.iter().map(|r| (r.status, r.attempts)).collect::<Vec<_>>(),
        [(Status::Pending, 1), (Status::Pending, 0)]
    );
    office.clock.advance(Duration::from_secs(60));
    all_sent(&office.pump().await);
    let actions: Vec<_> = stand.taken(Provider::PagerDuty).iter().map(|e| e["event_action"].clone()).collect();
    assert_eq!(actions, ["trigger", "trigger", "resolve"]);
}

#[tokio::test]
async fn hostile_text_stays_text_and_within_the_limits() {
    let stand = Stand::new().await;
    for channel in ["pagerduty", "slack", "hook", "mail"] {
        all_sent(&stand.office(PATIENCE).post([hostile(channel)]).await);
    }
    let arrivals = stand.all();
    assert_eq!(arrivals.len(), 4);
    for arrival in &arrivals {
        assert!(arrival.checked.is_ok(), "{:?}", arrival.checked);
    }
    let event: Value = serde_json::from_slice(&arrivals[0].body).unwrap();
    let summary = event["payload"]["summary"].as_str().unwrap();
    assert_eq!((summary.chars().count(), summary.ends_with("🚢…")), (1024, true));
    assert!(summary.starts_with("<!here>   .  🚢"), "{summary}");
    let message: Value = serde_json::from_slice(&arrivals[1].body).unwrap();
    let route = &message["blocks"][2]["fields"][8];
    assert_eq!(route["type"], "plain_text", "where Slack reads no markup, text stays as it is");
    assert!(route["text"].as_str().unwrap().starts_with("http_route\n<!channel> & <https"), "{route}");
    assert!(message["text"].as_str().unwrap().starts_with("Critical: &lt;!here&gt;"));
}

#[tokio::test]
async fn secrets_are_in_no_error() {
    let stand = Stand::new().await;
    for channel in ["pagerduty", "slack", "hook"] {
        stand.script(&[Reaction::Fail(StatusCode::BAD_REQUEST, None)]);
        let row = stand.office(PATIENCE).post([page(channel)]).await.remove(0);
        let said = format!("{:?} {} {}", row.error, row.target, channel);
        for secret in [ROUTING_KEY, WEBHOOK_SECRET, "plimsoll-stand-in", "T00000000"] {
            assert!(!said.contains(secret), "{said}");
        }
        assert_eq!(stand.all().len(), 1);
    }
}

#[tokio::test]
async fn the_mail_stand_in_takes_our_mail_and_can_refuse_it() {
    let stand = Stand::new().await;
    let page = page("mail");
    let office = stand.office(PATIENCE);
    let (busy, gone) = (StatusCode::SERVICE_UNAVAILABLE, StatusCode::GONE);
    stand.script(&[Reaction::Fail(busy, None), Reaction::Usual, Reaction::Fail(gone, None)]);
    office.outbox.put(page.clone());
    office.pump_once().await;
    assert_eq!(office.outbox.rows()[0].status, Status::Pending);
    office.clock.advance(Duration::from_secs(1));
    all_sent(&office.pump().await);
    let rows = office.post([resolved(&page)]).await;
    assert_eq!(rows[1].status, Status::Dead);
    assert!(rows[1].error.as_deref().unwrap_or_default().contains("550"), "{rows:?}");
    let arrivals = stand.all();
    let pages: Vec<_> = arrivals.iter().map(|a| a.checked.clone().unwrap()).collect();
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0].key, format!("<{}@example.com>", page.id));
    assert!(pages[0].text.ends_with("Critical: p95 of shop-api is 812 ms, above 500 ms"), "{}", pages[0].text);
    assert!(pages[2].text.ends_with("Resolved: p95 of shop-api is 120 ms"), "{}", pages[2].text);
}

/// The value at the end of a path of fields and indexes, created where it is missing.
fn set(body: &Value, path: &str, value: Value) -> Value {
    let mut changed = body.clone();
    match (path.rsplit_once('/'), value) {
        (Some((parent, last)), Value::Null) => {
            changed.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(last);
        }
        (Some((parent, last)), value) => {
            changed
                .pointer_mut(parent)
                .and_then(Value::as_object_mut)
                .expect("an object")
                .insert(last.to_owned(), value);
        }
        (None, _) => panic!("{path}"),
    }
    changed
}

/// The stand-ins are strict: each of these changes to a good message is refused.
#[tokio::test]
async fn the_stand_ins_refuse_what_is_not_in_form() {
    use plimsoll::egress::{Client, Limits, Policy, Request};
    let stand = Stand::new().await;
    let office = stand.office(PATIENCE);
    all_sent(&office.post([page("pagerduty"), page("slack")]).await);
    let good: Vec<Value> = stand.all().iter().map(|a| serde_json::from_slice(&a.body).unwrap()).collect();
    let client = Client::new(Limits::default(), Policy::Configured).unwrap();
    let long = |n: usize| Value::from("x".repeat(n));
    let changes = [
        (0, "/extra", json!(1)),
        (0, "/routing_key", Value::Null),
        (0, "/routing_key", long(33)),
        (0, "/event_action", json!("open")),
        (0, "/dedup_key", long(256)),
        (0, "/payload", Value::Null),
        (0, "/payload/summary", long(1025)),
        (0, "/payload/summary", json!("")),
        (0, "/payload/source", Value::Null),
        (0, "/payload/severity", json!("bad")),
        (0, "/payload/timestamp", json!("noon")),
        (0, "/payload/extra", json!(1)),
        (0, "/payload/custom_details", json!([])),
        (0, "/links/0/href", json!("javascript:x")),
        (0, "/client_url", json!("nowhere")),
        (1, "/text", Value::Null),
        (1, "/text", json!("<!channel>")),
        (1, "/text", json!("a & b")),
        (1, "/blocks", json!([])),
        (1, "/blocks/0/text/text", long(151)),
        (1, "/blocks/0/text/type", json!("mrkdwn")),
        (1, "/blocks/1/text/text", long(3001)),
        (1, "/blocks/1/text/text", json!("<@U1>")),
        (1, "/blocks/1/text/verbatim", Value::Null),
        (1, "/blocks/2/fields/0/text", long(2001)),
        (1, "/blocks/3/elements/0/text/text", long(76)),
        (1, "/blocks/3/elements/0/url", json!("ftp://x")),
        (1, "/blocks/3/elements/0/action_id", json!("open-1")),
        (1, "/blocks/4/extra", json!(1)),
    ];
    let urls = [&stand.addresses.pagerduty, &stand.addresses.slack].map(|u| u.parse::<url::Url>().unwrap());
    for (which, path, value) in changes {
        let body = set(&good[which], path, value.clone()).to_string();
        let refused = client.send(Request::post(urls[which].clone(), "application/json", body), NOON).await;
        assert_eq!(refused.as_ref().err().and_then(|e| e.status()), Some(400), "{path} = {value}: {refused:?}");
    }
    for (which, kind, method_is_post) in
        [(0, "text/plain", true), (1, "text/plain", true), (0, "", false), (1, "", false)]
    {
        let url = urls[which].clone();
        let post = Request::post(url.clone(), kind, good[which].to_string());
        let refused = client.send(if method_is_post { post } else { Request::get(url) }, NOON).await;
        assert!(refused.is_err(), "{kind}");
    }
    let elsewhere = client.send(Request::get(urls[0].join("/elsewhere").unwrap()), NOON).await;
    assert_eq!(elsewhere.unwrap_err().status(), Some(404));
    assert!(stand.all().iter().all(|a| a.checked.is_err()));
}
