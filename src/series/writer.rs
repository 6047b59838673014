//! The writer: owns the journal, groups what waits into one entry, counts it once it is written.
//!
//! Everything that changes the head passes through this one thread, in one order: entries, the closing of
//! slots, the trimming of the journal. So a slot cannot close between the decision that an event belongs to
//! it and the moment that the event is counted, and a tick holds exactly the entries before it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use crate::base::{SharedClock, Timestamp};

use super::archive::Tick;
use super::batch::{Batch, RecordError, Recorded};
use super::counters::Counters;
use super::entry::{Change, Draft, Encoder};
use super::head::Head;
use super::journal::{Journal, JournalError, SegmentId};
use super::plan::{Plan, Planner, note};
use super::settings::Settings;
use super::slot::Slot;

/// A segment is closed at this size,
const SEGMENT_BYTES: u64 = 16 << 20;
/// or at this age, so that it can be trimmed.
const SEGMENT_AGE: Duration = Duration::from_secs(60);
/// At most so many batches share one entry,
const GROUP: usize = 1024;
/// or so many items.
const GROUP_ITEMS: usize = 50_000;

/// What all parts share.
pub(super) struct Shared {
    pub(super) head: RwLock<Head>,
    pub(super) counters: Arc<Counters>,
    pub(super) settings: Settings,
}

/// Who waits for a batch.
pub(super) type Ticket = oneshot::Sender<Result<Recorded, RecordError>>;

/// What the writer is asked to do.
pub(super) enum Command {
    /// Record a batch.
    Record(Batch, Ticket),
    /// Settle the web vitals that are due.
    Settle,
    /// Close the slots that no event may name any more, or all that are over.
    Close { everything: bool, reply: oneshot::Sender<Option<Tick>> },
    /// The archive has everything up to here: trim.
    Archived { through: Slot, entry: u64 },
    /// End.
    Stop,
}

/// What a segment holds.
#[derive(Debug)]
pub(super) struct SegmentUse {
    pub(super) id: SegmentId,
    pub(super) last_slot: Slot,
    pub(super) last_entry: u64,
}

/// See the module.
pub(super) struct Writer {
    shared: Arc<Shared>,
    journal: Box<dyn Journal>,
    clock: SharedClock,
    encoder: Encoder,
    segments: VecDeque<SegmentUse>,
    segment_bytes: u64,
    segment_since: Timestamp,
}

impl Writer {
    /// A writer after recovery; `segments` are those that were replayed.
    pub(super) fn new(
        shared: Arc<Shared>,
        journal: Box<dyn Journal>,
        clock: SharedClock,
        archive: u128,
        segments: VecDeque<SegmentUse>,
    ) -> Self {
        let segment_since = clock.now();
        Self { shared, journal, clock, encoder: Encoder::new(archive), segments, segment_bytes: 0, segment_since }
    }

    /// Works until all senders are gone or it is told to stop.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(first) = queue.blocking_recv() {
            let mut next = Some(first);
            let mut group = Vec::new();
            let mut items = 0;
            while let Some(command) = next {
                match command {
                    Command::Record(batch, ticket) => {
                        items += batch.items.len() + batch.vitals.len();
                        group.push((batch, ticket));
                    }
                    Command::Stop => return self.finish(group),
                    other => {
                        self.finish(std::mem::take(&mut group));
                        self.obey(other);
                    }
                }
                next = if group.len() < GROUP && items < GROUP_ITEMS { queue.try_recv().ok() } else { None };
            }
            self.finish(group);
            self.shared.counters.queue_depth.set(queue.len() as u64);
            if queue.is_empty() && self.shared.head.read().ledger.has_due(self.clock.now()) {
                self.commit(Vec::new());
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Settle => drop(self.commit(Vec::new())),
            Command::Close { everything, reply } => {
                // Whoever asked may be gone; then nothing was closed for good: the journal still has it.
                let _gone = reply.send(self.close(everything));
            }
            Command::Archived { through, entry } => self.archived(through, entry),
            Command::Record(..) | Command::Stop => {}
        }
    }

    fn finish(&mut self, group: Vec<(Batch, Ticket)>) {
        if group.is_empty() {
            return;
        }
        let (batches, tickets): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        for (ticket, outcome) in tickets.into_iter().zip(self.commit(batches)) {
            // A sender that no longer waits has what it sent counted all the same.
            let _gone = ticket.send(outcome);
        }
    }

    /// Records batches as one entry; one outcome for each.
    pub(super) fn commit(&mut self, batches: Vec<Batch>) -> Vec<Result<Recorded, RecordError>> {
        let now = self.clock.now();
        let waiting = batches.len();
        let (plan, number) = self.plan(batches, now);
        if plan.draft.is_empty() {
            return self.outcomes(plan.recorded);
        }
        if let Err(error) = self.append() {
            tracing::error!(error = %chain(&error), "the journal could not be written; what waits is refused");
            self.shared.counters.journal_failures.add(1);
            self.shared.counters.journal_failing.set(1);
            return (0..waiting).map(|_| Err(RecordError::Journal(chain(&error)))).collect();
        }
        self.used(&plan.draft, number);
        let recorded = self.apply(plan, number, now);
        self.outcomes(recorded)
    }

    fn plan(&mut self, batches: Vec<Batch>, now: Timestamp) -> (Plan, u64) {
        let head = self.shared.head.read();
        let plan = Planner::new(&head, &self.shared.settings.limits, now).run(batches);
        let number = head.entry + 1;
        if !plan.draft.is_empty() {
            let known = head.series.len();
            self.encoder.encode(number, now, &plan.draft, |r| match (r as usize).checked_sub(known) {
                None => (&head.series[r as usize].labels, head.series[r as usize].kind),
                Some(i) => (&plan.fresh[i].0, plan.fresh[i].1),
            });
        }
        (plan, number)
    }

    fn append(&mut self) -> Result<(), JournalError> {
        let before = self.clock.monotonic();
        let bytes = self.encoder.bytes();
        match self.journal.append(bytes) {
            Ok(()) => {
                self.segment_bytes += bytes.len() as u64;
                self.shared.counters.wrote(bytes.len(), self.clock.monotonic().saturating_sub(before));
                self.encoder.written();
                Ok(())
            }
            Err(error) => {
                self.encoder.failed();
                Err(error)
            }
        }
    }

    fn used(&mut self, draft: &Draft, number: u64) {
        let id = self.journal.segment();
        if self.segments.back().is_none_or(|s| s.id != id) {
            self.segments.push_back(SegmentUse { id, last_slot: Slot::NONE, last_entry: 0 });
        }
        if let Some(segment) = self.segments.back_mut() {
            let settled = draft.settlements.iter().map(|(_, s)| s.slot);
            let last = draft.changes.iter().map(|(_, c)| slot_of(c)).chain(settled).max();
            segment.last_slot = segment.last_slot.max(last.unwrap_or(Slot::NONE));
            segment.last_entry = number;
        }
    }

    fn apply(&mut self, plan: Plan, number: u64, now: Timestamp) -> Vec<Recorded> {
        let Plan { draft, fresh, report_of, mut recorded, late, events } = plan;
        let settled = draft.settlements.len() as u64;
        let mut head = self.shared.head.write();
        for (labels, kind) in fresh {
            head.create(labels, kind);
        }
        let refused = head.apply(number, now, draft);
        let counters = &self.shared.counters;
        counters.head_series.set(head.by_labels.len() as u64);
        counters.pending_vitals.set(head.ledger.pending().len() as u64);
        drop(head);
        counters.late.add(late);
        counters.settled.add(settled);
        counters.recorded.add(events.saturating_sub(refused.len() as u64));
        for (report, reason) in refused {
            if let Some(recorded) = report_of.get(report).and_then(|b| recorded.get_mut(*b)) {
                note(recorded, reason, 1);
            }
        }
        recorded
    }

    fn outcomes(&self, recorded: Vec<Recorded>) -> Vec<Result<Recorded, RecordError>> {
        for (reason, events) in recorded.iter().flat_map(|r| &r.dropped) {
            self.shared.counters.dropped_events(*reason, *events);
        }
        recorded.into_iter().map(Ok).collect()
    }

    /// Closes slots; what the archive is to keep.
    pub(super) fn close(&mut self, everything: bool) -> Option<Tick> {
        let tick = self.shared.head.write().close(self.clock.now(), everything);
        self.shared.counters.head_series.set(self.shared.head.read().by_labels.len() as u64);
        tick
    }

    /// Trims what the archive has. A failure costs disk, not data, and is tried again at the next tick.
    pub(super) fn archived(&mut self, through: Slot, entry: u64) {
        let aged = self.clock.now().since(self.segment_since) >= SEGMENT_AGE;
        if self.segment_bytes > 0 && (aged || self.segment_bytes >= SEGMENT_BYTES) {
            match self.journal.rotate() {
                Ok(_) => {
                    self.encoder.new_segment();
                    (self.segment_bytes, self.segment_since) = (0, self.clock.now());
                }
                Err(error) => tracing::warn!(error = %chain(&error), "the journal's segment could not be changed"),
            }
        }
        let present = self.journal.segment();
        let mut done = None;
        while let Some(first) = self.segments.front() {
            if first.id == present || first.last_slot > through || first.last_entry > entry {
                break;
            }
            done = self.segments.pop_front().map(|s| s.id);
        }
        if let Some(id) = done
            && let Err(error) = self.journal.trim(id)
        {
            tracing::warn!(error = %chain(&error), "the journal could not be trimmed");
        }
    }
}

/// The slot of a change.
pub(super) fn slot_of(change: &Change) -> Slot {
    match change {
        Change::Add(slot, _) | Change::Observe(slot, _) => *slot,
        Change::Sample(at, _) | Change::Distribution(at, _) => Slot::of(*at),
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
