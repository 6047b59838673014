//! OTLP over gRPC, on a port of its own.
//!
//! The three services have one method each, `Export`. Bodies are taken as bytes and go the way of those that
//! come over HTTP ([`super::ingest::otlp::record`]), so that both have the same limits and the same meaning; a
//! generated service would build the message before anything could be said about its size. Keys are the same,
//! as `authorization: Bearer KEY`.
//!
//! Errors are those of the OTLP specification, "OTLP/gRPC Response": `UNAVAILABLE` with `RetryInfo` when the
//! journal cannot take more, `RESOURCE_EXHAUSTED` with it when a key sends too often; others are final.

mod codec;
mod incoming;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, NamedService, UnaryService};

use crate::base::DropReason;
use crate::http::ingest::door::key_problem;
use crate::http::ingest::otlp::{LIMIT, record, status};
use crate::http::{Api, Problem};
use crate::ingest::Sender;
use crate::ingest::otlp::{Form, Signal};

use codec::Raw;

/// Requests of one connection at once.
const STREAMS: u32 = 64;

/// Serves until `stop`; then takes nothing new and lets requests end within the settings' `drain`.
///
/// # Errors
/// When the transport fails as a whole; a broken connection is no such failure.
pub async fn serve(listener: TcpListener, api: Api, stop: CancellationToken) -> Result<(), tonic::transport::Error> {
    let settings = api.edge().settings.server.clone();
    let incoming = incoming::connections(listener, settings.max_connections, stop.clone());
    let serving = tonic::transport::Server::builder()
        .max_concurrent_streams(STREAMS)
        .timeout(api.edge().settings.limits.body_timeout)
        .http2_keepalive_interval(Some(settings.header_timeout))
        .add_service(Metrics(Export::new(api.clone(), Signal::Metrics)))
        .add_service(Traces(Export::new(api.clone(), Signal::Traces)))
        .add_service(Logs(Export::new(api, Signal::Logs)))
        .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
    tokio::pin!(serving);
    tokio::select! {
        ended = serving.as_mut() => return ended,
        () = stop.cancelled() => {}
    }
    match tokio::time::timeout(settings.drain, serving).await {
        Ok(ended) => ended,
        Err(_late) => {
            tracing::warn!("gRPC requests did not end in time and were cut off");
            Ok(())
        }
    }
}

/// The method `Export` of a signal.
#[derive(Clone)]
struct Export {
    api: Api,
    signal: Signal,
}

impl Export {
    fn new(api: Api, signal: Signal) -> Self {
        Self { api, signal }
    }

    /// The service that the key stands for, once the key may send.
    fn check(&self, headers: &HeaderMap) -> Result<Option<String>, Problem> {
        let edge = self.api.edge();
        let found = edge.settings.keys.bearer(headers, false);
        let checked = found.map_err(|reason| (reason, key_problem(reason))).and_then(|key| match key {
            Some((position, key)) => match edge.rates.key(position) {
                Ok(()) => Ok(key.service.clone()),
                Err(wait) => Err((DropReason::RateLimited, crate::http::ingest::door::too_often(wait))),
            },
            None => Ok(None),
        });
        checked.map_err(|(reason, problem)| {
            edge.intake.tally().refuse(self.signal.endpoint(), reason);
            problem
        })
    }

    async fn serve(self, request: http::Request<Body>) -> http::Response<Body> {
        let service = match self.check(request.headers()) {
            Ok(service) => service,
            Err(problem) => return grpc_status(&problem).into_http(),
        };
        let reached = Arc::new(AtomicBool::new(false));
        let call = Call { export: self.clone(), service, reached: Arc::clone(&reached) };
        let mut unread = Unread { export: self, reached, reason: DropReason::Abandoned };
        let mut grpc = Grpc::new(Raw)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(LIMIT);
        let response = grpc.unary(call, request).await;
        unread.reason = reason(&response);
        response
    }
}

/// Counts a message that nobody got to see: it was refused on the way, or never came whole.
struct Unread {
    export: Export,
    reached: Arc<AtomicBool>,
    reason: DropReason,
}

impl Drop for Unread {
    fn drop(&mut self) {
        if !self.reached.load(Ordering::Relaxed) {
            self.export.api.edge().intake.tally().refuse(self.export.signal.endpoint(), self.reason);
        }
    }
}

/// Why the transport refused a message.
fn reason(response: &http::Response<Body>) -> DropReason {
    match tonic::Status::from_header_map(response.headers()).map_or(tonic::Code::Unknown, |s| s.code()) {
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => DropReason::TooLarge,
        tonic::Code::Unimplemented => DropReason::UnsupportedType,
        tonic::Code::Cancelled | tonic::Code::DeadlineExceeded => DropReason::Abandoned,
        _ => DropReason::Malformed,
    }
}

/// One call of it.
struct Call {
    export: Export,
    service: Option<String>,
    reached: Arc<AtomicBool>,
}

impl UnaryService<Bytes> for Call {
    type Response = Vec<u8>;
    type Future = BoxFuture<tonic::Response<Vec<u8>>, tonic::Status>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        self.reached.store(true, Ordering::Relaxed);
        let (export, service) = (self.export.clone(), self.service.take());
        Box::pin(async move {
            let agent = request.metadata().get("user-agent").and_then(|v| v.to_str().ok()).unwrap_or_default();
            let sender = Sender { user_agent: agent, service: service.as_deref(), ..Sender::default() };
            // Whoever has come this far has a key where keys are needed.
            let authorize = |_: &str| Ok(None);
            let body = request.get_ref();
            let taken = record(&export.api, export.signal, Form::Protobuf, body, &sender, &authorize).await;
            taken.map(tonic::Response::new).map_err(|problem| grpc_status(&problem))
        })
    }
}

/// A problem as gRPC tells it.
fn grpc_status(problem: &Problem) -> tonic::Status {
    let status = status::Status::of(problem);
    let details = if status.details.is_empty() { Vec::new() } else { status.encode(Form::Protobuf) };
    tonic::Status::with_details(tonic::Code::from(status.code), status.message, details.into())
}

macro_rules! service {
    ($name:ident, $full:literal) => {
        #[derive(Clone)]
        struct $name(Export);

        impl NamedService for $name {
            const NAME: &'static str = $full;
        }

        impl tower::Service<http::Request<Body>> for $name {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<Self::Response, Infallible>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let export = self.0.clone();
                Box::pin(async move {
                    if request.uri().path() != concat!("/", $full, "/Export") {
                        return Ok(tonic::Status::unimplemented("the only method here is Export").into_http());
                    }
                    Ok(export.serve(request).await)
                })
            }
        }
    };
}
service!(Metrics, "opentelemetry.proto.collector.metrics.v1.MetricsService");
service!(Traces, "opentelemetry.proto.collector.trace.v1.TraceService");
service!(Logs, "opentelemetry.proto.collector.logs.v1.LogsService");
