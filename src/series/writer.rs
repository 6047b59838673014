//! The writer: owns the journal, groups what waits into one entry, counts it once it is written.
//!
//! Everything that changes the head passes through this one thread, in one order: entries, the closing of
//! slots, the trimming of the journal. So a slot cannot close between the decision that an event belongs to
//! it and the moment that the event is counted, and a tick holds exactly the entries before it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::oneshot;

use crate::base::steady::Jumps;
use crate::base::{SharedClock, Timestamp};

use super::archive::Tick;
use super::batch::{Batch, RecordError, Recorded};
use super::counters::Counters;
use super::entry::{Change, Draft, Encoder};
use super::head::Head;
use super::journal::{Journal, JournalError, SegmentId};
use super::lane;
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
/// When so many send at once, an entry waits for all of them,
const SENDERS: usize = 8;
/// at most this long.
const PATIENCE: Duration = Duration::from_millis(1);

/// What all parts share.
pub(super) struct Shared {
    pub(super) head: RwLock<Head>,
    pub(super) counters: Arc<Counters>,
    pub(super) settings: Settings,
}

/// What became of a batch.
pub(super) type Outcome = Result<Recorded, RecordError>;

/// Who waits for a batch.
pub(super) type Ticket = oneshot::Sender<Answers>;

/// A ticket and where its answer comes.
pub(super) fn ticket() -> (Ticket, oneshot::Receiver<Answers>) {
    oneshot::channel()
}

/// An answer, and those of the neighbours in the same entry: the first that waits gets all of them and passes
/// the others' on when it goes on itself. It runs on a thread of the runtime, where waking a task costs a tenth
/// of what it costs from the writer's thread.
#[derive(Debug)]
pub(super) struct Answers {
    own: Option<Outcome>,
    others: Vec<(Ticket, Outcome)>,
}

impl Answers {
    fn of(own: Outcome) -> Self {
        Self { own: Some(own), others: Vec::new() }
    }

    /// The answer to whom this was sent.
    pub(super) fn own(mut self) -> Outcome {
        self.own.take().unwrap_or(Err(RecordError::Stopped))
    }
}

/// However the answers go, also when nobody waits for the first one any more, the others get theirs.
impl Drop for Answers {
    fn drop(&mut self) {
        for (ticket, outcome) in self.others.drain(..) {
            // A sender that no longer waits has what it sent counted all the same.
            let _gone = ticket.send(Self::of(outcome));
        }
    }
}

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
    /// What was written to it since the start.
    pub(super) bytes: u64,
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
    jumps: Jumps,
    /// The time jumped ahead by so much, which web vitals do not hear of until this point of the monotonic clock.
    jumped: Option<(Duration, Duration)>,
}

/// The batches that are to share an entry.
#[derive(Default)]
struct Group {
    batches: Vec<Batch>,
    tickets: Vec<Ticket>,
    items: usize,
}

impl Group {
    fn push(&mut self, batch: Batch, ticket: Ticket) {
        self.items += batch.items.len() + batch.vitals.len();
        self.batches.push(batch);
        self.tickets.push(ticket);
    }

    fn is_full(&self) -> bool {
        self.batches.len() >= GROUP || self.items >= GROUP_ITEMS
    }
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
        Self {
            shared,
            journal,
            clock,
            encoder: Encoder::new(archive),
            segments,
            segment_bytes: 0,
            segment_since,
            jumps: Jumps::default(),
            jumped: None,
        }
    }

    /// Works until all senders are gone or it is told to stop.
    pub(super) fn run(mut self, lane: lane::Receiver) {
        let mut taken = Vec::new();
        // Whoever has just been answered, and whoever came meanwhile.
        let mut senders = 0;
        loop {
            let patience = if senders >= SENDERS { PATIENCE } else { Duration::ZERO };
            if !lane.take(&mut taken, senders, patience) {
                return;
            }
            senders = taken.len();
            if !self.work(&mut taken) {
                return;
            }
            let depth = lane.depth();
            senders += depth;
            self.shared.counters.queue_depth.set(depth as u64);
            if depth == 0 && self.shared.head.read().ledger.has_due(self.settle_until(self.clock.now())) {
                self.commit(Vec::new());
            }
        }
    }

    /// Does what was taken from the lane; `false` when told to stop.
    fn work(&mut self, taken: &mut Vec<Command>) -> bool {
        let mut group = Group::default();
        for command in taken.drain(..) {
            match command {
                Command::Record(batch, ticket) => group.push(batch, ticket),
                Command::Stop => {
                    self.finish(group);
                    return false;
                }
                other => {
                    self.finish(std::mem::take(&mut group));
                    self.obey(other);
                }
            }
            if group.is_full() {
                self.finish(std::mem::take(&mut group));
            }
        }
        self.finish(group);
        true
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

    fn finish(&mut self, group: Group) {
        if group.batches.is_empty() {
            return;
        }
        let mut others: Vec<_> = group.tickets.into_iter().zip(self.commit(group.batches)).collect();
        if let Some((first, outcome)) = others.pop() {
            // One that no longer waits gives them back, and they go out from here.
            let _gone = first.send(Answers { own: Some(outcome), others });
        }
    }

    /// Records batches as one entry; one outcome for each.
    pub(super) fn commit(&mut self, batches: Vec<Batch>) -> Vec<Result<Recorded, RecordError>> {
        let now = self.clock.now();
        self.notice_jump(now);
        let waiting = batches.len();
        let (plan, number) = self.plan(batches, now);
        if plan.draft.is_empty() {
            return self.outcomes(plan.recorded);
        }
        if let Err(error) = self.append() {
            let why = chain(&error);
            self.failed(&why);
            return (0..waiting).map(|_| Err(RecordError::Journal(why.clone()))).collect();
        }
        self.used(&plan.draft, number);
        let recorded = self.apply(plan, number, now);
        self.outcomes(recorded)
    }

    fn notice_jump(&mut self, now: Timestamp) {
        let monotonic = self.clock.monotonic();
        let before = self.jumped.take().filter(|(_, until)| monotonic < *until);
        self.jumped = match self.jumps.seen(now, monotonic) {
            Some(by) => {
                let by = by + before.map_or(Duration::ZERO, |(by, _)| by);
                Some((by, monotonic + self.shared.settings.settle))
            }
            None => before,
        };
    }

    /// What was due before this settles now. A clock that jumped ahead must not settle what is still being
    /// revised: for as long as a web vital may be, the jump is taken off.
    fn settle_until(&self, now: Timestamp) -> Timestamp {
        self.jumped.map_or(now, |(by, _)| now - by)
    }

    fn plan(&mut self, batches: Vec<Batch>, now: Timestamp) -> (Plan, u64) {
        let head = self.shared.head.read();
        let settle_until = self.settle_until(now);
        let plan = Planner::new(&head, &self.shared.settings, now).run(batches, settle_until);
        let number = head.entry + 1;
        if !plan.draft.is_empty() {
            self.encoder.encode(number, now, &plan.draft, |r| match head.new_at(r) {
                None => (&head.series[r as usize].labels, head.series[r as usize].kind),
                Some(i) => (&plan.fresh[i].0, plan.fresh[i].1),
            });
        }
        (plan, number)
    }

    fn append(&mut self) -> Result<(), JournalError> {
        let (before, segment) = (self.clock.monotonic(), self.journal.segment());
        let bytes = self.encoder.bytes();
        match self.journal.append(bytes) {
            Ok(()) => {
                self.segment_bytes += bytes.len() as u64;
                if self.shared.counters.journal_failing.get() > 0 {
                    tracing::info!("the journal is written again");
                }
                self.shared.counters.wrote(bytes.len(), self.clock.monotonic().saturating_sub(before));
                self.encoder.written();
                Ok(())
            }
            Err(error) => {
                self.encoder.failed();
                if self.journal.segment() != segment {
                    self.new_segment();
                }
                Err(error)
            }
        }
    }

    /// Says it once, not for each batch: the log may lie on the same full disk.
    fn failed(&self, why: &str) {
        let counters = &self.shared.counters;
        if counters.journal_failing.get() == 0 {
            tracing::error!(error = why, "the journal could not be written; what comes is refused until it can be");
        }
        counters.journal_failures.add(1);
        counters.journal_failing.set(1);
    }

    fn new_segment(&mut self) {
        self.encoder.new_segment();
        (self.segment_bytes, self.segment_since) = (0, self.clock.now());
    }

    fn used(&mut self, draft: &Draft, number: u64) {
        let id = self.journal.segment();
        if self.segments.back().is_none_or(|s| s.id != id) {
            self.segments.push_back(SegmentUse { id, last_slot: Slot::NONE, last_entry: 0, bytes: 0 });
        }
        if let Some(segment) = self.segments.back_mut() {
            let settled = draft.settlements.iter().map(|(_, s)| s.slot);
            let last = draft.changes.iter().map(|(_, c)| slot_of(c)).chain(settled).max();
            segment.last_slot = segment.last_slot.max(last.unwrap_or(Slot::NONE));
            segment.last_entry = number;
            segment.bytes = self.segment_bytes;
        }
        self.note_held();
    }

    /// How much of the journal is in use, as far as it was written since the start.
    fn note_held(&self) {
        self.shared.counters.journal_held.set(self.segments.iter().map(|s| s.bytes).sum());
    }

    fn apply(&mut self, plan: Plan, number: u64, now: Timestamp) -> Vec<Recorded> {
        let Plan { draft, fresh, report_of, mut recorded, late, events } = plan;
        let settled = draft.settlements.len() as u64;
        let mut head = self.shared.head.write();
        if !fresh.is_empty() {
            head.create(fresh);
        }
        let refused = head.apply(number, now, draft);
        let counters = &self.shared.counters;
        counters.head_series.set(head.by_labels.len() as u64);
        counters.pending_vitals.set(head.ledger.pending().len() as u64);
        counters.history_waiting.set(head.history.len() as u64);
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
        if self.shared.head.read().has_retired(through) {
            let places = self.shared.head.write().leave(through);
            self.encoder.forget(&places);
        }
        let aged = self.clock.now().since(self.segment_since) >= SEGMENT_AGE;
        if self.segment_bytes > 0 && (aged || self.segment_bytes >= SEGMENT_BYTES) {
            self.rotate(through, entry);
        }
        let present = self.journal.segment();
        let mut done = None;
        while let Some(first) = self.segments.front().filter(|s| s.id != present && s.is_within(through, entry)) {
            done = Some(first.id);
            self.segments.pop_front();
        }
        if let Some(id) = done {
            self.trim(id);
        }
        self.note_held();
    }

    fn rotate(&mut self, through: Slot, entry: u64) {
        let before = self.journal.segment();
        let rotated = self.journal.rotate();
        // Also when an error hid that it was done: what the segment before explains is unknown in the new one.
        if self.journal.segment() != before {
            self.new_segment();
        }
        if let Err(error) = rotated {
            tracing::warn!(error = %chain(&error), "the journal's segment could not be changed");
            self.empty_in_place(through, entry);
        }
    }

    /// On a disk so full that no new segment fits, the one in use gives its space back once the archive has
    /// all of it.
    fn empty_in_place(&mut self, through: Slot, entry: u64) {
        if self.segments.iter().all(|s| s.is_within(through, entry)) && self.trim(self.journal.segment()) {
            self.segments.clear();
            self.new_segment();
        }
    }

    fn trim(&mut self, through: SegmentId) -> bool {
        let done = self.journal.trim(through);
        if let Err(error) = &done {
            tracing::warn!(error = %chain(error), "the journal could not be trimmed");
        }
        done.is_ok()
    }
}

impl SegmentUse {
    /// Whether the archive has everything in it.
    fn is_within(&self, through: Slot, entry: u64) -> bool {
        self.last_slot <= through && self.last_entry <= entry
    }
}

/// The slot of a change.
pub(super) fn slot_of(change: &Change) -> Slot {
    match change {
        Change::Add(slot, _) | Change::Observe(slot, _) => *slot,
        Change::Sample(at, _) | Change::Past(at, _) | Change::Distribution(at, _) => Slot::of(*at),
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
