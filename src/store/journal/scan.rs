//! Finds the records in the bytes of a segment.

/// What a segment begins with.
pub(super) const HEADER: [u8; 16] = *b"plimjrnl\x02\0\0\0\0\0\0\0";
/// What a segment of version 1 begins with; all else in it is the same here.
const OLD_HEADER: [u8; 16] = *b"plimjrnl\x01\0\0\0\0\0\0\0";
const MAGIC: usize = 8;
/// The versions that are read.
const READ: [u32; 2] = [1, 2];

const MARKER: [u8; 4] = [0xB7, b'P', b'J', b'R'];
const CUT_MARKER: [u8; 4] = [0xB7, b'P', b'J', b'X'];
const RECORD_HEAD: usize = 12;
const CUT: usize = 16;

/// As many bytes of a segment as its header and a cut have.
pub(super) const BEGINNING: u64 = (HEADER.len() + RECORD_HEAD + CUT) as u64;

/// A segment ends after so many bytes: what lies behind them was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) segment: u64,
    pub(super) bytes: u64,
}

/// A piece of a segment, in bytes from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A payload.
    Record { offset: usize, length: usize },
    /// Something else.
    Damage { offset: usize, length: usize },
}

impl Found {
    /// Where a record ends.
    pub(super) fn end_of_record(&self) -> Option<usize> {
        match self {
            Self::Record { offset, length } => Some(offset + length),
            Self::Damage { .. } => None,
        }
    }
}

/// Appends a record.
pub(super) fn put_record(out: &mut Vec<u8>, length: u32, payload: &[u8]) {
    put(out, MARKER, length, payload);
}

/// Appends a cut; only right behind a header.
pub(super) fn put_cut(out: &mut Vec<u8>, cut: Cut) {
    let payload = [cut.segment.to_le_bytes(), cut.bytes.to_le_bytes()].concat();
    put(out, CUT_MARKER, CUT as u32, &payload);
}

fn has_header(bytes: &[u8]) -> bool {
    bytes.starts_with(&HEADER) || bytes.starts_with(&OLD_HEADER)
}

/// Whether there is nothing in a segment.
pub(super) fn is_empty(bytes: &[u8]) -> bool {
    bytes.len() == HEADER.len() && has_header(bytes)
}

/// The cut that a segment begins with.
pub(super) fn cut_of(bytes: &[u8]) -> Option<Cut> {
    let (offset, length) = has_header(bytes).then(|| piece_at(bytes, HEADER.len(), CUT_MARKER))??;
    let (segment, end) = bytes.get(offset..offset + length)?.split_first_chunk::<8>()?;
    Some(Cut { segment: u64::from_le_bytes(*segment), bytes: u64::from_le_bytes(end.try_into().ok()?) })
}

fn put(out: &mut Vec<u8>, marker: [u8; 4], length: u32, payload: &[u8]) {
    out.extend_from_slice(&marker);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(length, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length.to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

/// All records of a segment and what lies between them; an error, with what was found instead, when this is
/// a journal of another version.
pub(super) fn scan(bytes: &[u8]) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut at = 0;
    if has_header(bytes) {
        at = if cut_of(bytes).is_some() { BEGINNING as usize } else { HEADER.len() };
    } else if let Some(version) = version(bytes).filter(|version| !READ.contains(version)) {
        return Err(format!("version {version}"));
    }
    let mut damage_from = at;
    while at < bytes.len() {
        let Some((offset, length)) = piece_at(bytes, at, MARKER) else {
            at = next_marker(bytes, at + 1);
            continue;
        };
        if damage_from < at {
            found.push(Found::Damage { offset: damage_from, length: at - damage_from });
        }
        found.push(Found::Record { offset, length });
        at = offset + length;
        damage_from = at;
    }
    if damage_from < bytes.len() {
        found.push(Found::Damage { offset: damage_from, length: bytes.len() - damage_from });
    }
    Ok(found)
}

/// The version of a segment, whose header may be damaged behind it.
fn version(bytes: &[u8]) -> Option<u32> {
    let (version, _) = bytes.strip_prefix(&HEADER[..MAGIC])?.split_first_chunk()?;
    Some(u32::from_le_bytes(*version))
}

fn piece_at(bytes: &[u8], at: usize, marker: [u8; 4]) -> Option<(usize, usize)> {
    let head = bytes.get(at..at + RECORD_HEAD)?;
    if head[..4] != marker {
        return None;
    }
    let length = u32::from_le_bytes(head[4..8].try_into().ok()?);
    let crc = u32::from_le_bytes(head[8..12].try_into().ok()?);
    let offset = at + RECORD_HEAD;
    let payload = bytes.get(offset..offset.checked_add(length as usize)?)?;
    (checksum(length, payload) == crc).then_some((offset, payload.len()))
}

fn next_marker(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(MARKER.len()).position(|w| w == MARKER).map_or(bytes.len(), |i| from + i)
}
