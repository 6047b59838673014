//! The data of a tick in bytes: for each series that has something new, its increments or samples.
//!
//! ```text
//! sealed as a chunk is: bounds table | number of series
//!   | per series: id, kind, how many, then (slot difference, increment)* or (ms difference, f64)*
//!     or (ms difference, native histogram as `series::native` writes it)*
//! ```

use std::sync::Arc;

use super::chunk::{seal, unseal};
use super::codec::{BoundsTable, Corrupt, Get, Put};
use super::native;
use super::slot::Slot;
use super::total::{SeriesKind, Total};
use crate::base::Timestamp;
use crate::sketch::NativeHistogram;

/// What one series brings to a tick.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TickItem {
    Increments(Vec<(Slot, Total)>),
    Samples(Vec<(Timestamp, f64)>),
    Natives(Vec<(Timestamp, Arc<NativeHistogram>)>),
}

/// Collects the data of a tick.
#[derive(Debug, Default)]
pub(super) struct TickWriter {
    bounds: BoundsTable,
    body: Vec<u8>,
    series: u64,
}

impl TickWriter {
    pub(super) fn increments<'a>(
        &mut self,
        id: u64,
        kind: SeriesKind,
        items: impl ExactSizeIterator<Item = (Slot, &'a Total)>,
    ) {
        self.head(id, kind, items.len());
        let mut last = 0;
        for (slot, total) in items {
            self.body.put_zigzag(slot.index() - last);
            last = slot.index();
            match total {
                Total::Counter(v) => self.body.put_number(*v),
                Total::Histogram(h) => {
                    let number = self.bounds.number(h.bounds());
                    self.body.put_histogram(h, number);
                }
            }
        }
    }

    pub(super) fn samples(&mut self, id: u64, items: &[(Timestamp, f64)]) {
        self.head(id, SeriesKind::Sample, items.len());
        let mut last = 0;
        for (at, value) in items {
            self.body.put_zigzag(at.as_millis() - last);
            last = at.as_millis();
            self.body.put_f64(*value);
        }
    }

    pub(super) fn natives(&mut self, id: u64, items: &[(Timestamp, Arc<NativeHistogram>)]) {
        self.head(id, SeriesKind::Native, items.len());
        let (mut last, mut before) = (0, None);
        for (at, histogram) in items {
            self.body.put_zigzag(at.as_millis() - last);
            last = at.as_millis();
            native::put(&mut self.body, histogram, Option::as_deref(&before));
            before = native::remembered(histogram.clone());
        }
    }

    fn head(&mut self, id: u64, kind: SeriesKind, items: usize) {
        self.series += 1;
        self.body.put_varint(id);
        self.body.push(kind.number());
        self.body.put_varint(items as u64);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        if self.series == 0 {
            return Vec::new();
        }
        let mut out = Vec::with_capacity(self.body.len() + 64);
        self.bounds.put(&mut out);
        out.put_varint(self.series);
        out.extend_from_slice(&self.body);
        seal(out)
    }
}

/// Reads what [`TickWriter::finish`] wrote.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(u64, TickItem)>, Corrupt> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let body = unseal(bytes)?;
    let mut from = Get(&body);
    let bounds = BoundsTable::get(&mut from)?;
    let series = from.count()?;
    let mut out = Vec::with_capacity(series);
    for _ in 0..series {
        let id = from.varint()?;
        let kind = SeriesKind::from_number(from.byte()?).ok_or(Corrupt)?;
        out.push((id, item(&mut from, kind, &bounds)?));
    }
    Ok(out)
}

fn item(from: &mut Get<'_>, kind: SeriesKind, bounds: &BoundsTable) -> Result<TickItem, Corrupt> {
    let n = from.count()?;
    let mut time = 0i64;
    if kind == SeriesKind::Sample {
        let mut samples = Vec::with_capacity(n);
        for _ in 0..n {
            time = time.checked_add(from.zigzag()?).ok_or(Corrupt)?;
            samples.push((Timestamp::from_millis(time), from.f64()?));
        }
        return Ok(TickItem::Samples(samples));
    }
    if kind == SeriesKind::Native {
        let (mut natives, mut before) = (Vec::with_capacity(n), None);
        for _ in 0..n {
            time = time.checked_add(from.zigzag()?).ok_or(Corrupt)?;
            let histogram = Arc::new(native::get(from, Option::as_deref(&before))?);
            before = native::remembered(histogram.clone());
            natives.push((Timestamp::from_millis(time), histogram));
        }
        return Ok(TickItem::Natives(natives));
    }
    let mut increments = Vec::with_capacity(n);
    for _ in 0..n {
        time = time.checked_add(from.zigzag()?).ok_or(Corrupt)?;
        let total = match kind {
            SeriesKind::Histogram => Total::Histogram(from.histogram(bounds)?),
            _ => Total::Counter(from.number()?),
        };
        increments.push((Slot::new(time), total));
    }
    Ok(TickItem::Increments(increments))
}
