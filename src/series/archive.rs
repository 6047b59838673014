//! The contract of the archive: closed slots, for good.
//!
//! What closed is first a row a tick, then pages ([`super::page`]): one for each group of series and window of
//! time. Windows grow as they age: ten minutes, two hours, a day, 32 days. A page is never changed, only merged
//! with its neighbours into a longer one, or removed. Each method says what is one step: wherever the process
//! dies, a step has happened whole or not at all.

use crate::base::clock::BoxFuture;
use crate::base::{Labels, Timestamp};

use super::slot::Slot;
use super::total::SeriesKind;
use super::vitals::VitalKey;

/// A resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// One sample each 10 s.
    Seconds10,
    /// One sample each 5 min.
    Minutes5,
    /// One sample each hour.
    Hour1,
}

impl Tier {
    /// All tiers, finest first.
    pub const ALL: [Self; 3] = [Self::Seconds10, Self::Minutes5, Self::Hour1];

    /// The time between two samples.
    pub const fn step(self) -> std::time::Duration {
        match self {
            Self::Seconds10 => super::TICK,
            Self::Minutes5 => std::time::Duration::from_secs(300),
            Self::Hour1 => std::time::Duration::from_secs(3600),
        }
    }

    /// Its number in the database: 0, 1, 2.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// How well a page of this tier knows the value at a slot, the best first: while the tier has not expired
    /// there the finest, else the coarsest, whose longer pages have not lost their beginning.
    pub fn rank(self, slot: Slot, horizons: [Slot; 3]) -> usize {
        let tier = usize::from(self.number());
        let is_whole = horizons.get(tier).is_none_or(|horizon| slot > *horizon);
        if is_whole { tier } else { 2 * Self::ALL.len() - tier }
    }

    /// The tier with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n).copied())
    }
}

/// A group of series of one metric, whose data share pages.
pub type GroupId = u64;

/// A series as the archive knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesDef {
    /// Never used again.
    pub id: u64,
    /// Its group, which never changes.
    pub group: GroupId,
    /// With `__name__`.
    pub labels: Labels,
    /// What it is fed with.
    pub kind: SeriesKind,
    /// It has nothing before this slot; 0 when that is not known.
    pub born: Slot,
    /// When it is retired: what comes for its labels is a new series.
    pub retired: Option<Retired>,
}

/// Up to where a series that was let go is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// The last slot whose pages list it.
    pub listed: Slot,
    /// The last slot in which readers may find something of it; not after `listed`.
    pub ended: Slot,
}

/// Which retired series are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredQuery {
    /// Those of these metrics, by the names that they are stored under; `None`: of all.
    pub metrics: Option<Vec<String>>,
    /// Those that ended in this slot or later,
    pub first: Slot,
    /// and were born in this one or before.
    pub last: Slot,
    /// At most so many.
    pub limit: usize,
}

/// What is to be remembered of a web vital.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VitalState {
    /// Not settled: the ledger's own bytes.
    Pending(Vec<u8>),
    /// Settled at this instant; what still comes is late.
    Settled(Timestamp),
}

/// One tick: everything that closed since the one before.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Every slot up to this one is closed, and its increments are in this tick or one before.
    pub through: Slot,
    /// The journal entry up to which samples and vitals are contained.
    pub entry: u64,
    /// Series that are new since the tick before.
    pub series: Vec<SeriesDef>,
    /// Series that retired since the tick before, by id.
    pub retired: Vec<(u64, Retired)>,
    /// Ranges of slots, first and last inclusive, in which the process lived.
    pub live: Vec<(Slot, Slot)>,
    /// Increments and samples; the bytes of `series::tick`. Empty when nothing was counted.
    pub data: Vec<u8>,
    /// Web vitals that changed.
    pub vitals: Vec<(VitalKey, VitalState)>,
    /// Settled web vitals older than this are to be forgotten.
    pub forget_settled_before: Timestamp,
    /// Pages that samples of the past have become part of.
    pub history: Rewrite,
}

/// Pages that are written anew.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rewrite {
    /// Removed first.
    pub sources: Vec<PageKey>,
    /// What takes their place.
    pub pages: Vec<StoredPage>,
    /// Series, by id, that have something as early as this.
    pub born: Vec<(u64, Slot)>,
}

#[cfg(test)]
impl Tick {
    /// A tick with nothing in it.
    pub(crate) fn empty(through: Slot, entry: u64) -> Self {
        Self {
            through,
            entry,
            series: Vec::new(),
            retired: Vec::new(),
            live: Vec::new(),
            data: Vec::new(),
            vitals: Vec::new(),
            forget_settled_before: Timestamp::MIN,
            history: Rewrite::default(),
        }
    }
}

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKey {
    /// Whose data.
    pub group: GroupId,
    /// At which resolution.
    pub tier: Tier,
    /// From this slot on.
    pub first: Slot,
    /// How many slots its window has.
    pub slots: i64,
}

impl PageKey {
    /// The window's last slot.
    pub fn last(&self) -> Slot {
        self.first.plus(self.slots - 1)
    }
}

/// A page as it is stored: what it begins and ends with, and what lies between, so that the first can be read
/// without the second.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPage {
    /// What it holds.
    pub key: PageKey,
    /// The directory with each series' value before and after; the bytes of `series::page`.
    pub head: Vec<u8>,
    /// The data. Empty when only the head was asked for.
    pub body: Vec<u8>,
}

/// One series over one block at one resolution, as version 0.1 stored it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredChunk {
    /// The series.
    pub series: u64,
    /// Its group.
    pub group: GroupId,
    /// The block's number: two hours, counted from the epoch.
    pub block: i64,
    /// The resolution.
    pub tier: Tier,
    /// The bytes of `series::chunk`.
    pub bytes: Vec<u8>,
}

/// What the archive knows at the start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Restored {
    /// Which archive this is: made at random when it was created.
    pub archive: u128,
    /// The last tick's `through`, if there was a tick.
    pub through: Option<Slot>,
    /// The last tick's `entry`.
    pub entry: u64,
    /// The last slot that is in pages, if there are pages.
    pub paged: Option<Slot>,
    /// The series that live, ascending by id.
    pub series: Vec<SeriesDef>,
    /// The greatest id that a series was ever given; 0 before the first.
    pub last_series: u64,
    /// The greatest id that a group was ever given; 0 before the first.
    pub last_group: GroupId,
    /// The last slot in which any retired series may have something.
    pub ended: Option<Slot>,
    /// All ranges of slots in which the process lived.
    pub live: Vec<(Slot, Slot)>,
    /// The newest page of each group with a series that lives, at the finest resolution that has it, without its
    /// body.
    pub heads: Vec<StoredPage>,
    /// `through` and data of the ticks that are not in pages yet, in order.
    pub ticks: Vec<(Slot, Vec<u8>)>,
    /// All web vitals that are remembered.
    pub vitals: Vec<(VitalKey, VitalState)>,
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scanned {
    /// Ascending by group, then tier, then first slot.
    pub pages: Vec<StoredPage>,
    /// For each tier, finest first: pages that end at or before this slot have been removed.
    pub horizons: [Slot; 3],
}

/// The archive could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the archive could not be {operation}")]
pub struct ArchiveError {
    /// `read` or `written`.
    pub operation: &'static str,
    /// What the store said.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Which pages are to become one: those of `slots` slots, a window of `into` slots at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// At this resolution.
    pub tier: Tier,
    /// The pages' length.
    pub slots: i64,
    /// The length of what they become.
    pub into: i64,
}

/// Keeps what has closed. One writer, many readers.
pub trait Archive: Send + Sync {
    /// Everything that is needed to go on, as of one tick. Creates the archive's identity at the first call,
    /// and gives a group to series that have none.
    fn load(&self) -> BoxFuture<'_, Result<Restored, ArchiveError>>;

    /// Stores a tick, in one step, durable on return. A tick whose `through` is not later than the last
    /// one's is already there (an answer was lost) and changes nothing.
    fn append_tick<'a>(&'a self, tick: &'a Tick) -> BoxFuture<'a, Result<(), ArchiveError>>;

    /// Everything in the ticks up to `through` is in these pages: stores them and removes the ticks, in one
    /// step. Pages that are there are replaced.
    fn put_pages<'a>(&'a self, through: Slot, pages: &'a [StoredPage]) -> BoxFuture<'a, Result<(), ArchiveError>>;

    /// All pages that are to become one, of at most `groups` groups, of the oldest window that ends at or
    /// before `through`; none when there is nothing to merge. Ascending by group, then first slot.
    fn mergeable(
        &self,
        merge: Merge,
        through: Slot,
        groups: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredPage>, ArchiveError>>;

    /// The retired series that a query asks for, in no particular order.
    fn retired<'a>(&'a self, query: &'a RetiredQuery) -> BoxFuture<'a, Result<Vec<SeriesDef>, ArchiveError>>;

    /// The metrics of these groups, as far as they have series, live or retired.
    fn metrics<'a>(&'a self, groups: &'a [GroupId]) -> BoxFuture<'a, Result<Vec<(GroupId, String)>, ArchiveError>>;

    /// Removes `sources` and stores `merged`, in one step.
    fn merge<'a>(&'a self, sources: &'a [PageKey], merged: &'a [StoredPage])
    -> BoxFuture<'a, Result<(), ArchiveError>>;

    /// All pages of these groups that hold a slot within `first..=last`: of the finest tier, and of each
    /// coarser one where the finer ones have expired.
    fn scan<'a>(
        &'a self,
        groups: &'a [GroupId],
        first: Slot,
        last: Slot,
    ) -> BoxFuture<'a, Result<Scanned, ArchiveError>>;

    /// All pages of a group that hold a slot within `first..=last`, of all tiers, those included that no reader is
    /// shown because they have expired.
    fn overlapping(
        &self,
        group: GroupId,
        first: Slot,
        last: Slot,
    ) -> BoxFuture<'_, Result<Vec<StoredPage>, ArchiveError>>;

    /// For each group and slot the page that knows the value there: the one that reaches furthest towards
    /// the slot without beginning after it, of two the one of the better [rank](Tier::rank); else the first
    /// page after it.
    fn nearest<'a>(
        &'a self,
        places: &'a [(GroupId, Slot)],
    ) -> BoxFuture<'a, Result<Vec<Option<StoredPage>>, ArchiveError>>;

    /// Removes, for each tier, the merged pages that end at or before the given slot, then the retired series
    /// that no page lists any more, and the lived ranges that nothing refers to; how many series that were.
    /// Gives a part of the free space back; not one step.
    fn expire<'a>(&'a self, through: [Slot; 3]) -> BoxFuture<'a, Result<u64, ArchiveError>>;

    /// The chunks of version 0.1 that are not converted yet: all of the oldest block that has any.
    fn old_chunks(&self) -> BoxFuture<'_, Result<Vec<StoredChunk>, ArchiveError>>;

    /// These pages say what the chunks of the block did: stores them and removes the chunks, in one step.
    fn convert<'a>(&'a self, block: i64, pages: &'a [StoredPage]) -> BoxFuture<'a, Result<(), ArchiveError>>;
}
