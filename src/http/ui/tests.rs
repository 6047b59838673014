//! Every page against the fakes: what a reader must find, and what an attacker must not.

use super::routes;
use crate::alert::Action;
use crate::http::testkit::{Kit, Reply};

const PAGES: [&str; 7] =
    ["/", "/objectives/api-latency", "/objectives/api-availability", "/incidents", "/vitals", "/redis", "/postgres"];

async fn page(kit: &Kit, path: &str) -> Reply {
    let reply = kit.get(routes(), path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    reply
}

#[tokio::test]
async fn every_page_is_strict_about_what_it_loads() {
    let kit = Kit::new();
    let incident = format!("/incidents/{}", kit.incident_id());
    for path in PAGES.into_iter().chain([incident.as_str()]) {
        let reply = page(&kit, path).await;
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
        for never in ["<script", " style=", " onclick", "javascript:", "http://fonts", "NaN", ">null<"] {
            assert!(!reply.text.contains(never), "{path} contains {never}");
        }
    }
}

#[tokio::test]
async fn the_overview_says_what_broke_and_what_to_press() {
    let kit = Kit::new();
    let text = page(&kit, "/").await.text;
    assert!(text.contains("1 critical, 2 warnings"));
    assert!(text.contains("1 incident nobody has answered."));
    assert!(text.contains(&format!("action=\"/incidents/{}/ack\"", kit.incident_id())));
    assert_eq!(text.matches(">Acknowledge<").count(), 1, "the acknowledged incident needs no button");
    assert!(text.contains("next in 2\u{202f}min") && text.contains("answered by <b>ada</b>"));
    // Worst first.
    let positions: Vec<usize> =
        ["/objectives/api-latency", "/objectives/redis-memory", "/objectives/orders", "/objectives/shop-lcp"]
            .iter()
            .map(|path| text.find(&format!("href=\"{path}\"")).unwrap())
            .collect();
    assert!(positions.is_sorted(), "{positions:?}");
    assert!(text.contains("620\u{202f}ms") && text.contains("≤\u{202f}200\u{202f}ms"));
    assert!(text.contains("≥\u{202f}99.9\u{202f}%") && text.contains("−20\u{202f}%"));
}

#[tokio::test]
async fn a_calm_overview_says_so() {
    let text = page(&Kit::calm(), "/").await.text;
    assert!(text.contains("All 5 objectives within the line") && text.contains("No open incident."));
}

#[tokio::test]
async fn an_overdrawn_budget_is_not_called_ok() {
    let text = page(&Kit::overdrawn(), "/").await.text;
    assert!(text.contains("No alert, but 3 of 5 past the line"), "{text}");
    assert_eq!(text.matches(">past the line</span>").count(), 3, "{text}");
}

#[tokio::test]
async fn the_objective_page_has_chart_budget_and_query() {
    let kit = Kit::new();
    let latency = page(&kit, "/objectives/api-latency").await.text;
    assert!(latency.contains("<path class=\"line l0\"") && latency.contains("histogram_quantile(0.95"));
    assert!(latency.contains("https://wiki.example/runbooks/api"));
    let available = page(&kit, "/objectives/api-availability").await.text;
    assert!(available.contains("Budget of 30d") && available.contains("11.2×") && available.contains("Who took it"));
    assert!(available.contains("1\u{202f}d 18\u{202f}h") || available.contains("42\u{202f}h"));
    assert_eq!(kit.get(routes(), "/objectives/nope").await.status, 404);
}

#[tokio::test]
async fn the_incident_page_tells_the_story_and_escapes_it() {
    let kit = Kit::new();
    let text = page(&kit, &format!("/incidents/{}", kit.incident_id())).await.text;
    for part in ["What happened", "fired", "503 Service Unavailable", "PD-1", "email-senior is told at 03:14"] {
        assert!(text.contains(part), "{part}");
    }
    for action in ["ack", "escalate", "resolve", "note"] {
        assert!(text.contains(&format!("/{action}\"")), "{action}");
    }
    let list = page(&kit, "/incidents").await.text;
    assert!(list.contains("&lt;script&gt;alert('memory')&lt;/script&gt;"), "names from outside are text");
    assert_eq!(kit.get(routes(), "/incidents/nonsense").await.status, 404);
}

#[tokio::test]
async fn acknowledging_on_the_page_goes_back_and_remembers_the_name() {
    let kit = Kit::new();
    let path = format!("/incidents/{}/ack", kit.incident_id());
    let reply = kit.post_form(routes(), &path, "by=Ada+%26+Co&note=&back=%2F").await;
    assert_eq!((reply.status, reply.header("location")), (303, "/"));
    assert_eq!(kit.acts(), [(Action::Acknowledge, "Ada & Co".into(), "page".into(), None)]);
    let cookie = reply.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let again = kit
        .request("POST", &path.replace("/ack", "/escalate"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("other=1; {pair}"))
        .header("origin", "http://slo.example")
        .header("host", "slo.example");
    let reply = kit.send(routes(), again, "back=https%3A%2F%2Fevil.example").await;
    assert_eq!((reply.status, reply.header("location")), (303, path.trim_end_matches("/ack")));
    assert_eq!(kit.acts()[1], (Action::Escalate, "Ada & Co".into(), "page".into(), None));
}

#[tokio::test]
async fn other_sites_and_bad_forms_change_nothing() {
    let kit = Kit::new();
    let path = format!("/incidents/{}/ack", kit.incident_id());
    let form = |origin| {
        kit.request("POST", &path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin)
            .header("host", "slo.example")
    };
    assert_eq!(kit.send(routes(), form("https://evil.example"), "by=eve").await.status, 403);
    assert_eq!(kit.send(routes(), form("null"), "by=eve").await.status, 403);
    assert_eq!(kit.post_form(routes(), &path.replace("/ack", "/note"), "note=+").await.status, 422);
    assert_eq!(kit.post_form(routes(), &path, &format!("by={}", "x".repeat(101))).await.status, 422);
    assert_eq!(kit.post_form(routes(), &path, &format!("note={}", "x".repeat(40_000))).await.status, 413);
    assert_eq!(kit.post_form(routes(), &path.replace("/ack", "/explode"), "").await.status, 404);
    assert!(kit.acts().is_empty());
}

#[tokio::test]
async fn vitals_show_settled_and_provisional_views() {
    let text = page(&Kit::new(), "/vitals").await.text;
    assert!(text.contains("/product/:id") && text.contains("7 provisional") && text.contains("soft navigations"));
    assert!(text.contains("class=\"vital ok\"") && text.contains("class=\"vital critical\""));
    let hour = page(&Kit::new(), "/vitals?window=1h").await.text;
    assert!(hour.contains("href=\"/vitals?window=1h\" aria-current=\"true\""));
}

#[tokio::test]
async fn stores_show_their_figures() {
    let kit = Kit::new();
    let redis = page(&kit, "/redis").await.text;
    assert!(redis.contains("cache-1") && redis.contains("87.1\u{202f}%") && redis.contains("18\u{202f}413/s"));
    assert!(redis.contains("14\u{202f}d"), "running for two weeks");
    let postgres = page(&kit, "/postgres").await.text;
    assert!(postgres.contains("main") && postgres.contains(">down<"), "the replica is down");
}

#[tokio::test]
async fn an_empty_server_says_what_to_do_next() {
    let kit = Kit::empty();
    for (path, hint) in [
        ("/", "/ingest/timings"),
        ("/incidents", "climbs its escalation"),
        ("/vitals", "data-site"),
        ("/redis", "/ingest/redis?instance=cache-1"),
        ("/postgres", "pg_monitor"),
    ] {
        assert!(page(&kit, path).await.text.contains(hint), "{path}");
    }
}

#[tokio::test]
async fn a_failing_database_is_said_in_words() {
    let kit = Kit::new();
    kit.fail_on_call();
    let reply = kit.get(routes(), "/").await;
    assert_eq!(reply.status, 503);
    assert!(reply.text.contains("Database unavailable") && !reply.text.contains("disk is full"));
}

#[tokio::test]
async fn the_stylesheet_is_revalidated() {
    let kit = Kit::new();
    let style = kit.get(routes(), "/assets/style.css").await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
    let again = kit.request("GET", "/assets/style.css").header("if-none-match", style.header("etag"));
    assert_eq!(kit.send(routes(), again, "").await.status, 304);
}
