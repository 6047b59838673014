//! The segment that appends go to.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::series::{JournalError, JournalSync};

use super::io;

/// See the module.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    file: File,
    /// Its length up to the last good record.
    good: u64,
    sync: JournalSync,
    /// Something lies behind `good` that could not be cut off: nothing may be appended any more.
    pub(super) abandoned: bool,
}

impl Tail {
    /// Creates the file, with this at its beginning, synced. What is there is replaced: no segment with this
    /// number was ever in use.
    pub(super) fn create(path: PathBuf, beginning: &[u8], sync: JournalSync) -> Result<Self, JournalError> {
        let create = || -> std::io::Result<File> {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
            file.write_all(beginning)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = create().map_err(io(&path, "written"))?;
        Ok(Self { path, file, good: beginning.len() as u64, sync, abandoned: false })
    }

    /// Its length in bytes, up to the last good record.
    pub(super) fn good(&self) -> u64 {
        self.good
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends bytes, all of them or none. On an error the segment is as it was, or abandoned.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let done = self.write(bytes);
        match &done {
            Ok(()) => self.good += bytes.len() as u64,
            Err(_) if self.cut_back(self.good).is_ok() => {}
            Err(_) => self.abandon(),
        }
        done
    }

    /// Takes everything behind the beginning out. On an error the segment is abandoned.
    pub(super) fn clear(&mut self, beginning: u64) -> Result<(), JournalError> {
        let done = self.cut_back(beginning).map_err(io(&self.path, "truncated"));
        self.abandoned = done.is_err();
        self.good = beginning;
        done
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let written = self.file.seek(SeekFrom::Start(self.good)).and_then(|_| self.file.write_all(bytes));
        written.map_err(io(&self.path, "written"))?;
        match self.sync {
            JournalSync::Always => self.file.sync_data().map_err(io(&self.path, "synced")),
            JournalSync::Write => Ok(()),
        }
    }

    fn cut_back(&self, length: u64) -> std::io::Result<()> {
        self.file.set_len(length)?;
        match self.sync {
            JournalSync::Always => self.file.sync_all(),
            JournalSync::Write => Ok(()),
        }
    }

    /// Overwrites the marker of what could not be cut off, which needs no space; it is not known to be durable.
    fn abandon(&mut self) {
        self.abandoned = true;
        let _last_resort = self.file.seek(SeekFrom::Start(self.good)).and_then(|_| self.file.write_all(&[0; 4]));
    }
}

#[cfg(test)]
impl Tail {
    /// From now on nothing can be written to the file or cut off it, as on a disk that has failed.
    pub(super) fn break_file(&mut self) -> File {
        std::mem::replace(&mut self.file, File::open(&self.path).unwrap())
    }
}
