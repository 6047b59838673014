//! A page: the closed data of a group of series over a window of time, at one resolution.
//!
//! ```text
//! head, sealed: bounds table | how many series | per series: id (difference), kind, length, then
//!     flags (1: there is a value before, 2: the value after is another, 4: there is a last sample)
//!     | before | after | last sample: ms since the window's start, bits
//! body, sealed: bounds table | time columns: how many, second differences | per series, as in the head:
//!     column, codec, length, data
//! ```
//! `before` and `after` are the cumulative values of a series of ours around the window, so a page needs no other
//! one to be read, and the newest page of a group says what all its series amount to: a page lists every series
//! of the group that lived at its end, idle ones too, and a group in which nothing happened has no page. Series
//! that are scraped together have the same times, which are stored once. Codecs: [`codec`].
//!
//! In the coarser tiers an increment is the sum over a step, stamped with the step's last slot, so the cumulative
//! value at each step's end is the very value of the finest tier. What coarser tiers keep of samples is said in
//! [`coarse`].

mod body;
pub(super) mod coarse;
mod head;
pub(super) mod write;

use std::sync::{Arc, OnceLock};

use crate::base::Timestamp;
use crate::promql::FloatsBuilder;
use crate::sketch::NativeHistogram;

use super::archive::{PageKey, StoredPage};
use super::codec::Corrupt;
use super::slot::Slot;
use super::total::{SeriesKind, Total};

use body::Body;
use head::Directory;

/// How the data of a series is written in a body.
mod codec {
    /// There is none.
    pub(super) const NOTHING: u8 = 0;
    /// How many, then slot differences and increments.
    pub(super) const INCREMENTS: u8 = 1;
    /// One value for all times of the column.
    pub(super) const CONSTANT: u8 = 2;
    /// A value for each time of the column.
    pub(super) const VALUES: u8 = 3;
    /// A native histogram for each time of the column.
    pub(super) const NATIVES: u8 = 4;
    /// Values, then what each stands for: minima, maxima, sums, counts.
    pub(super) const FOLDED: u8 = 5;
}

/// The data of a series in a window.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Points {
    Increments(Vec<(Slot, Total)>),
    Samples(Vec<(Timestamp, f64)>),
    Natives(Vec<(Timestamp, Arc<NativeHistogram>)>),
}

impl Points {
    pub(super) fn new(kind: SeriesKind) -> Self {
        match kind {
            SeriesKind::Counter | SeriesKind::Histogram => Self::Increments(Vec::new()),
            SeriesKind::Sample => Self::Samples(Vec::new()),
            SeriesKind::Native => Self::Natives(Vec::new()),
        }
    }

    /// Appends what is later.
    pub(super) fn extend(&mut self, later: Self) {
        match (self, later) {
            (Self::Increments(all), Self::Increments(more)) => all.extend(more),
            (Self::Samples(all), Self::Samples(more)) => all.extend(more),
            (Self::Natives(all), Self::Natives(more)) => all.extend(more),
            _ => {}
        }
    }
}

/// What the samples of a gauge in one step were, beside the last one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Fold {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) sum: f64,
    /// 0 when the sample stands for itself only.
    pub(super) count: u64,
}

/// What a series amounts to around a window.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ends {
    /// The cumulative value before; of a series of ours that had begun.
    pub(super) before: Option<Total>,
    /// The cumulative value after.
    pub(super) after: Option<Total>,
    /// The newest sample of a series that is sent to us; NaN for a native histogram.
    pub(super) last: Option<(Timestamp, f64)>,
}

/// A page that is being read.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) key: PageKey,
    directory: Directory,
    stored: Vec<u8>,
    body: OnceLock<Result<Body, Corrupt>>,
}

impl Page {
    /// Reads the head; the body when it is asked for.
    pub(super) fn open(stored: StoredPage) -> Result<Self, Corrupt> {
        let directory = Directory::open(&stored.head)?;
        Ok(Self { key: stored.key, directory, stored: stored.body, body: OnceLock::new() })
    }

    /// The series that are listed, ascending by id.
    pub(super) fn series(&self) -> impl ExactSizeIterator<Item = (u64, SeriesKind)> + '_ {
        self.directory.series()
    }

    /// What a series amounts to around the window; nothing when it is not listed.
    pub(super) fn ends(&self, id: u64) -> Result<Option<Ends>, Corrupt> {
        self.directory.ends(id, self.key.first)
    }

    /// Whether all of it can be read, the body too.
    pub(super) fn check(&self) -> Result<(), Corrupt> {
        self.body().map(|_| ())
    }

    fn body(&self) -> Result<&Body, Corrupt> {
        let open = || Body::open(&self.stored, self.directory.series().len(), self.key.first);
        self.body.get_or_init(open).as_ref().map_err(|e| *e)
    }

    /// Adds the samples of a series with `start < t <= end`.
    pub(super) fn samples(
        &self,
        id: u64,
        start: Timestamp,
        end: Timestamp,
        out: &mut FloatsBuilder,
    ) -> Result<(), Corrupt> {
        match self.directory.place(id) {
            Some((place, SeriesKind::Sample)) => self.body()?.samples(place, start, end, out),
            _ => Ok(()),
        }
    }

    /// The data of a series; nothing when it is not listed.
    pub(super) fn points(&self, id: u64) -> Result<Option<(Points, Vec<Fold>)>, Corrupt> {
        let Some((place, kind)) = self.directory.place(id) else { return Ok(None) };
        self.body()?.points(place, kind).map(Some)
    }
}

#[cfg(test)]
mod tests;
