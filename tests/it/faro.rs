//! A page with Grafana Faro's own SDK in a real browser, which sends here from another origin.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use plimsoll::base::{DropReason, Secret};
use plimsoll::http::{IngestKey, Keys, Origin, Settings};
use plimsoll::ingest::Endpoint;
use plimsoll::series::VitalReport;
use tokio::task::JoinSet;

use crate::support::chromium::Browser;
use crate::support::fakes::World;
use crate::support::wait::until;

/// The page starts the SDK as its documentation says, and tells what the library under it measures.
const PAGE: &str = r#"<!doctype html><html><head><meta charset="utf-8"><title>Product</title><link rel="icon" href="data:,">
<style>body{margin:0} #block{position:absolute;left:0;top:200px;width:1000px;height:400px;background:#8ac;font-size:40px}</style>
<script src="/faro.js"></script>
<script>
  GrafanaFaroWebSdk.initializeFaro({url: 'COLLECTOR/collect', apiKey: 'public', app: {name: 'shop', version: 'r1'},
    batching: {sendTimeout: 100}});
</script></head>
<body><div id="block">A block of text that is the largest thing to see</div><button id="buy">Buy</button>
<script>
  const seen = {};
  new PerformanceObserver(() => { seen['layout-shift'] = true; }).observe({type: 'layout-shift'});
  document.getElementById('buy').addEventListener('click', () => {
    const end = performance.now() + 300;
    while (performance.now() < end);
    setTimeout(() => { throw new TypeError('no price'); });
  });
  addEventListener('load', () => setTimeout(() => { document.getElementById('block').style.top = '300px'; }, 300));
</script></body></html>"#;

async fn listen() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn sdk() -> impl IntoResponse {
    let path = "web/node_modules/@grafana/faro-web-sdk/dist/bundle/faro-web-sdk.iife.js";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(path).expect("the SDK is installed: run `make web`");
    ([(header::CONTENT_TYPE, "text/javascript")], text)
}

/// A collector that lets the shop's origin send.
fn collector(shop: &str) -> World {
    let key = IngestKey {
        secret: Secret::new("public"),
        origins: vec![Origin::parse(shop).unwrap()],
        service: Some("shop-web".to_owned()),
        rate: None,
    };
    let keys = Keys { ingest: vec![key], admin: Vec::new() };
    let ingest = plimsoll::ingest::Settings { allow_automated_browsers: true, ..plimsoll::ingest::Settings::default() };
    World::new(Settings { keys, ..Settings::default() }, ingest)
}

/// The last report of each vital.
fn vitals(world: &World) -> BTreeMap<String, VitalReport> {
    let batches = world.behind.batches.lock();
    batches.iter().flat_map(|b| &b.vitals).map(|v| (v.key.metric.clone(), v.clone())).collect()
}

async fn happened(browser: &Browser, kind: &str) {
    until(&format!("a {kind} is seen"), Duration::from_secs(10), || async {
        let seen = browser.run(&format!("return !!seen['{kind}']")).await;
        if seen.as_bool() == Some(true) { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn the_sdks_vitals_and_exceptions_arrive() {
    let (shop, shop_url) = listen().await;
    let (door, door_url) = listen().await;
    let world = collector(&shop_url);
    let page = PAGE.replace("COLLECTOR", &door_url);
    let pages = Router::new()
        .route("/product/{id}", get(|| async move { Html(page) }))
        .route("/done", get(|| async { Html("<!doctype html><title>Done</title><link rel=icon href=data:,><p>Done") }))
        .route("/faro.js", get(sdk));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(shop, pages).await.unwrap() });
    let router = plimsoll::http::router(world.api.clone());
    tasks.spawn(async move { axum::serve(door, router).await.unwrap() });

    let browser = Browser::start(1000, 1000).await;
    browser.open(&format!("{shop_url}/product/123?token=secret#part")).await;
    let arrived = async |names: &[&str]| {
        until(&format!("{names:?} arrive"), Duration::from_secs(20), || async {
            let got = vitals(&world);
            if names.iter().all(|n| got.contains_key(*n)) { Ok(got) } else { Err(format!("{:?}", got.keys())) }
        })
        .await
    };
    arrived(&["TTFB", "FCP"]).await;
    // A shift within half a second of a click would be the visitor's own.
    happened(&browser, "layout-shift").await;
    browser.click("#buy").await;
    arrived(&["LCP"]).await;
    browser.open(&format!("{shop_url}/done")).await;
    // INP comes only if the browser has measured it before the page goes: its way is held by the recorded bodies.
    let got = arrived(&["TTFB", "FCP", "LCP", "CLS"]).await;

    assert_eq!(got["CLS"].value, 0.05, "400 of 1000 pixels moved by 100: (0.4 + 0.1) * 0.1");
    assert!(got["FCP"].value >= got["TTFB"].value && got["LCP"].value >= got["FCP"].value);
    for report in got.values() {
        assert!(report.key.id.starts_with("v6-") && report.sequence.is_none() && report.delta.is_some(), "{report:?}");
        let label = |name| report.labels.value(name);
        let labels =
            [label("service_name"), label("route"), label("release"), label("navigation_type"), label("device")];
        assert_eq!(labels, ["shop-web", "/product/*", "r1", "navigate", "desktop"]);
    }
    let items = world.behind.batches.lock().iter().flat_map(|b| b.items.clone()).collect::<Vec<_>>();
    let thrown = items.iter().find(|i| i.labels.metric_name() == "faro_exceptions_total").expect("an exception");
    assert_eq!((thrown.labels.value("type"), thrown.labels.value("service_name")), ("TypeError", "shop-web"));
    let (_, _, dropped) = world.tally(Endpoint::Collect);
    assert!(dropped.iter().all(|(reason, _)| *reason == DropReason::Unsupported), "{dropped:?}");
    assert!(!format!("{:?}", world.behind.batches.lock()).contains("secret"));
    let log = browser.log().await;
    assert!(log.iter().all(|line| line.contains("no price")), "no failed request, no CORS error: {log:?}");
}
