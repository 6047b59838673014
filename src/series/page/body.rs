//! The body of a page that is being read: a series is decoded when it is asked for.

use std::ops::Range;
use std::sync::Arc;

use crate::base::Timestamp;
use crate::promql::FloatsBuilder;
use crate::series::codec::{BoundsTable, Corrupt, Get};
use crate::series::native;
use crate::series::number::Values;
use crate::series::seal::unseal;
use crate::series::slot::Slot;
use crate::series::total::{SeriesKind, Total};

use super::{Fold, Points, codec};

/// See the module.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Vec<u8>,
    bounds: BoundsTable,
    /// Where times and slots are counted from.
    origin: Slot,
    columns: Vec<Vec<i64>>,
    /// Of each series: column, codec, data.
    entries: Vec<(usize, u8, Range<usize>)>,
}

impl Body {
    pub(super) fn open(sealed: &[u8], series: usize, origin: Slot) -> Result<Self, Corrupt> {
        let bytes = unseal(sealed)?;
        let mut from = Get(&bytes);
        let bounds = BoundsTable::get(&mut from)?;
        let columns = (0..from.count()?).map(|_| column(&mut from, origin)).collect::<Result<_, _>>()?;
        let mut entries = Vec::with_capacity(series);
        for _ in 0..series {
            let column = usize::try_from(from.varint()?).map_err(|_| Corrupt)?;
            let codec = from.byte()?;
            let length = from.count()?;
            let start = bytes.len() - from.0.len();
            from.bytes(length)?;
            entries.push((column, codec, start..start + length));
        }
        from.is_empty().then_some(()).ok_or(Corrupt)?;
        Ok(Self { bounds, origin, columns, entries, bytes })
    }

    /// The data of the series at this place of the directory.
    pub(super) fn points(&self, place: usize, kind: SeriesKind) -> Result<(Points, Vec<Fold>), Corrupt> {
        let (column, codec, range) = self.entries.get(place).ok_or(Corrupt)?;
        let mut from = Get(self.bytes.get(range.clone()).ok_or(Corrupt)?);
        if *codec == codec::NOTHING {
            return Ok((Points::new(kind), Vec::new()));
        }
        if *codec == codec::INCREMENTS {
            return Ok((Points::Increments(self.increments(&mut from, kind)?), Vec::new()));
        }
        let times = self.columns.get(*column).ok_or(Corrupt)?;
        let out = match *codec {
            codec::CONSTANT => {
                let value = Values::default().get(&mut from)?;
                (Points::Samples(times.iter().map(|t| (Timestamp::from_millis(*t), value)).collect()), Vec::new())
            }
            codec::VALUES => (Points::Samples(samples(&mut from, times)?), Vec::new()),
            codec::FOLDED => (Points::Samples(samples(&mut from, times)?), folds(&mut from, times.len())?),
            codec::NATIVES => (natives(&mut from, times)?, Vec::new()),
            _ => return Err(Corrupt),
        };
        from.is_empty().then_some(out).ok_or(Corrupt)
    }

    /// Adds the samples with `start < t <= end` of the series at this place.
    pub(super) fn samples(
        &self,
        place: usize,
        start: Timestamp,
        end: Timestamp,
        out: &mut FloatsBuilder,
    ) -> Result<(), Corrupt> {
        let (column, codec, range) = self.entries.get(place).ok_or(Corrupt)?;
        if *codec == codec::NOTHING {
            return Ok(());
        }
        let mut from = Get(self.bytes.get(range.clone()).ok_or(Corrupt)?);
        let times = self.columns.get(*column).ok_or(Corrupt)?;
        let first = times.partition_point(|t| *t <= start.as_millis());
        let last = times.partition_point(|t| *t <= end.as_millis()).max(first);
        let wanted = times.get(first..last).ok_or(Corrupt)?;
        out.lay(wanted);
        let values = out.values();
        match *codec {
            codec::CONSTANT => {
                let value = Values::default().get(&mut from)?;
                values.resize(values.len() + wanted.len(), value);
            }
            codec::VALUES | codec::FOLDED => Values::default().get_some(&mut from, first, wanted.len(), values)?,
            _ => return Err(Corrupt),
        }
        Ok(())
    }

    fn increments(&self, from: &mut Get<'_>, kind: SeriesKind) -> Result<Vec<(Slot, Total)>, Corrupt> {
        let count = from.count()?;
        let mut out = Vec::with_capacity(count);
        let mut slot = self.origin.index();
        for _ in 0..count {
            slot = slot.checked_add(from.zigzag()?).ok_or(Corrupt)?;
            let total = match kind {
                SeriesKind::Histogram => Total::Histogram(from.histogram(&self.bounds)?),
                _ => Total::Counter(from.number()?),
            };
            out.push((Slot::new(slot), total));
        }
        Ok(out)
    }
}

fn column(from: &mut Get<'_>, origin: Slot) -> Result<Vec<i64>, Corrupt> {
    let (mut time, mut delta) = (origin.start().as_millis(), 0i64);
    let count = from.count()?;
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        delta = delta.checked_add(from.zigzag()?).ok_or(Corrupt)?;
        time = time.checked_add(delta).ok_or(Corrupt)?;
        out.push(time);
    }
    Ok(out)
}

fn samples(from: &mut Get<'_>, times: &[i64]) -> Result<Vec<(Timestamp, f64)>, Corrupt> {
    let mut values = Vec::with_capacity(times.len());
    Values::default().get_some(from, 0, times.len(), &mut values)?;
    Ok(times.iter().copied().map(Timestamp::from_millis).zip(values).collect())
}

fn folds(from: &mut Get<'_>, count: usize) -> Result<Vec<Fold>, Corrupt> {
    let mut out = vec![Fold::default(); count];
    for set in [|f: &mut Fold, v| f.min = v, |f: &mut Fold, v| f.max = v, |f: &mut Fold, v| f.sum = v] {
        let mut values = Values::default();
        for fold in &mut out {
            set(fold, values.get(from)?);
        }
    }
    for fold in &mut out {
        fold.count = from.varint()?;
    }
    Ok(out)
}

fn natives(from: &mut Get<'_>, times: &[i64]) -> Result<Points, Corrupt> {
    let mut before = None;
    let mut out = Vec::with_capacity(times.len());
    for time in times {
        let histogram = Arc::new(native::get(from, Option::as_deref(&before))?);
        before = native::remembered(histogram.clone());
        out.push((Timestamp::from_millis(*time), histogram));
    }
    Ok(Points::Natives(out))
}
