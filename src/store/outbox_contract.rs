//! What every outbox must do; `outbox_contract!(Bench)` makes each of these a test of that bench.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::Timestamp;
use crate::base::id::EnvelopeId;
use crate::notify::envelope::testing::envelope;
use crate::notify::{Attempt, Envelope, Limits, Outbox, Verdict};

/// An outbox with what tests need beside the trait.
pub(super) trait Bench: Sync {
    async fn new() -> Self;
    fn outbox(&self) -> &dyn Outbox;
    async fn put(&self, envelope: &Envelope);
    async fn cancel(&self, id: EnvelopeId);
    /// Status, attempts, provider's id, error, target.
    async fn row(&self, id: EnvelopeId) -> (String, u32, Option<String>, Option<String>, String);
}

const LEASE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const MANY: Limits = Limits { total: 100, per_channel: 100 };

fn sent() -> Verdict {
    Verdict::Sent { provider_id: Some("p-1".to_owned()) }
}

fn retry(at: Timestamp) -> Verdict {
    Verdict::Retry { at, error: "no".to_owned() }
}

async fn filled<B: Bench>(keys: &[(&str, &str)]) -> (B, Vec<Envelope>, Timestamp) {
    let bench = B::new().await;
    let envelopes: Vec<Envelope> = keys.iter().map(|(channel, key)| envelope(channel, key)).collect();
    for envelope in &envelopes {
        bench.put(envelope).await;
    }
    let now = envelopes[0].due_at;
    (bench, envelopes, now)
}

async fn lease<B: Bench>(bench: &B, now: Timestamp, limits: Limits) -> Vec<Attempt> {
    bench.outbox().lease(now, LEASE, limits).await.unwrap()
}

async fn finish<B: Bench>(bench: &B, attempt: &Attempt, verdict: Verdict, now: Timestamp) {
    bench.outbox().finish(attempt, &verdict, "whom", now).await.unwrap();
}

fn ids(attempts: &[Attempt]) -> Vec<EnvelopeId> {
    attempts.iter().map(|a| a.envelope.id).collect()
}

pub(super) async fn a_message_comes_back_whole_and_once<B: Bench>() {
    let (bench, envelopes, now) = filled::<B>(&[("slack", "k")]).await;
    assert_eq!(lease(&bench, now - SECOND, MANY).await, []);
    let leased = lease(&bench, now, MANY).await;
    assert_eq!(leased, [Attempt { envelope: envelopes[0].clone(), number: 1 }]);
    assert_eq!(lease(&bench, now, MANY).await, []);
    assert_eq!(bench.row(envelopes[0].id).await.0, "sending");
    finish(&bench, &leased[0], sent(), now).await;
    let expected = ("sent".to_owned(), 1, Some("p-1".to_owned()), None, "whom".to_owned());
    assert_eq!(bench.row(envelopes[0].id).await, expected);
    assert_eq!(lease(&bench, now + LEASE + LEASE, MANY).await, []);
}

pub(super) async fn of_one_key_only_the_oldest_goes_out<B: Bench>() {
    let keys = [("slack", "a"), ("slack", "a"), ("slack", "b"), ("mail", "a"), ("slack", "a")];
    let (bench, e, now) = filled::<B>(&keys).await;
    let first = lease(&bench, now, MANY).await;
    assert_eq!(ids(&first), [e[0].id, e[2].id, e[3].id]);
    finish(&bench, &first[0], retry(now + SECOND), now).await;
    assert_eq!(lease(&bench, now, MANY).await, [], "a message that waits for its retry holds up its key");
    let second = lease(&bench, now + SECOND, MANY).await;
    assert_eq!(ids(&second), [e[0].id]);
    finish(&bench, &second[0], sent(), now).await;
    let third = lease(&bench, now + SECOND, MANY).await;
    assert_eq!(ids(&third), [e[1].id]);
    finish(&bench, &third[0], sent(), now).await;
    assert_eq!(ids(&lease(&bench, now + SECOND, MANY).await), [e[4].id]);
}

pub(super) async fn what_is_given_up_does_not_block_its_key<B: Bench>() {
    let (bench, e, now) = filled::<B>(&[("slack", "a"), ("slack", "a"), ("slack", "a"), ("slack", "a")]).await;
    let dead = Verdict::Dead { error: "400".to_owned() };
    finish(&bench, &lease(&bench, now, MANY).await[0], dead, now).await;
    assert_eq!(bench.row(e[0].id).await, ("dead".to_owned(), 1, None, Some("400".to_owned()), "whom".to_owned()));
    let cancelled = Verdict::Cancelled { reason: "answered".to_owned() };
    finish(&bench, &lease(&bench, now, MANY).await[0], cancelled, now).await;
    let expected = ("cancelled".to_owned(), 0, None, Some("answered".to_owned()), "whom".to_owned());
    assert_eq!(bench.row(e[1].id).await, expected, "nothing was sent, so it was no attempt");
    bench.cancel(e[2].id).await;
    assert_eq!(ids(&lease(&bench, now, MANY).await), [e[3].id]);
}

pub(super) async fn a_lease_ends_by_itself_with_the_same_id<B: Bench>() {
    let (bench, e, now) = filled::<B>(&[("slack", "a")]).await;
    assert_eq!(lease(&bench, now, MANY).await[0].number, 1);
    assert_eq!(lease(&bench, now + LEASE - SECOND, MANY).await, []);
    assert_eq!(bench.outbox().next_due().await.unwrap(), Some(now + LEASE));
    let again = lease(&bench, now + LEASE, MANY).await;
    assert_eq!(again, [Attempt { envelope: e[0].clone(), number: 2 }]);
}

pub(super) async fn only_the_holder_of_the_lease_decides_but_sent_is_sent<B: Bench>() {
    let (bench, e, now) = filled::<B>(&[("slack", "a")]).await;
    let slow = lease(&bench, now, MANY).await;
    let holder = lease(&bench, now + LEASE, MANY).await;
    finish(&bench, &slow[0], Verdict::Dead { error: "late".to_owned() }, now + LEASE).await;
    assert_eq!(bench.row(e[0].id).await.0, "sending", "the late verdict counts no more");
    bench.cancel(e[0].id).await;
    finish(&bench, &holder[0], retry(now), now + LEASE).await;
    assert_eq!(bench.row(e[0].id).await.0, "cancelled", "a failed attempt does not undo the cancellation");
    finish(&bench, &slow[0], sent(), now + LEASE).await;
    assert_eq!(bench.row(e[0].id).await.0, "sent", "what was sent was sent");
}

pub(super) async fn retries_wait_for_their_time<B: Bench>() {
    let (bench, e, now) = filled::<B>(&[("slack", "a")]).await;
    finish(&bench, &lease(&bench, now, MANY).await[0], retry(now + 5 * SECOND), now).await;
    let expected = ("pending".to_owned(), 1, None, Some("no".to_owned()), "whom".to_owned());
    assert_eq!(bench.row(e[0].id).await, expected);
    assert_eq!(bench.outbox().next_due().await.unwrap(), Some(now + 5 * SECOND));
    assert_eq!(lease(&bench, now + 4 * SECOND, MANY).await, []);
    assert_eq!(lease(&bench, now + 5 * SECOND, MANY).await[0].number, 2);
}

pub(super) async fn next_due_looks_at_the_heads<B: Bench>() {
    let bench = B::new().await;
    assert_eq!(bench.outbox().next_due().await.unwrap(), None);
    let first = envelope("slack", "a");
    let later = Envelope { due_at: first.due_at + LEASE, ..first };
    bench.put(&later).await;
    bench.put(&envelope("slack", "a")).await;
    assert_eq!(bench.outbox().next_due().await.unwrap(), Some(later.due_at));
    bench.put(&envelope("slack", "b")).await;
    assert_eq!(bench.outbox().next_due().await.unwrap(), Some(later.due_at - LEASE));
}

pub(super) async fn channels_take_turns_within_the_limits<B: Bench>() {
    let keys = [("slack", "a"), ("slack", "b"), ("slack", "c"), ("slack", "d"), ("mail", "a"), ("mail", "b")];
    let (bench, e, now) = filled::<B>(&keys).await;
    let limits = Limits { total: 2, per_channel: 3 };
    let first = lease(&bench, now, limits).await;
    assert_eq!(ids(&first), [e[0].id, e[4].id]);
    let rest = lease(&bench, now, Limits { total: 10, per_channel: 3 }).await;
    assert_eq!(ids(&rest), [e[1].id, e[2].id, e[5].id], "the fourth of a channel waits");
    finish(&bench, &first[0], sent(), now).await;
    assert_eq!(ids(&lease(&bench, now, Limits { total: 10, per_channel: 3 }).await), [e[3].id]);
}

pub(super) async fn two_leasers_never_get_the_same<B: Bench>() {
    let keys: Vec<String> = (0..60).map(|i| format!("k{i}")).collect();
    let pairs: Vec<(&str, &str)> = keys.iter().map(|k| ("slack", k.as_str())).collect();
    let (bench, e, now) = filled::<B>(&pairs).await;
    let some = Limits { total: 7, per_channel: 100 };
    let rounds = futures::future::join_all((0..12).map(|_| lease(&bench, now, some))).await;
    let all: Vec<EnvelopeId> = rounds.iter().flat_map(|r| ids(r)).collect();
    assert_eq!(all.len(), 60);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), e.iter().map(|e| e.id).collect());
}

macro_rules! outbox_contract {
    ($bench:ty) => {
        $crate::store::outbox_contract::outbox_contract!($bench:
            a_message_comes_back_whole_and_once
            of_one_key_only_the_oldest_goes_out
            what_is_given_up_does_not_block_its_key
            a_lease_ends_by_itself_with_the_same_id
            only_the_holder_of_the_lease_decides_but_sent_is_sent
            retries_wait_for_their_time
            next_due_looks_at_the_heads
            channels_take_turns_within_the_limits
            two_leasers_never_get_the_same
        );
    };
    ($bench:ty: $($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::store::outbox_contract::$name::<$bench>().await;
        }
    )*};
}
pub(super) use outbox_contract;
