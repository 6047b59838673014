//! What a failed attempt leads to. Pure: the same failure at the same time has the same consequence.

use std::time::Duration;

use crate::base::Timestamp;
use crate::base::retry::{Backoff, Class};

use super::envelope::{Envelope, Kind};
use super::outbox::Verdict;
use super::sender::SendError;

/// The waits between attempts: full jitter up to 1 s, 2 s, 4 s, … 5 min.
pub const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(300) };

/// The longest wait that a receiver's `Retry-After` can ask for.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(3600);

/// How long a message is worth trying. A page that is a day late wakes someone for nothing; a resolution
/// that never arrives leaves an incident open at the receiver for ever.
pub const fn lifetime(kind: Kind) -> Duration {
    match kind {
        Kind::Trigger | Kind::Acknowledge | Kind::Test => Duration::from_secs(24 * 3600),
        Kind::Resolve => Duration::from_secs(72 * 3600),
    }
}

/// The verdict on attempt `number`, which failed at `now`. `unit` (0 to 1) is the jitter.
pub fn after_failure(envelope: &Envelope, number: u32, error: SendError, now: Timestamp, unit: f64) -> Verdict {
    let wait = match error.class {
        Class::Permanent => return Verdict::Dead { error: error.message },
        Class::Transient => BACKOFF.wait(number, unit),
        Class::After(wait) => wait.min(RETRY_AFTER_CAP),
    };
    let at = now + wait;
    if at > envelope.created_at + lifetime(envelope.kind) {
        let hours = lifetime(envelope.kind).as_secs() / 3600;
        return Verdict::Dead { error: format!("given up after {hours} h and {number} attempts: {}", error.message) };
    }
    Verdict::Retry { at, error: error.message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::envelope::testing::envelope;

    fn failure(class: Class) -> SendError {
        SendError { class, message: "no".to_owned() }
    }

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(60 * n)
    }

    #[test]
    fn waits_by_class() {
        let (envelope, now) = (envelope("slack", "k"), Timestamp::from_secs(0));
        let at = |class, number, unit| match after_failure(&envelope, number, failure(class), now, unit) {
            Verdict::Retry { at, .. } => Some(at.since(now)),
            _ => None,
        };
        assert_eq!(at(Class::Transient, 1, 1.0), Some(Duration::from_secs(1)));
        assert_eq!(at(Class::Transient, 4, 0.5), Some(Duration::from_secs(4)));
        assert_eq!(at(Class::Transient, 60, 1.0), Some(minutes(5)));
        assert_eq!(at(Class::After(minutes(7)), 1, 1.0), Some(minutes(7)));
        assert_eq!(at(Class::After(minutes(600)), 1, 0.0), Some(minutes(60)));
        assert_eq!(at(Class::Permanent, 1, 1.0), None);
    }

    #[test]
    fn gives_up_on_pages_before_resolutions() {
        let trigger = envelope("slack", "k");
        let resolve = Envelope { kind: Kind::Resolve, ..trigger.clone() };
        let late = trigger.created_at + minutes(24 * 60);
        let verdict = |e: &Envelope, now| after_failure(e, 9, failure(Class::Transient), now, 1.0);
        assert!(matches!(verdict(&trigger, late - minutes(10)), Verdict::Retry { .. }));
        assert!(
            matches!(verdict(&trigger, late), Verdict::Dead { error } if error.contains("24 h and 9 attempts: no"))
        );
        assert!(matches!(verdict(&resolve, late), Verdict::Retry { .. }));
        assert!(matches!(verdict(&resolve, late + minutes(48 * 60)), Verdict::Dead { .. }));
    }
}
