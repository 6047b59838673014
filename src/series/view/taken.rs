//! What a read takes from the head.
//!
//! After the clock was set back, slots may have closed that are not over. Their samples would be stamped in
//! the future, where no read looks, so to readers they are still open.

use std::sync::Arc;

use crate::base::{Labels, Matcher, Timestamp};
use crate::promql::{Selection, SourceError};
use crate::sketch::NativeHistogram;

use super::super::archive::{Archive, ArchiveError, StoredChunk};
use super::super::codec::Corrupt;
use super::super::data::{Block, Mark, Series};
use super::super::live::Live;
use super::super::slot::Slot;
use super::super::total::{SeriesKind, Total};
use super::super::writer::Shared;
use super::forms::Forms;
use super::points::corrupt;

/// One series at one instant.
pub(super) struct TakenSeries {
    pub(super) id: u64,
    pub(super) labels: Labels,
    pub(super) kind: SeriesKind,
    pub(super) retired: bool,
    pub(super) forms: Forms,
    pub(super) blocks: Vec<Arc<Block>>,
    pub(super) marks: Vec<Mark>,
    pub(super) base: Option<Arc<Total>>,
    pub(super) near: Vec<(Slot, Arc<Total>)>,
    pub(super) samples: Vec<(Timestamp, f64)>,
    pub(super) natives: Vec<(Timestamp, Arc<NativeHistogram>)>,
}

impl TakenSeries {
    /// The cumulative value before a block that is in memory.
    pub(super) fn base_of(&self, block: i64) -> Option<&Total> {
        match self.blocks.iter().find(|b| b.index >= block) {
            Some(found) => found.base.as_deref(),
            None => self.base.as_deref(),
        }
    }

    /// Opens the closed slots from `first` on: their increments move from the base to the open ones.
    fn reopen(&mut self, first: Slot) -> Result<(), Corrupt> {
        let mut base = self.base_of(first.block()).cloned();
        let mut open = Vec::new();
        for block in self.blocks.iter().filter(|b| b.index >= first.block()) {
            for increment in block.stream.increments() {
                match increment? {
                    (slot, increment) if slot < first => Total::add_to(&mut base, &increment),
                    (slot, increment) => open.push((slot, Arc::new(increment))),
                }
            }
        }
        self.base = base.map(Arc::new);
        self.near.splice(..0, open);
        Ok(())
    }
}

/// The series that match, at one instant.
pub(super) struct Taken {
    pub(super) now: Timestamp,
    /// Every slot up to this one is closed, and over.
    pub(super) closed: Slot,
    pub(super) memory_from: i64,
    pub(super) live: Arc<Live>,
    pub(super) series: Vec<TakenSeries>,
}

impl Taken {
    pub(super) fn new(shared: &Shared, matchers: &[Matcher], now: Timestamp) -> Result<Self, SourceError> {
        let mut taken = Self::of_head(shared, matchers, now);
        let current = taken.current();
        if taken.closed >= current {
            taken.closed = current.plus(-1);
            let mut ours = taken.series.iter_mut().filter(|s| s.kind.is_ours());
            ours.try_for_each(|s| s.reopen(current)).map_err(corrupt)?;
        }
        Ok(taken)
    }

    fn of_head(shared: &Shared, matchers: &[Matcher], now: Timestamp) -> Self {
        let head = shared.head.read();
        let take = |series: &Series| {
            let forms = Forms::of(&series.labels, series.kind, matchers)?;
            (!series.labels.is_empty()).then(|| taken(series, forms))
        };
        let series = match head.index.candidates(matchers) {
            Some(refs) => refs.iter().filter_map(|r| head.get(*r)).filter_map(take).collect(),
            None => head.series.iter().filter_map(take).collect(),
        };
        Self { now, closed: head.closed, memory_from: head.memory_from, live: head.live.clone(), series }
    }

    /// The slot that is open now.
    pub(super) fn current(&self) -> Slot {
        Slot::of(self.now)
    }

    /// The chunks of the selection that are older than what is in memory.
    pub(super) async fn archived(&self, archive: &dyn Archive, selection: &Selection) -> Result<Chunks, SourceError> {
        let first = Slot::of(selection.start).block();
        let last = Slot::of(selection.end).block().min(self.memory_from - 1);
        if first > last || self.series.is_empty() {
            return Ok(Chunks::default());
        }
        let mut ids: Vec<u64> = self.series.iter().map(|s| s.id).collect();
        ids.sort_unstable();
        archive.scan(&ids, first, last).await.map(Chunks).map_err(storage)
    }
}

fn taken(series: &Series, forms: Forms) -> TakenSeries {
    TakenSeries {
        id: series.id,
        labels: series.labels.clone(),
        kind: series.kind,
        retired: series.retired,
        forms,
        blocks: series.blocks.clone(),
        marks: series.marks.clone(),
        base: series.base.clone(),
        near: series.near.clone(),
        samples: series.open_samples.clone(),
        natives: series.open_natives.clone(),
    }
}

/// Chunks by series, then block.
#[derive(Default)]
pub(super) struct Chunks(pub(super) Vec<StoredChunk>);

impl Chunks {
    pub(super) fn of(&self, series: u64) -> &[StoredChunk] {
        let from = self.0.partition_point(|c| c.series < series);
        let to = self.0.partition_point(|c| c.series <= series);
        &self.0[from..to]
    }
}

pub(super) fn storage(error: ArchiveError) -> SourceError {
    SourceError::Storage(Box::new(error))
}
