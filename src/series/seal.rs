//! The envelope of everything in the archive: a version, a checksum, and packing where it helps.
//!
//! ```text
//! version | crc32 of the rest | packed? [length] | body
//! ```
//! Version 1 is what 0.1 wrote (ticks and chunks), version 2 what this one writes.

use std::cell::RefCell;

use zstd::bulk::Decompressor;

use super::codec::{Corrupt, Get, Put};

/// The envelope that is written.
pub(super) const VERSION: u8 = 2;
/// What is smaller than this is not packed.
const PACK_FROM: usize = 160;
/// Nothing unpacks to more than this.
const UNPACK_LIMIT: usize = 256 << 20;

/// Packs a body if that helps, and puts version and checksum before it.
pub(super) fn seal(body: Vec<u8>) -> Vec<u8> {
    let packed = if body.len() < PACK_FROM { None } else { zstd::bulk::compress(&body, 1).ok() };
    let (flag, body) = match packed {
        Some(packed) if packed.len() + 5 < body.len() => {
            let mut sized = Vec::with_capacity(packed.len() + 5);
            sized.put_varint(body.len() as u64);
            sized.extend_from_slice(&packed);
            (1, sized)
        }
        _ => (0, body),
    };
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[flag]);
    crc.update(&body);
    let mut out = Vec::with_capacity(body.len() + 6);
    out.push(VERSION);
    out.extend_from_slice(&crc.finalize().to_le_bytes());
    out.push(flag);
    out.extend_from_slice(&body);
    out
}

/// The version of a sealed body.
pub(super) fn version(bytes: &[u8]) -> Option<u8> {
    bytes.first().copied()
}

thread_local! {
    /// Its state is large: making it anew takes longer than to unpack a small page.
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn unpack(bytes: &[u8], size: usize) -> Result<Vec<u8>, Corrupt> {
    UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(unpacker) => unpacker,
            None => unpacker.insert(Decompressor::new().map_err(|_| Corrupt)?),
        };
        unpacker.decompress(bytes, size).map_err(|_| Corrupt)
    })
}

/// Undoes [`seal`].
pub(super) fn unseal(bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut from = Get(bytes);
    if !(1..=VERSION).contains(&from.byte()?) {
        return Err(Corrupt);
    }
    let crc: [u8; 4] = from.bytes(4)?.try_into().map_err(|_| Corrupt)?;
    if crc32fast::hash(from.0) != u32::from_le_bytes(crc) {
        return Err(Corrupt);
    }
    match from.byte()? {
        0 => Ok(from.0.to_vec()),
        1 => {
            let size = usize::try_from(from.varint()?).map_err(|_| Corrupt)?;
            unpack(from.0, size.min(UNPACK_LIMIT))
        }
        _ => Err(Corrupt),
    }
}
