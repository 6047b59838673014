//! Kinds of series, and what a counter or histogram of ours amounts to.

use crate::sketch::Histogram;

/// What a series is fed with; fixed at its first datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SeriesKind {
    /// [`Delta::Add`](super::Delta::Add)
    Counter,
    /// [`Delta::Observe`](super::Delta::Observe)
    Histogram,
    /// [`Delta::Sample`](super::Delta::Sample)
    Sample,
    /// [`Delta::Distribution`](super::Delta::Distribution)
    Native,
}

impl SeriesKind {
    /// Whether its values are ours: increments by slot, not samples with a time of their own.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Counter | Self::Histogram)
    }

    /// Whether one stored series appears as `x`, `x_count`, `x_sum` and, with exact bounds, `x_bucket`.
    pub const fn has_four_names(self) -> bool {
        matches!(self, Self::Histogram | Self::Native)
    }

    /// Its number in stored form.
    pub const fn number(self) -> u8 {
        match self {
            Self::Counter => 0,
            Self::Histogram => 1,
            Self::Sample => 2,
            Self::Native => 3,
        }
    }

    /// The kind with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Counter),
            1 => Some(Self::Histogram),
            2 => Some(Self::Sample),
            3 => Some(Self::Native),
            _ => None,
        }
    }
}

/// An increment, or the sum of increments: the cumulative value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Total {
    /// Of a counter.
    Counter(f64),
    /// Of a histogram.
    Histogram(Histogram),
}

impl Total {
    /// Adds an increment of the same kind; one of another kind is left out.
    pub(super) fn add(&mut self, increment: &Self) {
        match (self, increment) {
            (Self::Counter(sum), Self::Counter(more)) => *sum += more,
            (Self::Histogram(sum), Self::Histogram(more)) => sum.merge(more),
            _ => {}
        }
    }

    /// Adds to what may not have begun.
    pub(super) fn add_to(sum: &mut Option<Self>, increment: &Self) {
        match sum {
            Some(sum) => sum.add(increment),
            None => *sum = Some(increment.clone()),
        }
    }
}
