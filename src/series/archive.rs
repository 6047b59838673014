//! The contract of the archive: closed slots, for good.

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

    /// The tier with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n).copied())
    }
}

/// A series as the archive knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesDef {
    /// Never used again.
    pub id: u64,
    /// With `__name__`.
    pub labels: Labels,
    /// What it is fed with.
    pub kind: SeriesKind,
    /// It has left memory; what comes for the same labels is a new series.
    pub retired: bool,
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
    /// Series that left memory.
    pub retired: Vec<u64>,
    /// Ranges of slots, first and last inclusive, in which the process lived.
    pub live: Vec<(Slot, Slot)>,
    /// Increments and samples; the bytes of `series::tick`. Empty when nothing was counted.
    pub data: Vec<u8>,
    /// Web vitals that changed.
    pub vitals: Vec<(VitalKey, VitalState)>,
    /// Settled web vitals older than this are to be forgotten.
    pub forget_settled_before: Timestamp,
}

/// One series over one block at one resolution.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredChunk {
    /// The series.
    pub series: u64,
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
    /// The last block that was compacted.
    pub compacted: Option<i64>,
    /// All series.
    pub series: Vec<SeriesDef>,
    /// All ranges of slots in which the process lived.
    pub live: Vec<(Slot, Slot)>,
    /// The finest chunks of the block that was compacted last.
    pub chunks: Vec<StoredChunk>,
    /// The data of the ticks that are not compacted yet, in order.
    pub ticks: Vec<Vec<u8>>,
    /// All web vitals that are remembered.
    pub vitals: Vec<(VitalKey, VitalState)>,
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

/// Keeps what has closed. One writer, many readers.
pub trait Archive: Send + Sync {
    /// Everything that is needed to go on. Creates the archive's identity at the first call.
    fn load(&self) -> BoxFuture<'_, Result<Restored, ArchiveError>>;

    /// Stores a tick, all of it or nothing, durable on return. A tick whose `through` is not later than
    /// the last one's is already there (an answer was lost) and changes nothing.
    fn append_tick<'a>(&'a self, tick: &'a Tick) -> BoxFuture<'a, Result<(), ArchiveError>>;

    /// Stores chunks; those that are there are replaced.
    fn put_chunks<'a>(&'a self, chunks: &'a [StoredChunk]) -> BoxFuture<'a, Result<(), ArchiveError>>;

    /// All chunks of a block are there: removes the ticks that end in it or before and remembers it as
    /// compacted, in one step.
    fn finish_block(&self, block: i64) -> BoxFuture<'_, Result<(), ArchiveError>>;

    /// For each series and block within `first..=last` the finest chunk there is; ascending by series,
    /// then block.
    fn scan<'a>(
        &'a self,
        series: &'a [u64],
        first: i64,
        last: i64,
    ) -> BoxFuture<'a, Result<Vec<StoredChunk>, ArchiveError>>;

    /// For each series the finest chunk of its last block at or before `block`, else of its first after.
    fn nearest<'a>(&'a self, series: &'a [u64], block: i64) -> BoxFuture<'a, Result<Vec<StoredChunk>, ArchiveError>>;

    /// Removes, for each tier, the chunks of blocks before the given one, then the retired series that
    /// have no chunk left, whose ids are returned, and the lived ranges that nothing refers to.
    fn expire<'a>(&'a self, before: &'a [(Tier, i64)]) -> BoxFuture<'a, Result<Vec<u64>, ArchiveError>>;
}
