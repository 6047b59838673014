//! A journal's segments on their way: out of a journal that is in use, and into one that begins with them.

use std::path::{Path, PathBuf};

use crate::series::{EntryHead, JournalError, SegmentId, entry_head, rebind_entry};

use super::scan::{self, Found, HEADER, scan};
use super::{FileJournal, apply_cuts, io, segment_path, segments};

/// Segments that were copied out of a journal, ascending.
#[derive(Debug, Default)]
pub struct Copied {
    /// The copies, as they were at one moment each.
    pub files: Vec<(SegmentId, PathBuf)>,
    /// The first entry that says whose it is.
    pub first: Option<EntryHead>,
    /// The last entry of all.
    pub last: Option<EntryHead>,
}

/// Copies all segments of the journal in `folder` into the folder `to`. The journal may be in use: what is
/// appended meanwhile may be missing or torn at the end, and a segment that is trimmed meanwhile is left out,
/// since the archive has what was in it.
///
/// # Errors
/// A folder or file that cannot be read or written.
pub fn copy(folder: &Path, to: &Path) -> Result<Copied, JournalError> {
    let mut copied = Copied::default();
    for segment in segments(folder)? {
        let (path, copy) = (segment_path(folder, segment), segment_path(to, segment));
        match std::fs::copy(&path, &copy) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            done => drop(done.map_err(io(&path, "copied"))?),
        }
    }
    let there = segments(to)?;
    apply_cuts(to, &there)?;
    for segment in there {
        let copy = segment_path(to, segment);
        let bytes = std::fs::read(&copy).map_err(io(&copy, "read"))?;
        let found = scan(&bytes).map_err(|found| JournalError::Format { path: copy.display().to_string(), found })?;
        let heads: Vec<EntryHead> = records(&bytes, &found).filter_map(|r| entry_head(r).ok()).collect();
        copied.first = copied.first.or(heads.iter().find(|h| h.archive.is_some()).copied());
        copied.last = heads.last().copied().or(copied.last);
        copied.files.push((segment, copy));
    }
    Ok(copied)
}

impl FileJournal {
    /// Puts a segment of a backup into this journal, whose entries are then those of `archive`. Done again after
    /// an interruption it comes to the same. To be followed by [`Journal::replay`](crate::series::Journal).
    ///
    /// # Errors
    /// A file that cannot be written, a segment of another version.
    pub fn adopt(&mut self, segment: SegmentId, bytes: &[u8], archive: u128) -> Result<(), JournalError> {
        let path = self.path(segment);
        let found = scan(bytes).map_err(|found| JournalError::Format { path: path.display().to_string(), found })?;
        let mut out = HEADER.to_vec();
        for record in records(bytes, &found) {
            let mut entry = record.to_vec();
            // What is no entry is left as it is: the replay counts it as lost.
            let _unchanged = rebind_entry(&mut entry, archive);
            scan::put_record(&mut out, entry.len() as u32, &entry);
        }
        let fresh = path.with_extension("restored");
        let write = || -> std::io::Result<()> {
            std::fs::write(&fresh, &out)?;
            std::fs::File::open(&fresh)?.sync_all()?;
            std::fs::rename(&fresh, &path)
        };
        write().map_err(io(&path, "written"))?;
        self.segment = self.segment.max(segment);
        self.sync_folder()
    }

    /// That nothing is there but what an interrupted restore for `archive` has left.
    ///
    /// # Errors
    /// A segment of another archive.
    pub fn check_unoccupied(&self, archive: u128) -> Result<(), JournalError> {
        for segment in segments(&self.folder)? {
            let path = self.path(segment);
            let bytes = std::fs::read(&path).map_err(io(&path, "read"))?;
            let found = scan(&bytes).unwrap_or_default();
            let whose = records(&bytes, &found).find_map(|r| entry_head(r).ok()?.archive);
            if whose != Some(archive) && !scan::is_empty(&bytes) {
                return Err(JournalError::Occupied { path: path.display().to_string() });
            }
        }
        Ok(())
    }
}

fn records<'a>(bytes: &'a [u8], found: &'a [Found]) -> impl Iterator<Item = &'a [u8]> {
    found.iter().filter_map(|piece| match *piece {
        Found::Record { offset, length } => bytes.get(offset..offset + length),
        Found::Damage { .. } => None,
    })
}
