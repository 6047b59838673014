//! Every event is accounted for, whatever the recorder answers.

use parking_lot::Mutex;

use super::histograms;
use super::*;
use crate::base::clock::BoxFuture;
use crate::sketch::{NativeBuckets, NativeHistogram};

/// Answers what it is told to, batch by batch.
#[derive(Default)]
struct Answers {
    next: Mutex<Vec<Result<Recorded, RecordError>>>,
    batches: Mutex<Vec<Batch>>,
}

impl Recorder for Answers {
    fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        self.batches.lock().push(batch);
        let answer = self.next.lock().pop().unwrap_or(Ok(Recorded::default()));
        Box::pin(async move { answer })
    }
}

struct Rig {
    answers: Arc<Answers>,
    tally: Arc<Tally>,
    receiver: Receiver,
}

fn rig() -> Rig {
    let (answers, tally) = (Arc::<Answers>::default(), Arc::<Tally>::default());
    let receiver = Receiver::new(answers.clone(), tally.clone(), Arc::default(), LabelLimits::default());
    Rig { answers, tally, receiver }
}

impl Rig {
    async fn send(&self, body: &[u8], service: Option<&str>) -> Result<Written, RemoteWriteError> {
        self.receiver.receive(Version::V1, &Bytes::copy_from_slice(body), service, Timestamp::from_secs(1_000)).await
    }

    /// received, accepted, dropped; fails when they do not balance.
    fn counts(&self) -> (u64, u64, Vec<(DropReason, u64)>) {
        let counts = self.tally.count(Endpoint::RemoteWrite);
        assert_eq!(counts.received, counts.accepted + counts.dropped.iter().map(|(_, n)| n).sum::<u64>(), "{counts:?}");
        (counts.received, counts.accepted, counts.dropped)
    }
}

/// Two samples of `x`, one with an exemplar, one of a series without a name, and a histogram.
fn body() -> Vec<u8> {
    let native = NativeHistogram {
        schema: 0,
        zero_threshold: 0.0,
        zero_count: 0.0,
        count: 2.0,
        sum: 3.0,
        positive: NativeBuckets(vec![(1, 2.0)]),
        negative: NativeBuckets::default(),
        ..NativeHistogram::default()
    };
    let mut x = one::series(&[("__name__", "x")], &[(1.0, 10), (2.0, 20)], Vec::new());
    x.exemplars.push(one::Exemplar { labels: Vec::new(), value: 1.0, timestamp: 10 });
    let nameless = one::series(&[("a", "b")], &[(1.0, 10)], Vec::new());
    let h = one::series(&[("__name__", "h")], &[], vec![histograms::message(false, &native, 10)]);
    one::WriteRequest { timeseries: vec![x, nameless, h], metadata: Vec::new() }.encode_to_vec()
}

#[tokio::test]
async fn stores_the_rest_and_tells_what_was_refused() {
    let rig = rig();
    let written = rig.send(&body(), None).await.unwrap();
    assert_eq!((written.samples, written.histograms), (2, 1));
    assert_eq!(written.refused.to_string(), "1 of 4 not stored: 1 invalid (a series has no __name__)");
    assert_eq!(rig.counts(), (5, 3, vec![(DropReason::Invalid, 1), (DropReason::Exemplar, 1)]));
    // The second time the words come from what is remembered.
    let again = rig.send(&body(), None).await.unwrap();
    assert_eq!(again, written);
}

#[tokio::test]
async fn a_large_body_is_taken_as_a_small_one_is() {
    let rig = rig();
    let bodies = body().repeat(AT_ONCE / body().len() + 1);
    let written = rig.send(&bodies, None).await.unwrap();
    let copies = (bodies.len() / body().len()) as u64;
    assert!(bodies.len() > AT_ONCE && written.samples == 2 * copies && written.histograms == copies, "{written:?}");
    assert_eq!(rig.counts().0, 5 * copies);
    assert!(matches!(rig.send(&bodies[1..], None).await, Err(RemoteWriteError::Unreadable(_))));
}

#[tokio::test]
async fn what_the_recorder_drops_is_counted_by_kind() {
    let rig = rig();
    let dropped = |reason, n| Ok(Recorded { dropped: vec![(reason, n)] });
    // The last is answered first: samples, then histograms.
    *rig.answers.next.lock() = vec![dropped(DropReason::SeriesLimit, 1), dropped(DropReason::OutOfOrder, 1)];
    let written = rig.send(&body(), None).await.unwrap();
    assert_eq!((written.samples, written.histograms, written.refused.events()), (1, 0, 3));
    let (received, accepted, reasons) = rig.counts();
    assert_eq!((received, accepted), (5, 1));
    assert!(reasons.contains(&(DropReason::OutOfOrder, 1)) && reasons.contains(&(DropReason::SeriesLimit, 1)));
}

#[tokio::test]
async fn a_full_journal_is_an_error_and_nothing_is_accepted() {
    let rig = rig();
    rig.answers.next.lock().push(Err(RecordError::Full));
    let refused = rig.send(&body(), None).await.unwrap_err();
    assert!(matches!(refused, RemoteWriteError::Record(RecordError::Full)));
    let (received, accepted, reasons) = rig.counts();
    assert_eq!((received, accepted), (5, 0));
    assert!(reasons.contains(&(DropReason::Overloaded, 3)), "{reasons:?}");
}

#[tokio::test]
async fn an_unreadable_body_counts_as_one() {
    let rig = rig();
    let mut body = body();
    body.pop();
    assert!(matches!(rig.send(&body, None).await, Err(RemoteWriteError::Unreadable(_))));
    assert_eq!(rig.counts(), (1, 0, vec![(DropReason::Malformed, 1)]));
    assert!(rig.answers.batches.lock().is_empty());
}

#[tokio::test]
async fn a_key_of_a_service_writes_for_no_other() {
    let rig = rig();
    for service in [None, Some("shop"), Some("blog"), Some("shop")] {
        rig.send(&body(), service).await.unwrap();
        let batches = std::mem::take(&mut *rig.answers.batches.lock());
        let items: Vec<&Item> = batches.iter().flat_map(|b| &b.items).collect();
        assert!(items.iter().all(|i| i.labels.value("service_name") == service.unwrap_or_default()), "{items:?}");
    }
}
