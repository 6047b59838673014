//! OTLP from OpenTelemetry's own SDK, over each transport, in both temporalities; and what comes out again
//! over PromQL.

use std::path::Path;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _, TracerProvider as _};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream, Temporality};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::support::plimsoll::{Plimsoll, client};
use crate::support::process::free_port;

/// An exporter whose futures are polled inside the test's runtime: the SDK polls them on a thread of its own.
#[derive(Debug)]
struct Inside<E>(E, Handle);

impl<E: PushMetricExporter> PushMetricExporter for Inside<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        inside(&self.1, self.0.export(metrics)).await
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
    fn temporality(&self) -> Temporality {
        self.0.temporality()
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Inside<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        inside(&self.1, self.0.export(batch)).await
    }
    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

async fn inside<T>(runtime: &Handle, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        let _inside = runtime.enter();
        future.as_mut().poll(context)
    })
    .await
}

/// A service that listens for both transports.
struct Service {
    plimsoll: Plimsoll,
    grpc: u16,
}

impl Service {
    async fn start(folder: &Path) -> Self {
        let grpc = free_port();
        let config = format!("objectives: []\notlp_grpc_listen: 127.0.0.1:{grpc}\n");
        Self { plimsoll: Plimsoll::start(folder, &config).await, grpc }
    }

    async fn results(&self, expression: &str) -> Vec<Value> {
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
        let reply = client().get(format!("{}/api/v1/query?{form}", self.plimsoll.url())).send().await;
        let answer: Value = reply.expect("a reply").json().await.expect("JSON");
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().expect("a list").clone()
    }

    /// The value of the one series that an expression selects.
    async fn value(&self, expression: &str) -> f64 {
        let results = self.results(expression).await;
        assert_eq!(results.len(), 1, "{expression}: {results:?}");
        results[0]["value"][1].as_str().expect("text").parse().expect("a number")
    }

    fn exporter(&self, transport: Protocol, temporality: Temporality) -> MetricExporter {
        let builder = MetricExporter::builder().with_temporality(temporality);
        match transport {
            Protocol::Grpc => builder.with_tonic().with_endpoint(format!("http://127.0.0.1:{}", self.grpc)).build(),
            http => {
                let endpoint = format!("{}/v1/metrics", self.plimsoll.url());
                builder.with_http().with_http_client(client()).with_endpoint(endpoint).with_protocol(http).build()
            }
        }
        .expect("an exporter")
    }

    fn meters(&self, name: &str, transport: Protocol, temporality: Temporality) -> SdkMeterProvider {
        let native = |i: &Instrument| {
            let aggregation =
                Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
            (i.name() == "payload.size")
                .then(|| Stream::builder().with_aggregation(aggregation).build().expect("a stream"))
        };
        let attributes = [KeyValue::new("service.instance.id", "i-1"), KeyValue::new("host.name", "h1")];
        let resource = Resource::builder_empty().with_service_name(name.to_owned()).with_attributes(attributes).build();
        SdkMeterProvider::builder()
            .with_resource(resource)
            .with_view(native)
            .with_periodic_exporter(Inside(self.exporter(transport, temporality), Handle::current()))
            .build()
    }
}

/// One of everything. The second time counters have grown, and what goes up and down has gone down.
fn record(meters: &SdkMeterProvider, round: u64) {
    let meter = meters.meter("test");
    let kind = [KeyValue::new("order.kind", "gift")];
    meter.u64_counter("orders").build().add(5 + round, &kind);
    meter.i64_up_down_counter("queue.length").build().add(if round == 0 { 7 } else { -2 }, &[]);
    meter.f64_gauge("room.temperature").with_unit("Cel").build().record(21.5 - round as f64, &[]);
    let durations = meter.f64_histogram("checkout.duration").with_unit("s").with_boundaries(vec![0.25, 1.0]).build();
    [0.125, 0.25, 0.5, 4.0].iter().for_each(|v| durations.record(*v, &[]));
    let sizes = meter.u64_histogram("payload.size").with_unit("By").build();
    [1, 100, 100_000].iter().for_each(|v| sizes.record(*v + round, &[]));
}

async fn flush(meters: &SdkMeterProvider) {
    let meters = meters.clone();
    tokio::task::spawn_blocking(move || meters.force_flush()).await.expect("no panic").expect("it was taken");
}

/// The increase of a series of native histograms over all its samples, resets taken into account: `(count,
/// sum)`.
async fn native_increase(service: &Service, selector: &str) -> (f64, f64) {
    let results = service.results(&format!("{selector}[10m]")).await;
    assert_eq!(results.len(), 1, "{selector}: {results:?}");
    let number = |v: &Value| v.as_str().expect("text").parse::<f64>().expect("a number");
    let samples = results[0]["histograms"].as_array().expect("histograms");
    let values = samples.iter().map(|s| (number(&s[1]["count"]), number(&s[1]["sum"])));
    let (mut before, mut total) = ((0.0, 0.0), (0.0, 0.0));
    for (count, sum) in values {
        let since = if count < before.0 { (0.0, 0.0) } else { before };
        total = (total.0 + count - since.0, total.1 + sum - since.1);
        before = (count, sum);
    }
    total
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdks_numbers_come_out_again_over_every_transport_in_both_temporalities() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(folder.path()).await;
    for (transport, tag) in [(Protocol::HttpBinary, "proto"), (Protocol::HttpJson, "json"), (Protocol::Grpc, "grpc")] {
        for temporality in [Temporality::Cumulative, Temporality::Delta] {
            let name = format!("{tag}-{temporality:?}");
            let meters = service.meters(&name, transport, temporality);
            for round in 0..2 {
                record(&meters, round);
                flush(&meters).await;
            }
            let of = |metric: &str, more: &str| {
                format!(r#"{metric}{{job="{name}",instance="i-1",service_name="{name}"{more}}}"#)
            };
            for (expression, expected) in [
                (of("orders_total", r#",order_kind="gift""#), 11.0),
                (of("queue_length", ""), 5.0),
                (of("room_temperature_celsius", ""), 20.5),
                (of("checkout_duration_seconds_bucket", r#",le="0.25""#), 4.0),
                (of("checkout_duration_seconds_bucket", r#",le="1""#), 6.0),
                (of("checkout_duration_seconds_bucket", r#",le="+Inf""#), 8.0),
                (of("checkout_duration_seconds_count", ""), 8.0),
                (of("checkout_duration_seconds_sum", ""), 9.75),
                (format!("histogram_count({})", of("payload_size_bytes", "")), 6.0),
                (format!("histogram_sum({})", of("payload_size_bytes", "")), 200_205.0),
                (format!(r#"target_info{{job="{name}",instance="i-1",host_name="h1"}}"#), 1.0),
            ] {
                assert_eq!(service.value(&expression).await, expected, "{expression}");
            }
            let median = service.value(&format!("histogram_quantile(0.5, {})", of("payload_size_bytes", ""))).await;
            assert!((95.0..=106.0).contains(&median), "{name}: {median}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut service = Service::start(folder.path()).await;
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let name = format!("killed-{temporality:?}");
        let meters = service.meters(&name, Protocol::HttpBinary, temporality);
        record(&meters, 0);
        flush(&meters).await;
        service.plimsoll.kill();
        service.plimsoll.restart().await;
        record(&meters, 1);
        flush(&meters).await;
        let of = |metric: &str| format!(r#"{metric}{{service_name="{name}"}}"#);
        assert_eq!(service.value(&of("orders_total")).await, 11.0, "{name}");
        assert_eq!(service.value(&of("checkout_duration_seconds_count")).await, 8.0, "{name}");
        assert_eq!(service.value(&of("checkout_duration_seconds_sum")).await, 9.75, "{name}");
        assert_eq!(native_increase(&service, &of("payload_size_bytes")).await, (6.0, 200_205.0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdks_spans_are_timings() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(folder.path()).await;
    let exporters = [
        (
            "http",
            SpanExporter::builder()
                .with_http()
                .with_http_client(client())
                .with_protocol(Protocol::HttpJson)
                .with_endpoint(format!("{}/v1/traces", service.plimsoll.url()))
                .build(),
        ),
        (
            "grpc",
            SpanExporter::builder().with_tonic().with_endpoint(format!("http://127.0.0.1:{}", service.grpc)).build(),
        ),
    ];
    for (name, exporter) in exporters {
        let resource = Resource::builder_empty().with_service_name(name).build();
        let exporter = Inside(exporter.expect("an exporter"), Handle::current());
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        let tracer = provider.tracer("test");
        let attributes = [
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("http.route", "/orders/{id}"),
            KeyValue::new("http.response.status_code", 500),
        ];
        tracer.span_builder("GET").with_kind(SpanKind::Server).with_attributes(attributes).start(&tracer).end();
        let attributes = [KeyValue::new("db.system.name", "postgresql"), KeyValue::new("db.query.text", "SELECT 1")];
        let mut failed =
            tracer.span_builder("SELECT").with_kind(SpanKind::Client).with_attributes(attributes).start(&tracer);
        failed.set_status(Status::error("no"));
        failed.end();
        tracer.span_builder("work").start(&tracer).end();
        let flushed = tokio::task::spawn_blocking(move || provider.force_flush());
        flushed.await.expect("no panic").expect("it was taken");
        let http = format!(
            r#"http_server_request_duration_seconds_count{{service_name="{name}",http_route="/orders/{{id}}",http_request_method="GET",http_response_status_code="500"}}"#
        );
        assert_eq!(service.value(&http).await, 1.0);
        let db = format!(
            r#"db_client_operation_duration_seconds_count{{service_name="{name}",db_system_name="postgresql",db_operation_name="SELECT",error="true"}}"#
        );
        assert_eq!(service.value(&db).await, 1.0);
    }
}
