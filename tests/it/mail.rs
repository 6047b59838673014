//! Mail through a real SMTP server, read by a mail parser that is not ours.

use std::time::Duration;

use plimsoll::base::Secret;
use plimsoll::notify::Target;
use plimsoll::notify::settings::{Email, Tls};
use plimsoll::store::memory_outbox::Status;

use crate::support::pages::{Office, acknowledged, hostile, page, resolved};
use crate::support::smtp::{Mail, Smtp};

const PATIENCE: Duration = Duration::from_secs(10);

fn office(server: &Smtp) -> Office {
    office_with(server, Tls::None)
}

fn office_with(server: &Smtp, tls: Tls) -> Office {
    let email = Email {
        smtp: Secret::new(server.url()),
        from: "Plimsoll <slo@example.com>".to_owned(),
        to: vec!["senior@example.com".to_owned(), "Ada <ada@example.com>".to_owned()],
        tls,
    };
    Office::new(&[("mail", Target::Email(email))], PATIENCE)
}

#[tokio::test]
async fn a_page_arrives_with_its_headers_and_both_parts() {
    let server = Smtp::start().await;
    let page = page("mail");
    let rows = office(&server).post([page.clone()]).await;
    assert_eq!((rows[0].status, rows[0].error.as_deref()), (Status::Sent, None));
    assert_eq!(rows[0].target, "senior@example.com, ada@example.com");
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert!(mail.defects().is_empty(), "{:?}", mail.defects());
    let root = format!("<incident-{}@example.com>", page.notice.incident);
    let own_id = format!("<{}@example.com>", page.id);
    for (name, value) in [
        ("From", "Plimsoll <slo@example.com>"),
        ("To", "senior@example.com, Ada <ada@example.com>"),
        ("X-RcptTo", "senior@example.com, ada@example.com"),
        ("Subject", "[Plimsoll] api-latency (http_route=/products/:id, service_name=shop-api, team=platform)"),
        ("Date", "Fri, 20 Nov 2026 12:00:00 +0000"),
        ("Message-ID", own_id.as_str()),
        ("In-Reply-To", root.as_str()),
        ("References", root.as_str()),
        ("List-Id", "<api-latency.plimsoll.example.com>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Plimsoll-Incident", &page.notice.incident.to_string()),
        ("X-Plimsoll-Severity", "critical"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(mail.header(name), value, "{name}");
    }
    assert_eq!(rows[0].provider_id.as_deref(), Some(own_id.as_str()));
    parts_say_everything(mail);
}

fn parts_say_everything(mail: &Mail) {
    let (kind, parts) = mail.parts();
    assert_eq!(kind, "multipart/alternative");
    let [(plain_type, "utf-8", plain), (html_type, "utf-8", html)] = parts[..] else { panic!("{parts:?}") };
    assert_eq!((plain_type, html_type), ("text/plain", "text/html"));
    for text in [
        "Critical: p95 of shop-api is 812 ms, above 500 ms",
        "View and acknowledge: https://plimsoll.example/incidents/1\n",
        "Runbook: https://wiki.example/latency\n",
        "Dashboard: https://grafana.example/d/api?from=now-1h&to=now\n",
        "Since: 2026-11-20 11:55:00 UTC\n",
        "Description: The API answers slowly.\n",
        "Budget: 41 % left of 30d\n",
        "http_route: /products/:id\n",
    ] {
        assert!(plain.contains(text), "{text} is not in\n{plain}");
    }
    assert!(html.contains("<a href=\"https://plimsoll.example/incidents/1\""), "{html}");
    assert!(html.contains("from=now-1h&amp;to=now"), "{html}");
}

#[tokio::test]
async fn an_incident_is_one_thread() {
    let server = Smtp::start().await;
    let page = page("mail");
    let rows = office(&server).post([page.clone(), acknowledged(&page), resolved(&page)]).await;
    assert!(rows.iter().all(|r| r.status == Status::Sent), "{rows:?}");
    let mails = server.mails();
    assert_eq!(mails.len(), 3);
    let all = |name: &str| {
        let mut values: Vec<String> = mails.iter().map(|m| m.header(name)).collect();
        values.sort();
        values.dedup();
        values.len()
    };
    assert_eq!((all("Subject"), all("References"), all("In-Reply-To")), (1, 1, 1));
    assert_eq!(all("Message-ID"), 3);
    for first_line in ["Critical: p95", "Acknowledged by Ada: p95", "Resolved: p95 of shop-api is 120 ms"] {
        let found = mails.iter().filter(|m| m.parts().1[0].2.starts_with(first_line)).count();
        assert_eq!(found, 1, "{first_line}");
    }
}

#[tokio::test]
async fn hostile_text_adds_no_header_and_no_markup() {
    let server = Smtp::start().await;
    let rows = office(&server).post([hostile("mail")]).await;
    assert_eq!((rows[0].status, rows[0].error.as_deref()), (Status::Sent, None));
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert!(mail.headers().iter().all(|(name, _)| *name != "Bcc"), "{:?}", mail.headers());
    assert_eq!(mail.header("X-RcptTo"), "senior@example.com, ada@example.com");
    let subject = mail.header("Subject");
    assert!(subject.starts_with("[Plimsoll] api-latency (fleet=🚢") && subject.ends_with('…'), "{subject}");
    let (_, parts) = mail.parts();
    assert!(parts[0].2.contains("service_name: shop  Bcc: everyone@example.com    hello"), "{}", parts[0].2);
    assert!(!parts[1].2.contains("<script") && parts[1].2.contains("&lt;script&gt;"), "{}", parts[1].2);
}

#[tokio::test]
async fn a_server_that_is_down_gets_it_later_and_once() {
    let mut server = Smtp::down();
    let office = office(&server);
    let rows = office.post([page("mail")]).await;
    let error = rows[0].error.clone().unwrap_or_default();
    assert!(rows[0].status == Status::Pending && error.contains("onnection"), "{rows:?}");
    server.up().await;
    office.clock.advance(Duration::from_secs(1));
    let rows = office.pump().await;
    assert_eq!((rows[0].status, rows[0].attempts), (Status::Sent, 2));
    office.clock.advance(Duration::from_secs(3600));
    office.pump().await;
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_where_tls_is_required() {
    let server = Smtp::start().await;
    let rows = office_with(&server, Tls::Auto).post([page("mail")]).await;
    let error = rows[0].error.clone().unwrap_or_default();
    assert!(rows[0].status == Status::Dead && error.contains("STARTTLS"), "{rows:?}");
    assert_eq!(server.mails().len(), 0);
}
