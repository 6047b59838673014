//! What of a request was not stored, in numbers and in one line of text for the sender's log.

use std::fmt;

use crate::base::DropReason;
use crate::ingest::outcome::Reject;

/// How many faults are told in words.
const TOLD: usize = 3;

/// Counts and, of the first faults, the words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Refused {
    counts: Vec<(DropReason, u64)>,
    told: Vec<Reject>,
    written: u64,
}

impl Refused {
    pub(super) fn add(&mut self, reason: DropReason, events: u64) {
        match self.counts.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, n)) => *n += events,
            None if events > 0 => self.counts.push((reason, events)),
            None => {}
        }
    }

    /// Whether the words of another fault would be kept.
    pub(super) fn has_room(&self) -> bool {
        self.told.len() < TOLD
    }

    /// Keeps the words of a fault; it is counted apart.
    pub(super) fn explain(&mut self, reject: Reject) {
        if self.has_room() {
            self.told.push(reject);
        }
    }

    pub(super) fn set_written(&mut self, events: u64) {
        self.written = events;
    }

    pub(super) fn by_reason(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        self.counts.iter().copied()
    }

    /// How many samples and histograms were not stored.
    pub fn events(&self) -> u64 {
        self.counts.iter().map(|(_, n)| n).sum()
    }
}

/// What a reason means here and what to do, where no single fault can be named.
const fn meaning(reason: DropReason) -> &'static str {
    match reason {
        DropReason::OutOfOrder => "older than what is closed of their series, or another value for its time",
        DropReason::OutOfRange => "more than 10 min ahead of the clock here, or too long ago",
        DropReason::SeriesLimit => "limits.series is reached; the series that are known go on",
        DropReason::ServiceSeriesLimit => "limits.series_per_service is reached; the series that are known go on",
        DropReason::MetricSeriesLimit => "the limit of series of one metric is reached; the known ones go on",
        DropReason::Invalid => "the labels are not valid, or name a series of another kind",
        DropReason::TooManyLabels => "more labels than a series may have",
        DropReason::TooLong => "a label name or value is too long",
        DropReason::Implausible => "the value cannot be",
        DropReason::Unsupported => "this kind of series is not taken",
        _ => "not taken",
    }
}

/// `3 of 2000 not stored: 2 out_of_order (older than …), 1 invalid (x has the label "a" twice)`.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = self.events();
        write!(f, "{events} of {} not stored: ", events + self.written)?;
        for (i, (reason, n)) in self.counts.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            write!(f, "{comma}{n} {} (", reason.as_str())?;
            let mut told = self.told.iter().filter(|t| t.reason == *reason).map(|t| t.error.as_ref());
            f.write_str(told.next().unwrap_or(meaning(*reason)))?;
            for more in told {
                write!(f, "; {more}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_line_with_numbers_and_reasons() {
        let mut refused = Refused::default();
        refused.add(DropReason::OutOfOrder, 2);
        refused.explain(Reject::new(DropReason::Invalid, "x has no y"));
        refused.add(DropReason::Invalid, 1);
        refused.set_written(1_997);
        let text = "3 of 2000 not stored: 2 out_of_order (older than what is closed of their series, or another \
                    value for its time), 1 invalid (x has no y)";
        assert_eq!(refused.to_string(), text);
    }

    #[test]
    fn tells_only_the_first_faults() {
        let mut refused = Refused::default();
        for i in 0..9 {
            refused.explain(Reject::new(DropReason::Invalid, format!("fault {i}")));
            refused.add(DropReason::Invalid, 1);
        }
        assert_eq!(refused.to_string(), "9 of 9 not stored: 9 invalid (fault 0; fault 1; fault 2)");
    }
}
