//! The journal in files.
//!
//! # Format, version 1
//! A folder holds segments `journal-NNNNNNNNNNNNNNNN.log`, numbered from 1 in decimal; appends go to the one
//! with the highest number. A lock on `journal.lock` keeps a second process out. All integers are
//! little-endian.
//!
//! ```text
//! segment := "plimjrnl" | version u32 = 1 | 0 u32 | record*
//! record  := marker B7 50 4A 52 | length u32 | crc32 (IEEE) of length and payload, u32 | payload
//! ```
//! The payload is opaque here (`series::entry` describes it).
//!
//! # What can go wrong
//! - **Torn end**: the process or the machine died while appending. The record was never acknowledged. Found as
//!   a stretch at the end of the last segment with no valid record after it; cut off at recovery.
//! - **Damage**: bytes changed on the disk. Checksums find it; the marker lets reading go on at the next valid
//!   record, and what lies between is reported. (Without a marker a wrong length would take the rest of the
//!   segment with it.)
//! - **A failed write** (no space, an I/O error): the segment is cut back to its last good record at once, or
//!   before the next append if even that fails; so when space returns, so does the journal. After a failed
//!   sync the kernel may have dropped the pages and will not fail again ("fsyncgate"), so the record is cut
//!   off too, and refused.
//! - A new file and a removed one are only durable when their folder is synced, which is done for both.

mod scan;

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::series::{Damage, Journal, JournalError, JournalSync, Replayed, SegmentId};

use scan::{Found, HEADER, scan};

/// The largest payload.
const MAX_ENTRY: usize = 256 << 20;

/// An append-only journal in a folder of its own.
#[derive(Debug)]
pub struct FileJournal {
    folder: PathBuf,
    sync: JournalSync,
    _lock: File,
    segment: SegmentId,
    file: Option<File>,
    /// The length of the open segment up to its last good record.
    good: u64,
    /// Something may lie behind `good`.
    dirty: bool,
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
        Ok(Self {
            folder: folder.to_owned(),
            sync,
            _lock: lock,
            segment,
            file: None,
            good: 0,
            dirty: false,
            buffer: Vec::new(),
        })
    }

    fn path(&self, segment: SegmentId) -> PathBuf {
        self.folder.join(format!("journal-{segment:016}.log"))
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
        let path = self.path(next);
        let create = || -> std::io::Result<File> {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
            file.write_all(&HEADER)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = create().map_err(io(&path, "written"))?;
        self.sync_folder()?;
        (self.segment, self.file) = (next, Some(file));
        (self.good, self.dirty) = (HEADER.len() as u64, false);
        Ok(())
    }

    fn write(&mut self) -> Result<(), JournalError> {
        let path = self.path(self.segment);
        let (good, sync) = (self.good, self.sync);
        let Some(file) = self.file.as_mut() else {
            let source = std::io::Error::other("no segment is open");
            return Err(io(&path, "written")(source));
        };
        if self.dirty {
            file.set_len(good).map_err(io(&path, "truncated"))?;
            self.dirty = false;
        }
        let written = file.seek(SeekFrom::Start(good)).and_then(|_| file.write_all(&self.buffer));
        let done = written.map_err(io(&path, "written")).and_then(|()| match sync {
            JournalSync::Always => file.sync_data().map_err(io(&path, "synced")),
            JournalSync::Write => Ok(()),
        });
        match done {
            Ok(()) => self.good += self.buffer.len() as u64,
            // Tried again before the next append if it fails now.
            Err(_) => self.dirty = file.set_len(good).is_err(),
        }
        done
    }
}

impl Journal for FileJournal {
    fn replay(&mut self, entry: &mut dyn FnMut(SegmentId, &[u8])) -> Result<Replayed, JournalError> {
        let mut replayed = Replayed::default();
        let all = segments(&self.folder)?;
        for segment in &all {
            self.replay_segment(*segment, Some(segment) == all.last(), entry, &mut replayed)?;
        }
        self.begin_segment()?;
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
        self.sync_folder()
    }
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
