//! The lane to the writer: many put in, the writer takes everything that waits.
//!
//! Waking a thread costs more than counting an event, so it is done once for many. Whoever finds the writer
//! asleep does not wake it at once: it gets a [`Nudge`], lets the other tasks of its thread go first, and wakes
//! the writer when they had their turn. While the writer works nobody wakes it; what comes meanwhile waits for
//! its next look. And where many send, the writer waits a little for as many as it knows to be sending: those that
//! it has just answered are about to come again ([`Receiver::take`]).

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::batch::Batch;
use super::writer::{Command, Ticket};

struct Lane {
    /// Batches that may wait.
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// Cancelled when the writer is gone.
    ended: CancellationToken,
}

#[derive(Default)]
struct State {
    waiting: Vec<Command>,
    batches: usize,
    /// Something other than a batch waits.
    urgent: bool,
    /// The writer sleeps until so many batches wait; 0 while it works.
    wanted: usize,
    /// Somebody is about to wake it.
    nudged: bool,
    senders: usize,
    closed: bool,
}

/// A lane on which at most `most` batches wait.
pub(super) fn lane(most: usize) -> (Sender, Receiver) {
    let state = Mutex::new(State { senders: 1, ..State::default() });
    let lane = Arc::new(Lane { most, state, changed: Condvar::new(), ended: CancellationToken::new() });
    let ended = lane.ended.clone().drop_guard();
    (Sender(lane.clone()), Receiver { lane, _ended: ended })
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// Too many wait.
    Full(Batch),
    /// The writer is gone.
    Closed,
}

/// The end that many hold.
pub(super) struct Sender(Arc<Lane>);

impl Clone for Sender {
    fn clone(&self) -> Self {
        self.0.state.lock().senders += 1;
        Self(self.0.clone())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.state.lock().senders -= 1;
        self.0.changed.notify_one();
    }
}

/// Wakes the writer when it goes away.
#[must_use = "the writer sleeps until this is dropped"]
pub(super) struct Nudge(Arc<Lane>);

impl Drop for Nudge {
    fn drop(&mut self) {
        self.0.changed.notify_one();
    }
}

impl Sender {
    /// Puts a batch in; how many wait now, and the duty to wake the writer if it sleeps.
    pub(super) fn record(&self, batch: Batch, ticket: Ticket) -> Result<(usize, Option<Nudge>), Refused> {
        let mut state = self.0.state.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.batches >= self.0.most {
            return Err(Refused::Full(batch));
        }
        state.waiting.push(Command::Record(batch, ticket));
        state.batches += 1;
        let due = !state.nudged && state.wanted > 0 && state.batches >= state.wanted;
        state.nudged |= due;
        Ok((state.batches, due.then(|| Nudge(self.0.clone()))))
    }

    /// Puts a command in, whatever waits: the loop that sends them waits for their effect. Nothing happens
    /// when the writer is gone.
    pub(super) fn send(&self, command: Command) {
        let mut state = self.0.state.lock();
        if !state.closed {
            state.batches += usize::from(matches!(command, Command::Record(..)));
            state.waiting.push(command);
            state.urgent = true;
        }
        drop(state);
        self.0.changed.notify_one();
    }

    /// Returns when the writer is gone.
    pub(super) async fn closed(&self) {
        self.0.ended.cancelled().await;
    }
}

/// The writer's end.
pub(super) struct Receiver {
    lane: Arc<Lane>,
    _ended: DropGuard,
}

impl Receiver {
    /// Takes all that waits into `into`, which is empty, and sleeps while there is nothing. Before, it waits until
    /// `wanted` batches are there, for at most `patience`. `false` when nothing will come any more.
    pub(super) fn take(&self, into: &mut Vec<Command>, wanted: usize, patience: Duration) -> bool {
        let mut state = self.lane.state.lock();
        let wanted = wanted.min(self.lane.most);
        if !state.urgent && state.batches < wanted && !patience.is_zero() {
            state.wanted = wanted;
            let _timed_out = self.lane.changed.wait_for(&mut state, patience);
        }
        while state.waiting.is_empty() && state.senders > 0 {
            (state.wanted, state.nudged) = (1, false);
            self.lane.changed.wait(&mut state);
        }
        std::mem::swap(&mut state.waiting, into);
        (state.batches, state.urgent, state.wanted, state.nudged) = (0, false, 0, false);
        !into.is_empty()
    }

    /// How many batches wait.
    pub(super) fn depth(&self) -> usize {
        self.lane.state.lock().batches
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.lane.state.lock();
        state.closed = true;
        let unheard = std::mem::take(&mut state.waiting);
        drop(state);
        // Whoever waits for one of them hears that the recorder has stopped.
        drop(unheard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::writer::ticket;

    fn record(sender: &Sender) -> (usize, Option<Nudge>) {
        sender.record(Batch::default(), ticket().0).map_err(|_| "refused").unwrap()
    }

    #[test]
    fn what_waits_is_taken_at_once_and_in_order() {
        let (sender, receiver) = lane(2);
        assert!(record(&sender).1.is_none(), "the writer does not sleep");
        assert_eq!(record(&sender).0, 2);
        assert!(matches!(sender.record(Batch::default(), ticket().0), Err(Refused::Full(_))));
        sender.send(Command::Settle);
        let mut taken = Vec::new();
        assert!(receiver.take(&mut taken, 9, Duration::from_secs(600)), "a command of the loop does not wait");
        assert!(matches!(taken[..], [Command::Record(..), Command::Record(..), Command::Settle]));
        assert_eq!(receiver.depth(), 0);
        drop(sender);
        taken.clear();
        assert!(!receiver.take(&mut taken, 1, Duration::ZERO));
    }

    #[test]
    fn one_of_many_wakes_the_sleeper() {
        let (sender, receiver) = lane(1000);
        let writer = std::thread::spawn(move || {
            let (mut taken, mut seen) = (Vec::new(), 0);
            while seen < 1000 && receiver.take(&mut taken, 4, Duration::from_micros(50)) {
                seen += taken.drain(..).count();
            }
            seen
        });
        for _ in 0..1000 {
            drop(record(&sender));
        }
        assert_eq!(writer.join().unwrap(), 1000);
    }

    #[tokio::test]
    async fn when_the_writer_goes_those_who_wait_hear_it() {
        let (sender, receiver) = lane(2);
        let (first, outcome) = ticket();
        assert!(sender.record(Batch::default(), first).is_ok());
        drop(receiver);
        assert!(outcome.await.is_err());
        sender.closed().await;
        assert!(matches!(sender.record(Batch::default(), ticket().0), Err(Refused::Closed)));
    }
}
