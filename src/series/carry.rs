//! Entries of a journal outside of it: in a backup, and on their way into the journal of what is restored from it.

use crate::base::Timestamp;

use super::codec::{Corrupt, Get};

/// What an entry says of itself before its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead {
    /// Its number.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The archive that it was written for; only the first entry of a segment says so.
    pub archive: Option<u128>,
}

const ARCHIVE_BYTES: usize = 16;

/// Reads the head of an entry.
///
/// # Errors
/// Bytes that are no entry.
pub fn entry_head(bytes: &[u8]) -> Result<EntryHead, Corrupt> {
    read(bytes).map(|(head, _)| head)
}

/// Makes an entry one of another archive, where it says whose it is.
///
/// # Errors
/// Bytes that are no entry; they are left as they are.
pub fn rebind_entry(bytes: &mut [u8], archive: u128) -> Result<(), Corrupt> {
    let (head, place) = read(bytes)?;
    if head.archive.is_some() {
        let field = bytes.get_mut(place..place + ARCHIVE_BYTES).ok_or(Corrupt)?;
        field.copy_from_slice(&archive.to_le_bytes());
    }
    Ok(())
}

/// The head, and where the archive's id lies if it is there.
fn read(bytes: &[u8]) -> Result<(EntryHead, usize), Corrupt> {
    let mut from = Get(bytes);
    let number = from.varint()?;
    let at = Timestamp::from_millis(from.zigzag()?);
    let says_whose = from.byte()? & 1 != 0;
    let place = bytes.len() - from.0.len();
    let archive = match says_whose {
        true => Some(u128::from_le_bytes(from.bytes(ARCHIVE_BYTES)?.try_into().map_err(|_| Corrupt)?)),
        false => None,
    };
    Ok((EntryHead { number, at, archive }, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &[u8] = include_bytes!("../../tests/compat/v1/entry.bin");

    #[test]
    fn an_entry_takes_another_archive_and_nothing_else() {
        let before = entry_head(KEPT).unwrap();
        let at = Timestamp::from_millis(1_763_640_004_321);
        assert_eq!(before, EntryHead { number: 77, at, archive: Some(0x0123_4567_89ab_cdef) });
        let mut moved = KEPT.to_vec();
        rebind_entry(&mut moved, 5).unwrap();
        assert_eq!(entry_head(&moved).unwrap(), EntryHead { archive: Some(5), ..before });
        rebind_entry(&mut moved, 0x0123_4567_89ab_cdef).unwrap();
        assert_eq!(moved, KEPT);
        for length in 0..20 {
            assert_eq!(rebind_entry(&mut moved[..length], 5), Err(Corrupt), "cut at {length}");
        }
    }
}
