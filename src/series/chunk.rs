//! A chunk: one series over one block at one resolution, as it lies in the archive.
//!
//! ```text
//! version 1 | crc32 of the rest | packed? | base? [base] | stream
//! ```
//! `base` is the cumulative value before the block, so a chunk can be read without the ones before it;
//! it is absent when the series began inside the block (or holds samples). A coarser chunk has, for each
//! step, the sum of its slots' increments (stamped with the step's last slot), so the cumulative value at
//! each step's end is the very value of the finest chunk there; of samples it keeps the last of each step.

use std::time::Duration;

use super::codec::{BoundsTable, Corrupt, Get, Put};
use super::slot::Slot;
use super::stream::Stream;
use super::total::{SeriesKind, Total};
use crate::base::Timestamp;
use crate::base::time::millis;

const VERSION: u8 = 1;
/// Chunks smaller than this are not packed.
const PACK_FROM: usize = 160;
/// No chunk unpacks to more than this.
const UNPACK_LIMIT: usize = 64 << 20;

/// One series over one block at one resolution.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub(super) base: Option<Total>,
    pub(super) stream: Stream,
}

impl Chunk {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut bounds = BoundsTable::default();
        match &self.base {
            None => body.push(0),
            Some(Total::Counter(v)) => {
                body.push(1);
                body.put_number(*v);
            }
            Some(Total::Histogram(h)) => {
                body.push(2);
                let number = bounds.number(h.bounds());
                bounds.put(&mut body);
                body.put_histogram(h, number);
            }
        }
        self.stream.put(&mut body);
        seal(body)
    }

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
        let stream = Stream::get(&mut from)?;
        from.is_empty().then_some(Self { base, stream }).ok_or(Corrupt)
    }

    /// The same at a coarser resolution.
    pub(super) fn coarser(&self, step: Duration) -> Result<Self, Corrupt> {
        let kind = self.stream.kind();
        let stream = match kind {
            SeriesKind::Counter | SeriesKind::Histogram => self.summed(step)?,
            SeriesKind::Sample => last_of_steps(self.stream.samples(), step, kind, |s, at, v| s.push_sample(at, v))?,
            SeriesKind::Native => last_of_steps(self.stream.natives(), step, kind, |s, at, h| s.push_native(at, &h))?,
        };
        Ok(Self { base: self.base.clone(), stream })
    }

    fn summed(&self, step: Duration) -> Result<Stream, Corrupt> {
        let mut out = Stream::new(self.stream.kind());
        let mut open: Option<(Slot, Total)> = None;
        for item in self.stream.increments() {
            let (slot, increment) = item?;
            let last = slot.last_of_step(step);
            match &mut open {
                Some((at, sum)) if *at == last => sum.add(&increment),
                _ => {
                    if let Some((at, sum)) = open.replace((last, increment)) {
                        out.push_increment(at, &sum);
                    }
                }
            }
        }
        if let Some((at, sum)) = open {
            out.push_increment(at, &sum);
        }
        Ok(out)
    }
}

/// The last sample of each step.
fn last_of_steps<T>(
    samples: impl Iterator<Item = Result<(Timestamp, T), Corrupt>>,
    step: Duration,
    kind: SeriesKind,
    push: impl Fn(&mut Stream, Timestamp, T),
) -> Result<Stream, Corrupt> {
    let mut out = Stream::new(kind);
    let step_of = |at: Timestamp| (at.as_millis() - 1).div_euclid(millis(step).max(1));
    let mut last: Option<(Timestamp, T)> = None;
    for sample in samples {
        let sample = sample?;
        if let Some((at, value)) = last.take_if(|l| step_of(l.0) != step_of(sample.0)) {
            push(&mut out, at, value);
        }
        last = Some(sample);
    }
    if let Some((at, value)) = last {
        push(&mut out, at, value);
    }
    Ok(out)
}

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

/// Undoes [`seal`].
pub(super) fn unseal(bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut from = Get(bytes);
    if from.byte()? != VERSION {
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
            zstd::bulk::decompress(from.0, size.min(UNPACK_LIMIT)).map_err(|_| Corrupt)
        }
        _ => Err(Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counter(increments: &[(i64, f64)]) -> Chunk {
        let mut stream = Stream::new(SeriesKind::Counter);
        increments.iter().for_each(|(s, v)| stream.push_increment(Slot::new(*s), &Total::Counter(*v)));
        Chunk { base: Some(Total::Counter(7.0)), stream }
    }

    proptest! {
        #[test]
        fn coarser_chunks_agree_at_each_steps_end(gaps in prop::collection::vec((1i64..9, 0u32..100), 0..80)) {
            let mut slot = 0;
            let increments: Vec<(i64, f64)> =
                gaps.iter().map(|(gap, v)| { slot += gap; (slot, f64::from(*v)) }).collect();
            let chunk = Chunk::decode(&counter(&increments).encode()).unwrap();
            let coarse = chunk.coarser(Duration::from_secs(300)).unwrap();
            for end in (29..slot + 60).step_by(30) {
                let until = |c: &Chunk| -> f64 {
                    let inside = c.stream.increments().map(|i| i.unwrap()).filter(|(s, _)| s.index() <= end);
                    inside.map(|(_, t)| match t { Total::Counter(v) => v, Total::Histogram(_) => f64::NAN }).sum()
                };
                prop_assert_eq!(until(&chunk), until(&coarse));
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let bytes = counter(&[(1, 1.0), (2, 2.5)]).encode();
        for i in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[i / 8] ^= 1 << (i % 8);
            assert_eq!(Chunk::decode(&damaged), Err(Corrupt), "bit {i}");
        }
    }
}
