//! What the configuration says about evaluating and paging.

use std::time::Duration;

/// Settings of the evaluator and of on-call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How often objectives are evaluated: 1 s to 5 min.
    pub evaluate_every: Duration,
    /// Where the pages are reached from outside, for links in messages.
    pub public_url: String,
    /// How many objectives are evaluated at once.
    pub concurrency: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let public_url = "http://127.0.0.1:1876".to_owned();
        Self { evaluate_every: Duration::from_secs(5), public_url, concurrency: 4 }
    }
}

impl Settings {
    /// Without slashes at the end, so that paths can be put behind it.
    pub fn base_url(&self) -> &str {
        self.public_url.trim_end_matches('/')
    }

    /// Evaluations further apart than this say nothing about the time between them. A few missed ticks
    /// are within it; a restart in the time of a missed tick is no gap.
    pub fn evidence_gap(&self) -> Duration {
        (self.evaluate_every * 4).max(Duration::from_secs(30))
    }

    /// A query that takes longer than this is given up: it must not hold up the next evaluation for long.
    pub fn query_timeout(&self) -> Duration {
        self.evaluate_every.clamp(Duration::from_secs(5), Duration::from_secs(30))
    }
}
