//! A backup of a database in use, with what its journal holds, in one file.
//!
//! # What is in it
//! The copy is `VACUUM INTO`: a compact database as of one commit. The journal's segments go with it, in the table
//! `carried_journal`. They are copied **before** the snapshot is made, so nothing that was acknowledged before
//! the backup began can be missing: what was in a segment that was trimmed before it could be copied had been
//! archived by then, so it is in the snapshot, which comes later.
//!
//! Snapshot and segments must also fit together, as after a crash: what the database says it has counted from the
//! journal must be in the copied segments or archived. A tick or an evaluation between the two copies could
//! break that (a web vital is marked as settled, and its value lies in an entry that was not copied). So the
//! marks that such commits move are read before the segments are copied and again in the finished snapshot; when
//! they differ the backup is made again, and in the end under the database's write lock.
//!
//! # How it is restored
//! A service that is started on the file finds the table, takes a new identity, writes the segments into its own
//! empty journal folder (see [`FileJournal::adopt`]), and only then drops the table: whichever way it dies before
//! that, the next start does the same again, to the same end; after it, the journal is like any other. The new
//! identity keeps the copy and the original from using each other's journals.
//!
//! [`FileJournal::adopt`]: crate::store::journal::FileJournal

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{Connection, SqliteConnection};

use crate::base::Timestamp;
use crate::series::{JournalError, SegmentId, Slot};
use crate::store::journal::carry::{self, Copied};

use super::SqliteStore;

/// How often the backup is made without keeping writers waiting.
const ATTEMPTS: usize = 4;
/// Segments are carried in pieces of this size.
const PART: usize = 4 << 20;

const COPY: &str = "VACUUM INTO ?1";
const LOCK: &str = "BEGIN IMMEDIATE";
const UNLOCK: &str = "ROLLBACK";
const MARKS: &str = "SELECT identity, through, entry, (SELECT body FROM counting WHERE id = 1), \
    (SELECT group_concat(body) FROM measured) FROM archive_state WHERE one = 1";
const CREATE: &str = "CREATE TABLE carried_state (one INTEGER PRIMARY KEY CHECK (one = 1), identity TEXT) STRICT; \
    CREATE TABLE carried_journal (segment INTEGER NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL, \
        PRIMARY KEY (segment, part)) STRICT; \
    INSERT INTO carried_state (one) VALUES (1);";
const FORGET_EARLIER: &str = "DROP TABLE IF EXISTS carried_journal; DROP TABLE IF EXISTS carried_state";
const ADD_PART: &str = "INSERT INTO carried_journal (segment, part, bytes) VALUES (?1, ?2, ?3)";

const IS_CARRIED: &str = "SELECT count(*) FROM sqlite_master WHERE name = 'carried_state'";
const CLAIM: &str = "UPDATE carried_state SET identity = coalesce(identity, ?1) RETURNING identity";
const SEGMENTS: &str = "SELECT DISTINCT segment FROM carried_journal ORDER BY segment";
const PARTS: &str = "SELECT bytes FROM carried_journal WHERE segment = ?1 ORDER BY part";
const SET_IDENTITY: &str = "UPDATE archive_state SET identity = ?1 WHERE one = 1";

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database could not be read.
    #[error("database {path} could not be read")]
    Read {
        /// Which file.
        path: String,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The copy could not be written.
    #[error("backup {path} could not be written")]
    Write {
        /// Which file.
        path: String,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A file of the backup could not be written.
    #[error("backup {path} could not be written")]
    File {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The journal could not be read.
    #[error("the journal could not be copied")]
    Journal(#[from] JournalError),
    /// The journal is that of another database.
    #[error("the journal in {folder} is not that of {database}: give the configuration that the service runs with")]
    Foreign {
        /// The journal's folder.
        folder: String,
        /// The database's file.
        database: String,
    },
    /// The database carries a journal that was never unpacked.
    #[error("{0} is a backup that no service was started on yet: copy the file itself")]
    Unstarted(String),
    /// The file is there.
    #[error("{0} is there already: name another file, or overwrite it with --force")]
    Exists(String),
    /// The file is the database.
    #[error("{0} is the database itself: name another file")]
    Itself(String),
}

/// What to copy, and where to.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The database's file.
    pub database: PathBuf,
    /// The journal's folder.
    pub journal: PathBuf,
    /// The file to make.
    pub file: PathBuf,
    /// Replace a file that is there.
    pub overwrite: bool,
}

/// A finished backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Its size in bytes.
    pub bytes: u64,
    /// Up to when data is in it; `None` when there is none.
    pub until: Option<Timestamp>,
    /// How many segments of the journal it carries.
    pub segments: usize,
}

/// What is compared before and after: it changes with every commit that must fit the journal. Identity, last
/// closed slot, last entry, the increments that were about to be recorded, how far objectives are counted.
type Marks = (String, Option<i64>, i64, Option<String>, Option<String>);

impl Backup {
    /// The file while it is being written.
    pub fn unfinished(&self) -> PathBuf {
        with_suffix(&self.file, ".tmp")
    }

    /// Makes the backup. On an error nothing is left of it, and what was there before is as it was.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn run(&self) -> Result<Done, BackupError> {
        self.check()?;
        let done = self.make().await;
        if done.is_err() {
            // The first error is the one that matters.
            let _unfinished = (self.clear_segments(), std::fs::remove_file(self.unfinished()));
        }
        done
    }

    fn check(&self) -> Result<(), BackupError> {
        let same = |a: &Path, b: &Path| a.canonicalize().ok().is_some_and(|a| b.canonicalize().is_ok_and(|b| a == b));
        if same(&self.file, &self.database) {
            return Err(BackupError::Itself(self.file.display().to_string()));
        }
        if !self.overwrite && self.file.exists() {
            return Err(BackupError::Exists(self.file.display().to_string()));
        }
        Ok(())
    }

    async fn make(&self) -> Result<Done, BackupError> {
        let mut database = self.open_database().await?;
        if sqlx::query_scalar::<_, i64>(IS_CARRIED).fetch_one(&mut database).await.map_err(self.reading())? > 0 {
            return Err(BackupError::Unstarted(self.database.display().to_string()));
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            let locked = attempts > ATTEMPTS;
            if locked {
                sqlx::query(LOCK).execute(&mut database).await.map_err(self.reading())?;
            }
            let attempted = self.attempt(&mut database).await;
            if locked {
                sqlx::query(UNLOCK).execute(&mut database).await.map_err(self.reading())?;
            }
            if let Some((copied, marks)) = attempted? {
                database.close().await.map_err(self.reading())?;
                return self.finish(&copied, &marks).await;
            }
        }
    }

    /// Copies journal and database; `None` when a commit came between.
    async fn attempt(&self, database: &mut SqliteConnection) -> Result<Option<(Copied, Marks)>, BackupError> {
        let before: Marks = sqlx::query_as(MARKS).fetch_one(&mut *database).await.map_err(self.reading())?;
        let copied = self.copy_segments()?;
        let archive = u128::from_str_radix(&before.0, 16).ok();
        if copied.first.is_some_and(|head| head.archive != archive) {
            let (folder, database) = (self.journal.display().to_string(), self.database.display().to_string());
            return Err(BackupError::Foreign { folder, database });
        }
        remove(&self.unfinished())?;
        // A connection of its own: the other one may hold the lock.
        let mut reader = self.open_database().await?;
        let to = self.unfinished().display().to_string();
        sqlx::query(COPY).bind(to).execute(&mut reader).await.map_err(self.writing())?;
        reader.close().await.map_err(self.reading())?;
        let mut copy = self.open_copy().await?;
        let after: Marks = sqlx::query_as(MARKS).fetch_one(&mut copy).await.map_err(self.writing())?;
        copy.close().await.map_err(self.writing())?;
        Ok((before == after).then_some((copied, after)))
    }

    async fn finish(&self, copied: &Copied, marks: &Marks) -> Result<Done, BackupError> {
        self.carry(copied).await?;
        self.clear_segments()?;
        let unfinished = self.unfinished();
        let publish = || -> std::io::Result<u64> {
            let file = std::fs::File::open(&unfinished)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &self.file)?;
            let folder = self.file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::File::open(folder)?.sync_all()?;
            Ok(file.metadata()?.len())
        };
        let bytes = publish().map_err(file_error(&self.file))?;
        let archived = marks.1.map(|t| Slot::new(t).end());
        let until = copied.last.map(|head| head.at).max(archived);
        Ok(Done { bytes, until, segments: copied.files.len() })
    }

    /// Puts the segments into the copy.
    async fn carry(&self, copied: &Copied) -> Result<(), BackupError> {
        let mut copy = self.open_copy().await?;
        let mut tx = copy.begin().await.map_err(self.writing())?;
        for statement in [FORGET_EARLIER, CREATE] {
            sqlx::raw_sql(statement).execute(&mut *tx).await.map_err(self.writing())?;
        }
        for (segment, path) in &copied.files {
            let bytes = std::fs::read(path).map_err(file_error(path))?;
            for (part, piece) in bytes.chunks(PART).enumerate() {
                let query = sqlx::query(ADD_PART).bind(segment.cast_signed()).bind(part as i64).bind(piece);
                query.execute(&mut *tx).await.map_err(self.writing())?;
            }
        }
        tx.commit().await.map_err(self.writing())?;
        copy.close().await.map_err(self.writing())
    }

    fn segments_folder(&self) -> PathBuf {
        with_suffix(&self.file, ".journal.tmp")
    }

    fn copy_segments(&self) -> Result<Copied, BackupError> {
        self.clear_segments()?;
        let folder = self.segments_folder();
        std::fs::create_dir(&folder).map_err(file_error(&folder))?;
        if !self.journal.exists() {
            return Ok(Copied::default());
        }
        Ok(carry::copy(&self.journal, &folder)?)
    }

    fn clear_segments(&self) -> Result<(), BackupError> {
        let folder = self.segments_folder();
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error(&folder)(error)),
            _ => Ok(()),
        }
    }

    /// No migration is made: the service that runs may be of another version.
    async fn open_database(&self) -> Result<SqliteConnection, BackupError> {
        let options = SqliteConnectOptions::new().filename(&self.database).create_if_missing(false);
        let options = options.busy_timeout(Duration::from_secs(30));
        SqliteConnection::connect_with(&options).await.map_err(self.reading())
    }

    /// In one file, without a write-ahead log beside it.
    async fn open_copy(&self) -> Result<SqliteConnection, BackupError> {
        let options = SqliteConnectOptions::new().filename(self.unfinished()).create_if_missing(false);
        let options = options.journal_mode(SqliteJournalMode::Delete);
        SqliteConnection::connect_with(&options).await.map_err(self.writing())
    }

    fn reading(&self) -> impl Fn(sqlx::Error) -> BackupError + use<> {
        let path = self.database.display().to_string();
        move |source| BackupError::Read { path: path.clone(), source }
    }

    fn writing(&self) -> impl Fn(sqlx::Error) -> BackupError + use<> {
        let path = self.unfinished().display().to_string();
        move |source| BackupError::Write { path: path.clone(), source }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error(path)(error)),
        _ => Ok(()),
    }
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> BackupError + use<> {
    let path = path.display().to_string();
    move |source| BackupError::File { path, source }
}

/// What a restored database still carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The identity that it is to have: chosen at the first start, and kept until the segments are unpacked.
    pub identity: u128,
    /// Its segments, ascending.
    pub segments: Vec<SegmentId>,
}

impl SqliteStore {
    /// What a backup carries that was not unpacked yet; `None` in any other database.
    ///
    /// # Errors
    /// A database that cannot be read or written.
    pub async fn carried(&self) -> Result<Option<Carried>, sqlx::Error> {
        let found: i64 = sqlx::query_scalar(IS_CARRIED).fetch_one(self.pool()).await?;
        if found == 0 {
            return Ok(None);
        }
        let fresh = uuid::Uuid::new_v4().simple().to_string();
        let identity: String = sqlx::query_scalar(CLAIM).bind(fresh).fetch_one(self.pool()).await?;
        let segments: Vec<i64> = sqlx::query_scalar(SEGMENTS).fetch_all(self.pool()).await?;
        let identity = u128::from_str_radix(&identity, 16).map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
        Ok(Some(Carried { identity, segments: segments.into_iter().map(i64::cast_unsigned).collect() }))
    }

    /// The bytes of a carried segment.
    ///
    /// # Errors
    /// A database that cannot be read.
    pub async fn carried_segment(&self, segment: SegmentId) -> Result<Vec<u8>, sqlx::Error> {
        let parts: Vec<Vec<u8>> = sqlx::query_scalar(PARTS).bind(segment.cast_signed()).fetch_all(self.pool()).await?;
        Ok(parts.concat())
    }

    /// The segments lie in a journal: the database takes its new identity and drops them, in one step.
    ///
    /// # Errors
    /// A database that cannot be written.
    pub async fn unpacked(&self, carried: &Carried) -> Result<(), sqlx::Error> {
        let mut tx = self.pool().begin_with("BEGIN IMMEDIATE").await?;
        let identity = format!("{:032x}", carried.identity);
        sqlx::query(SET_IDENTITY).bind(identity).execute(&mut *tx).await?;
        sqlx::raw_sql(FORGET_EARLIER).execute(&mut *tx).await?;
        tx.commit().await
    }
}
