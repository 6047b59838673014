//! Prometheus remote write, 1.0 and 2.0: a packed protobuf message becomes a batch.
//!
//! ```text
//! body -> v1 | v2 -> sink: cache (bytes -> labels), samples, histograms -> recorder -> written | refused
//! ```
//! The messages are read where they lie ([`wire`]), because that is what each of many samples a second costs: no
//! structures are built of them, and the labels of a series are looked up by their raw bytes ([`cache`]) and
//! put together once ([`labels`]). A body that cannot be read to its end changes nothing. Of one that can, what
//! is valid is recorded and the rest is counted and told ([`refused`]): the sender must not send it again, and
//! would for ever if we answered as if it might be taken the next time.
//!
//! A sample that comes again with its value is fine, so a sender may repeat what got no answer. Another value
//! for the same time replaces the first while its slot is open, and is out of order afterwards.
//!
//! Not kept: exemplars (counted as dropped, not complained about, as Prometheus does without exemplar storage),
//! the time at which a counter began, and the reset hint of a histogram.

mod cache;
mod describe;
mod histogram;
mod labels;
mod refused;
mod sink;
mod v1;
mod v2;
mod wire;

use std::sync::Arc;

use bytes::Bytes;

use crate::base::{DropReason, Timestamp};
use crate::series::{Batch, Item, MetadataRegistry, RecordError, Recorded, Recorder};

use super::settings::LabelLimits;
use super::tally::{Endpoint, Receipt, Tally};
use cache::SeriesCache;
use sink::{Decoded, Sink};
use v2::RequestError;
use wire::WireError;

pub use refused::Refused;

/// Which message a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

/// What became of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// Samples that were stored.
    pub samples: u64,
    /// Histograms that were stored.
    pub histograms: u64,
    /// What was not, exemplars apart.
    pub refused: Refused,
}

/// Why nothing of a request was stored.
#[derive(Debug, thiserror::Error)]
pub enum RemoteWriteError {
    /// The body is not the message that its type says.
    #[error("the body is not a remote write message: {0}")]
    Unreadable(#[source] Unreadable),
    /// The request has more elements than one may have.
    #[error("{0}")]
    TooMany(#[source] Unreadable),
    /// The recorder did not take it; try again later.
    #[error("the batch was not recorded")]
    Record(#[from] RecordError),
}

/// What is wrong with a body.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Unreadable(#[from] RequestError);

impl From<RequestError> for RemoteWriteError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Wire(WireError::TooMany { .. }) => Self::TooMany(error.into()),
            _ => Self::Unreadable(error.into()),
        }
    }
}

impl RemoteWriteError {
    const fn reason(&self) -> DropReason {
        match self {
            Self::Unreadable(_) => DropReason::Malformed,
            Self::TooMany(_) => DropReason::TooLarge,
            Self::Record(_) => DropReason::Overloaded,
        }
    }
}

/// Takes requests in.
pub struct Receiver {
    recorder: Arc<dyn Recorder>,
    tally: Arc<Tally>,
    metadata: Arc<MetadataRegistry>,
    cache: Arc<SeriesCache>,
    labels: LabelLimits,
}

/// Bodies up to this size are taken apart at once, in about a millisecond.
const AT_ONCE: usize = 1 << 20;

fn decode(
    cache: &SeriesCache,
    labels: LabelLimits,
    version: Version,
    body: &[u8],
    service: Option<&str>,
    now: Timestamp,
) -> Result<Decoded, RequestError> {
    let mut sink = Sink::new(cache.session(), service, labels);
    match version {
        Version::V1 => v1::read(body, &mut sink)?,
        Version::V2 => v2::read(body, &mut sink)?,
    }
    Ok(sink.end(now))
}

impl Receiver {
    /// A receiver in front of a recorder.
    pub fn new(
        recorder: Arc<dyn Recorder>,
        tally: Arc<Tally>,
        metadata: Arc<MetadataRegistry>,
        labels: LabelLimits,
    ) -> Self {
        Self { recorder, tally, metadata, cache: Arc::default(), labels }
    }

    /// `POST /api/v1/write`: the unpacked body. Everything is written as `service`'s, where the sender's key
    /// stands for one.
    ///
    /// # Errors
    /// A body that cannot be read, or a recorder that takes nothing now. A part that was refused is no error.
    pub async fn receive(
        &self,
        version: Version,
        body: &Bytes,
        service: Option<&str>,
        now: Timestamp,
    ) -> Result<Written, RemoteWriteError> {
        let decoded = self.decoded(version, body, service, now).await.map_err(|error| {
            let error = RemoteWriteError::from(error);
            self.tally.refuse(Endpoint::RemoteWrite, error.reason());
            error
        })?;
        self.record(decoded).await
    }

    /// A large body is taken apart where it keeps no other request waiting.
    async fn decoded(
        &self,
        version: Version,
        body: &Bytes,
        service: Option<&str>,
        now: Timestamp,
    ) -> Result<Decoded, RequestError> {
        if body.len() <= AT_ONCE {
            return decode(&self.cache, self.labels, version, body, service, now);
        }
        let (cache, labels, body) = (self.cache.clone(), self.labels, body.clone());
        let service = service.map(str::to_owned);
        let work = move || decode(&cache, labels, version, &body, service.as_deref(), now);
        match tokio::task::spawn_blocking(work).await {
            Ok(decoded) => decoded,
            Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        }
    }

    async fn record(&self, mut decoded: Decoded) -> Result<Written, RemoteWriteError> {
        for (family, metadata) in decoded.metadata.drain(..) {
            self.metadata.describe(&family, metadata);
        }
        let mut receipt = self.tally.receive(Endpoint::RemoteWrite);
        receipt.take(decoded.received());
        decoded.dropped().for_each(|(reason, events)| receipt.drop_events(reason, events));
        self.store(decoded, &mut receipt).await.inspect_err(|error| {
            let open = receipt.open();
            receipt.drop_events(error.reason(), open);
        })
    }

    /// The recorder says how many it did not take, not which. So each kind goes in a batch of its own, and is
    /// counted on its own; almost every request has one kind.
    async fn store(&self, decoded: Decoded, receipt: &mut Receipt<'_>) -> Result<Written, RemoteWriteError> {
        let Decoded { samples, histograms, custom, customs, mut refused, .. } = decoded;
        let (had_samples, had_histograms) = (samples.len() as u64, histograms.len() as u64);
        receipt.hand_over();
        let answers = futures::future::join3(self.batch(samples), self.batch(histograms), self.batch(custom)).await;
        receipt.arrived();
        let lost_samples = settle(&answers.0?, had_samples, receipt, &mut refused);
        let lost_histograms = settle(&answers.1?, had_histograms, receipt, &mut refused);
        let lost_customs = settle(&answers.2?, customs, receipt, &mut refused);
        receipt.accept_rest();
        let samples = had_samples - lost_samples;
        let histograms = had_histograms + customs - lost_histograms - lost_customs;
        refused.set_written(samples + histograms);
        Ok(Written { samples, histograms, refused })
    }

    async fn batch(&self, items: Vec<Item>) -> Result<Recorded, RecordError> {
        if items.is_empty() {
            return Ok(Recorded::default());
        }
        self.recorder.record(Batch { items, ..Batch::default() }).await
    }
}

/// Accounts for what the recorder dropped of `events`, and returns how many that were. A histogram with bounds
/// of its own is many items; it counts as lost for each of them that is, until none is left.
fn settle(recorded: &Recorded, events: u64, receipt: &mut Receipt<'_>, refused: &mut Refused) -> u64 {
    let mut left = events;
    for (reason, dropped) in &recorded.dropped {
        let dropped = (*dropped).min(left);
        receipt.drop_events(*reason, dropped);
        refused.add(*reason, dropped);
        left -= dropped;
    }
    events - left
}

#[cfg(test)]
pub(crate) mod tests;
