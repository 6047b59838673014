//! OTLP over gRPC: keys, limits, answers and the end, against a recorder that does as it is told.

use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use plimsoll::base::{DropReason, Secret};
use plimsoll::http::ingest::otlp::LIMIT;
use plimsoll::http::ingest::otlp::status::{RetryInfo, Status};
use plimsoll::http::{IngestKey, Rate, Settings};
use plimsoll::ingest::Endpoint;
use plimsoll::series::RecordError;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::support::fakes::{NOW, World};

struct Server {
    address: SocketAddr,
    world: World,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

#[expect(clippy::disallowed_methods, reason = "the test's own task, ended by the test")]
async fn server(settings: Settings) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = World::new(settings, plimsoll::ingest::Settings::default());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(plimsoll::http::grpc::serve(listener, world.api.clone(), stop.clone()));
    Server { address, world, stop, serving }
}

impl Server {
    async fn metrics(&self) -> MetricsServiceClient<Channel> {
        let channel = Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap();
        MetricsServiceClient::new(channel).max_encoding_message_size(1 << 30)
    }
}

/// One gauge, named.
fn request(name: &str) -> ExportMetricsServiceRequest {
    let json = serde_json::json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": name, "gauge": {"dataPoints": [{"asDouble": 1.5, "timeUnixNano": format!("{}000000", NOW.as_millis())}]}},
    ]}]}]});
    serde_json::from_value(json).unwrap()
}

fn wait(status: &tonic::Status) -> Option<i64> {
    let details = Status::decode(status.details()).unwrap();
    assert_eq!((details.code, details.message.as_str()), (status.code() as i32, status.message()));
    let retry = details.details.first()?;
    assert_eq!(retry.type_url, "type.googleapis.com/google.rpc.RetryInfo");
    RetryInfo::decode(retry.value.as_slice()).unwrap().retry_delay.map(|d| d.seconds)
}

#[tokio::test]
async fn requests_are_taken_packed_and_plain_and_told_what_was_refused() {
    let server = server(Settings::default()).await;
    for packed in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        let mut client = server.metrics().await;
        if let Some(encoding) = packed {
            client = client.send_compressed(encoding);
        }
        assert_eq!(client.export(request("good")).await.unwrap().into_inner().partial_success, None);
        let partial = client.export(request("plimsoll.mine")).await.unwrap().into_inner().partial_success.unwrap();
        assert_eq!(partial.rejected_data_points, 1);
    }
    assert_eq!(server.world.tally(Endpoint::OtlpMetrics), (6, 3, vec![(DropReason::Invalid, 3)]));
    let mut traces = TraceServiceClient::connect(format!("http://{}", server.address)).await.unwrap();
    assert_eq!(traces.export(Request::new(Default::default())).await.unwrap().into_inner().partial_success, None);
}

#[tokio::test]
async fn a_full_queue_is_unavailable_with_a_time_to_wait() {
    let server = server(Settings::default()).await;
    *server.world.behind.failure.lock() = Some(|| RecordError::Full);
    let refused = server.metrics().await.export(request("m")).await.unwrap_err();
    assert_eq!((refused.code(), wait(&refused)), (Code::Unavailable, Some(1)));
    *server.world.behind.failure.lock() = None;
    server.metrics().await.export(request("m")).await.unwrap();
    assert_eq!(server.world.tally(Endpoint::OtlpMetrics), (2, 1, vec![(DropReason::Overloaded, 1)]));
}

#[tokio::test]
async fn keys_and_their_rates_hold_as_over_http() {
    let rate = Some(Rate { requests: std::num::NonZeroU32::MIN, per: Duration::from_secs(10) });
    let key = IngestKey { secret: Secret::new("k"), origins: Vec::new(), service: Some("mine".to_owned()), rate };
    let mut settings = Settings::default();
    settings.keys.ingest = vec![key];
    let server = server(settings).await;
    let mut client = server.metrics().await;
    let with = |key: &str| {
        let mut request = Request::new(request("m"));
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        request
    };
    assert_eq!(client.export(request("m")).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(client.export(with("wrong")).await.unwrap_err().code(), Code::Unauthenticated);
    client.export(with("k")).await.unwrap();
    assert_eq!(server.world.behind.batches.lock()[0].items[0].labels.value("service_name"), "mine");
    let too_often = client.export(with("k")).await.unwrap_err();
    assert_eq!((too_often.code(), wait(&too_often)), (Code::ResourceExhausted, Some(10)));
    let reasons = vec![(DropReason::Unauthorized, 2), (DropReason::RateLimited, 1)];
    assert_eq!(server.world.tally(Endpoint::OtlpMetrics), (4, 1, reasons));
}

#[tokio::test]
async fn what_is_too_large_is_refused_packed_or_not_and_counted() {
    let server = server(Settings::default()).await;
    let large = request(&"x".repeat(LIMIT));
    for packed in [false, true] {
        let mut client = server.metrics().await;
        if packed {
            client = client.send_compressed(CompressionEncoding::Zstd);
        }
        let refused = client.export(large.clone()).await.unwrap_err();
        assert!(matches!(refused.code(), Code::OutOfRange | Code::ResourceExhausted), "{refused}");
    }
    assert_eq!(server.world.tally(Endpoint::OtlpMetrics), (2, 0, vec![(DropReason::TooLarge, 2)]));
}

#[tokio::test]
async fn the_end_closes_idle_connections_and_takes_no_new_ones() {
    let server = server(Settings::default()).await;
    let mut idle = server.metrics().await;
    idle.export(request("m")).await.unwrap();
    server.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), server.serving).await;
    ended.expect("it ends").unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
    assert!(idle.export(request("m")).await.is_err());
}
