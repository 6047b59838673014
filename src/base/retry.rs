//! What to do after a failure is a property of the failure.

use std::time::Duration;

/// Whether and when the same attempt may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Never: the request itself is wrong, or the other side refuses it for good.
    Permanent,
    /// Later, after the usual backoff.
    Transient,
    /// Later, after at least this long, because the other side said so.
    After(Duration),
}

/// Bounds of an exponential backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The upper bound of the first wait.
    pub first: Duration,
    /// The upper bound of every wait.
    pub cap: Duration,
}

impl Backoff {
    /// The wait before attempt `attempt + 1` (`attempt` counts from 1), with full jitter:
    /// `unit` (0 to 1) of the bound, which doubles with each attempt up to the cap.
    pub fn wait(self, attempt: u32, unit: f64) -> Duration {
        let doubled = self.first.saturating_mul(1u32 << attempt.saturating_sub(1).min(20));
        doubled.min(self.cap).mul_f64(unit.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_cap() {
        let backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(300) };
        let waits: Vec<u64> = [1, 2, 3, 9, 10, 1000].iter().map(|a| backoff.wait(*a, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 256, 300, 300]);
        assert_eq!(backoff.wait(5, 0.0), Duration::ZERO);
    }
}
