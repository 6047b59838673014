//! The journal in files.
//!
//! # Format, version 2
//! A folder holds segments `journal-NNNNNNNNNNNNNNNN.log`, numbered from 1 in decimal; appends go to the one
//! with the highest number. A lock on `journal.lock` keeps a second process out. All integers are
//! little-endian.
//!
//! ```text
//! segment := "plimjrnl" | version u32 = 2 | 0 u32 | cut? | record*
//! record  := marker B7 50 4A 52 | length u32 | crc32 (IEEE) of length and payload, u32 | payload
//! cut     := marker B7 50 4A 58 | length u32 = 16 | crc32 as above | segment u64 | bytes u64
//! ```
//! The payload is opaque here (`series::entry` describes it). A cut says that a segment before this one ends
//! after so many bytes, whatever lies behind them. Version 1 differs only in the payloads: it is read for ever,
//! and not written any more. A segment of version 2 may hold payloads of both, which say themselves what they
//! are; its number is there for a program that knows version 1 only, and so refuses what it would misread.
//!
//! # What can go wrong
//! - **Torn end**: the process or the machine died while appending. The record was never acknowledged. Found as
//!   a stretch at the end of the last segment with no valid record after it; cut off at recovery.
//! - **Damage**: bytes changed on the disk. Checksums find it; the marker lets reading go on at the next valid
//!   record, and what lies between is reported. (Without a marker a wrong length would take the rest of the
//!   segment with it.)
//! - **A failed write** (no space, an I/O error): the segment is cut back to its last good record, durably,
//!   before anything else is written; so when space returns, so does the journal. After a failed sync the kernel
//!   may have dropped the pages and will not fail again ("fsyncgate"), so the record is cut off too, and
//!   refused. Where even the cutting fails the segment is abandoned for good: the next one begins with a cut, so
//!   that what was refused does not come back at a replay. Until one of the two has succeeded nothing is taken.
//! - **A full disk** on which not even a new file fits: once the archive has everything, the segment in use is
//!   emptied in place, which gives its space back ([`Journal::trim`]).
//! - A new file and a removed one are only durable when their folder is synced, which is done for both.
//!
//! What remains: a record that was written whole, whose sync failed, on a disk that takes neither the cut nor a
//! new segment until the process ends, may be replayed although it was refused. Its first bytes are overwritten
//! where they lie as the last resort.

pub mod carry;
mod scan;
mod tail;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::series::{Damage, Journal, JournalError, JournalSync, Replayed, SegmentId};

use scan::{Cut, Found, HEADER, scan};
use tail::Tail;

/// The largest payload.
const MAX_ENTRY: usize = 256 << 20;

/// How much an unlimited journal may hold.
const UNLIMITED: u64 = u64::MAX;

/// An append-only journal in a folder of its own.
#[derive(Debug)]
pub struct FileJournal {
    folder: PathBuf,
    sync: JournalSync,
    limit: u64,
    _lock: File,
    segment: SegmentId,
    tail: Option<Tail>,
    /// The bytes of the segments before it.
    older: u64,
    buffer: Vec<u8>,
}

impl FileJournal {
    /// Opens or creates the folder and takes its lock.
    pub fn open(folder: &Path, sync: JournalSync) -> Result<Self, JournalError> {
        std::fs::create_dir_all(folder).map_err(io(folder, "opened"))?;
        let path = folder.join("journal.lock");
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io(&path, "opened"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path: folder.display().to_string() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(io(&path, "opened")(source)),
        }
        let segment = segments(folder)?.last().copied().unwrap_or(0);
        let (folder, buffer) = (folder.to_owned(), Vec::new());
        Ok(Self { folder, sync, limit: UNLIMITED, _lock: lock, segment, tail: None, older: 0, buffer })
    }

    /// All segments together hold at most so many bytes; what comes then is refused.
    #[must_use]
    pub fn with_limit(self, bytes: u64) -> Self {
        Self { limit: bytes, ..self }
    }

    fn path(&self, segment: SegmentId) -> PathBuf {
        segment_path(&self.folder, segment)
    }

    fn sync_folder(&self) -> Result<(), JournalError> {
        let folder = File::open(&self.folder).map_err(io(&self.folder, "opened"))?;
        folder.sync_all().map_err(io(&self.folder, "synced"))
    }

    /// Reads one segment; removes it when there is nothing in it, cuts its torn end off when it is the last.
    fn replay_segment(
        &self,
        segment: SegmentId,
        is_last: bool,
        entry: &mut dyn FnMut(SegmentId, &[u8]),
        replayed: &mut Replayed,
    ) -> Result<(), JournalError> {
        let path = self.path(segment);
        let bytes = std::fs::read(&path).map_err(io(&path, "read"))?;
        let found = scan(&bytes).map_err(|found| JournalError::Format { path: path.display().to_string(), found })?;
        let end = found.iter().rev().find_map(Found::end_of_record).unwrap_or(0);
        for piece in &found {
            match *piece {
                Found::Record { offset, length } => {
                    replayed.entries += 1;
                    replayed.bytes += length as u64;
                    entry(segment, &bytes[offset..offset + length]);
                }
                Found::Damage { offset, length } => {
                    let torn = is_last && offset >= end;
                    let (offset, length) = (offset as u64, length as u64);
                    replayed.damage.push(Damage { segment, offset, length, torn });
                }
            }
        }
        if end == 0 && (is_last || found.is_empty()) {
            std::fs::remove_file(&path).map_err(io(&path, "removed"))
        } else if is_last && end < bytes.len() {
            cut(&path, end as u64)
        } else {
            Ok(())
        }
    }

    fn begin_segment(&mut self) -> Result<(), JournalError> {
        let next = self.segment + 1;
        let mut beginning = HEADER.to_vec();
        if let Some(tail) = self.tail.as_ref().filter(|t| t.abandoned) {
            scan::put_cut(&mut beginning, Cut { segment: self.segment, bytes: tail.good() });
        }
        let tail = Tail::create(self.path(next), &beginning, self.sync)?;
        self.sync_folder()?;
        self.older += self.tail.as_ref().map_or(0, Tail::good);
        (self.segment, self.tail) = (next, Some(tail));
        Ok(())
    }

    fn check_limit(&self, more: usize) -> Result<(), JournalError> {
        let used = self.older + self.tail.as_ref().map_or(0, Tail::good);
        if used.saturating_add(more as u64) <= self.limit {
            return Ok(());
        }
        Err(JournalError::Full { path: self.folder.display().to_string(), used, limit: self.limit })
    }

    /// Appends the buffer. An abandoned segment is replaced first; the entry that comes then is refused, since
    /// it may lean on what was explained in the segment that is left.
    fn write(&mut self) -> Result<(), JournalError> {
        self.check_limit(self.buffer.len())?;
        let tail = match &mut self.tail {
            Some(tail) if !tail.abandoned => tail,
            left => {
                let path = left.as_ref().map_or(self.folder.as_path(), |t| t.path()).display().to_string();
                self.begin_segment()?;
                return Err(JournalError::Abandoned { path });
            }
        };
        let done = tail.append(&self.buffer);
        if tail.abandoned {
            // Tried again before the next append if it fails now.
            let _later = self.begin_segment();
        }
        done
    }
}

impl Journal for FileJournal {
    fn replay(&mut self, entry: &mut dyn FnMut(SegmentId, &[u8])) -> Result<Replayed, JournalError> {
        let mut replayed = Replayed::default();
        let all = segments(&self.folder)?;
        apply_cuts(&self.folder, &all)?;
        for segment in &all {
            self.replay_segment(*segment, Some(segment) == all.last(), entry, &mut replayed)?;
        }
        self.begin_segment()?;
        self.older = self.bytes_before(self.segment)?;
        Ok(replayed)
    }

    fn append(&mut self, entry: &[u8]) -> Result<(), JournalError> {
        let too_large = || JournalError::TooLarge { size: entry.len(), limit: MAX_ENTRY };
        let length = u32::try_from(entry.len()).ok().filter(|_| entry.len() <= MAX_ENTRY).ok_or_else(too_large)?;
        self.buffer.clear();
        scan::put_record(&mut self.buffer, length, entry);
        self.write()
    }

    fn rotate(&mut self) -> Result<SegmentId, JournalError> {
        self.begin_segment()?;
        Ok(self.segment)
    }

    fn segment(&self) -> SegmentId {
        self.segment
    }

    fn trim(&mut self, through: SegmentId) -> Result<(), JournalError> {
        for segment in segments(&self.folder)?.into_iter().filter(|s| *s <= through && *s != self.segment) {
            let path = self.path(segment);
            std::fs::remove_file(&path).map_err(io(&path, "removed"))?;
        }
        self.older = self.bytes_before(self.segment)?;
        match &mut self.tail {
            Some(tail) if self.segment <= through => tail.clear(HEADER.len() as u64)?,
            _ => {}
        }
        self.sync_folder()
    }
}

impl FileJournal {
    fn bytes_before(&self, end: SegmentId) -> Result<u64, JournalError> {
        let mut bytes = 0;
        for segment in segments(&self.folder)?.into_iter().filter(|s| *s < end) {
            let path = self.path(segment);
            bytes += std::fs::metadata(&path).map_err(io(&path, "read"))?.len();
        }
        Ok(bytes)
    }
}

fn segment_path(folder: &Path, segment: SegmentId) -> PathBuf {
    folder.join(format!("journal-{segment:016}.log"))
}

/// Cuts off what later segments say was refused: see the module.
fn apply_cuts(folder: &Path, all: &[SegmentId]) -> Result<(), JournalError> {
    for segment in all {
        let path = segment_path(folder, *segment);
        let Some(found) = read_cut(&path).map_err(io(&path, "read"))? else { continue };
        let before = segment_path(folder, found.segment);
        match std::fs::metadata(&before) {
            Ok(there) if there.len() > found.bytes => cut(&before, found.bytes)?,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(&before, "read")(error)),
        }
    }
    Ok(())
}

/// The cut at the beginning of a segment, if it has one.
fn read_cut(path: &Path) -> std::io::Result<Option<Cut>> {
    let mut beginning = Vec::new();
    File::open(path)?.take(scan::BEGINNING).read_to_end(&mut beginning)?;
    Ok(scan::cut_of(&beginning))
}

/// The segments in a folder, ascending.
fn segments(folder: &Path) -> Result<Vec<SegmentId>, JournalError> {
    let mut out = Vec::new();
    for file in std::fs::read_dir(folder).map_err(io(folder, "read"))? {
        let name = file.map_err(io(folder, "read"))?.file_name();
        let number: Option<SegmentId> =
            name.to_str().and_then(|n| n.strip_prefix("journal-")?.strip_suffix(".log")?.parse().ok());
        out.extend(number);
    }
    out.sort_unstable();
    Ok(out)
}

fn cut(path: &Path, length: u64) -> Result<(), JournalError> {
    let file = OpenOptions::new().write(true).open(path).map_err(io(path, "opened"))?;
    file.set_len(length).and_then(|()| file.sync_all()).map_err(io(path, "truncated"))
}

fn io<'a>(path: &'a Path, operation: &'static str) -> impl FnOnce(std::io::Error) -> JournalError + 'a {
    move |source| JournalError::Io { path: path.display().to_string(), operation, source }
}

#[cfg(test)]
mod tests;
