//! The contract of the journal: what is acknowledged lies here until the archive has it.

use std::fmt;

/// The number of a segment; ascending over the journal's whole life.
pub type SegmentId = u64;

/// The journal could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or a file in it could not be used.
    #[error("journal {path} could not be {operation}{}", advice(source))]
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
    /// The journal holds as much as it may: the archive does not take what closed.
    #[error(
        "journal {path} holds {used} bytes and may hold {limit} (journal.max): the database does not take what is in it; see the log"
    )]
    Full {
        /// Which folder.
        path: String,
        /// How much it holds, in bytes.
        used: u64,
        /// How much it may hold, in bytes.
        limit: u64,
    },
    /// A segment could be neither written nor cut back, and was left for a new one.
    #[error("journal {path} was left after a failed write, and a new segment was begun: send again")]
    Abandoned {
        /// Which file.
        path: String,
    },
    /// A journal is to be put where there is one.
    #[error(
        "{path} holds a journal of another database, perhaps of the one that this was copied from: a database that \
         is restored from a backup begins with an empty `journal.dir`; move the old segments away or set another"
    )]
    Occupied {
        /// Which file.
        path: String,
    },
    /// Another process writes here.
    #[error("journal {path} is in use by another process: stop that one, or give this one a `journal.dir` of its own")]
    Locked {
        /// Which folder.
        path: String,
    },
}

/// What to do about it, for the causes that someone can do something about.
fn advice(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match source.kind() {
        Kind::PermissionDenied => " (give the user that runs plimsoll the right to write there, or set `journal.dir`)",
        Kind::ReadOnlyFilesystem => " (mount that file system writable, or set `journal.dir` to one that is)",
        Kind::StorageFull | Kind::QuotaExceeded => " (free space; it goes on by itself)",
        Kind::NotADirectory | Kind::AlreadyExists => " (`journal.dir` must name a folder)",
        _ => "",
    }
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

    /// Appends an entry, durable on return. On an error nothing of it remains, and it is never replayed: the
    /// next append goes where this one would have gone, or to a new segment; ask [`Journal::segment`].
    fn append(&mut self, entry: &[u8]) -> Result<(), JournalError>;

    /// Begins a new segment and returns its number.
    fn rotate(&mut self) -> Result<SegmentId, JournalError>;

    /// The segment that appends go to.
    fn segment(&self) -> SegmentId;

    /// Removes all segments up to and including `through`. The one that appends go to is emptied and stays.
    fn trim(&mut self, through: SegmentId) -> Result<(), JournalError>;
}
