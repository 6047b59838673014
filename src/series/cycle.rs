//! The loop: every [`TICK`](super::TICK) it records our own metrics, lets web vitals settle, closes slots,
//! archives them, and only then trims the journal; every two hours it compacts, every hour it expires.
//!
//! A tick that the archive refuses is kept and tried again, the same bytes, until it is taken; meanwhile
//! nothing closes and the journal keeps everything. When told to stop, it closes and archives all slots that
//! are over; the present one stays in the journal, and the next start goes on counting in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::base::{SharedClock, Timestamp};

use super::archive::{Archive, ArchiveError, StoredChunk, Tick, Tier};
use super::batch::{Batch, Item};
use super::chunk::Chunk;
use super::codec::Corrupt;
use super::data::{Block, Series};
use super::recover::Recovery;
use super::slot::Slot;
use super::stream::Stream;
use super::total::{SeriesKind, Total};
use super::writer::{Command, Shared, chain};

/// Series whose chunks are written in one transaction.
const CHUNKS_AT_ONCE: usize = 500;
/// How often chunks are expired.
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);
/// The finest resolution is kept at least this long: compaction lags by up to three hours.
const KEEP_AT_LEAST: Duration = Duration::from_secs(4 * 3600);

/// Our own metrics at an instant, as samples.
pub type OwnMetrics = Arc<dyn Fn(Timestamp) -> Vec<Item> + Send + Sync>;

/// See the module. Ends when told to; run it as a task of the last phase.
pub struct Loop {
    pub(super) queue: mpsc::Sender<Command>,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) shared: Arc<Shared>,
    pub(super) archive: Arc<dyn Archive>,
    pub(super) clock: SharedClock,
    pub(super) own_metrics: Option<OwnMetrics>,
    pub(super) recovery: Recovery,
    pub(super) waiting: Option<Tick>,
    pub(super) expired_at: Option<Timestamp>,
}

/// One series' part of a block that is to be compacted.
struct Part {
    id: u64,
    kind: SeriesKind,
    base: Option<Arc<Total>>,
    block: Option<Arc<Block>>,
}

impl Loop {
    /// Calls this at each tick and records what it returns.
    #[must_use]
    pub fn with_own_metrics(mut self, own_metrics: OwnMetrics) -> Self {
        self.own_metrics = Some(own_metrics);
        self
    }

    /// What the start found in the journal.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Ticks until `stop` is cancelled; then archives all slots that are over and ends the writer.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let now = self.clock.now();
            let pause = Slot::of(now).end().since(now) + Duration::from_millis(1);
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.clock.sleep(pause) => self.tick().await,
            }
        }
        self.stop().await;
    }

    /// One round.
    pub(super) async fn tick(&mut self) {
        let now = self.clock.now();
        self.record_own_metrics(now).await;
        let _stopped = self.queue.send(Command::Settle).await;
        if self.archive_next(false).await {
            self.compact().await;
            self.expire(now).await;
        }
    }

    async fn stop(mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        let _stopped = self.queue.send(Command::Settle).await;
        // What is left from an earlier tick first, then everything that is over.
        let done = self.archive_next(true).await && self.archive_next(true).await;
        if !done {
            tracing::error!("the archive did not take the last slots; the journal keeps them for the next start");
        }
        let _stopped = self.queue.send(Command::Stop).await;
        self.queue.closed().await;
    }

    async fn record_own_metrics(&self, now: Timestamp) {
        let Some(own_metrics) = &self.own_metrics else { return };
        let batch = Batch { items: own_metrics(now), vitals: Vec::new() };
        if batch.is_empty() {
            return;
        }
        let (ticket, outcome) = oneshot::channel();
        let _stopped = self.queue.send(Command::Record(batch, ticket)).await;
        if let Ok(Err(error)) = outcome.await {
            tracing::warn!(%error, "our own metrics were not recorded");
        }
    }

    /// Archives the tick that waits, or the next one; whether nothing is left waiting.
    async fn archive_next(&mut self, everything: bool) -> bool {
        if self.waiting.is_none() {
            let (reply, closed) = oneshot::channel();
            let _stopped = self.queue.send(Command::Close { everything, reply }).await;
            self.waiting = closed.await.ok().flatten();
        }
        let Some(tick) = self.waiting.take() else { return true };
        if let Err(error) = self.archive.append_tick(&tick).await {
            self.shared.counters.archive_failures.add(1);
            tracing::error!(error = %chain(&error), "a tick was not archived; it is tried again");
            self.waiting = Some(tick);
            return false;
        }
        self.shared.counters.ticks_archived.add(1);
        let _stopped = self.queue.send(Command::Archived { through: tick.through, entry: tick.entry }).await;
        true
    }

    /// Compacts the blocks whose time is over.
    pub(super) async fn compact(&mut self) {
        let (from, through) = {
            let head = self.shared.head.read();
            (head.memory_from, head.compactable())
        };
        for block in from..=through {
            if let Err(error) = self.compact_block(block).await {
                self.shared.counters.archive_failures.add(1);
                return tracing::error!(error = %chain(&error), block, "a block was not compacted; it is tried again");
            }
            self.shared.head.write().drop_blocks_through(block);
        }
    }

    async fn compact_block(&self, block: i64) -> Result<(), ArchiveError> {
        let parts = self.parts(block);
        if parts.is_empty() {
            return Ok(());
        }
        for some in parts.chunks(CHUNKS_AT_ONCE) {
            let chunks = some.iter().map(|p| p.chunks(block)).collect::<Result<Vec<_>, _>>();
            let chunks = chunks.map_err(|e| ArchiveError { operation: "compacted", source: Box::new(e) })?;
            self.archive.put_chunks(&chunks.concat()).await?;
            tokio::task::yield_now().await;
        }
        self.archive.finish_block(block).await
    }

    /// What each series has in a block: its increments, or only its value when it was idle, because the next
    /// start takes every value from the block that was compacted last. Nothing at all when the process did
    /// not live in it and no sample that came later belongs to it.
    fn parts(&self, block: i64) -> Vec<Part> {
        let head = self.shared.head.read();
        let block_of = |s: &Series| s.blocks.iter().find(|b| b.index == block).cloned();
        let lived = head.live.any(Slot::last_of_block(block - 1), Slot::last_of_block(block));
        if !lived && head.series.iter().all(|s| block_of(s).is_none()) {
            return Vec::new();
        }
        let part = |s: &Series| {
            let (found, base) = (block_of(s), s.base_of(block).cloned());
            let there = !s.retired && (found.is_some() || base.is_some());
            there.then_some(Part { id: s.id, kind: s.kind, base, block: found })
        };
        head.series.iter().filter_map(part).collect()
    }

    /// Expires what is older than it is to be kept.
    pub(super) async fn expire(&mut self, now: Timestamp) {
        if self.expired_at.is_some_and(|at| now.since(at) < EXPIRE_EVERY) {
            return;
        }
        self.expired_at = Some(now);
        let keep = &self.shared.settings.keep;
        let kept = [keep.resolution_10s.max(KEEP_AT_LEAST), keep.resolution_5m, keep.resolution_1h];
        let before: Vec<(Tier, i64)> =
            Tier::ALL.into_iter().zip(kept).map(|(tier, keep)| (tier, Slot::of(now - keep).block())).collect();
        match self.archive.expire(&before).await {
            Ok(forgotten) => self.shared.head.write().forget(&forgotten),
            Err(error) => tracing::error!(error = %chain(&error), "old samples were not removed; it is tried again"),
        }
    }
}

impl Part {
    /// The chunks of all tiers.
    fn chunks(&self, block: i64) -> Result<Vec<StoredChunk>, Corrupt> {
        let stream = self.block.as_ref().map_or_else(|| Stream::new(self.kind), |b| b.stream.clone());
        let finest = Chunk { base: self.base.as_deref().cloned(), stream };
        let stored = |tier, chunk: &Chunk| StoredChunk { series: self.id, block, tier, bytes: chunk.encode() };
        let mut out = vec![stored(Tier::Seconds10, &finest)];
        for tier in [Tier::Minutes5, Tier::Hour1] {
            out.push(stored(tier, &finest.coarser(tier.step())?));
        }
        Ok(out)
    }
}
