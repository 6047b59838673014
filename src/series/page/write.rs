//! Writing a page, one series after the other.

use crate::base::Timestamp;
use crate::series::archive::{PageKey, StoredPage};
use crate::series::codec::{BoundsTable, Put};
use crate::series::native;
use crate::series::number::Values;
use crate::series::seal::seal;
use crate::series::slot::Slot;
use crate::series::total::{SeriesKind, Total};

use super::head::DirectoryWriter;
use super::{Ends, Fold, Points, codec};

/// How many of the latest time columns a series is compared with.
const COLUMNS: usize = 16;

/// Collects a page.
#[derive(Debug)]
pub(in crate::series) struct PageWriter {
    key: PageKey,
    head: DirectoryWriter,
    bounds: BoundsTable,
    columns: Vec<Vec<i64>>,
    body: Vec<u8>,
    scratch: Vec<u8>,
    is_empty: bool,
}

impl PageWriter {
    pub(in crate::series) fn new(key: PageKey) -> Self {
        Self {
            key,
            head: DirectoryWriter::default(),
            bounds: BoundsTable::default(),
            columns: Vec::new(),
            body: Vec::new(),
            scratch: Vec::new(),
            is_empty: true,
        }
    }

    /// Lists a series with an id higher than all before; `folds` is empty or as long as the points.
    pub(in crate::series) fn push(&mut self, id: u64, kind: SeriesKind, ends: &Ends, points: &Points, folds: &[Fold]) {
        self.head.push(id, kind, ends, self.key.first);
        self.scratch.clear();
        let (column, codec) = match points {
            Points::Increments(increments) => (0, self.increments(increments)),
            Points::Samples(samples) => self.samples(samples, folds),
            Points::Natives(natives) => {
                let mut before = None;
                for (_, histogram) in natives {
                    native::put(&mut self.scratch, histogram, Option::as_deref(&before));
                    before = native::remembered(histogram.clone());
                }
                (self.column(natives.iter().map(|(at, _)| *at)), codec::NATIVES)
            }
        };
        let codec = if self.scratch.is_empty() { codec::NOTHING } else { codec };
        self.is_empty &= codec == codec::NOTHING;
        self.body.put_varint(column as u64);
        self.body.push(codec);
        self.body.put_varint(self.scratch.len() as u64);
        self.body.extend_from_slice(&self.scratch);
    }

    fn increments(&mut self, increments: &[(Slot, Total)]) -> u8 {
        if increments.is_empty() {
            return codec::NOTHING;
        }
        self.scratch.put_varint(increments.len() as u64);
        let mut last = self.key.first.index();
        for (slot, total) in increments {
            self.scratch.put_zigzag(slot.index() - last);
            last = slot.index();
            match total {
                Total::Counter(v) => self.scratch.put_number(*v),
                Total::Histogram(h) => {
                    let number = self.bounds.number(h.bounds());
                    self.scratch.put_histogram(h, number);
                }
            }
        }
        codec::INCREMENTS
    }

    fn samples(&mut self, samples: &[(Timestamp, f64)], folds: &[Fold]) -> (usize, u8) {
        let Some((_, first)) = samples.first() else { return (0, codec::NOTHING) };
        let is_folded = folds.len() == samples.len() && folds.iter().any(|f| f.count > 1);
        let constant = !is_folded && samples.iter().all(|(_, v)| v.to_bits() == first.to_bits());
        let mut values = Values::default();
        let written = if constant { 1 } else { samples.len() };
        samples[..written].iter().for_each(|(_, v)| values.put(&mut self.scratch, *v));
        if is_folded {
            for of in [|f: &Fold| f.min, |f: &Fold| f.max, |f: &Fold| f.sum] {
                let mut values = Values::default();
                folds.iter().for_each(|f| values.put(&mut self.scratch, of(f)));
            }
            folds.iter().for_each(|f| self.scratch.put_varint(f.count));
        }
        let codec = match (is_folded, constant) {
            (true, _) => codec::FOLDED,
            (false, true) => codec::CONSTANT,
            (false, false) => codec::VALUES,
        };
        (self.column(samples.iter().map(|(at, _)| *at)), codec)
    }

    /// The number of the column with these times, entered if it is new.
    fn column(&mut self, times: impl ExactSizeIterator<Item = Timestamp> + Clone) -> usize {
        let same =
            |c: &Vec<i64>| c.len() == times.len() && c.iter().copied().eq(times.clone().map(Timestamp::as_millis));
        let oldest = self.columns.len().saturating_sub(COLUMNS);
        if let Some(i) = self.columns[oldest..].iter().rposition(same) {
            return oldest + i;
        }
        self.columns.push(times.map(Timestamp::as_millis).collect());
        self.columns.len() - 1
    }

    pub(in crate::series) fn finish(self) -> StoredPage {
        let mut body = Vec::with_capacity(self.body.len() + 256);
        self.bounds.put(&mut body);
        body.put_varint(self.columns.len() as u64);
        for column in &self.columns {
            put_column(&mut body, column, self.key.first.start().as_millis());
        }
        body.extend_from_slice(&self.body);
        StoredPage { key: self.key, head: self.head.finish(), body: seal(body) }
    }
}

fn put_column(out: &mut Vec<u8>, column: &[i64], origin: i64) {
    out.put_varint(column.len() as u64);
    let (mut last, mut delta) = (origin, 0);
    for time in column {
        out.put_zigzag(time - last - delta);
        (delta, last) = (time - last, *time);
    }
}
