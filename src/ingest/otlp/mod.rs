//! OTLP: OpenTelemetry's protocol for metrics, spans and log records, version 1.
//!
//! [`decode`] reads and writes both forms, after [`weigh`] has seen that what would be built is not too much.
//! [`metrics`] turns points into changes of series, by the rules of OpenTelemetry's compatibility with
//! Prometheus ([`names`], [`attributes`], [`resource`], [`points`], [`exponential`]); [`spans`] makes timings,
//! [`logs`] takes web vitals out of log records. [`intake`] is the way of a request through these.
//!
//! Cumulative points are absolute samples, as a scrape would have brought them. Differences are added up
//! here, durably, so a request that was answered counts once; one whose answer got lost and that is sent
//! again counts twice, as OTLP warns ("Duplicate Data"). [`running`] holds what has to be remembered between
//! requests.
//!
//! Absent on purpose: profiles, exemplars, labels of the instrumentation scope, and traces as such: a span
//! becomes a timing and is forgotten.

mod attributes;
mod decode;
mod exponential;
mod intake;
mod logs;
mod metrics;
mod names;
mod points;
mod resource;
mod running;
mod sampling;
mod spans;
mod weigh;

pub use decode::{DecodeError, Exported, Form, Signal};
pub use intake::OtlpError;
pub(super) use running::Running;
