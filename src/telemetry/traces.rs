//! Our own spans, exported over OTLP/HTTP.
//!
//! The exporter has a thread of its own, which knows nothing of the runtime that its HTTP client needs;
//! [`OnRuntime`] brings the two together. Nobody waits for an export: spans that the queue has no room for
//! are dropped by the exporter, which says so in the log.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// The longest one export may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where spans go.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// The receiver: `http://127.0.0.1:4318`, or the full address ending in `/v1/traces`.
    pub endpoint: String,
}

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The endpoint or the client was refused.
    #[error("spans cannot be exported to {endpoint}")]
    Exporter {
        /// As given.
        endpoint: String,
        /// What is wrong.
        source: ExporterBuildError,
    },
    /// The HTTP client could not be made.
    #[error("the client for exporting spans could not be made")]
    Client(#[source] reqwest::Error),
    /// The last spans could not be sent.
    #[error("the last spans were not exported")]
    Shutdown(#[source] opentelemetry_sdk::error::OTelSdkError),
}

/// The export under way. [`Self::shutdown`] sends what is left.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to export, on the runtime of `handle`, which must have more than one thread.
    ///
    /// # Errors
    /// When the endpoint is not a URL.
    pub fn start(settings: &TraceSettings, handle: Handle) -> Result<Self, TraceError> {
        let mut endpoint = settings.endpoint.trim_end_matches('/').to_owned();
        if !endpoint.ends_with("/v1/traces") {
            endpoint.push_str("/v1/traces");
        }
        let exporter = OtlpExporter::builder().with_http().with_http_client(client()?);
        let exporter = exporter.with_endpoint(&endpoint).with_protocol(Protocol::HttpBinary).with_timeout(TIMEOUT);
        let exporter = exporter.build().map_err(|source| TraceError::Exporter { endpoint, source })?;
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder_empty().with_service_name("plimsoll").build())
            .with_batch_exporter(OnRuntime { exporter, handle })
            .build();
        Ok(Self { provider })
    }

    /// The layer that turns spans into exported ones: ours, at `info` and above. What the libraries say of
    /// themselves is left out, not least the exporter's own requests.
    pub fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let is_ours = |target: &str| target.starts_with("plimsoll") || target.starts_with("tower_http");
        let layer = tracing_opentelemetry::layer().with_tracer(self.provider.tracer("plimsoll"));
        let filter = filter_fn(move |meta| is_ours(meta.target()) && *meta.level() <= tracing::Level::INFO);
        layer.with_filter(filter).boxed()
    }

    /// Sends what is left and ends. Blocks for up to five seconds: call it from `spawn_blocking`.
    ///
    /// # Errors
    /// When the receiver does not take the last spans in time.
    pub fn shutdown(self) -> Result<(), TraceError> {
        self.provider.shutdown_with_timeout(TIMEOUT).map_err(TraceError::Shutdown)
    }
}

/// A client for one configured address: no redirects, so it cannot be led elsewhere.
#[expect(clippy::disallowed_methods, reason = "telemetry is below egress, and the address is the operator's own")]
fn client() -> Result<reqwest::Client, TraceError> {
    // Fails when a provider is installed already, which is as good.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
    client.build().map_err(TraceError::Client)
}

/// An exporter whose futures are polled inside a runtime.
#[derive(Debug)]
struct OnRuntime {
    exporter: OtlpExporter,
    handle: Handle,
}

impl SpanExporter for OnRuntime {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut export = std::pin::pin!(self.exporter.export(batch));
        std::future::poll_fn(|context| {
            let _inside = self.handle.enter();
            export.as_mut().poll(context)
        })
        .await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Reads one request, answers 200, and returns its head and body.
    async fn receive(mut stream: TcpStream) -> (String, Vec<u8>) {
        let mut bytes = Vec::new();
        loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await.unwrap();
            bytes.extend_from_slice(&chunk[..read]);
            let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length =
                head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse::<usize>().unwrap();
            if bytes.len() >= end + 4 + length {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                return (head, bytes.split_off(end + 4));
            }
        }
    }

    fn contains(body: &[u8], text: &str) -> bool {
        body.windows(text.len()).any(|w| w == text.as_bytes())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn spans_arrive_at_a_receiver_when_we_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let traces = Traces::start(&TraceSettings { endpoint }, Handle::current()).unwrap();
        let subscriber = tracing_subscriber::Registry::default().with(traces.layer());
        tracing::subscriber::with_default(subscriber, || {
            let outer = tracing::info_span!("evaluate", objective = "api-latency");
            outer.in_scope(|| tracing::info_span!("query").in_scope(|| {}));
            tracing::debug_span!("too detailed").in_scope(|| {});
        });
        let ended = tokio::task::spawn_blocking(|| traces.shutdown());
        let (head, body) = receive(listener.accept().await.unwrap().0).await;
        ended.await.unwrap().unwrap();
        assert!(head.starts_with("post /v1/traces") && head.contains("application/x-protobuf"), "{head}");
        for text in ["plimsoll", "evaluate", "objective", "api-latency", "query"] {
            assert!(contains(&body, text), "{text} is missing");
        }
        assert!(!contains(&body, "too detailed"));
    }

    #[test]
    fn an_endpoint_that_is_none_is_refused() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let settings = TraceSettings { endpoint: "http://not a host".into() };
        assert!(matches!(Traces::start(&settings, runtime.handle().clone()), Err(TraceError::Exporter { .. })));
    }
}
