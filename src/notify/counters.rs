//! What became of attempts, for `plimsoll_notifications_total` and `plimsoll_notification_latency_seconds`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::outbox::Verdict;

/// What became of an attempt; the names are label values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The receiver has it.
    Sent,
    /// Failed, will be tried again.
    Retried,
    /// Given up for good.
    Dead,
    /// No longer wanted.
    Cancelled,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 4] = [Self::Sent, Self::Retried, Self::Dead, Self::Cancelled];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retried => "retried",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome that a verdict counts as.
    pub const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Sent { .. } => Self::Sent,
            Verdict::Retry { .. } => Self::Retried,
            Verdict::Dead { .. } => Self::Dead,
            Verdict::Cancelled { .. } => Self::Cancelled,
        }
    }
}

/// The upper bounds of the latency's buckets, in seconds; a last bucket holds the rest.
pub const LATENCY_BOUNDS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// Under this name messages to channels that are not configured (any more) are counted.
pub const UNKNOWN_CHANNEL: &str = "__unknown__";

/// Counts of attempts since the start, by channel and outcome, and how long after they were due messages
/// were sent. The set of channels is fixed when it is made.
#[derive(Debug)]
pub struct Counters {
    channels: BTreeMap<String, [AtomicU64; 4]>,
    latency: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    latency_ms: AtomicU64,
}

/// The latency's distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// Messages in each bucket of [`LATENCY_BOUNDS`] (inclusive, not cumulative), then those above all.
    pub buckets: Vec<u64>,
    /// Seconds in total.
    pub sum: f64,
}

impl Counters {
    pub(super) fn new<'a>(channels: impl IntoIterator<Item = &'a String>) -> Self {
        let names = channels.into_iter().cloned().chain([UNKNOWN_CHANNEL.to_owned()]);
        let channels = names.map(|name| (name, Default::default())).collect();
        Self { channels, latency: Default::default(), latency_ms: AtomicU64::new(0) }
    }

    pub(super) fn count(&self, channel: &str, outcome: Outcome) {
        let known = self.channels.get(channel).or_else(|| self.channels.get(UNKNOWN_CHANNEL));
        if let Some(counts) = known {
            counts[outcome as usize].fetch_add(1, Relaxed);
        }
    }

    pub(super) fn sent_after(&self, latency: Duration) {
        let bucket = LATENCY_BOUNDS.partition_point(|bound| *bound < latency.as_secs_f64());
        self.latency[bucket].fetch_add(1, Relaxed);
        self.latency_ms.fetch_add(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Every channel and outcome with its count, zeros included.
    pub fn by_channel(&self) -> impl Iterator<Item = (&str, Outcome, u64)> {
        self.channels.iter().flat_map(|(name, counts)| {
            Outcome::ALL.map(|outcome| (name.as_str(), outcome, counts[outcome as usize].load(Relaxed)))
        })
    }

    /// The count of one channel and outcome; zero for what is not known.
    pub fn get(&self, channel: &str, outcome: Outcome) -> u64 {
        self.channels.get(channel).map_or(0, |counts| counts[outcome as usize].load(Relaxed))
    }

    /// How long after they were due messages were sent.
    pub fn latency(&self) -> Latency {
        let buckets = self.latency.iter().map(|bucket| bucket.load(Relaxed)).collect();
        Latency { buckets, sum: self.latency_ms.load(Relaxed) as f64 / 1000.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_channel_and_outcome() {
        let counters = Counters::new([&"slack".to_owned()]);
        counters.count("slack", Outcome::Sent);
        counters.count("gone", Outcome::Dead);
        assert_eq!(counters.get("slack", Outcome::Sent), 1);
        assert_eq!(counters.get(UNKNOWN_CHANNEL, Outcome::Dead), 1);
        assert_eq!(counters.by_channel().map(|(_, _, n)| n).sum::<u64>(), 2);
        assert_eq!(counters.by_channel().count(), 8);
    }

    #[test]
    fn latency_bounds_are_inclusive() {
        let counters = Counters::new([]);
        for ms in [100, 101, 3_600_000, 3_600_001] {
            counters.sent_after(Duration::from_millis(ms));
        }
        let latency = counters.latency();
        assert_eq!(latency.buckets, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(latency.sum, 7200.202);
    }
}
