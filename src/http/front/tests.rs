use std::num::NonZeroU32;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::base::Secret;
use crate::http::ingest::testkit::World;
use crate::http::{IngestKey, Keys, Origin, Rate, Settings};
use crate::ingest::EndpointCounts;
use crate::series::{Batch, RecordError};

/// A request that can be sent twice.
#[derive(Debug, Clone)]
struct Sent {
    method: Method,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
}

impl Sent {
    fn request(&self) -> Request<Body> {
        let mut request = Request::builder().method(self.method.clone()).uri(self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from(self.body)).unwrap()
    }
}

/// Everything that a request leaves behind.
#[derive(Debug, PartialEq)]
struct Left {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    counts: Vec<EndpointCounts>,
    batches: Vec<Batch>,
}

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], 4711))
}

async fn left(world: &World, response: Response) -> Left {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap().to_vec();
    let counts = world.api.edge().intake.tally().counts();
    // The server adds the length, whichever way the answer came.
    let mut headers = parts.headers;
    headers.remove("content-length");
    Left { status: parts.status, headers, body, counts, batches: world.behind.batches.lock().clone() }
}

async fn through_the_front(world: &World, sent: &Sent) -> Left {
    left(world, Front::new(world.api.clone()).answer(sent.request(), peer()).await).await
}

async fn through_the_router(world: &World, sent: &Sent) -> Left {
    let mut request = sent.request();
    request.extensions_mut().insert(ConnectInfo(peer()));
    left(world, router(world.api.clone()).oneshot(request).await.unwrap()).await
}

fn settings() -> impl Strategy<Value = Settings> {
    let rate =
        |requests: u32| Some(Rate { requests: NonZeroU32::new(requests).unwrap(), per: Duration::from_secs(60) });
    let key = move |secret: &str, limited: bool| IngestKey {
        secret: Secret::new(secret),
        origins: vec![Origin::parse("https://shop.example").unwrap()],
        service: limited.then(|| "of-the-key".to_owned()),
        rate: if limited { rate(2) } else { None },
    };
    let keys = prop::option::of(Just(vec![key("shop", false), key("slow", true)]));
    let prefix = prop::sample::select(vec!["", "/mark"]);
    let browser = prop::option::of(prop::sample::select(vec!["/b".to_owned(), "ingest".to_owned()]));
    (keys, prefix, browser, any::<bool>(), any::<bool>()).prop_map(move |(keys, prefix, browser, narrow, few)| {
        let mut settings = Settings { route_prefix: prefix.into(), browser_prefix: browser, ..Settings::default() };
        settings.keys = Keys { ingest: keys.unwrap_or_default(), admin: Vec::new() };
        if narrow {
            (settings.limits.body, settings.limits.beacon) = (90, 60);
        }
        if few {
            settings.limits.per_client = rate(1);
        }
        settings
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    let method = prop_oneof![8 => Just(Method::POST), 1 => Just(Method::GET), 1 => Just(Method::OPTIONS), 1 => Just(Method::PUT)];
    let path = prop::sample::select(vec![
        "/ingest/timings",
        "/ingest/timings",
        "/ingest/vitals",
        "/ingest/vitals?site=shop",
        "/mark/ingest/timings",
        "/mark/ingest/vitals",
        "/b/vitals",
        "/mark/b/vitals?a=b",
        "/ingest/timings/",
        "/ingest//timings",
        "/ingest/timing%73",
        "/INGEST/timings",
        "http://other.example/ingest/timings",
    ]);
    let header = prop::sample::select(vec![
        ("content-type", "application/json"),
        ("content-type", "application/json"),
        ("content-type", "Application/X-NDJSON; charset=utf-8"),
        ("content-type", "text/plain"),
        ("content-type", "application/xml"),
        ("content-encoding", "gzip"),
        ("content-encoding", "br"),
        ("content-encoding", "IDENTITY"),
        ("content-length", "10485760"),
        ("expect", "100-continue"),
        ("authorization", "Bearer shop"),
        ("authorization", "Bearer slow"),
        ("authorization", "Bearer wrong"),
        ("authorization", "Basic shop"),
        ("origin", "https://shop.example"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-origin"),
        ("x-forwarded-for", "9.9.9.9"),
        ("user-agent", "HeadlessChrome/142"),
        ("sec-ch-ua-mobile", "?1"),
    ]);
    let body = prop::sample::select(vec![
        r#"{"kind":"http","service":"a","route":"/x","duration_ms":1}"#,
        r#"[{"kind":"http","duration_ms":1},{"kind":"http","duration_ms":-1}]"#,
        "{\"kind\":\"http\",\"duration_ms\":1}\n{\"kind\":\"fax\"}\nrubbish",
        r#"{"v":1,"site":"shop","view":"a","metrics":[{"name":"LCP","value":1200}]}"#,
        r#"{"v":1,"view":"a","metrics":[{"name":"CLS","value":0.1}]}"#,
        "{",
        "",
    ]);
    let headers = prop::collection::vec(header, 0..5);
    let typed = prop::bool::weighted(0.7);
    (method, path, headers, typed, body).prop_map(|(method, path, mut headers, typed, body)| {
        if typed {
            headers.insert(0, ("content-type", "application/json"));
        }
        Sent { method, path, headers, body }
    })
}

fn both_ways(settings: Settings, requests: &[Sent], failure: Option<fn() -> RecordError>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (one, two) = (settings.clone(), settings);
    let (short, long) = (World::new(one, Default::default()), World::new(two, Default::default()));
    (*short.behind.failure.lock(), *long.behind.failure.lock()) = (failure, failure);
    for sent in requests {
        let (a, b) =
            runtime.block_on(async { (through_the_front(&short, sent).await, through_the_router(&long, sent).await) });
        assert_eq!(a, b, "{sent:?}");
    }
}

proptest! {
    #[test]
    fn the_short_way_answers_as_the_router_does(
        settings in settings(),
        requests in prop::collection::vec(sent(), 1..6),
        failing in prop::bool::weighted(0.1),
    ) {
        both_ways(settings, &requests, failing.then_some(|| RecordError::Full));
    }
}

#[test]
fn the_short_way_is_taken_and_counts() {
    let world = World::new(Settings::default(), Default::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = r#"{"kind":"http","duration_ms":1}"#;
    let json = vec![("content-type", "application/json")];
    let sent = Sent { method: Method::POST, path: "/ingest/timings", headers: json, body };
    // A router that knows no path shows who answers.
    let Inner { api, timings, vitals, .. } = Arc::into_inner(Front::new(world.api.clone()).0).unwrap();
    let front = Front(Arc::new(Inner { api, router: Router::new(), timings, vitals }));
    let left = runtime.block_on(async { left(&world, front.answer(sent.request(), peer()).await).await });
    assert_eq!((left.status, left.batches.len()), (StatusCode::NO_CONTENT, 1));
}
