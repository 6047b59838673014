//! What is remembered of series between requests: running totals of exponential histograms that come as
//! differences, and when cumulative series began.
//!
//! A difference of a plain number or of classic buckets is a step of a counter of ours and needs no memory
//! here. A native histogram has no such counter: its total runs here, and each difference is recorded as the
//! new total, stamped with its arrival. After a restart the total begins anew, with an empty histogram in
//! front of it, which PromQL sees as a counter's reset: increases stay right.
//!
//! A total advances only when the recorder has said that it is durable. When the sender leaves before that
//! has been said, it advances as well: the journal may have it, and a total that went back would be taken for
//! a reset and counted twice as a whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::MutexGuard;

use crate::base::{DropReason, Labels, Timestamp};
use crate::series::{Delta, Item};
use crate::sketch::NativeHistogram;

use super::exponential;

/// Series whose totals run here, at most.
const TOTALS: usize = 20_000;
/// A total without news for this long gives way to a new one when there are too many.
const IDLE: Duration = Duration::from_secs(3600);
/// Series whose beginning is remembered, at most; then they are all forgotten, and a reset between two
/// requests shows only as a falling value.
const BEGINNINGS: usize = 500_000;

/// The memory of one intake.
#[derive(Debug, Default)]
pub(crate) struct Running {
    totals: tokio::sync::Mutex<HashMap<Labels, Total>>,
    beginnings: Mutex<HashMap<Labels, Beginning>>,
}

#[derive(Debug, Clone)]
struct Total {
    histogram: Arc<NativeHistogram>,
    touched: Timestamp,
}

/// When a cumulative series began, as its sender says, and its newest point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    /// Nanoseconds since 1970; never 0.
    pub(super) start: u64,
    /// The newest point.
    pub(super) newest: Timestamp,
}

/// Totals that are on their way to the journal. Nobody else advances any meanwhile.
#[derive(Debug)]
pub(super) struct Advance<'r> {
    totals: MutexGuard<'r, HashMap<Labels, Total>>,
    new: HashMap<Labels, Next>,
}

/// A total that is on its way.
#[derive(Debug)]
struct Next {
    total: Total,
    /// It runs from here on.
    begins: bool,
}

impl Running {
    /// Where a series that began at `start` has to be shown as empty: it began anew since its newest point.
    pub(super) fn reset(&self, labels: &Labels, start: u64, at: Timestamp) -> Option<Timestamp> {
        let begun = self.beginnings.lock().get(labels).copied()?;
        let start_at = Timestamp::from_millis(i64::try_from(start / 1_000_000).ok()?);
        let zero = start_at.max(begun.newest + Duration::from_millis(1));
        (start > begun.start && zero < at).then_some(zero)
    }

    /// Remembers beginnings whose points are durable.
    pub(super) fn began(&self, beginnings: Vec<(Labels, Beginning)>) {
        let mut known = self.beginnings.lock();
        if known.len() + beginnings.len() > BEGINNINGS {
            known.clear();
        }
        known.extend(beginnings);
    }

    /// Begins to advance totals; waits for others that do.
    pub(super) async fn advance(&self) -> Advance<'_> {
        Advance { totals: self.totals.lock().await, new: HashMap::new() }
    }
}

impl Advance<'_> {
    /// Adds a difference.
    pub(super) fn add(&mut self, labels: Labels, more: &NativeHistogram, now: Timestamp) -> Result<(), DropReason> {
        if let Some(next) = self.new.get_mut(&labels) {
            exponential::add(Arc::make_mut(&mut next.total.histogram), more);
            return Ok(());
        }
        let next = match self.totals.get(&labels) {
            Some(before) => {
                let mut sum = before.histogram.as_ref().clone();
                exponential::add(&mut sum, more);
                let touched = now.max(before.touched + Duration::from_millis(1));
                Next { total: Total { histogram: Arc::new(sum), touched }, begins: false }
            }
            None => {
                self.make_room(now)?;
                Next { total: Total { histogram: Arc::new(more.clone()), touched: now }, begins: true }
            }
        };
        self.new.insert(labels, next);
        Ok(())
    }

    /// What is to be recorded: the new totals, and an empty one before each that begins.
    pub(super) fn items(&self) -> Vec<Item> {
        let mut items = Vec::with_capacity(self.new.len());
        for (labels, Next { total, begins }) in &self.new {
            let item = |at, histogram| Item { labels: labels.clone(), at, delta: Delta::Distribution(histogram) };
            if *begins {
                let empty = Arc::new(exponential::empty(&total.histogram));
                items.push(item(total.touched - Duration::from_millis(1), empty));
            }
            items.push(item(total.touched, Arc::clone(&total.histogram)));
        }
        items
    }

    fn make_room(&mut self, now: Timestamp) -> Result<(), DropReason> {
        if self.totals.len() + self.new.len() >= TOTALS {
            self.totals.retain(|_, total| total.touched > now - IDLE);
        }
        if self.totals.len() + self.new.len() < TOTALS { Ok(()) } else { Err(DropReason::SeriesLimit) }
    }

    /// Nothing was recorded: the totals stay as they were.
    pub(super) fn take_back(mut self) {
        self.new.clear();
    }
}

impl Drop for Advance<'_> {
    fn drop(&mut self) {
        self.totals.extend(self.new.drain().map(|(labels, next)| (labels, next.total)));
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
    use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_640_000);

    fn one(index: i32) -> NativeHistogram {
        let positive = Some(Buckets { offset: index, bucket_counts: vec![1] });
        exponential::native(&ExponentialHistogramDataPoint { count: 1, positive, ..Default::default() }).unwrap()
    }

    /// What would be recorded: `(milliseconds from NOW, count)`.
    fn recorded(advance: &Advance<'_>) -> Vec<(i64, f64)> {
        let count = |d: &Delta| if let Delta::Distribution(h) = d { h.count } else { f64::NAN };
        advance.items().iter().map(|i| (i.at.as_millis() - NOW.as_millis(), count(&i.delta))).collect()
    }

    #[tokio::test]
    async fn totals_begin_empty_and_advance_when_durable() {
        let running = Running::default();
        let labels = Labels::metric("m", [("a", "b")]);
        let mut advance = running.advance().await;
        advance.add(labels.clone(), &one(0), NOW).unwrap();
        advance.add(labels.clone(), &one(1), NOW).unwrap();
        assert_eq!(recorded(&advance), [(-1, 0.0), (0, 2.0)]);
        drop(advance);
        let mut refused = running.advance().await;
        refused.add(labels.clone(), &one(1), NOW).unwrap();
        assert_eq!(recorded(&refused), [(1, 3.0)], "never twice at one time");
        refused.take_back();
        let mut again = running.advance().await;
        again.add(labels, &one(1), NOW + Duration::from_secs(1)).unwrap();
        assert_eq!(recorded(&again), [(1000, 3.0)]);
    }

    #[tokio::test]
    async fn idle_totals_make_room_and_busy_ones_do_not() {
        let running = Running::default();
        let series = |i: usize| Labels::metric("m", [("i", i.to_string().as_str())]);
        let mut advance = running.advance().await;
        for i in 0..TOTALS {
            advance.add(series(i), &one(0), NOW).unwrap();
        }
        assert_eq!(advance.add(series(TOTALS), &one(0), NOW), Err(DropReason::SeriesLimit));
        drop(advance);
        let mut later = running.advance().await;
        assert!(later.add(series(TOTALS), &one(0), NOW + IDLE).is_ok());
    }

    #[test]
    fn a_new_start_is_a_reset() {
        let running = Running::default();
        let labels = Labels::metric("m", [("a", "b")]);
        let nanos = |t: Timestamp| t.as_millis() as u64 * 1_000_000;
        let at = |seconds| NOW + Duration::from_secs(seconds);
        assert_eq!(running.reset(&labels, nanos(at(0)), at(10)), None, "nothing is known of it");
        running.began(vec![(labels.clone(), Beginning { start: nanos(at(0)), newest: at(10) })]);
        assert_eq!(running.reset(&labels, nanos(at(0)), at(20)), None, "the same start");
        assert_eq!(running.reset(&labels, nanos(at(15)), at(20)), Some(at(15)));
        let overlapping = at(10) + Duration::from_millis(1);
        assert_eq!(running.reset(&labels, nanos(at(5)), at(20)), Some(overlapping), "never before its newest point");
        assert_eq!(running.reset(&labels, nanos(at(15)), at(10)), None, "an old point");
    }
}
