//! The count of everything that arrives: received = accepted + dropped, always.
//!
//! The unit is one event: a timing, a report of a vital, a record. A body that is refused before it can
//! be taken apart counts as one. What is received is accounted for through a [`Receipt`], which cannot
//! forget: whatever has not been settled when it goes away counts as [`DropReason::Internal`], or as
//! [`DropReason::Abandoned`] when the sender left while its events were on the way to the journal.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::DropReason;

/// Where events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `POST /ingest/vitals`
    Vitals,
    /// `POST /ingest/timings`
    Timings,
    /// `POST /api/performance/metrics`
    Performance,
    /// `POST /ingest/redis`
    Redis,
    /// `POST /ingest/postgres`
    Postgres,
    /// `POST /v1/metrics`, and the same over gRPC; the events are samples.
    OtlpMetrics,
    /// `POST /v1/traces`, and the same over gRPC; the events are spans.
    OtlpTraces,
    /// `POST /v1/logs`, and the same over gRPC; the events are log records.
    OtlpLogs,
    /// `POST /collect`
    Collect,
    /// `POST /api/v1/write`
    RemoteWrite,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Vitals,
        Self::Timings,
        Self::Performance,
        Self::Redis,
        Self::Postgres,
        Self::OtlpMetrics,
        Self::OtlpTraces,
        Self::OtlpLogs,
        Self::Collect,
        Self::RemoteWrite,
    ];

    /// The value of the label `endpoint`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vitals => "vitals",
            Self::Timings => "timings",
            Self::Performance => "performance",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::OtlpMetrics => "otlp_metrics",
            Self::OtlpTraces => "otlp_traces",
            Self::OtlpLogs => "otlp_logs",
            Self::Collect => "collect",
            Self::RemoteWrite => "remote_write",
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    received: AtomicU64,
    accepted: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

/// The counts of one endpoint since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointCounts {
    /// Where.
    pub endpoint: Endpoint,
    /// Events that arrived and were settled.
    pub received: u64,
    /// Events that were counted.
    pub accepted: u64,
    /// Events that were not, by reason; reasons that never occurred are left out.
    pub dropped: Vec<(DropReason, u64)>,
}

/// Counts what arrives.
#[derive(Debug, Default)]
pub struct Tally {
    endpoints: [Counters; Endpoint::ALL.len()],
}

impl Tally {
    /// Begins to account for one body.
    pub fn receive(&self, endpoint: Endpoint) -> Receipt<'_> {
        Receipt { counters: self.counters(endpoint), received: 0, settled: 0, on_the_way: false }
    }

    /// Counts a body that was refused before it was taken apart.
    pub fn refuse(&self, endpoint: Endpoint, reason: DropReason) {
        let mut receipt = self.receive(endpoint);
        receipt.take(1);
        receipt.drop_events(reason, 1);
    }

    /// The counts of every endpoint.
    pub fn counts(&self) -> Vec<EndpointCounts> {
        Endpoint::ALL.into_iter().map(|endpoint| self.count(endpoint)).collect()
    }

    /// The counts of one endpoint.
    pub fn count(&self, endpoint: Endpoint) -> EndpointCounts {
        let counters = self.counters(endpoint);
        let dropped = DropReason::ALL.into_iter().zip(&counters.dropped);
        EndpointCounts {
            endpoint,
            received: counters.received.load(Ordering::Acquire),
            accepted: counters.accepted.load(Ordering::Acquire),
            dropped: dropped.map(|(r, n)| (r, n.load(Ordering::Acquire))).filter(|(_, n)| *n > 0).collect(),
        }
    }

    /// Events that were dropped for one reason, at all endpoints.
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.endpoints.iter().map(|c| c.dropped[reason as usize].load(Ordering::Acquire)).sum()
    }

    fn counters(&self, endpoint: Endpoint) -> &Counters {
        &self.endpoints[endpoint as usize]
    }
}

/// The account of one body.
#[derive(Debug)]
pub struct Receipt<'t> {
    counters: &'t Counters,
    received: u64,
    settled: u64,
    on_the_way: bool,
}

impl Receipt<'_> {
    /// So many events were in the body.
    pub fn take(&mut self, events: u64) {
        self.received += events;
    }

    /// What was taken and is not settled was not there: the body is taken apart once more.
    pub(super) fn put_back(&mut self) {
        self.received = self.settled;
    }

    /// So many of them were not counted.
    pub fn drop_events(&mut self, reason: DropReason, events: u64) {
        let events = self.settle(events);
        self.counters.dropped[reason as usize].fetch_add(events, Ordering::AcqRel);
    }

    /// From here to [`Receipt::arrived`] the events are in the recorder's hands.
    pub fn hand_over(&mut self) {
        self.on_the_way = true;
    }

    /// The recorder has answered.
    pub fn arrived(&mut self) {
        self.on_the_way = false;
    }

    /// Everything that is not settled was counted. Returns how many that were.
    pub fn accept_rest(&mut self) -> u64 {
        let events = self.settle(self.open());
        self.counters.accepted.fetch_add(events, Ordering::AcqRel);
        events
    }

    /// How many events are not settled.
    pub fn open(&self) -> u64 {
        self.received - self.settled
    }

    /// Settles at most what is open, so that the balance holds whatever the caller says.
    fn settle(&mut self, events: u64) -> u64 {
        let events = events.min(self.open());
        self.settled += events;
        self.counters.received.fetch_add(events, Ordering::AcqRel);
        events
    }
}

impl Drop for Receipt<'_> {
    fn drop(&mut self) {
        let reason = if self.on_the_way { DropReason::Abandoned } else { DropReason::Internal };
        self.drop_events(reason, self.open());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_endpoints_index_their_counters() {
        for (i, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i, "{reason:?} is out of order in DropReason::ALL");
        }
        for (i, endpoint) in Endpoint::ALL.into_iter().enumerate() {
            assert_eq!(endpoint as usize, i);
        }
    }

    #[test]
    fn what_is_forgotten_counts_as_our_fault() {
        let tally = Tally::default();
        let mut receipt = tally.receive(Endpoint::Timings);
        receipt.take(5);
        receipt.drop_events(DropReason::Invalid, 2);
        drop(receipt);
        let counts = tally.count(Endpoint::Timings);
        assert_eq!((counts.received, counts.accepted), (5, 0));
        assert_eq!(counts.dropped, [(DropReason::Invalid, 2), (DropReason::Internal, 3)]);
    }

    #[test]
    fn what_was_on_the_way_counts_as_abandoned() {
        let tally = Tally::default();
        let mut receipt = tally.receive(Endpoint::Vitals);
        receipt.take(1);
        receipt.hand_over();
        drop(receipt);
        assert_eq!(tally.count(Endpoint::Vitals).dropped, [(DropReason::Abandoned, 1)]);
    }

    #[test]
    fn nobody_settles_more_than_there_was() {
        let tally = Tally::default();
        let mut receipt = tally.receive(Endpoint::Vitals);
        receipt.take(1);
        receipt.drop_events(DropReason::Duplicate, 7);
        assert_eq!(receipt.accept_rest(), 0);
        drop(receipt);
        assert_eq!(tally.count(Endpoint::Vitals).received, 1);
    }
}
