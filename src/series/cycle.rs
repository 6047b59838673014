//! The loop: every [`TICK`](super::TICK) it records our own metrics, lets web vitals settle, closes slots,
//! archives them, and only then trims the journal; every ten minutes it makes pages, when their time has come it
//! merges them, every hour it expires.
//!
//! A tick that the archive refuses is kept and tried again, the same bytes, until it is taken; meanwhile
//! nothing closes and the journal keeps everything. When told to stop, it closes and archives all slots that
//! are over; the present one stays in the journal, and the next start goes on counting in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::base::steady::DeletionGuard;
use crate::base::{SharedClock, Timestamp};

use super::archive::{Archive, ArchiveError, Merge, PageKey, Tick};
use super::batch::{Batch, Item};
use super::lane;
use super::pages::{self, Due, MERGES, Natures};
use super::recover::Recovery;
use super::slot::{SLOTS_PER_BLOCK, Slot};
use super::writer::{Answers, Command, Shared, chain, ticket};

/// Groups whose pages are made without letting others go first.
const GROUPS_AT_ONCE: usize = 16;
/// Groups whose pages are merged in one step.
const GROUPS_MERGED_AT_ONCE: usize = 16;
/// Steps of merging at one tick.
const MERGES_AT_ONCE: usize = 32;
/// How often pages are expired.
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);
/// The finest resolution is kept at least this long: its pages are merged after up to two hours.
const KEEP_AT_LEAST: Duration = Duration::from_secs(4 * 3600);

/// Our own metrics at an instant, as samples.
pub type OwnMetrics = Arc<dyn Fn(Timestamp) -> Vec<Item> + Send + Sync>;

/// See the module. Ends when told to; run it as a task of the last phase.
pub struct Loop {
    pub(super) lane: lane::Sender,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) shared: Arc<Shared>,
    pub(super) archive: Arc<dyn Archive>,
    pub(super) clock: SharedClock,
    pub(super) own_metrics: Option<OwnMetrics>,
    pub(super) recovery: Recovery,
    pub(super) waiting: Option<Tick>,
    pub(super) expired_at: Option<Timestamp>,
    /// What had expired then, for each tier.
    pub(super) expired: [Slot; 3],
    pub(super) guard: DeletionGuard,
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
        self.lane.send(Command::Settle);
        if self.archive_all(false).await {
            self.merge().await;
            self.expire(now).await;
        }
    }

    async fn stop(mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.lane.send(Command::Settle);
        // What is left from an earlier tick first, then everything that is over.
        if !self.archive_all(true).await {
            tracing::error!("the archive did not take the last slots; the journal keeps them for the next start");
        }
        self.lane.send(Command::Stop);
        self.lane.closed().await;
    }

    async fn record_own_metrics(&self, now: Timestamp) {
        let Some(own_metrics) = &self.own_metrics else { return };
        let batch = Batch { items: own_metrics(now), vitals: Vec::new() };
        if batch.is_empty() {
            return;
        }
        let (ticket, answers) = ticket();
        self.lane.send(Command::Record(batch, ticket));
        if let Ok(Err(error)) = answers.await.map(Answers::own) {
            tracing::warn!(%error, "our own metrics were not recorded");
        }
    }

    /// Archives ticks and makes pages until nothing is left to close; whether all went well.
    async fn archive_all(&mut self, everything: bool) -> bool {
        loop {
            match self.archive_next(everything).await {
                None => return false,
                Some(false) => return true,
                Some(true) => {}
            }
        }
    }

    /// Archives the tick that waits, or the next one, and makes pages of what closed; whether there was a tick,
    /// or nothing when it was not taken. No page is made of what a tick that waits holds: it would be in the
    /// archive a second time once that is taken, and before that in the journal too.
    pub(super) async fn archive_next(&mut self, everything: bool) -> Option<bool> {
        if self.waiting.is_none() {
            if !self.page().await {
                return None;
            }
            let (reply, closed) = oneshot::channel();
            self.lane.send(Command::Close { everything, reply });
            self.waiting = closed.await.ok().flatten();
        }
        let Some(mut tick) = self.waiting.take() else { return Some(false) };
        if !self.fold_history(&mut tick).await {
            self.waiting = Some(tick);
            return None;
        }
        if let Err(error) = self.archive.append_tick(&tick).await {
            self.shared.counters.archive_failures.add(1);
            self.shared.counters.archive_failing.set(1);
            tracing::error!(error = %chain(&error), "a tick was not archived; the journal keeps it and it is tried again");
            self.waiting = Some(tick);
            return None;
        }
        self.shared.counters.ticks_archived.add(1);
        self.shared.counters.archive_failing.set(0);
        self.lane.send(Command::Archived { through: tick.through, entry: tick.entry });
        self.page().await.then_some(true)
    }

    /// Makes pages of what closed in a window that is over; whether something may go on closing.
    pub(super) async fn page(&mut self) -> bool {
        let due = Due::of(&self.shared.head.read());
        let Some(due) = due else { return true };
        let mut pages = Vec::with_capacity(due.groups.len());
        for some in due.groups.chunks(GROUPS_AT_ONCE) {
            let made = due.pages(&self.shared.head.read(), some);
            match self.with_history(made).await {
                Ok(made) => pages.extend(made),
                Err(error) => {
                    self.shared.counters.archive_failures.add(1);
                    tracing::error!(error = %chain(&error), "pages could not be made; it is tried again");
                    return false;
                }
            }
        }
        if let Err(error) = self.archive.put_pages(due.through, &pages).await {
            self.shared.counters.archive_failures.add(1);
            tracing::error!(error = %chain(&error), "pages were not written; it is tried again");
            return false;
        }
        self.shared.head.write().drop_closed();
        true
    }

    /// Merges pages whose longer window is over: some at each tick.
    pub(super) async fn merge(&mut self) {
        let through = self.shared.head.read().paged;
        let mut left = MERGES_AT_ONCE;
        for merge in MERGES {
            while left > 0 {
                match self.merge_some(merge, through).await {
                    Ok(false) => break,
                    Ok(true) => left -= 1,
                    Err(error) => {
                        self.shared.counters.archive_failures.add(1);
                        return tracing::error!(error = %chain(&error), "pages were not merged; it is tried again");
                    }
                }
            }
        }
    }

    /// Merges the pages of some groups in one window; whether there were any.
    async fn merge_some(&self, merge: Merge, through: Slot) -> Result<bool, ArchiveError> {
        let stored = self.archive.mergeable(merge, through, GROUPS_MERGED_AT_ONCE).await?;
        if stored.is_empty() {
            return Ok(false);
        }
        let sources: Vec<PageKey> = stored.iter().map(|p| p.key).collect();
        let mut groups: Vec<_> = sources.iter().map(|key| key.group).collect();
        groups.dedup();
        let metrics = self.archive.metrics(&groups).await?.into_iter();
        let natures: Natures = metrics.map(|(group, metric)| (group, pages::nature(&metric))).collect();
        let shared = self.shared.clone();
        let work = move || pages::merged(merge, &pages::open_whole(stored, &shared.counters), &natures);
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| ArchiveError { operation: "merged", source };
        let merged = tokio::task::spawn_blocking(work).await.map_err(|e| broken(Box::new(e)))?;
        let merged = merged.map_err(|e| broken(Box::new(e)))?;
        self.archive.merge(&sources, &merged).await?;
        Ok(true)
    }

    /// Expires what is older than it is to be kept.
    pub(super) async fn expire(&mut self, now: Timestamp) {
        let is_safe = self.guard.allows(now, self.clock.monotonic());
        if !is_safe || self.expired_at.is_some_and(|at| now.since(at) < EXPIRE_EVERY) {
            return;
        }
        self.expired_at = Some(now);
        let keep = &self.shared.settings.keep;
        let kept = [
            keep.resolution_10s.max(KEEP_AT_LEAST),
            keep.resolution_5m,
            // The newest page of an idle series says what it amounts to.
            keep.resolution_1h.max(self.shared.settings.idle + KEEP_AT_LEAST),
        ];
        let through = kept.map(|keep| Slot::of(now - keep).first_of_window(SLOTS_PER_BLOCK).plus(-1));
        match self.archive.expire(through).await {
            Ok(series) => {
                self.expired = through;
                tracing::debug!(series, "old samples were removed");
            }
            Err(error) => tracing::error!(error = %chain(&error), "old samples were not removed; it is tried again"),
        }
    }
}
