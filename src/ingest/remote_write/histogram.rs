//! The message `Histogram`, which both versions share field by field, and what a valid one is.
//!
//! Buckets come as spans (a gap, a length) and, beside them, counts: differences of integers, or floats. The
//! rules are those of Prometheus's `model/histogram` (`Validate`): as many counts as the spans have places, no
//! gap below zero but the first, no count below zero, and integers that add up to the count.
//!
//! Schemas -4 to 8 become native histograms. Schema -53 has bounds of its own (`custom_values`), which our
//! native form has not; it becomes what it was made from, a classic histogram. The reset hint is not kept:
//! resets are seen in the counts.

use crate::base::{DropReason, Timestamp};
use crate::ingest::outcome::Reject;
use crate::series::is_stale;
use crate::sketch::{NativeBuckets, NativeHistogram};

use super::wire::{Fields, Value, WireError, zigzag};

/// The schema that means bounds of its own.
const CUSTOM: i32 = -53;
/// The exponential schemas.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;
/// No finite float has a bucket further from zero: 2^±1075 at schema 8.
const INDEX: i32 = 1 << 19;
/// The most bounds of its own; each becomes a series.
const BOUNDS: usize = 500;

/// A histogram's content.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Schemas -4 to 8; a staleness marker has a stale sum.
    Native(NativeHistogram),
    /// Schema -53.
    Custom(Custom),
}

/// A histogram with bounds of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Custom {
    /// Ascending, finite.
    pub(super) bounds: Vec<f64>,
    /// How many values lie at or below each bound.
    pub(super) cumulative: Vec<f64>,
    pub(super) count: f64,
    pub(super) sum: f64,
}

#[derive(Debug, Default)]
struct Side {
    spans: Vec<(i32, u32)>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

#[derive(Debug, Default)]
struct Message {
    count: f64,
    float: bool,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    zero_count: f64,
    negative: Side,
    positive: Side,
    at: i64,
    custom: Vec<f64>,
}

/// Reads one message. `room` is how many numbers the request may still have.
pub(super) fn read(bytes: &[u8], room: &mut Room) -> Result<(Timestamp, Result<Content, Reject>), WireError> {
    let message = Message::read(bytes, room)?;
    Ok((Timestamp::from_millis(message.at), message.content()))
}

/// How many elements a request may still have, so that a small body does not become large in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    left: usize,
    limit: usize,
}

impl Room {
    pub(super) const fn new(limit: usize) -> Self {
        Self { left: limit, limit }
    }

    #[inline]
    pub(super) fn take_one(&mut self) -> Result<(), WireError> {
        self.left = self.left.checked_sub(1).ok_or(WireError::TooMany { limit: self.limit })?;
        Ok(())
    }
}

impl Message {
    fn read(bytes: &[u8], room: &mut Room) -> Result<Self, WireError> {
        let mut message = Self::default();
        let mut fields = Fields::new(bytes);
        while let Some((number, value)) = fields.next()? {
            message.field(number, value, room)?;
        }
        Ok(message)
    }

    fn field(&mut self, number: u32, value: Value<'_>, room: &mut Room) -> Result<(), WireError> {
        match number {
            1 => (self.count, self.float) = (value.varint()? as f64, false),
            2 => (self.count, self.float) = (value.double()?, true),
            3 => self.sum = value.double()?,
            4 => self.schema = value.sint32()?,
            5 => self.zero_threshold = value.double()?,
            6 => self.zero_count = value.varint()? as f64,
            7 => self.zero_count = value.double()?,
            8..=10 => self.negative.field(number - 8, value, room)?,
            11..=13 => self.positive.field(number - 11, value, room)?,
            14 => {
                value.varint()?;
            }
            15 => self.at = value.int64()?,
            16 => value.each_double(|bound| {
                self.custom.push(bound);
                room.take_one()
            })?,
            _ => {}
        }
        Ok(())
    }

    fn content(&self) -> Result<Content, Reject> {
        if is_stale(self.sum) {
            return Ok(Content::Native(self.native(NativeBuckets::default(), NativeBuckets::default())));
        }
        match self.schema {
            CUSTOM => self.custom().map(Content::Custom),
            schema if SCHEMAS.contains(&schema) => {
                let (negative, positive) = (self.negative.buckets(self.float)?, self.positive.buckets(self.float)?);
                self.adds_up(total(&negative) + total(&positive) + self.zero_count)?;
                Ok(Content::Native(self.native(negative, positive)))
            }
            schema => Err(invalid(format!("has schema {schema}; -4 to 8 and -53 are known"))),
        }
    }

    fn native(&self, negative: NativeBuckets, positive: NativeBuckets) -> NativeHistogram {
        NativeHistogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            count: self.count,
            sum: self.sum,
            positive,
            negative,
            ..NativeHistogram::default()
        }
    }

    /// Integers must; values that are NaN are counted and lie in no bucket. Floats are not that exact.
    fn adds_up(&self, in_buckets: f64) -> Result<(), Reject> {
        let fits = match (self.float, self.sum.is_nan()) {
            (true, _) => self.count >= 0.0 && self.zero_count >= 0.0,
            (false, true) => in_buckets <= self.count,
            (false, false) => in_buckets == self.count,
        };
        if fits && self.zero_threshold >= 0.0 {
            return Ok(());
        }
        Err(invalid(format!("counts {} values and has {in_buckets} in its buckets", self.count)))
    }

    fn custom(&self) -> Result<Custom, Reject> {
        let bounds = &self.custom;
        let ascending = bounds.windows(2).all(|w| w[0] < w[1]) && bounds.iter().all(|b| b.is_finite());
        if !ascending || bounds.len() > BOUNDS {
            return Err(invalid(format!("has bounds that are not ascending, or more than {BOUNDS}")));
        }
        if !self.negative.spans.is_empty() || self.zero_count != 0.0 {
            return Err(invalid("has bounds of its own and a zero bucket or negative buckets".to_owned()));
        }
        let buckets = self.positive.buckets(self.float)?;
        if buckets.0.iter().any(|(index, _)| usize::try_from(*index).map_or(true, |i| i > bounds.len())) {
            return Err(invalid("has more buckets than bounds".to_owned()));
        }
        self.adds_up(total(&buckets))?;
        let below = |i: usize| buckets.0.iter().take_while(|(index, _)| *index as usize <= i).map(|(_, n)| n).sum();
        let cumulative = (0..bounds.len()).map(below).collect();
        Ok(Custom { bounds: bounds.clone(), cumulative, count: self.count, sum: self.sum })
    }
}

impl Side {
    fn field(&mut self, which: u32, value: Value<'_>, room: &mut Room) -> Result<(), WireError> {
        match which {
            0 => {
                self.spans.push(span(value.bytes()?)?);
                room.take_one()
            }
            1 => {
                // A packed element takes a byte at least, and mostly one.
                self.deltas.reserve(value.packed_bytes());
                value.each_varint(|raw| {
                    self.deltas.push(zigzag(raw));
                    room.take_one()
                })
            }
            _ => value.each_double(|count| {
                self.counts.push(count);
                room.take_one()
            }),
        }
    }

    /// The buckets in order, without the empty ones.
    fn buckets(&self, float: bool) -> Result<NativeBuckets, Reject> {
        let given = if float { self.counts.len() } else { self.deltas.len() };
        let places: u64 = self.spans.iter().map(|(_, length)| u64::from(*length)).sum();
        if places != given as u64 {
            return Err(invalid(format!("has {given} counts for {places} buckets")));
        }
        let (mut deltas, mut counts, mut running) = (self.deltas.iter(), self.counts.iter(), 0i64);
        let mut next_count = || {
            if float {
                return counts.next().copied().filter(|count| *count >= 0.0);
            }
            running = running.checked_add(*deltas.next()?).filter(|count| *count >= 0)?;
            Some(running as f64)
        };
        let mut buckets = Vec::with_capacity(given);
        let mut next = 0i64;
        for (i, (gap, length)) in self.spans.iter().enumerate() {
            next += i64::from(*gap);
            let end = next + i64::from(*length);
            if (i > 0 && *gap < 0) || next < i64::from(-INDEX) || end > i64::from(INDEX) {
                return Err(invalid("has a bucket where none can be".to_owned()));
            }
            for index in next..end {
                let count = next_count().ok_or_else(|| invalid("has a bucket with a count below zero".to_owned()))?;
                if count != 0.0 {
                    buckets.push((index as i32, count));
                }
            }
            next = end;
        }
        Ok(NativeBuckets(buckets))
    }
}

fn span(bytes: &[u8]) -> Result<(i32, u32), WireError> {
    let mut fields = Fields::new(bytes);
    let mut span = (0, 0);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => span.0 = value.sint32()?,
            2 => span.1 = value.uint32()?,
            _ => {}
        }
    }
    Ok(span)
}

fn total(buckets: &NativeBuckets) -> f64 {
    buckets.0.iter().map(|(_, count)| count).sum()
}

/// The series that it belongs to is named by whoever knows it.
fn invalid(what: String) -> Reject {
    Reject::new(DropReason::Invalid, format!("a histogram {what}"))
}
