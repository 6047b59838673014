//! `POST /api/v1/write`: Prometheus remote write, 1.0 and 2.0.
//!
//! A sender tries again after 429 and 5xx and never after another 4xx. So 503 stands for what may be taken later
//! (the whole request, unchanged), and 400 for what never will be, after the rest of the request was stored.
//! Errors are one line of plain text, as Prometheus itself answers here: its senders log the first line.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::door::{Arrival, Door, Size};
use super::reply::unavailable;
use crate::base::DropReason;
use crate::http::{Api, Problem};
use crate::ingest::Endpoint;
use crate::ingest::remote_write::{RemoteWriteError, Version, Written};

/// Old senders name no type and mean version 1, as Prometheus takes it.
const DOOR: Door = Door {
    endpoint: Endpoint::RemoteWrite,
    types: &["application/x-protobuf", ""],
    browser: false,
    size: Size::RemoteWrite,
};

const SAMPLES: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS: HeaderName = HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// Takes a request.
pub async fn post(State(api): State<Api>, request: Request) -> Response {
    let version = version(request.headers());
    let arrival = match DOOR.pass(&api, request).await {
        Ok(arrival) => arrival,
        Err(problem) => return plain(&problem),
    };
    let mut response = match version {
        Ok(version) => receive(&api, version, &arrival).await,
        Err(problem) => {
            api.edge().intake.tally().refuse(Endpoint::RemoteWrite, DropReason::UnsupportedType);
            plain(&problem)
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn receive(api: &Api, version: Version, arrival: &Arrival) -> Response {
    let receiver = api.edge().intake.remote_write();
    match receiver.receive(version, &arrival.body, arrival.service(), api.clock.now()).await {
        Ok(written) => answer(version, &written),
        Err(RemoteWriteError::Record(error)) => plain(&unavailable(&error)),
        Err(error @ RemoteWriteError::TooMany(_)) => {
            plain(&Problem::of(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))
        }
        Err(error @ RemoteWriteError::Unreadable(_)) => plain(&Problem::of(StatusCode::BAD_REQUEST, error.to_string())),
    }
}

/// Version 2 has senders told how much was written, whether all of it was or not.
fn answer(version: Version, written: &Written) -> Response {
    let mut response = match written.refused.events() {
        0 => StatusCode::NO_CONTENT.into_response(),
        _ => plain(&Problem::of(StatusCode::BAD_REQUEST, written.refused.to_string())),
    };
    if version == Version::V2 {
        let counts = [(SAMPLES, written.samples), (HISTOGRAMS, written.histograms), (EXEMPLARS, 0)];
        response.headers_mut().extend(counts.map(|(name, count)| (name, HeaderValue::from(count))));
    }
    response
}

/// The message that the type names. The version header says nothing more: senders of both may send either.
fn version(headers: &HeaderMap) -> Result<Version, Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let parameters = value.split(';').skip(1).filter_map(|p| p.trim().split_once('='));
    let named = parameters.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("proto")).map(|(_, value)| value);
    match named.map(|value| value.trim_matches('"')) {
        None | Some("prometheus.WriteRequest") => Ok(Version::V1),
        Some("io.prometheus.write.v2.Request") => Ok(Version::V2),
        Some(_) => Err(Problem::of(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this message is not taken; send proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request",
        )),
    }
}

/// A problem in one line of text.
fn plain(problem: &Problem) -> Response {
    let text = format!("{}\n", problem.detail());
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let mut response = (problem.status(), kind, text).into_response();
    for (name, value) in problem.headers() {
        response.headers_mut().append(name, value.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use prost::Message as _;
    use tower::ServiceExt;

    use super::*;
    use crate::http::ingest::testkit::World;
    use crate::http::{IngestKey, Settings};
    use crate::ingest::remote_write::tests::schema::{packed, v1, v2};
    use crate::series::RecordError;

    const V1: &str = "application/x-protobuf;proto=prometheus.WriteRequest";
    const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

    fn world(settings: Settings) -> World {
        World::new(settings, crate::ingest::Settings::default())
    }

    fn message(series: Vec<v1::TimeSeries>) -> v1::WriteRequest {
        v1::WriteRequest { timeseries: series, metadata: Vec::new() }
    }

    fn good() -> v1::WriteRequest {
        message(vec![v1::series(&[("__name__", "up")], &[(1.0, 1_763_680_000_000)], Vec::new())])
    }

    fn half() -> v1::WriteRequest {
        let nameless = v1::series(&[("a", "b")], &[(1.0, 1_763_680_000_000)], Vec::new());
        message(good().timeseries.into_iter().chain([nameless]).collect())
    }

    struct Heard {
        status: u16,
        headers: HeaderMap,
        text: String,
    }

    impl Heard {
        fn header(&self, name: &str) -> Option<&str> {
            self.headers.get(name).and_then(|v| v.to_str().ok())
        }
    }

    async fn send(world: &World, headers: &[(&str, &str)], body: Vec<u8>) -> Heard {
        let mut request = Request::post("/api/v1/write");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = crate::http::router(world.api.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 10_000).await.unwrap().to_vec()).unwrap();
        Heard { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    #[tokio::test]
    async fn takes_both_versions_packed_or_not() {
        let world = world(Settings::default());
        let plain = good().encode_to_vec();
        let second = packed(&v2::from_v1(&good()));
        for (headers, body) in [
            (&[("content-type", V1), ("content-encoding", "snappy")][..], packed(&good())),
            (&[("content-type", "application/x-protobuf")], packed(&good())),
            (&[], packed(&good())),
            (&[("content-type", V2), ("content-encoding", "snappy")], second),
            (&[("content-type", V1), ("content-encoding", "identity")], plain.clone()),
            (&[("content-type", V1), ("content-encoding", "zstd")], zstd::encode_all(&plain[..], 1).unwrap()),
        ] {
            let heard = send(&world, headers, body).await;
            assert_eq!((heard.status, heard.text.as_str()), (204, ""), "{headers:?}");
        }
        assert_eq!((world.behind.recorded(), world.tally(Endpoint::RemoteWrite)), (6, (6, 6, vec![])));
    }

    #[tokio::test]
    async fn version_2_hears_how_much_was_written() {
        let world = world(Settings::default());
        let written = |heard: &Heard| {
            ["samples", "histograms", "exemplars"]
                .map(|n| heard.header(&format!("x-prometheus-remote-write-{n}-written")).map(str::to_owned))
        };
        let some = |n: &str| Some(n.to_owned());
        let heard = send(&world, &[("content-type", V2)], packed(&v2::from_v1(&half()))).await;
        assert_eq!((heard.status, written(&heard)), (400, [some("1"), some("0"), some("0")]));
        assert_eq!(heard.text, "1 of 2 not stored: 1 invalid (a series has no __name__)\n");
        assert_eq!(heard.header("content-type"), Some("text/plain; charset=utf-8"));
        let heard = send(&world, &[("content-type", V1)], packed(&half())).await;
        assert_eq!((heard.status, written(&heard)), (400, [None, None, None]));
        assert_eq!(world.behind.recorded(), 2);
    }

    #[tokio::test]
    async fn refuses_what_it_cannot_read() {
        let world = world(Settings::default());
        for (headers, body, status) in [
            (&[("content-type", "application/json")][..], packed(&good()), 415),
            (&[("content-type", "application/x-protobuf;proto=io.prometheus.write.v3.Request")], packed(&good()), 415),
            (&[("content-encoding", "gzip")], packed(&good()), 415),
            (&[], good().encode_to_vec(), 400),
            (&[], packed(&good())[..20].to_vec(), 400),
            (&[("content-encoding", "identity")], b"\x0a\xff".to_vec(), 400),
        ] {
            let heard = send(&world, headers, body).await;
            assert_eq!(heard.status, status, "{headers:?} {}", heard.text);
            assert!(heard.text.ends_with('\n') && heard.text.lines().count() == 1, "{:?}", heard.text);
        }
        let (received, accepted, _) = world.tally(Endpoint::RemoteWrite);
        assert_eq!((received, accepted, world.behind.recorded()), (6, 0, 0));
    }

    #[tokio::test]
    async fn a_body_is_not_unpacked_beyond_its_limit() {
        let mut settings = Settings::default();
        settings.limits.remote_write_body = 100_000;
        let world = world(settings);
        let long = "v".repeat(200_000);
        let bomb = packed(&message(vec![v1::series(&[("__name__", &long)], &[(1.0, 1)], Vec::new())]));
        assert!(bomb.len() < 50_000, "{}", bomb.len());
        assert_eq!(send(&world, &[], bomb).await.status, 413);
        // A head that promises four gigabytes.
        assert_eq!(send(&world, &[], vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0]).await.status, 413);
    }

    #[tokio::test]
    async fn a_full_journal_asks_to_come_again() {
        let world = world(Settings::default());
        *world.behind.failure.lock() = Some(|| RecordError::Full);
        let heard = send(&world, &[("content-type", V2)], packed(&v2::from_v1(&good()))).await;
        assert_eq!((heard.status, heard.header("retry-after")), (503, Some("1")));
    }

    #[tokio::test]
    async fn needs_a_key_where_there_are_keys() {
        let mut settings = Settings::default();
        let secret = crate::base::Secret::new("k");
        settings.keys.ingest = vec![IngestKey { secret, origins: Vec::new(), service: None, rate: None }];
        let world = world(settings);
        assert_eq!(send(&world, &[], packed(&good())).await.status, 401);
        assert_eq!(send(&world, &[("authorization", "Bearer k")], packed(&good())).await.status, 204);
    }
}
