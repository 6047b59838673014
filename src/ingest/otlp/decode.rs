//! Bytes become requests, outcomes become responses, in either form of OTLP/HTTP.
//!
//! OTLP/JSON is the JSON mapping of Protocol Buffers but for ids, which are hexadecimal, and enumerations,
//! which are numbers; the types of `opentelemetry-proto` know both (OTLP specification, "JSON Protobuf
//! Encoding").

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use serde::de::DeserializeOwned;

use crate::base::DropReason;
use crate::ingest::Endpoint;

use super::weigh::{self, Shape};

/// The most messages of one body in Protocol Buffers: a batch of 8192 points with a dozen attributes each.
const MESSAGES: usize = 500_000;
/// The most objects and elements of one body in JSON.
const ELEMENTS: usize = 1_000_000;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Metrics.
    Metrics,
    /// Spans.
    Traces,
    /// Log records.
    Logs,
}

impl Signal {
    /// Under which name it is counted.
    pub const fn endpoint(self) -> Endpoint {
        match self {
            Self::Metrics => Endpoint::OtlpMetrics,
            Self::Traces => Endpoint::OtlpTraces,
            Self::Logs => Endpoint::OtlpLogs,
        }
    }

    pub(super) fn shape(self) -> &'static Shape {
        match self {
            Self::Metrics => &weigh::METRICS,
            Self::Traces => &weigh::TRACES,
            Self::Logs => &weigh::LOGS,
        }
    }
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Protocol Buffers, `application/x-protobuf`.
    Protobuf,
    /// `application/json`
    Json,
}

impl Form {
    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// Why a body is no request.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It would take too much memory.
    #[error("the request has too many parts; send smaller batches")]
    TooMany,
    /// It is no Protocol Buffers, or not of this message.
    #[error("the body is no such request in Protocol Buffers: {0}")]
    Protobuf(#[source] prost::DecodeError),
    /// It is no JSON, or not of this message.
    #[error("the body is no such request in JSON: {0}")]
    Json(#[source] serde_json::Error),
}

impl DecodeError {
    /// The counted reason.
    pub const fn reason(&self) -> DropReason {
        match self {
            Self::TooMany => DropReason::TooLarge,
            Self::Protobuf(_) | Self::Json(_) => DropReason::Malformed,
        }
    }
}

/// Reads a request.
pub(super) fn decode<M: Message + Default + DeserializeOwned>(
    body: &[u8],
    form: Form,
    signal: Signal,
) -> Result<M, DecodeError> {
    match form {
        Form::Protobuf if !weigh::is_within(body, signal.shape(), MESSAGES) => Err(DecodeError::TooMany),
        Form::Protobuf => M::decode(body).map_err(DecodeError::Protobuf),
        Form::Json if body.iter().filter(|b| matches!(b, b'{' | b',')).count() > ELEMENTS => Err(DecodeError::TooMany),
        Form::Json => serde_json::from_slice(body).map_err(DecodeError::Json),
    }
}

/// What became of a request that was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Points, spans or records that were refused: the sender's fault, or over a limit.
    pub rejected: u64,
    /// Why, for people; empty when nothing was.
    pub message: String,
}

impl Exported {
    /// The response: empty when nothing was refused, else with `partial_success`.
    pub fn encode(self, signal: Signal, form: Form) -> Vec<u8> {
        let rejected = i64::try_from(self.rejected).unwrap_or(i64::MAX);
        let some = rejected > 0 || !self.message.is_empty();
        let error_message = self.message;
        match signal {
            Signal::Metrics => {
                let partial = ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message };
                write(&ExportMetricsServiceResponse { partial_success: some.then_some(partial) }, form, some)
            }
            Signal::Traces => {
                let partial = ExportTracePartialSuccess { rejected_spans: rejected, error_message };
                write(&ExportTraceServiceResponse { partial_success: some.then_some(partial) }, form, some)
            }
            Signal::Logs => {
                let partial = ExportLogsPartialSuccess { rejected_log_records: rejected, error_message };
                write(&ExportLogsServiceResponse { partial_success: some.then_some(partial) }, form, some)
            }
        }
    }
}

/// In JSON an unset field is left out; the generated form would write `null`.
fn write<M: Message + serde::Serialize>(response: &M, form: Form, some: bool) -> Vec<u8> {
    match form {
        Form::Protobuf => response.encode_to_vec(),
        Form::Json if some => serde_json::to_vec(response).unwrap_or_else(|_| b"{}".to_vec()),
        Form::Json => b"{}".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;

    use super::*;

    #[test]
    fn responses_are_as_the_specification_writes_them() {
        let partly = Exported { rejected: 3, message: "why".to_owned() };
        let json = |e: &Exported| String::from_utf8(e.clone().encode(Signal::Metrics, Form::Json)).unwrap();
        assert_eq!(json(&Exported::default()), "{}");
        let value: serde_json::Value = serde_json::from_str(&json(&partly)).unwrap();
        assert_eq!(value["partialSuccess"]["errorMessage"], "why");
        assert!(Exported::default().encode(Signal::Traces, Form::Protobuf).is_empty());
        let bytes = partly.encode(Signal::Traces, Form::Protobuf);
        let back = ExportTraceServiceResponse::decode(bytes.as_slice()).unwrap().partial_success.unwrap();
        assert_eq!((back.rejected_spans, back.error_message.as_str()), (3, "why"));
    }

    #[test]
    fn bodies_that_would_take_much_memory_are_refused_early() {
        let many = format!("{{\"resourceMetrics\":[{}{{}}]}}", "{},".repeat(600_000));
        let error = decode::<ExportMetricsServiceRequest>(many.as_bytes(), Form::Json, Signal::Metrics).unwrap_err();
        assert_eq!(error.reason(), DropReason::TooLarge);
        let error = decode::<ExportMetricsServiceRequest>(b"{", Form::Json, Signal::Metrics).unwrap_err();
        assert_eq!(error.reason(), DropReason::Malformed);
        let error = decode::<ExportMetricsServiceRequest>(b"\xff", Form::Protobuf, Signal::Metrics).unwrap_err();
        assert_eq!(error.reason(), DropReason::Malformed);
    }
}
