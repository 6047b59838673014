//! Reading: some groups at a time, so that no more of the archive is in memory than that, each time on a thread of its
//! own, and as many of them as there are processors.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::thread::available_parallelism;

use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;

use crate::promql::{FloatsBuilder, Selection, SeriesSamples, SourceError, Take};

use super::archived::Archived;
use super::taken::Taken;
use super::{MAX_SAMPLES, View, points};

/// Series that are read in one go, and a group more.
const SERIES_AT_ONCE: usize = 192;
/// Series, or samples, that are handed on together.
const HANDED_SERIES: usize = 64;
const HANDED_SAMPLES: usize = 40_000;
/// What has no more in pages than this many bytes, of so many series, is read without a change of threads.
pub(super) const INLINE_BYTES: usize = 64 << 10;
const INLINE_SERIES: usize = 32;

impl View {
    /// Hands on what was taken, in no particular order, until that is not wanted any more.
    pub(super) async fn read_each(
        &self,
        taken: Arc<Taken>,
        selection: &Selection,
        take: Arc<dyn Take>,
    ) -> Result<(), SourceError> {
        let parts = parts(&taken);
        let reads = parts.into_iter().map(|part| self.read_part(taken.clone(), part, selection.clone(), take.clone()));
        // One more than can work: it waits for the archive meanwhile.
        let at_once = available_parallelism().map_or(1, usize::from) + 1;
        let mut reads = stream::iter(reads).buffer_unordered(at_once);
        while let Some(go_on) = reads.try_next().await? {
            if go_on.is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn read_part(
        &self,
        taken: Arc<Taken>,
        part: Range<usize>,
        selection: Selection,
        take: Arc<dyn Take>,
    ) -> Result<ControlFlow<()>, SourceError> {
        let archived = Archived::read(self, &taken, &taken.series[part.clone()], &selection).await?;
        if part.len() <= INLINE_SERIES && archived.bytes() <= INLINE_BYTES {
            return hand_on(&taken, part, &archived, &selection, take.as_ref());
        }
        let work = move || hand_on(&taken, part, &archived, &selection, take.as_ref());
        tokio::task::spawn_blocking(work).await.map_err(|e| SourceError::Storage(Box::new(e)))?
    }

    /// All that was taken, by labels; of stored series with the same labels one is made.
    pub(super) async fn samples_of(
        &self,
        taken: Arc<Taken>,
        selection: &Selection,
    ) -> Result<Vec<SeriesSamples>, SourceError> {
        let all = Arc::new(Collected::default());
        self.read_each(taken, selection, all.clone()).await?;
        let found = std::mem::take(&mut *all.0.lock());
        match found.samples > MAX_SAMPLES {
            true => Err(SourceError::TooManySamples { limit: MAX_SAMPLES }),
            false => Ok(points::join(found.series)),
        }
    }
}

/// Parts of whole groups.
fn parts(taken: &Taken) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut end = 0;
    for group in taken.series.chunk_by(|a, b| a.group == b.group) {
        let start = end;
        end += group.len();
        match parts.last_mut().filter(|part| part.len() < SERIES_AT_ONCE) {
            Some(part) => part.end = end,
            None => parts.push(start..end),
        }
    }
    parts
}

fn hand_on(
    taken: &Taken,
    part: Range<usize>,
    archived: &Archived,
    selection: &Selection,
    take: &dyn Take,
) -> Result<ControlFlow<()>, SourceError> {
    let (mut floats, mut out, mut budget) = (FloatsBuilder::default(), Vec::new(), MAX_SAMPLES);
    for series in &taken.series[part] {
        points::samples(taken, series, archived, selection, &mut floats, &mut budget, &mut out)?;
        if out.len() >= HANDED_SERIES || MAX_SAMPLES - budget >= HANDED_SAMPLES {
            budget = MAX_SAMPLES;
            if take.take(std::mem::take(&mut out)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(if out.is_empty() { ControlFlow::Continue(()) } else { take.take(out) })
}

/// Keeps all.
#[derive(Default)]
struct Collected(Mutex<Found>);

#[derive(Default)]
struct Found {
    series: Vec<SeriesSamples>,
    samples: usize,
}

impl Take for Collected {
    fn take(&self, some: Vec<SeriesSamples>) -> ControlFlow<()> {
        let mut found = self.0.lock();
        found.samples += some.iter().map(|s| s.floats.len() + s.histograms.len()).sum::<usize>();
        found.series.extend(some);
        if found.samples > MAX_SAMPLES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
