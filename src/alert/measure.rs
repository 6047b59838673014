//! Counting an objective's events: measure once, look often.
//!
//! **Exactly once.** The raw counters are read from an anchor up to now, and what was counted before is
//! subtracted. The anchor lies before every slot that is still open, so an event that arrives late, into
//! a slot that was read already, is counted by the next evaluation; reading from evaluation to
//! evaluation would miss it, or count the open slot twice.
//!
//! How far an objective is counted is stored in the ledger together with the increments
//! ([`Counting`]), *before* they are recorded. The recorded batch carries its sequence number as a sample
//! of [`SEQUENCE`], and a batch is recorded whole or not at all: so after a restart the series themselves
//! say whether the last batch is in them, and it is recorded again only when it is not. Storing the
//! position alone would lose a batch when it is written first, and count it twice when it is written
//! last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time::millis;
use crate::base::{Labels, Timestamp};
use crate::series::{Delta, Item, TICK};
use crate::slo::{Counts, Measure};

/// The gauge that says which batch of counts was recorded last.
pub const SEQUENCE: &str = "slo:counted_sequence";

/// Slots older than this take no more events (they are open for two minutes).
const SETTLED: Duration = Duration::from_secs(150);

/// The anchor is moved when it lies further back than this: reading stays short.
const MAX_STRETCH: Duration = Duration::from_secs(600);

/// A group without events for this long is no longer expected to be measured.
const FORGET_GROUP: Duration = Duration::from_secs(86_400);

/// The most groups that one objective counts apart.
const MAX_GROUPS: usize = 2000;

const MINUTE: Duration = Duration::from_secs(60);

/// How far one objective is counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The start of a slot: everything up to it is counted and can change no more.
    pub anchor: Timestamp,
    /// The minute in which it was last counted.
    pub minute: Timestamp,
    /// What is counted since the anchor.
    pub groups: Vec<GroupCount>,
}

/// What is counted of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupCount {
    /// The group.
    pub labels: Labels,
    /// Good events since the anchor.
    pub good: f64,
    /// All events since the anchor.
    pub total: f64,
    /// Whether there was data in the present minute.
    pub seen: bool,
    /// When there was data last.
    pub seen_at: Timestamp,
}

/// Increments that are about to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counting {
    /// One more than the one before.
    pub sequence: u64,
    /// When they were measured.
    pub at: Timestamp,
    /// Series with `__name__`, and by how much each grows.
    pub increments: Vec<(Labels, f64)>,
}

impl Counting {
    /// The items to record, with the sequence number among them. `at` is now, also when recorded late.
    pub fn items(&self, at: Timestamp) -> Vec<Item> {
        let adds =
            self.increments.iter().map(|(labels, add)| Item { labels: labels.clone(), at, delta: Delta::Add(*add) });
        let none: [(&str, &str); 0] = [];
        let marker = Item { labels: Labels::metric(SEQUENCE, none), at, delta: Delta::Sample(self.sequence as f64) };
        adds.chain([marker]).collect()
    }
}

impl Measured {
    /// An objective that was never counted: what still can arrive is counted, nothing older.
    pub fn new(now: Timestamp) -> Self {
        Self { anchor: (now - SETTLED).floor_to(TICK), minute: now.floor_to(MINUTE), groups: Vec::new() }
    }

    /// Where the anchor should go, when it should move.
    pub fn next_anchor(&self, now: Timestamp) -> Option<Timestamp> {
        (now.since(self.anchor) > MAX_STRETCH).then(|| (now - SETTLED).floor_to(TICK))
    }

    /// Moves the anchor: what lies before the new one is settled and taken off.
    pub fn slide(&mut self, anchor: Timestamp, settled: &BTreeMap<Labels, Counts>) {
        self.anchor = anchor;
        for group in &mut self.groups {
            if let Some(before) = settled.get(&group.labels) {
                group.good = (group.good - before.good).max(0.0);
                group.total = (group.total - before.total).max(0.0);
            }
        }
    }

    /// Counts what `since_anchor` has more than was counted, and the minutes that passed. `alive` are
    /// groups that have a value; with `single`, the one group without labels is always expected.
    ///
    /// Returns metric name, group and increment; increments of zero are left out.
    pub fn count(
        &mut self,
        since_anchor: &BTreeMap<Labels, Counts>,
        alive: &BTreeSet<Labels>,
        single: bool,
        now: Timestamp,
    ) -> Vec<(&'static str, Labels, f64)> {
        // Not one whose events since the anchor are still read: they would count again.
        self.groups.retain(|g| now.since(g.seen_at) < FORGET_GROUP || since_anchor.contains_key(&g.labels));
        let minutes = self.minutes_passed(now);
        let mut increments = Vec::new();
        if single {
            self.group(&Labels::default(), now);
        }
        for group in &mut self.groups {
            increments.extend(group.pass_minutes(minutes));
        }
        for (labels, counts) in since_anchor {
            let Some(group) = self.group(labels, now) else { continue };
            increments.extend(group.grow(*counts, now));
        }
        for labels in alive {
            if let Some(group) = self.group(labels, now) {
                (group.seen, group.seen_at) = (true, now);
            }
        }
        increments.retain(|(_, _, add)| *add > 0.0);
        increments
    }

    /// Whole minutes that began since the last count; none when the clock went back.
    fn minutes_passed(&mut self, now: Timestamp) -> u64 {
        let minute = now.floor_to(MINUTE);
        let passed = (minute.as_millis() - self.minute.as_millis()) / millis(MINUTE);
        self.minute = self.minute.max(minute);
        u64::try_from(passed).unwrap_or(0)
    }

    fn group(&mut self, labels: &Labels, now: Timestamp) -> Option<&mut GroupCount> {
        let found = self.groups.iter().position(|g| g.labels == *labels);
        if found.is_none() && self.groups.len() < MAX_GROUPS {
            let labels = labels.clone();
            self.groups.push(GroupCount { labels, good: 0.0, total: 0.0, seen: false, seen_at: now });
            return self.groups.last_mut();
        }
        found.map(|i| &mut self.groups[i])
    }
}

impl GroupCount {
    /// The minute that ended was measured when there was data in it; minutes in which nobody looked were
    /// not measured, and should have been.
    fn pass_minutes(&mut self, minutes: u64) -> [(&'static str, Labels, f64); 2] {
        let measured = if minutes > 0 && std::mem::take(&mut self.seen) { 1.0 } else { 0.0 };
        [(Measure::EXPECTED, self.labels.clone(), minutes as f64), (Measure::MEASURED, self.labels.clone(), measured)]
    }

    fn grow(&mut self, counts: Counts, now: Timestamp) -> [(&'static str, Labels, f64); 2] {
        let good = (counts.good - self.good).max(0.0);
        let total = (counts.total - self.total).max(0.0);
        self.good += good;
        self.total += total;
        if total > 0.0 {
            (self.seen, self.seen_at) = (true, now);
        }
        [(Measure::GOOD, self.labels.clone(), good), (Measure::TOTAL, self.labels.clone(), total)]
    }
}

/// The series of a recorded counter: `metric{objective, …group}`.
pub fn series(metric: &str, objective: &str, group: &Labels) -> Labels {
    group.with("objective", objective).with(crate::base::METRIC_NAME, metric)
}

#[cfg(test)]
mod tests;
