use std::collections::VecDeque;

use parking_lot::Mutex;

use super::*;
use crate::base::clock::BoxFuture;
use crate::base::{Clock, ManualClock};
use crate::notify::envelope::testing::envelope;
use crate::notify::gate::Open;
use crate::notify::sender::Receipt;
use crate::store::memory_outbox::{MemoryOutbox, Status};

/// Answers from a script, then always with success; remembers what it was given.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Result<Receipt, SendError>>>,
    given: Mutex<Vec<Envelope>>,
    hangs: bool,
    declines: Option<Kind>,
}

impl Scripted {
    fn failing(classes: &[Class]) -> Self {
        let answers = classes.iter().map(|c| Err(SendError { class: *c, message: "no".to_owned() }));
        Self { answers: Mutex::new(answers.collect()), ..Self::default() }
    }
}

impl Sender for Scripted {
    fn target(&self) -> String {
        "whom".to_owned()
    }

    fn declines(&self, kind: Kind) -> Option<&'static str> {
        (self.declines == Some(kind)).then_some("not for it")
    }

    fn send<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            self.given.lock().push(envelope.clone());
            if self.hangs {
                std::future::pending::<()>().await;
            }
            let receipt = Receipt { provider_id: Some("p".to_owned()) };
            self.answers.lock().pop_front().unwrap_or(Ok(receipt))
        })
    }
}

/// Cancels what belongs to another generation than the present one.
struct Generation(u32);

impl Gate for Generation {
    fn verdict<'a>(&'a self, envelope: &'a Envelope, _now: Timestamp) -> BoxFuture<'a, Decision> {
        let moved_on = envelope.generation != self.0;
        Box::pin(async move { if moved_on { Decision::Cancel("answered".to_owned()) } else { Decision::Send } })
    }
}

struct Bench {
    outbox: Arc<MemoryOutbox>,
    clock: ManualClock,
    nudge: watch::Sender<()>,
    sender: Arc<Scripted>,
    dispatcher: Dispatcher,
}

impl Bench {
    fn new(sender: Scripted, gate: impl Gate + 'static) -> Self {
        let (outbox, sender, nudge) = (Arc::new(MemoryOutbox::default()), Arc::new(sender), watch::Sender::new(()));
        let clock = ManualClock::at(envelope("slack", "k").due_at);
        let senders: HashMap<String, Arc<dyn Sender>> =
            ["slack", "mail"].map(|name| (name.to_owned(), sender.clone() as Arc<dyn Sender>)).into();
        let shared: SharedClock = Arc::new(clock.clone());
        let dispatcher = Dispatcher::new(outbox.clone(), senders, Arc::new(gate), shared, nudge.subscribe());
        Self { outbox, clock, nudge, sender, dispatcher }
    }

    fn put(&self, envelope: &Envelope) {
        self.outbox.put(envelope.clone());
    }

    async fn pump(&self) -> usize {
        self.dispatcher.pump_once(self.clock.now()).await.unwrap()
    }

    fn status(&self, index: usize) -> Status {
        self.outbox.rows()[index].status
    }
}

#[tokio::test]
async fn what_is_due_is_sent_once() {
    let bench = Bench::new(Scripted::default(), Open);
    bench.put(&envelope("slack", "k"));
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.pump().await, 1);
    assert_eq!(bench.pump().await, 0);
    let row = bench.outbox.rows().remove(0);
    assert_eq!((row.status, row.target.as_str(), row.provider_id.as_deref()), (Status::Sent, "whom", Some("p")));
    let counters = bench.dispatcher.counters();
    assert_eq!(counters.get("slack", Outcome::Sent), 1);
    assert_eq!(counters.latency().sum, 2.0);
}

#[tokio::test]
async fn failures_are_retried_in_order_until_they_succeed() {
    let wait = Duration::from_secs(90);
    let bench = Bench::new(Scripted::failing(&[Class::Transient, Class::After(wait)]), Open);
    let trigger = envelope("slack", "k");
    let resolve = Envelope { kind: Kind::Resolve, ..envelope("slack", "k") };
    bench.put(&trigger);
    bench.put(&resolve);
    assert_eq!(bench.pump().await, 1);
    assert_eq!(bench.status(0), Status::Pending);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.pump().await, 1);
    bench.clock.advance(wait - Duration::from_secs(1));
    assert_eq!(bench.pump().await, 0, "the receiver asked for 90 s");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.pump().await, 1);
    assert_eq!(bench.status(0), Status::Sent);
    assert_eq!(bench.pump().await, 1);
    let given: Vec<_> = bench.sender.given.lock().iter().map(|e| e.id).collect();
    assert_eq!(given, [trigger.id, trigger.id, trigger.id, resolve.id]);
    assert_eq!(bench.dispatcher.counters().get("slack", Outcome::Retried), 2);
}

#[tokio::test]
async fn permanent_failures_and_unknown_channels_are_dead_with_the_reason() {
    let bench = Bench::new(Scripted::failing(&[Class::Permanent]), Open);
    bench.put(&envelope("slack", "k"));
    bench.put(&envelope("pager", "k"));
    assert_eq!(bench.pump().await, 2);
    let rows = bench.outbox.rows();
    assert!(rows.iter().all(|r| r.status == Status::Dead));
    assert_eq!(rows[0].error.as_deref(), Some("no"));
    assert_eq!(rows[1].error.as_deref(), Some("there is no channel \"pager\" (any more)"));
    assert_eq!(bench.dispatcher.counters().get(super::super::counters::UNKNOWN_CHANNEL, Outcome::Dead), 1);
}

#[tokio::test]
async fn the_gate_stops_pages_but_never_resolutions() {
    let bench = Bench::new(Scripted::default(), Generation(2));
    let trigger = envelope("slack", "k");
    bench.put(&trigger);
    bench.put(&Envelope { kind: Kind::Resolve, ..envelope("slack", "k") });
    bench.put(&Envelope { generation: 2, ..envelope("slack", "other") });
    assert_eq!(bench.pump().await, 2);
    assert_eq!(bench.pump().await, 1);
    let rows = bench.outbox.rows();
    assert_eq!((rows[0].status, rows[0].error.as_deref()), (Status::Cancelled, Some("answered")));
    assert_eq!((rows[1].status, rows[2].status), (Status::Sent, Status::Sent));
    assert!(bench.sender.given.lock().iter().all(|e| e.id != trigger.id));
}

#[tokio::test]
async fn what_a_target_does_not_take_is_cancelled() {
    let bench = Bench::new(Scripted { declines: Some(Kind::Resolve), ..Scripted::default() }, Open);
    bench.put(&Envelope { kind: Kind::Resolve, ..envelope("slack", "k") });
    assert_eq!(bench.pump().await, 1);
    assert_eq!(bench.status(0), Status::Cancelled);
    assert!(bench.sender.given.lock().is_empty());
}

#[tokio::test]
async fn the_loop_sends_on_a_nudge_and_when_due_and_ends_when_told() {
    let bench = Bench::new(Scripted::failing(&[Class::After(Duration::from_secs(3))]), Open);
    let Bench { outbox, clock, nudge, dispatcher, .. } = bench;
    let stop = CancellationToken::new();
    let run = dispatcher.run(stop.clone());
    tokio::pin!(run);
    assert!(futures::poll!(&mut run).is_pending());
    outbox.put(envelope("slack", "k"));
    assert!(futures::poll!(&mut run).is_pending());
    assert_eq!(outbox.rows()[0].attempts, 0, "nobody told it");
    nudge.send_replace(());
    for _ in 0..3 {
        assert!(futures::poll!(&mut run).is_pending());
    }
    assert_eq!((outbox.rows()[0].attempts, outbox.rows()[0].status), (1, Status::Pending));
    clock.advance(Duration::from_secs(3));
    for _ in 0..3 {
        assert!(futures::poll!(&mut run).is_pending());
    }
    assert_eq!(outbox.rows()[0].status, Status::Sent);
    stop.cancel();
    assert!(futures::poll!(&mut run).is_ready());
}

#[tokio::test]
async fn a_sender_that_hangs_is_a_failed_attempt_and_holds_up_no_other_channel() {
    let bench = Bench::new(Scripted { hangs: true, ..Scripted::default() }, Open);
    let quick: Arc<dyn Sender> = Arc::new(Scripted::default());
    let Bench { outbox, clock, nudge, mut dispatcher, .. } = bench;
    dispatcher.senders.insert("mail".to_owned(), quick);
    for key in 0..10 {
        outbox.put(envelope("slack", &key.to_string()));
    }
    outbox.put(envelope("mail", "k"));
    let stop = CancellationToken::new();
    let run = dispatcher.run(stop.clone());
    tokio::pin!(run);
    for _ in 0..3 {
        assert!(futures::poll!(&mut run).is_pending());
    }
    let leased = outbox.rows().iter().filter(|r| r.status == Status::Sending).count();
    assert_eq!((leased, outbox.rows()[10].status), (PER_CHANNEL as usize, Status::Sent));
    outbox.put(envelope("mail", "later"));
    nudge.send_replace(());
    for _ in 0..3 {
        assert!(futures::poll!(&mut run).is_pending());
    }
    assert_eq!(outbox.rows()[11].status, Status::Sent);
    stop.cancel();
    assert!(futures::poll!(&mut run).is_pending(), "what is in flight is brought to its end");
    clock.advance(SEND_LIMIT);
    assert!(futures::poll!(&mut run).is_ready());
    let failed: Vec<_> = outbox.rows().into_iter().filter(|r| r.attempts == 1 && r.status == Status::Pending).collect();
    assert_eq!(failed.len(), PER_CHANNEL as usize);
    assert!(failed.iter().all(|r| r.error.as_deref() == Some("not sent within 60s")));
}

#[tokio::test]
async fn a_process_that_dies_while_sending_is_taken_over_with_the_same_id() {
    let bench = Bench::new(Scripted { hangs: true, ..Scripted::default() }, Open);
    let page = envelope("slack", "k");
    bench.put(&page);
    {
        let dying = bench.dispatcher.pump_once(bench.clock.now());
        tokio::pin!(dying);
        assert!(futures::poll!(&mut dying).is_pending());
    }
    assert_eq!((bench.sender.given.lock().len(), bench.status(0)), (1, Status::Sending));
    let next: Arc<Scripted> = Arc::default();
    let senders: HashMap<String, Arc<dyn Sender>> = [("slack".to_owned(), next.clone() as Arc<dyn Sender>)].into();
    let clock: SharedClock = Arc::new(bench.clock.clone());
    let successor = Dispatcher::new(bench.outbox.clone(), senders, Arc::new(Open), clock, bench.nudge.subscribe());
    assert_eq!(successor.pump_once(bench.clock.now()).await.unwrap(), 0, "the lease holds");
    bench.clock.advance(LEASE);
    assert_eq!(successor.pump_once(bench.clock.now()).await.unwrap(), 1);
    assert_eq!((next.given.lock()[0].id, bench.status(0)), (page.id, Status::Sent));
}
