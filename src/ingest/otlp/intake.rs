//! The way of a request: decode, convert, record, and tell what was refused.

use std::fmt::Write;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use crate::base::Timestamp;
use crate::ingest::intake::{Authorize, Intake, IntakeError, Run, Sender};
use crate::ingest::outcome::{Outcome, Reject};

use super::decode::{self, DecodeError, Exported, Form, Signal};
use super::metrics::{self, Converted};
use super::running::Advance;
use super::{logs, spans};

const TOO_MANY_TOTALS: &str = "too many series of exponential histograms send differences; send them as cumulative";

/// Why nothing of a request was recorded.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// It could not be read, and never will be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its sender may not send, or the recorder did not take it.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

impl Intake {
    /// Takes an export request: `POST /v1/metrics`, `/v1/traces`, `/v1/logs`, and the same over gRPC.
    ///
    /// # Errors
    /// [`OtlpError::Decode`] is final; after [`IntakeError::Record`] the same request may be sent again.
    pub async fn otlp(
        &self,
        signal: Signal,
        form: Form,
        body: &[u8],
        sender: &Sender<'_>,
        authorize: Authorize<'_>,
        now: Timestamp,
    ) -> Result<Exported, OtlpError> {
        let exported = match signal {
            Signal::Metrics => self.otlp_metrics(self.decode(body, form, signal)?, sender, now).await?,
            Signal::Traces => self.otlp_traces(self.decode(body, form, signal)?, sender, now).await?,
            Signal::Logs => self.otlp_logs(self.decode(body, form, signal)?, sender, authorize, now).await?,
        };
        Ok(exported)
    }

    /// A body that is no request counts as one event.
    fn decode<M: prost::Message + Default + serde::de::DeserializeOwned>(
        &self,
        body: &[u8],
        form: Form,
        signal: Signal,
    ) -> Result<M, DecodeError> {
        decode::decode(body, form, signal).inspect_err(|error| self.tally().refuse(signal.endpoint(), error.reason()))
    }

    async fn otlp_metrics(
        &self,
        request: ExportMetricsServiceRequest,
        sender: &Sender<'_>,
        now: Timestamp,
    ) -> Result<Exported, IntakeError> {
        let mut run = Run::new(self, Signal::Metrics.endpoint(), sender, now);
        let mut converted = metrics::convert(&request, sender.service, &self.running, now);
        drop(request);
        let advance = match converted.differences.is_empty() {
            true => None,
            false => Some(self.advance(&mut converted, now).await),
        };
        let Converted { items, points, refused, left_out, beginnings, described, .. } = converted;
        described.into_iter().for_each(|(name, metadata)| self.registry.describe(&name, metadata));
        run.receipt.take(items.len() as u64 + refused.len() as u64);
        for (reason, attributes) in left_out {
            run.receipt.take(attributes);
            run.receipt.drop_events(reason, attributes);
        }
        let taken = points - refused.len() as u64;
        refused.into_iter().for_each(|(place, reject)| run.refuse(place, reject));
        run.gather.batch.items = items;
        let recorded = run.record().await;
        match (&recorded, advance) {
            (Ok(_), _) => self.running.began(beginnings),
            (Err(_), Some(advance)) => advance.take_back(),
            (Err(_), None) => {}
        }
        Ok(exported(&recorded?, taken))
    }

    /// Adds differences to their running totals, which are then among the items.
    async fn advance(&self, converted: &mut Converted, now: Timestamp) -> Advance<'_> {
        let mut advance = self.running.advance().await;
        for (place, labels, difference) in std::mem::take(&mut converted.differences) {
            if let Err(reason) = advance.add(labels, &difference, now) {
                converted.refused.push((place, Reject::new(reason, TOO_MANY_TOTALS)));
            }
        }
        converted.items.extend(advance.items());
        advance
    }

    async fn otlp_traces(
        &self,
        request: ExportTraceServiceRequest,
        sender: &Sender<'_>,
        now: Timestamp,
    ) -> Result<Exported, IntakeError> {
        let mut run = Run::new(self, Signal::Traces.endpoint(), sender, now);
        let mut place = 0;
        for of in &request.resource_spans {
            let resource = of.resource.as_ref().map(|r| r.attributes.as_slice()).unwrap_or_default();
            for span in of.scope_spans.iter().flat_map(|s| &s.spans) {
                place += 1;
                run.event_or_leave(place, spans::event(span, resource, &self.settings, now));
            }
        }
        Ok(exported(&run.record().await?, u64::MAX))
    }

    async fn otlp_logs(
        &self,
        request: ExportLogsServiceRequest,
        sender: &Sender<'_>,
        authorize: Authorize<'_>,
        now: Timestamp,
    ) -> Result<Exported, IntakeError> {
        let mut run = Run::new(self, Signal::Logs.endpoint(), sender, now);
        let mut place = 0;
        for of in &request.resource_logs {
            let resource = of.resource.as_ref().map(|r| r.attributes.as_slice()).unwrap_or_default();
            for record in of.scope_logs.iter().flat_map(|s| &s.log_records) {
                place += 1;
                logs::log_record(&mut run, place, resource, record, authorize)?;
            }
        }
        Ok(exported(&run.record().await?, u64::MAX))
    }
}

/// What the sender hears. Of what the recorder did not take, at most `taken` points are told of: it counts
/// samples, of which a point may have several.
fn exported(outcome: &Outcome, taken: u64) -> Exported {
    let refused = outcome.rejected.len() as u64 + outcome.more;
    let dropped: u64 = outcome.dropped_by.iter().map(|(_, samples)| samples).sum();
    let mut message = String::new();
    if let Some(first) = outcome.rejected.first() {
        // Writing into a string cannot fail.
        let _infallible = write!(message, "number {}: {} ({})", first.line, first.error, first.reason.as_str());
        if refused > 1 {
            let _infallible = write!(message, ", and {} more", refused - 1);
        }
    }
    for (reason, samples) in &outcome.dropped_by {
        let separator = if message.is_empty() { "" } else { "; " };
        let _infallible = write!(message, "{separator}{samples} samples were not recorded ({})", reason.as_str());
    }
    Exported { rejected: refused + dropped.min(taken), message }
}
