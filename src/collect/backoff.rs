//! When to try a connection again.

use std::time::Duration;

use super::error::CollectError;
use crate::base::Timestamp;
use crate::base::retry::Backoff;

const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(30) };

/// Keeps count of failures to connect.
#[derive(Debug, Default)]
pub(super) struct Reconnect {
    failures: u32,
    not_before: Option<Timestamp>,
    class: &'static str,
}

impl Reconnect {
    /// Whether it may be tried at `now`; if not, what failed last.
    pub(super) fn allow(&self, now: Timestamp) -> Result<(), CollectError> {
        match self.not_before {
            Some(time) if now < time => Err(CollectError::Waiting(self.class)),
            _ => Ok(()),
        }
    }

    /// Waits longer after every failure; half of the wait is left to chance, so that many do not come at once.
    pub(super) fn failed(&mut self, now: Timestamp, class: &'static str) {
        self.failures = self.failures.saturating_add(1);
        self.class = class;
        self.not_before = Some(now + BACKOFF.wait(self.failures, 0.5 + rand::random::<f64>() / 2.0));
    }

    /// Starts over.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_up_to_half_a_minute() {
        let (mut reconnect, now) = (Reconnect::default(), Timestamp::from_secs(1000));
        assert!(reconnect.allow(now).is_ok());
        reconnect.failed(now, "connect");
        assert!(matches!(reconnect.allow(now), Err(CollectError::Waiting("connect"))));
        assert!(reconnect.allow(now + Duration::from_secs(1)).is_ok());
        for _ in 0..50 {
            reconnect.failed(now, "connect");
        }
        assert!(reconnect.allow(now + Duration::from_secs(14)).is_err());
        assert!(reconnect.allow(now + Duration::from_secs(30)).is_ok());
        reconnect.succeeded();
        assert!(reconnect.allow(now).is_ok());
    }
}
