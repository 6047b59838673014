use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::*;
use crate::base::retry::Class;

const NOW: Timestamp = Timestamp::from_secs(1_795_176_000);

fn client(total: Duration) -> Client {
    Client::new(Limits { connect: total, total }, Policy::Configured).unwrap()
}

/// Serves until the set is dropped; returns the address.
async fn serve(router: Router, tasks: &mut JoinSet<()>) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Url::parse(&format!("http://{address}/")).unwrap()
}

fn endless() -> Body {
    Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1000]))))
}

fn stuck() -> Body {
    let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"first"))]);
    Body::from_stream(first.chain(futures::stream::pending()))
}

#[tokio::test]
async fn no_more_of_an_answer_is_kept_than_allowed() {
    let mut tasks = JoinSet::new();
    let router = Router::new().route("/", get(async || endless())).route("/small", get(async || "x".repeat(100)));
    let url = serve(router, &mut tasks).await;
    let client = client(Duration::from_secs(10));
    let answer = client.send(Request::get(url.clone()), NOW).await.unwrap();
    assert_eq!((answer.body.len(), answer.truncated), (ANSWER_BYTES, true));
    let small = url.join("small").unwrap();
    let exact = client.send(Request::get(small.clone()).answer_bytes(100), NOW).await.unwrap();
    assert_eq!((exact.body.len(), exact.truncated), (100, false));
    let cut = client.send(Request::get(small).answer_bytes(99), NOW).await.unwrap();
    assert_eq!((cut.body.len(), cut.truncated), (99, true));
}

#[tokio::test]
async fn the_timeout_holds_to_the_last_byte() {
    let mut tasks = JoinSet::new();
    let url = serve(Router::new().route("/", get(async || stuck())), &mut tasks).await;
    let error = client(Duration::from_millis(200)).send(Request::get(url), NOW).await.unwrap_err();
    assert!(matches!(error, EgressError::Timeout { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mut tasks = JoinSet::new();
    let visits = Arc::new(AtomicU32::new(0));
    let seen = visits.clone();
    let target = get(async move || {
        seen.fetch_add(1, SeqCst);
    });
    let here = get(async || axum::response::Redirect::temporary("/target"));
    let url = serve(Router::new().route("/", here).route("/target", target), &mut tasks).await;
    let error = client(Duration::from_secs(10)).send(Request::get(url), NOW).await.unwrap_err();
    assert!(matches!(error, EgressError::Redirect { status: 307, .. }), "{error:?}");
    assert_eq!((error.class(), visits.load(SeqCst)), (Class::Permanent, 0));
}

#[tokio::test]
async fn addresses_are_refused_in_the_url_and_in_the_dns_answer() {
    let configured = client(Duration::from_secs(10));
    for url in ["http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://0.0.0.0/", "http://0xa9fea9fe/"]
    {
        let error = configured.send(Request::get(Url::parse(url).unwrap()), NOW).await.unwrap_err();
        assert!(matches!(error, EgressError::Refused { .. }), "{url}: {error:?}");
        assert_eq!(error.class(), Class::Permanent);
    }
    let public = Client::new(Limits::default(), Policy::Public).unwrap();
    let error = public.send(Request::get(Url::parse("http://localhost:1/").unwrap()), NOW).await.unwrap_err();
    assert!(matches!(error, EgressError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn failures_without_an_answer_are_transient() {
    let client = client(Duration::from_secs(10));
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (url, name) in [(format!("http://{closed}/secret"), "Connect"), ("http://no.invalid/secret".to_owned(), "Dns")]
    {
        let error = client.send(Request::get(Url::parse(&url).unwrap()), NOW).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(name), "{error:?}");
        assert_eq!(error.class(), Class::Transient);
        assert!(!error.report().contains("secret") && !format!("{error:?}").contains("secret"), "{error:?}");
    }
    let error = client.send(Request::get(Url::parse("ftp://127.0.0.1/").unwrap()), NOW).await.unwrap_err();
    assert!(matches!(error, EgressError::Url { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_says_why_without_secrets() {
    let mut tasks = JoinSet::new();
    let echo = async |uri: http::Uri| (StatusCode::IM_A_TEAPOT, format!("no {uri} for you, my-key"));
    let url = serve(Router::new().fallback(echo), &mut tasks).await;
    let url = url.join("/services/T0/B0/s3cr3t-token?key=s3cr3t").unwrap();
    let request = Request::get(url).secret(&Secret::new("my-key"));
    let error = client(Duration::from_secs(10)).send(request, NOW).await.unwrap_err();
    let place = error.to_string();
    assert!(place.starts_with("http://127.0.0.1:") && place.ends_with("/… answered 418: no …?… for you, …"), "{place}");
}
