//! What version 0.1 stored becomes pages at the first start: its chunks block by block, the oldest first, each
//! block in one step; its ticks window by window. Whatever interrupts this, the next start goes on.

use std::collections::BTreeMap;

use super::archive::{Archive, GroupId, PageKey, StoredChunk, StoredPage, Tier};
use super::chunk::Chunk;
use super::counters::Counters;
use super::data::Data;
use super::head::Head;
use super::page::write::PageWriter;
use super::page::{Ends, Points};
use super::pages::Due;
use super::recover::OpenError;
use super::slot::{SLOTS_PER_BLOCK, SLOTS_PER_PAGE, Slot};
use super::tick::OldItem;
use super::total::{SeriesKind, Total};

/// Converts all chunks; whether there were any.
pub(super) async fn convert_chunks(archive: &dyn Archive, counters: &Counters) -> Result<bool, OpenError> {
    let mut converted = false;
    loop {
        let chunks = archive.old_chunks().await?;
        let Some(block) = chunks.first().map(|c| c.block) else { return Ok(converted) };
        converted = true;
        tracing::info!(chunks = chunks.len(), from = %Slot::first_of_block(block).start(), "converting to pages");
        let pages = pages_of(chunks, counters);
        archive.convert(block, &pages).await?;
    }
}

/// One page a group and tier. A chunk that is damaged is reported and left out.
fn pages_of(chunks: Vec<StoredChunk>, counters: &Counters) -> Vec<StoredPage> {
    let mut by_page: BTreeMap<(GroupId, Tier), Vec<StoredChunk>> = BTreeMap::new();
    for chunk in chunks {
        by_page.entry((chunk.group, chunk.tier)).or_default().push(chunk);
    }
    by_page.into_iter().map(|((group, tier), chunks)| page_of(group, tier, chunks, counters)).collect()
}

fn page_of(group: GroupId, tier: Tier, mut chunks: Vec<StoredChunk>, counters: &Counters) -> StoredPage {
    chunks.sort_unstable_by_key(|c| c.series);
    let block = chunks.first().map_or(0, |c| c.block);
    let mut writer =
        PageWriter::new(PageKey { group, tier, first: Slot::first_of_block(block), slots: SLOTS_PER_BLOCK });
    for stored in chunks {
        let Ok(chunk) = Chunk::decode(&stored.bytes) else {
            counters.archive_damaged.add(1);
            tracing::error!(series = stored.series, block, ?tier, "a chunk of the archive is damaged and left out");
            continue;
        };
        writer.push(stored.series, chunk.kind, &ends(&chunk), &chunk.points, &[]);
    }
    writer.finish()
}

fn ends(chunk: &Chunk) -> Ends {
    let mut after = chunk.base.clone();
    let mut last = None;
    match &chunk.points {
        Points::Increments(increments) => increments.iter().for_each(|(_, i)| Total::add_to(&mut after, i)),
        Points::Samples(samples) => last = samples.last().copied(),
        Points::Natives(_) => {}
    }
    Ends { before: chunk.base.clone(), after, last }
}

/// What closed of a series in the ticks, one slot or sample after the other.
#[derive(Debug, Default)]
pub(super) struct OldTicks {
    through: Option<Slot>,
    slots: BTreeMap<Slot, Vec<(u64, OldItem)>>,
}

impl OldTicks {
    /// Enters a tick's items that are not in pages. (Samples were compacted by their own time, not by the tick's.)
    pub(super) fn enter(&mut self, through: Slot, paged: Option<Slot>, items: Vec<(u64, OldItem)>) {
        self.through = Some(through);
        let is_new = |slot: Slot| paged.is_none_or(|paged| slot > paged);
        for (id, item) in items {
            match item {
                OldItem::Increments(all) => {
                    for (slot, total) in all.into_iter().filter(|(slot, _)| is_new(*slot)) {
                        self.slots.entry(slot).or_default().push((id, OldItem::Increments(vec![(slot, total)])));
                    }
                }
                OldItem::Samples(all) => {
                    for (at, value) in all.into_iter().filter(|(at, _)| is_new(Slot::of(*at))) {
                        let sample = OldItem::Samples(vec![(at, value)]);
                        self.slots.entry(Slot::of(at)).or_default().push((id, sample));
                    }
                }
            }
        }
    }

    /// Puts all of it into the head, with a page for each window that is over.
    pub(super) async fn replay(self, head: &mut Head, archive: &dyn Archive) -> Result<(), OpenError> {
        let Some(through) = self.through else { return Ok(()) };
        for (slot, items) in self.slots {
            let window = slot.last_of_window(SLOTS_PER_PAGE);
            if head.filled.is_some_and(|filled| filled.last_of_window(SLOTS_PER_PAGE) < window) {
                write_pages(head, archive).await?;
            }
            head.filled.get_or_insert(slot);
            items.into_iter().for_each(|(id, item)| close(head, id, item));
        }
        if head.filled.is_some_and(|filled| filled.last_of_window(SLOTS_PER_PAGE) <= through) {
            write_pages(head, archive).await?;
        }
        head.closed = through;
        Ok(())
    }
}

/// Writes what the window holds.
async fn write_pages(head: &mut Head, archive: &dyn Archive) -> Result<(), OpenError> {
    let Some(filled) = head.filled else { return Ok(()) };
    head.closed = filled.last_of_window(SLOTS_PER_PAGE);
    if let Some(due) = Due::of(head) {
        let pages = due.pages(head, &due.groups);
        archive.put_pages(due.through, &pages).await?;
        head.drop_closed();
    }
    Ok(())
}

fn close(head: &mut Head, id: u64, item: OldItem) {
    let closed = head.closed;
    let Some(series) = head.by_id.get(&id).and_then(|r| head.series.get_mut(*r as usize)) else { return };
    series.touched = series.touched.max(closed);
    match (&mut series.data, item) {
        (Data::Ours(ours), OldItem::Increments(items)) => {
            items.iter().for_each(|(slot, increment)| ours.close(*slot, increment));
            if series.kind == SeriesKind::Histogram {
                series.widen_to_base();
            }
        }
        (Data::Samples(sent), OldItem::Samples(items)) => {
            for (at, value) in items {
                if at <= sent.closed {
                    continue;
                }
                sent.stream.insert(at, value);
                if let Some((_, last)) = sent.stream.close(Slot::of(at)) {
                    sent.closed = last;
                }
            }
        }
        _ => {}
    }
}
