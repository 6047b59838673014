//! A chunk of version 0.1: one series over one block at one resolution. Read, never written: what a database of
//! that version holds becomes pages at the first start.
//!
//! ```text
//! version 1 | crc32 of the rest | packed? | base? [base]
//!   | kind | bounds table | how many | length | (slot difference, increment)*, or
//!     (ms difference, bits XOR the bits before, byte-swapped)*
//! ```
//! `base` is the cumulative value before the block; it is absent when the series began inside the block (or
//! holds samples). A coarser chunk has, for each step, the sum of its slots' increments, stamped with the step's
//! last slot; of samples the last of each step.

use super::codec::{BoundsTable, Corrupt, Get};
use super::page::Points;
use super::seal::unseal;
use super::slot::Slot;
use super::total::{SeriesKind, Total};
use crate::base::Timestamp;

/// One series over one block at one resolution.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub(super) kind: SeriesKind,
    pub(super) base: Option<Total>,
    pub(super) points: Points,
}

impl Chunk {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let body = unseal(bytes)?;
        let mut from = Get(&body);
        let base = match from.byte()? {
            0 => None,
            1 => Some(Total::Counter(from.number()?)),
            2 => {
                let bounds = BoundsTable::get(&mut from)?;
                Some(Total::Histogram(from.histogram(&bounds)?))
            }
            _ => return Err(Corrupt),
        };
        let kind = SeriesKind::from_number(from.byte()?).filter(|k| *k != SeriesKind::Native).ok_or(Corrupt)?;
        let bounds = BoundsTable::get(&mut from)?;
        let (len, size) = (from.varint()?, from.count()?);
        let mut stream = Get(from.bytes(size)?);
        let points = points(&mut stream, kind, &bounds, len)?;
        (from.is_empty() && stream.is_empty()).then_some(Self { kind, base, points }).ok_or(Corrupt)
    }
}

fn points(from: &mut Get<'_>, kind: SeriesKind, bounds: &BoundsTable, len: u64) -> Result<Points, Corrupt> {
    let mut points = Points::new(kind);
    let (mut time, mut bits) = (0i64, 0);
    for _ in 0..len {
        time = time.checked_add(from.zigzag()?).ok_or(Corrupt)?;
        match &mut points {
            Points::Increments(out) => {
                let total = match kind {
                    SeriesKind::Histogram => Total::Histogram(from.histogram(bounds)?),
                    _ => Total::Counter(from.number()?),
                };
                out.push((Slot::new(time), total));
            }
            Points::Samples(out) => {
                bits ^= from.varint()?.swap_bytes();
                out.push((Timestamp::from_millis(time), f64::from_bits(bits)));
            }
            Points::Natives(_) => return Err(Corrupt),
        }
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never changes: what version 0.1 wrote is read for ever. Two increments of 1 and 2.5 after 7.
    const KEPT: &[u8] = include_bytes!("../../tests/compat/v1/chunk.bin");

    #[test]
    fn version_1_is_read_and_a_flipped_bit_is_noticed() {
        let increments = vec![(Slot::new(1), Total::Counter(1.0)), (Slot::new(2), Total::Counter(2.5))];
        let points = Points::Increments(increments);
        let expected = Chunk { kind: SeriesKind::Counter, base: Some(Total::Counter(7.0)), points };
        assert_eq!(Chunk::decode(KEPT), Ok(expected));
        for i in 0..KEPT.len() * 8 {
            let mut damaged = KEPT.to_vec();
            damaged[i / 8] ^= 1 << (i % 8);
            assert_eq!(Chunk::decode(&damaged), Err(Corrupt), "bit {i}");
        }
    }
}
