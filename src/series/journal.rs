//! The contract of the journal: what is acknowledged lies here until the archive has it.

use std::fmt;

/// The number of a segment; ascending over the journal's whole life.
pub type SegmentId = u64;

/// The journal could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or a file in it could not be used.
    #[error("journal {path} could not be {operation}")]
    Io {
        /// Which file or folder.
        path: String,
        /// `opened`, `read`, `written`, `synced`, `truncated` or `removed`.
        operation: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not a journal of this version.
    #[error("{path} is not a journal that this version reads ({found}); move it away or use the version that wrote it")]
    Format {
        /// Which file.
        path: String,
        /// What it begins with.
        found: String,
    },
    /// An entry is larger than the journal takes.
    #[error("an entry of {size} bytes is larger than the journal takes ({limit})")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Another process writes here.
    #[error("journal {path} is in use by another process")]
    Locked {
        /// Which folder.
        path: String,
    },
}

/// A stretch of a segment that could not be read. What lies around it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which segment.
    pub segment: SegmentId,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
    /// Whether it is the torn end of the last segment (an entry that was never acknowledged), which is
    /// what a crash leaves, or a loss in the middle.
    pub torn: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.torn { "torn end" } else { "damaged stretch" };
        write!(f, "{what} of {} bytes at offset {} of segment {}", self.length, self.offset, self.segment)
    }
}

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Entries read.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// An append-only log of entries in segments. Owned and called by one thread, which may block in it.
pub trait Journal: Send {
    /// Reads all entries from the oldest on. Called once, before the first append; afterwards the torn
    /// end of the last segment is gone and appends go to a new segment.
    fn replay(&mut self, entry: &mut dyn FnMut(SegmentId, &[u8])) -> Result<Replayed, JournalError>;

    /// Appends an entry, durable on return. On an error nothing of it remains: the next append goes
    /// where this one would have gone.
    fn append(&mut self, entry: &[u8]) -> Result<(), JournalError>;

    /// Begins a new segment and returns its number.
    fn rotate(&mut self) -> Result<SegmentId, JournalError>;

    /// The segment that appends go to.
    fn segment(&self) -> SegmentId;

    /// Removes all segments up to and including `through`; never the one that appends go to.
    fn trim(&mut self, through: SegmentId) -> Result<(), JournalError>;
}
