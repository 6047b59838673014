//! What every collector is: a source that is asked on a schedule.

use std::time::Duration;

use super::error::CollectError;
use crate::base::Timestamp;
use crate::base::clock::BoxFuture;
use crate::series::Item;

/// A source that we ask.
pub trait Collector: Send {
    /// What it is called in logs and in our own metrics, such as `redis/cache-1`.
    fn name(&self) -> &str;

    /// The time from one cycle's start to the next.
    fn every(&self) -> Duration;

    /// The longest a cycle may take; then it is dropped and counts as failed. Shorter than forever because
    /// a server that hangs must be seen as down, not as silent.
    fn limit(&self) -> Duration {
        self.every().mul_f64(0.9).min(Duration::from_secs(15))
    }

    /// Asks once. Items are stamped `now`, the cycle's start.
    fn collect(&mut self, now: Timestamp) -> BoxFuture<'_, Result<Vec<Item>, CollectError>>;

    /// What is known of the cycle itself, whether it succeeded or not: `…_up`, its duration, its error.
    fn status(&mut self, cycle: &Cycle<'_>) -> Vec<Item>;
}

/// A cycle that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Cycle<'a> {
    /// When it started.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, if it did.
    pub error: Option<&'a CollectError>,
}
