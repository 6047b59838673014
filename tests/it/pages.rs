//! The web pages and the browser script in a real browser.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use parking_lot::Mutex;
use plimsoll::base::{Clock as _, SystemClock};
use plimsoll::http::{api, sdk, ui};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::chromium::Browser;
use crate::support::wait::until;

#[path = "../../src/http/testkit/mod.rs"]
mod testkit;

use testkit::Kit;

/// A router on a free loopback port until it is dropped.
struct Server {
    url: String,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, _task: task }
    }
}

fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn pages(kit: &Kit) -> Router {
    ui::routes().merge(api::routes()).merge(sdk::routes()).with_state(kit.api())
}

/// Opens each page, takes its picture, and holds it to what every page must be.
async fn visit(browser: &Browser, server: &Server, paths: &[(&str, &str)], suffix: &str) {
    for (name, path) in paths {
        browser.open(&format!("{}{path}", server.url)).await;
        browser.screenshot(&pictures().join(format!("{name}-{suffix}.png"))).await;
        let wide = browser.run("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(wide.as_i64().unwrap() <= 0, "{path} is {wide} pixels wider than the {suffix} screen");
        let cut = "const n = document.querySelector('header nav'); return n.scrollWidth - n.clientWidth";
        assert_eq!(browser.run(cut).await, 0, "{path}: the navigation is cut off on the {suffix} screen");
        let styled = browser.run("return getComputedStyle(document.body).fontVariantNumeric").await;
        assert_eq!(styled, "tabular-nums", "{path} has no stylesheet");
        assert_eq!(browser.log().await, Vec::<String>::new(), "{path}");
    }
}

#[tokio::test]
async fn pages_fit_a_phone_and_a_desk_in_light_and_dark() {
    let kit = Kit::new();
    let server = Server::start(pages(&kit)).await;
    let (empty_kit, calm_kit) = (Kit::empty(), Kit::calm());
    let empty = Server::start(pages(&empty_kit)).await;
    let calm = Server::start(pages(&calm_kit)).await;
    let incident = format!("/incidents/{}", kit.incident_id());
    let full = [
        ("overview", "/"),
        ("objective", "/objectives/api-latency"),
        ("budget", "/objectives/api-availability"),
        ("incidents", "/incidents"),
        ("incident", incident.as_str()),
        ("vitals", "/vitals"),
        ("redis", "/redis"),
        ("postgres", "/postgres"),
    ];
    let bare = [("empty-overview", "/"), ("empty-vitals", "/vitals"), ("empty-redis", "/redis")];
    for (width, height, suffix) in [(390, 844, "phone"), (1280, 900, "desk")] {
        let browser = Browser::start(width, height).await;
        visit(&browser, &server, &full, suffix).await;
        visit(&browser, &empty, &bare, suffix).await;
        visit(&browser, &calm, &[("calm", "/")], suffix).await;
        let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
        browser.devtools("Emulation.setEmulatedMedia", dark).await;
        visit(&browser, &server, &full[..6], &format!("{suffix}-dark")).await;
    }
}

#[tokio::test]
async fn a_tap_on_the_overview_acknowledges() {
    let kit = Kit::new();
    let server = Server::start(pages(&kit)).await;
    let browser = Browser::start(390, 844).await;
    browser.open(&format!("{}/incidents/{}", server.url, kit.incident_id())).await;
    browser.run("document.querySelector('input[name=by]').value = 'Ada'; return 0").await;
    browser.run("document.querySelector('input[name=note]').value = 'looking'; return 0").await;
    browser.click(".actions .fields button").await;
    browser.open(&server.url).await;
    // The first thing on the small screen, without scrolling.
    let bottom = browser.run("return document.querySelector('.card button').getBoundingClientRect().bottom").await;
    assert!(bottom.as_f64().unwrap() < 844.0, "the button is below the screen: {bottom}");
    browser.click(".card button").await;
    assert_eq!(browser.run("return location.pathname").await, "/");
    let text = browser.run("return document.querySelector('.hero').innerText").await;
    assert!(text.as_str().unwrap().contains("2 open incidents, all acknowledged"), "{text}");
    let acts = kit.acts();
    assert_eq!(acts[0].3.as_deref(), Some("looking"));
    assert_eq!(acts[1].1, "Ada", "the name is remembered");
}

// ---- the browser script

/// A shop's page with a late first byte, a shift of exactly 0.05 in a viewport of 1000 by 1000, and a
/// button whose handler blocks for 120 ms. The untouched library runs beside our script under its own name.
const PRODUCT: &str = r#"<!doctype html><html><head><meta charset="utf-8"><title>Product</title>
<style>body{margin:0} #block{position:absolute;left:0;top:200px;width:1000px;height:400px;background:#8ac;font-size:40px}</style>
<script defer src="/reference/library.js"></script>
<script defer src="/reference/reader.js"></script>
<script defer src="/sdk/SCRIPT" data-site="shop" data-route="/product/:id" data-release="r1" ATTRIBUTES></script>
<script defer src="/shop.js"></script>
</head><body><div id="block">A block of text that is the largest thing to see</div><button id="buy">Buy</button></body></html>"#;

const SHOP: &str = "
document.getElementById('buy').addEventListener('click', () => {
  const end = performance.now() + 120;
  while (performance.now() < end);
});
addEventListener('load', () => setTimeout(() => { document.getElementById('block').style.top = '300px'; }, 300));
";

/// Keeps the library's last value of each metric and sends it when the page is hidden.
const READER: &str = "
let values = {};
const keep = (m) => { values[m.name] = m.value; };
for (const on of ['onTTFB', 'onFCP', 'onLCP', 'onCLS', 'onINP']) webVitals[on](keep, {reportAllChanges: true});
addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') navigator.sendBeacon('/reference', JSON.stringify(values));
});
addEventListener('pageshow', (e) => { if (e.persisted) values = {}; }, true);
";

/// What the shop's server saw.
#[derive(Default)]
struct Seen {
    beacons: Mutex<Vec<Value>>,
    kinds: Mutex<Vec<String>>,
    reference: Mutex<Vec<Value>>,
    /// Statuses to answer beacons with; 204 when there are none left.
    answers: Mutex<VecDeque<u16>>,
}

type Shared = Arc<Seen>;

impl Seen {
    fn beacons(&self) -> Vec<Value> {
        self.beacons.lock().clone()
    }

    /// The last value of each metric of one view, by `n`.
    fn last_values(&self, view: &Value) -> BTreeMap<String, f64> {
        let mut of_view: Vec<Value> = self.beacons().into_iter().filter(|b| b["view"] == *view).collect();
        of_view.sort_by_key(|b| b["n"].as_u64());
        let metrics = of_view.iter().flat_map(|b| b["metrics"].as_array().unwrap());
        metrics.map(|m| (m["name"].as_str().unwrap().to_owned(), m["value"].as_f64().unwrap())).collect()
    }
}

async fn collect(State(seen): State<Shared>, headers: header::HeaderMap, body: String) -> impl IntoResponse {
    let kind = headers.get(header::CONTENT_TYPE).map_or("", |v| v.to_str().unwrap());
    seen.kinds.lock().push(kind.to_owned());
    seen.beacons.lock().push(serde_json::from_str(&body).unwrap());
    let status = seen.answers.lock().pop_front().unwrap_or(204);
    (StatusCode::from_u16(status).unwrap(), [(header::RETRY_AFTER, "3600")])
}

async fn product() -> Html<String> {
    SystemClock.sleep(Duration::from_millis(300)).await;
    Html(PRODUCT.replace("SCRIPT", "plimsoll.js").replace("ATTRIBUTES", ""))
}

async fn attributed() -> Html<String> {
    Html(PRODUCT.replace("SCRIPT", "plimsoll.attr.js").replace("ATTRIBUTES", "data-endpoint='/other/vitals'"))
}

fn script(text: &'static str) -> axum::routing::MethodRouter<Shared> {
    get(move || async move { ([(header::CONTENT_TYPE, "text/javascript")], text) })
}

async fn library() -> impl IntoResponse {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/node_modules/web-vitals/dist/web-vitals.iife.js");
    let text = std::fs::read_to_string(path).expect("the library is installed: run `make web`");
    ([(header::CONTENT_TYPE, "text/javascript")], text)
}

async fn shop() -> (Server, Shared) {
    assert!(!sdk::files().is_empty(), "the browser script is not embedded: run `make web`, then build again");
    let seen = Shared::default();
    let router = Router::new()
        .route("/product/{id}", get(product))
        .route("/attributed", get(attributed))
        .route("/done", get(|| async { Html("<!doctype html><title>Done</title><p>Done") }))
        .route("/shop.js", script(SHOP))
        .route("/reference/library.js", get(library))
        .route("/reference/reader.js", script(READER))
        .route("/ingest/vitals", post(collect))
        .route("/other/vitals", post(collect))
        .route(
            "/reference",
            post(|State(seen): State<Shared>, body: String| async move {
                seen.reference.lock().push(serde_json::from_str(&body).unwrap());
            }),
        )
        .with_state(seen.clone())
        .merge(sdk::routes().with_state(Kit::empty().api()));
    (Server::start(router).await, seen)
}

/// Waits for the first beacon that satisfies the condition.
async fn beacon(seen: &Seen, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until(what, Duration::from_secs(20), || async {
        seen.beacons().into_iter().find(|b| wanted(b)).ok_or_else(|| format!("{:?}", seen.beacons()))
    })
    .await
}

fn has(beacon: &Value, name: &str) -> bool {
    beacon["metrics"].as_array().is_some_and(|all| all.iter().any(|m| m["name"] == name))
}

/// Waits until the untouched library has a value.
async fn measured(browser: &Browser, metric: &str) {
    until(&format!("{metric} is measured"), Duration::from_secs(10), || async {
        let value = browser.run(&format!("return values.{metric} || 0")).await;
        if value.as_f64() > Some(0.0) { Ok(()) } else { Err(format!("{metric} is {value}")) }
    })
    .await;
}

fn as_map(values: &Value) -> BTreeMap<String, f64> {
    values.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.as_f64().unwrap())).collect()
}

#[tokio::test]
async fn the_script_reports_what_the_library_measures() {
    let (server, seen) = shop().await;
    let browser = Browser::start(1000, 1000).await;
    browser.open(&format!("{}/product/123?token=secret#part", server.url)).await;

    let early = beacon(&seen, "the early beacon", |b| b["n"] == 1).await;
    assert_eq!((&early["v"], &early["site"], &early["release"]), (&json!(1), &json!("shop"), &json!("r1")));
    assert_eq!(early["page"], format!("{}/product/123", server.url), "no query, no fragment");
    assert_eq!((&early["route"], &early["navigation"]), (&json!("/product/:id"), &json!("navigate")));
    assert_eq!((&early["device"], &early["final"], &early["rate"]), (&json!("desktop"), &json!(false), &json!(1)));
    assert!(["TTFB", "FCP", "LCP", "CLS"].iter().all(|name| has(&early, name)), "{early}");
    assert!(early["age"].as_f64().unwrap() > 5000.0 && early["metrics"][0]["attribution"].is_null());
    assert!(!early.to_string().contains("secret"));

    browser.click("#buy").await;
    measured(&browser, "INP").await;
    browser.close().await;
    let last = beacon(&seen, "the final beacon", |b| b["final"] == true).await;
    assert!(has(&last, "TTFB") && has(&last, "INP"), "a final beacon has every metric: {last}");
    let reference = until("the library's own report", Duration::from_secs(10), || async {
        seen.reference.lock().last().cloned().ok_or_else(|| "none".to_owned())
    })
    .await;

    let ours = seen.last_values(&early["view"]);
    assert_eq!(ours, as_map(&reference), "bit for bit what the untouched library says");
    assert_eq!(ours["CLS"], 0.05, "400 of 1000 pixels moved by 100: (0.4 + 0.1) * 0.1");
    assert!((300.0..800.0).contains(&ours["TTFB"]) && ours["FCP"] >= ours["TTFB"], "{ours:?}");
    assert!((120.0..400.0).contains(&ours["INP"]), "{ours:?}");
    assert!(seen.kinds.lock().iter().all(|k| k == "text/plain;charset=UTF-8"), "text/plain needs no preflight");
    let prev = last["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "TTFB").unwrap();
    assert_eq!(prev["prev"], prev["value"], "sent before");
}

#[tokio::test]
async fn a_restored_page_is_a_view_of_its_own() {
    let (server, seen) = shop().await;
    let browser = Browser::start(1000, 1000).await;
    browser.open(&format!("{}/product/1", server.url)).await;
    measured(&browser, "LCP").await;
    browser.open(&format!("{}/done", server.url)).await;
    let first = beacon(&seen, "the beacon on leaving", |b| has(b, "LCP")).await;
    assert_eq!(first["final"], false, "a page that may be restored is not over");
    browser.back().await;
    let ended = beacon(&seen, "the first view ends", |b| b["final"] == true).await;
    assert_eq!(ended["view"], first["view"]);
    measured(&browser, "LCP").await;
    browser.close().await;
    let restored = beacon(&seen, "the restored view", |b| b["view"] != first["view"]).await;
    assert_eq!(restored["navigation"], "back-forward-cache");
    assert!(has(&restored, "LCP") && !has(&restored, "TTFB"), "its TTFB is a dummy: {restored}");
    assert_ne!(seen.last_values(&restored["view"]).get("LCP"), seen.last_values(&first["view"]).get("LCP"));
}

#[tokio::test]
async fn attribution_is_sent_unless_the_visitor_asked_for_privacy() {
    let (server, seen) = shop().await;
    let browser = Browser::start(1000, 1000).await;
    browser.open(&format!("{}/attributed", server.url)).await;
    measured(&browser, "LCP").await;
    browser.open(&format!("{}/done", server.url)).await;
    let plain = beacon(&seen, "attribution", |b| has(b, "LCP")).await;
    let lcp = plain["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "LCP").unwrap();
    assert!(lcp["attribution"]["target"].as_str().unwrap().contains("#block"), "{lcp}");
    assert!(lcp["attribution"]["timeToFirstByte"].is_number());

    seen.beacons.lock().clear();
    let source = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": source})).await;
    browser.open(&format!("{}/attributed", server.url)).await;
    measured(&browser, "LCP").await;
    browser.open(&format!("{}/done", server.url)).await;
    let private = beacon(&seen, "values without attribution", |b| has(b, "LCP")).await;
    assert!(!private.to_string().contains("attribution"), "{private}");
}

#[tokio::test]
async fn the_script_tries_again_once_and_stops_when_told() {
    let (server, seen) = shop().await;
    *seen.answers.lock() = VecDeque::from([503, 429]);
    let browser = Browser::start(1000, 1000).await;
    browser.open(&format!("{}/product/1", server.url)).await;
    browser.run("plimsoll.flush(); return 0").await;
    let first = beacon(&seen, "the first try", |b| b["n"] == 1).await;
    let second = beacon(&seen, "the second try", |b| b["n"] == 2).await;
    assert_eq!(first["metrics"][0]["value"], second["metrics"][0]["value"], "the same value again");
    assert_eq!(second["metrics"][0]["prev"], second["metrics"][0]["value"]);
    // The 429 says an hour: whatever happens now is not sent.
    browser.click("#buy").await;
    browser.run("plimsoll.flush(); return 0").await;
    browser.close().await;
    let other = Browser::start(1000, 1000).await;
    other.open(&format!("{}/product/2", server.url)).await;
    other
        .run("plimsoll.setConsent(false); plimsoll.flush(); plimsoll.setConsent(true); plimsoll.flush(); return 0")
        .await;
    beacon(&seen, "another visitor's beacon", |b| b["page"].as_str().unwrap().ends_with("/2")).await;
    let stopped = seen.beacons().iter().filter(|b| b["view"] == first["view"]).count();
    assert_eq!(stopped, 2, "silence after the 429");
}
