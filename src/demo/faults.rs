//! What breaks in the shop, and when: a fixed schedule that repeats.

use std::time::Duration;

/// One thing that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Product searches wait for a lock that someone else holds.
    SlowSearch,
    /// The payment provider refuses every third order.
    FailingOrders,
    /// The cache has just been emptied and stays so.
    ColdCache,
}

/// A fault's place in the cycle, in seconds: from (inclusive) and to (exclusive).
const SCHEDULE: [(Fault, u64, u64); 3] =
    [(Fault::SlowSearch, 6, 75), (Fault::FailingOrders, 100, 160), (Fault::ColdCache, 180, 220)];

/// After this long the schedule begins again.
const CYCLE_SECONDS: u64 = 260;

/// How long a search waits while searches are slow.
pub const SLOW_SEARCH: Duration = Duration::from_millis(450);

/// What is wrong after the shop has been open for `open`.
pub fn at(open: Duration) -> impl Iterator<Item = Fault> {
    let second = open.as_secs() % CYCLE_SECONDS;
    SCHEDULE.into_iter().filter(move |(_, from, to)| (*from..*to).contains(&second)).map(|(fault, _, _)| fault)
}

/// Whether `fault` is at work after the shop has been open for `open`.
pub fn active(fault: Fault, open: Duration) -> bool {
    at(open).any(|f| f == fault)
}

impl Fault {
    /// One line for the terminal.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::SlowSearch => "GET /api/search waits 450 ms for a lock",
            Self::FailingOrders => "POST /api/orders fails for one order in three",
            Self::ColdCache => "the shop's cache is cold",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats() {
        let slow = |s| active(Fault::SlowSearch, Duration::from_secs(s));
        assert!(!slow(5) && slow(6) && slow(74) && !slow(75) && slow(6 + CYCLE_SECONDS));
        assert_eq!(at(Duration::from_secs(190)).collect::<Vec<_>>(), [Fault::ColdCache]);
    }
}
