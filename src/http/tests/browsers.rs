//! What browsers send with other people's scripts, and what they say of the elements of their pages.

use super::*;

const FARO: &str = r##"{"meta":{"app":{"name":"shop"},"page":{"url":"https://shop.example/cart?x=1"}},"measurements":[
    {"type":"web-vitals","values":{"lcp":9000,"delta":9000},"context":{"id":"v4-1","element":"main > <script>alert(1)</script>"}},
    {"type":"web-vitals","values":{"cls":0.2,"delta":0.2},"context":{"id":"v4-2","largest_shift_target":"#ad"}}],
    "events":[{"name":"session_start"}]}"##;

#[tokio::test]
async fn faros_payload_is_accepted_as_its_receivers_do() {
    let world = open();
    for path in ["/collect", "/ingest/collect"] {
        let answer = world.post(path, &[JSON, PAGE, ("x-faro-session-id", "s1")], FARO).await;
        assert_eq!((answer.status, answer.body.as_slice()), (StatusCode::ACCEPTED, b"ok".as_slice()));
        assert_eq!(
            (answer.header("cache-control"), answer.header("content-type")),
            ("no-store", "text/plain; charset=utf-8")
        );
        assert_eq!(answer.header("access-control-allow-origin"), "https://shop.example");
    }
    assert_eq!(world.tally(Endpoint::Collect), (6, 4, vec![(DropReason::Unsupported, 2)]));
    let some = FARO.replace("0.2,", "-0.2,");
    let answer = world.post("/collect", &[JSON], some).await;
    assert_eq!((answer.status, &answer.json()["accepted"]), (StatusCode::ACCEPTED, &json!(1)));
    assert_eq!(world.post("/collect", &[JSON], "{").await.problem(400), "malformed");
    assert_eq!(world.post("/collect", &[("content-type", "text/html")], FARO).await.problem(415), "unsupported_type");
    let none = r#"{"measurements":[{"type":"web-vitals","values":{},"context":{"id":"a"}}]}"#;
    assert_eq!(world.post("/collect", &[JSON], none).await.problem(422), "unknown_metric");
}

#[tokio::test]
async fn faros_key_is_a_header_or_the_applications_name() {
    let world = locked();
    let status = |answer: Answer| answer.status.as_u16();
    assert_eq!(status(world.post("/collect", &[JSON, PAGE], FARO).await), 202);
    assert_eq!(status(world.post("/collect", &[JSON, PAGE, ("x-api-key", "shop")], FARO).await), 202);
    assert_eq!(world.post("/collect", &[JSON, PAGE, ("x-api-key", "wrong")], FARO).await.problem(401), "unauthorized");
    let other = ("origin", "https://evil.example");
    assert_eq!(
        world.post("/collect", &[JSON, other, ("x-api-key", "shop")], FARO).await.problem(403),
        "forbidden_origin"
    );
    let unnamed = FARO.replace("\"shop\"", "\"toys\"");
    assert_eq!(world.post("/collect", &[JSON, PAGE], unnamed).await.problem(401), "unauthorized");
    let (received, accepted, dropped) = world.tally(Endpoint::Collect);
    assert_eq!((received, accepted), (11, 4));
    let expected = [(DropReason::Unauthorized, 4), (DropReason::ForbiddenOrigin, 1), (DropReason::Unsupported, 2)];
    assert_eq!(dropped, expected);
    // The key of an acting person is not taken from there.
    let act = world.post("/-/reload", &[("x-api-key", "root"), ("origin", "https://evil.example")], "").await;
    assert!(act.status.is_client_error(), "{}", act.status);
}

#[tokio::test]
async fn faros_preflight_allows_what_it_sends() {
    let world = locked();
    let request = Request::options("/collect").header("origin", "https://shop.example");
    let request = request
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,idempotency-key,x-api-key,x-faro-session-id");
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    for name in ["content-type", "idempotency-key", "x-api-key", "x-faro-session-id"] {
        assert!(answer.header("access-control-allow-headers").split(", ").any(|h| h == name), "{name}");
    }
}

#[tokio::test]
async fn the_browser_prefix_covers_both_forms() {
    let settings = Settings { browser_prefix: Some("/b".into()), ..Settings::default() };
    let world = World::new(settings, crate::ingest::Settings::default());
    assert_eq!(world.post("/b/vitals", &[JSON], BEACON).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.post("/b/collect", &[JSON], FARO).await.status, StatusCode::ACCEPTED);
    assert_eq!(world.post("/collect", &[JSON], FARO).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn blamed_elements_are_listed_escaped_and_never_labels() {
    let world = open();
    world.post("/collect", &[JSON], FARO).await;
    world.post("/collect", &[JSON], FARO).await;
    let summary = world.get("/api/performance/metrics?service=shop").await.json();
    let expected = json!([
        {"service": "shop", "route": "/cart", "metric": "LCP", "target": "main > <script>alert(1)</script>",
         "views": 1, "poor": 1, "average": 9000.0, "unit": "ms"},
        {"service": "shop", "route": "/cart", "metric": "CLS", "target": "#ad", "views": 1, "poor": 0, "average": 0.2},
    ]);
    assert_eq!(summary["attribution"], expected);
    assert_eq!(world.get("/api/performance/metrics?service=other").await.json()["attribution"], json!([]));
    let page = String::from_utf8(world.get("/vitals").await.body).unwrap();
    assert!(
        page.contains("main &gt; &lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script>alert"),
        "{page}"
    );
    let batches = world.behind.batches.lock();
    let vitals = batches.iter().flat_map(|b| &b.vitals);
    let labels: Vec<String> =
        vitals.flat_map(|v| v.labels.iter().map(|(_, v)| v.to_owned()).collect::<Vec<_>>()).collect();
    assert!(!labels.is_empty() && labels.iter().all(|v| !v.contains("main") && !v.contains("#ad")), "{labels:?}");
}

#[tokio::test]
async fn who_objects_to_being_looked_at_names_no_element() {
    let world = open();
    world.post("/collect", &[JSON, ("sec-gpc", "1")], FARO).await;
    let with_target = BEACON.replace("1200", r#"9200,"attribution":{"target":"main"}"#);
    world.post("/ingest/vitals", &[JSON, ("sec-gpc", "1")], with_target.clone()).await;
    assert_eq!(world.get("/api/performance/metrics").await.json()["attribution"], json!([]));
    world.post("/ingest/vitals", &[JSON], with_target).await;
    assert_eq!(world.get("/api/performance/metrics").await.json()["attribution"][0]["target"], "main");
}
