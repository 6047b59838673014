//! What a read takes from the head.

use std::sync::Arc;

use crate::base::{Labels, Matcher, Timestamp};
use crate::promql::{Selection, SourceError};

use super::super::archive::{Archive, ArchiveError, StoredChunk};
use super::super::data::{Block, Mark, Series};
use super::super::live::Live;
use super::super::slot::Slot;
use super::super::total::{SeriesKind, Total};
use super::super::writer::Shared;
use super::forms::Forms;

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
}

impl TakenSeries {
    /// The cumulative value before a block that is in memory.
    pub(super) fn base_of(&self, block: i64) -> Option<&Total> {
        match self.blocks.iter().find(|b| b.index >= block) {
            Some(found) => found.base.as_deref(),
            None => self.base.as_deref(),
        }
    }
}

/// The series that match, at one instant.
pub(super) struct Taken {
    pub(super) now: Timestamp,
    pub(super) closed: Slot,
    pub(super) memory_from: i64,
    pub(super) live: Arc<Live>,
    pub(super) series: Vec<TakenSeries>,
}

impl Taken {
    pub(super) fn new(shared: &Shared, matchers: &[Matcher], now: Timestamp) -> Self {
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
