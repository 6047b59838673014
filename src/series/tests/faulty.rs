//! An archive that fails when it is told to.

use super::*;

pub(super) type Answer<'a, T> = BoxFuture<'a, Result<T, ArchiveError>>;

/// Says what strikes a call of the archive: nothing, or an error, before (`false`) or after (`true`) it took effect.
pub(super) trait Strikes: Send + Sync + 'static {
    fn archive(&self, call: &'static str) -> Option<bool>;
}

fn strike<'a, T: Send + 'a>(fault: Option<bool>, run: Answer<'a, T>) -> Answer<'a, T> {
    let Some(takes_effect) = fault else { return run };
    Box::pin(async move {
        if takes_effect {
            run.await?;
        }
        Err(ArchiveError { operation: "written", source: "injected".into() })
    })
}

/// An archive in memory whose calls that change something are struck.
pub(super) struct FaultyArchive<S>(pub(super) MemoryArchive, pub(super) S);

impl<S: Strikes> Archive for FaultyArchive<S> {
    fn load(&self) -> Answer<'_, Restored> {
        self.0.load()
    }
    fn append_tick<'a>(&'a self, tick: &'a Tick) -> Answer<'a, ()> {
        strike(self.1.archive("append_tick"), self.0.append_tick(tick))
    }
    fn put_pages<'a>(&'a self, through: Slot, pages: &'a [StoredPage]) -> Answer<'a, ()> {
        strike(self.1.archive("put_pages"), self.0.put_pages(through, pages))
    }
    fn mergeable(&self, merge: Merge, through: Slot, groups: usize) -> Answer<'_, Vec<StoredPage>> {
        self.0.mergeable(merge, through, groups)
    }
    fn merge<'a>(&'a self, sources: &'a [PageKey], merged: &'a [StoredPage]) -> Answer<'a, ()> {
        strike(self.1.archive("merge"), self.0.merge(sources, merged))
    }
    fn scan<'a>(&'a self, groups: &'a [GroupId], first: Slot, last: Slot) -> Answer<'a, Scanned> {
        self.0.scan(groups, first, last)
    }
    fn overlapping(&self, group: GroupId, first: Slot, last: Slot) -> Answer<'_, Vec<StoredPage>> {
        self.0.overlapping(group, first, last)
    }
    fn nearest<'a>(&'a self, places: &'a [(GroupId, Slot)]) -> Answer<'a, Vec<Option<StoredPage>>> {
        self.0.nearest(places)
    }
    fn retired<'a>(&'a self, query: &'a RetiredQuery) -> Answer<'a, Vec<SeriesDef>> {
        self.0.retired(query)
    }
    fn metrics<'a>(&'a self, groups: &'a [GroupId]) -> Answer<'a, Vec<(GroupId, String)>> {
        self.0.metrics(groups)
    }
    fn expire<'a>(&'a self, through: [Slot; 3]) -> Answer<'a, u64> {
        strike(self.1.archive("expire"), self.0.expire(through))
    }
    fn old_chunks(&self) -> Answer<'_, Vec<StoredChunk>> {
        self.0.old_chunks()
    }
    fn convert<'a>(&'a self, block: i64, pages: &'a [StoredPage]) -> Answer<'a, ()> {
        strike(self.1.archive("convert"), self.0.convert(block, pages))
    }
}
