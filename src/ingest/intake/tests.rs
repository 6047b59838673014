use futures::FutureExt;
use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::base::clock::BoxFuture;
use crate::ingest::tally::EndpointCounts;
use crate::series::{Batch, Delta, Recorded};

const NOW: Timestamp = Timestamp::from_secs(1_763_680_000);

/// Answers as it is told and remembers what it got.
#[derive(Default)]
struct Fake {
    fails: bool,
    drops: Vec<(DropReason, u64)>,
    got: Mutex<Vec<Batch>>,
}

impl Recorder for Fake {
    fn record(&self, batch: Batch) -> BoxFuture<'_, Result<Recorded, RecordError>> {
        self.got.lock().push(batch);
        let answer = if self.fails { Err(RecordError::Full) } else { Ok(Recorded { dropped: self.drops.clone() }) };
        Box::pin(async move { answer })
    }
}

fn intake(fake: Fake) -> (Intake, Arc<Fake>) {
    let fake = Arc::new(fake);
    (Intake::new(Settings::default(), fake.clone()), fake)
}

fn anyone(_site: &str) -> Result<Option<String>, DropReason> {
    Ok(None)
}

/// A body of a page, whose recorder answers at once.
fn page(
    intake: &Intake,
    form: PageForm,
    body: &[u8],
    sender: &Sender<'_>,
    authorize: Authorize<'_>,
) -> Result<Outcome, IntakeError> {
    intake.page(form, body, sender, authorize, NOW)?.record().now_or_never().expect("the fake answers at once")
}

fn vitals(intake: &Intake, body: &str) -> Result<Outcome, IntakeError> {
    page(intake, PageForm::Beacon, body.as_bytes(), &Sender::default(), &anyone)
}

fn timings_of(intake: &Intake, body: &[u8], sender: &Sender<'_>) -> Result<Outcome, IntakeError> {
    let gathered = intake.timings(body, sender, NOW).now_or_never().expect("the body is short");
    gathered.record().now_or_never().expect("the fake answers at once")
}

fn timings(intake: &Intake, body: &str) -> Result<Outcome, IntakeError> {
    timings_of(intake, body.as_bytes(), &Sender::default())
}

fn performance(intake: &Intake, body: &str) -> Result<Outcome, IntakeError> {
    let sender = Sender::default();
    page(intake, PageForm::Mixed, body.as_bytes(), &sender, &anyone)
}

/// The events that a batch holds.
fn events(batch: &Batch) -> u64 {
    let of = |delta: &Delta| if let Delta::Observe(values) = delta { values.len() as u64 } else { 1 };
    batch.items.iter().map(|i| of(&i.delta)).sum::<u64>() + batch.vitals.len() as u64
}

fn balance(counts: &EndpointCounts) -> (u64, u64) {
    (counts.received, counts.accepted + counts.dropped.iter().map(|(_, n)| n).sum::<u64>())
}

#[test]
fn good_and_bad_lines_are_told_apart() {
    let (intake, fake) = intake(Fake::default());
    let body = "{\"kind\":\"http\",\"duration_ms\":1}\n{\"kind\":\"http\"}\n{\"kind\":\"http\",\"duration_ms\":2}";
    let outcome = timings(&intake, body).unwrap();
    assert_eq!((outcome.accepted, outcome.rejected.len(), outcome.rejected[0].line), (2, 1, 2));
    assert_eq!(events(&fake.got.lock()[0]), 2);
    let counts = intake.tally().count(Endpoint::Timings);
    assert_eq!((counts.received, counts.accepted), (3, 2));
    assert_eq!(counts.dropped, [(DropReason::Invalid, 1)]);
}

#[test]
fn robots_and_dummies_are_dropped_without_complaint() {
    let (intake, fake) = intake(Fake::default());
    let metrics = r#"[{"name":"LCP","value":1},{"name":"CLS","value":0}]"#;
    let bot = format!(r#"{{"v":1,"view":"a","webdriver":true,"metrics":{metrics}}}"#);
    let outcome = vitals(&intake, &bot).unwrap();
    assert_eq!((outcome.accepted, outcome.dropped, outcome.rejected.len()), (0, 2, 0));
    assert!(fake.got.lock().is_empty());
    assert_eq!(intake.tally().count(Endpoint::Vitals).dropped, [(DropReason::Bot, 2)]);
}

#[test]
fn what_the_recorder_leaves_out_is_counted() {
    let (intake, _) = intake(Fake { drops: vec![(DropReason::Duplicate, 1)], ..Fake::default() });
    let outcome =
        vitals(&intake, r#"{"v":1,"view":"a","metrics":[{"name":"LCP","value":1},{"name":"CLS","value":0}]}"#);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.accepted, outcome.dropped), (1, 1));
    let counts = intake.tally().count(Endpoint::Vitals);
    assert_eq!((counts.accepted, counts.dropped), (1, vec![(DropReason::Duplicate, 1)]));
}

#[test]
fn a_full_queue_drops_the_whole_body() {
    let (intake, _) = intake(Fake { fails: true, ..Fake::default() });
    let error = timings(&intake, r#"{"kind":"http","duration_ms":1}"#).unwrap_err();
    assert!(matches!(error, IntakeError::Record(RecordError::Full)));
    assert_eq!(intake.tally().count(Endpoint::Timings).dropped, [(DropReason::Overloaded, 1)]);
}

#[test]
fn a_site_that_may_not_send_is_turned_away() {
    let (intake, fake) = intake(Fake::default());
    let refuse =
        |site: &str| if site == "shop" { Ok(Some("shop-web".to_owned())) } else { Err(DropReason::Unauthorized) };
    let send = |site: &str| {
        let body = format!(r#"{{"v":1,"site":"{site}","view":"a","metrics":[{{"name":"LCP","value":1}}]}}"#);
        page(&intake, PageForm::Beacon, body.as_bytes(), &Sender::default(), &refuse)
    };
    assert!(matches!(send("other"), Err(IntakeError::Refused(DropReason::Unauthorized))));
    assert_eq!(send("shop").unwrap().accepted, 1);
    assert_eq!(fake.got.lock()[0].vitals[0].labels.value("service_name"), "shop-web");
}

#[test]
fn a_key_writes_only_for_its_service() {
    let (intake, fake) = intake(Fake::default());
    let sender = Sender { service: Some("mine"), ..Sender::default() };
    let body = br#"{"kind":"http","service":"theirs","duration_ms":1}"#;
    timings_of(&intake, body, &sender).unwrap();
    assert_eq!(fake.got.lock()[0].items[0].labels.value("service_name"), "mine");
}

#[test]
fn records_and_beacons_come_mixed() {
    let (intake, fake) = intake(Fake::default());
    let body = r#"[{"type":"api_performance","endpoint":"/x","duration":5,"statusCode":200},
        {"name":"LCP","value":1200,"id":"v4-1","delta":1200},
        {"v":1,"view":"a","metrics":[{"name":"CLS","value":0.1},{"name":"INP","value":8}]},
        {"type":"nonsense","duration":1}]"#;
    let outcome = performance(&intake, body).unwrap();
    assert_eq!((outcome.accepted, outcome.rejected[0].line), (4, 4));
    let got = fake.got.lock();
    assert_eq!((got[0].items.len(), got[0].vitals.len()), (1, 3));
}

/// Parts of bodies: good, bad in every way, and rubbish.
fn element() -> impl Strategy<Value = String> {
    let good = prop_oneof![
        (0u32..1000).prop_map(|d| format!(r#"{{"kind":"http","route":"/r{}","duration_ms":{d}}}"#, d % 7)),
        Just(r#"{"kind":"counter","name":"orders_total"}"#.to_owned()),
        Just(r#"{"kind":"gauge","name":"x","value":1}"#.to_owned()),
        (0u32..9).prop_map(|n| format!(
            r#"{{"v":1,"view":"v{n}","metrics":[{{"name":"LCP","value":{n}}},{{"name":"x"}}]}}"#
        )),
        Just(r#"{"name":"CLS","value":0.1,"id":"v3-1"}"#.to_owned()),
        Just(r#"{"type":"api_performance","endpoint":"/a/1","duration":3}"#.to_owned()),
    ];
    let bad = prop_oneof![
        Just(r#"{"kind":"http","duration_ms":-5}"#.to_owned()),
        Just(r#"{"kind":"http","duration_ms":NaN}"#.to_owned()),
        Just(r#"{"name":"LCP","value":1e999,"id":"a"}"#.to_owned()),
        Just(r#"{"v":1,"device":"bot","metrics":[{},{},{}]}"#.to_owned()),
        Just(r#"{"v":1,"view":"a","navigation":"soft-navigation","metrics":[{"name":"TTFB","value":0}]}"#.to_owned()),
        Just(r#"{"v":3,"metrics":[]}"#.to_owned()),
        Just(r#"{"v":1,"metrics":[]}"#.to_owned()),
        Just("[[]]".to_owned()),
        "\\PC{0,30}",
    ];
    prop_oneof![good, bad]
}

fn body() -> impl Strategy<Value = String> {
    let elements = prop::collection::vec(element(), 0..12);
    (elements, 0..3).prop_map(|(elements, form)| match form {
        0 => elements.join("\n"),
        1 => format!("[{}]", elements.join(",")),
        _ => elements.into_iter().next().unwrap_or_default(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever comes, and whatever the recorder says: received = accepted + dropped, nothing is our
    /// fault, and what is called accepted is what the recorder got and kept.
    #[test]
    fn everything_is_accounted_for(
        bodies in prop::collection::vec(body(), 1..5),
        fails in prop::bool::weighted(0.2),
        duplicates in 0u64..4,
    ) {
        let drops = if duplicates > 0 { vec![(DropReason::Duplicate, duplicates)] } else { Vec::new() };
        let (intake, fake) = intake(Fake { fails, drops, ..Fake::default() });
        let mut accepted = 0;
        for body in &bodies {
            for outcome in [vitals(&intake, body), timings(&intake, body), performance(&intake, body)] {
                accepted += outcome.map_or(0, |o| o.accepted);
            }
        }
        for counts in intake.tally().counts() {
            let (received, accounted) = balance(&counts);
            prop_assert_eq!(received, accounted);
            prop_assert!(counts.dropped.iter().all(|(r, _)| !matches!(r, DropReason::Internal | DropReason::Abandoned)));
        }
        let told: u64 = intake.tally().counts().iter().map(|c| c.accepted).sum();
        prop_assert_eq!(told, accepted);
        let got = fake.got.lock();
        let kept: u64 = got.iter().map(|b| events(b).saturating_sub(duplicates)).sum();
        // Steps of one counter in one body are one item, so the batch may hold fewer than were accepted.
        let counters = bodies.iter().any(|b| b.matches("counter").count() > 1);
        prop_assert!(fails || counters || kept == accepted, "{} kept, {} accepted", kept, accepted);
        prop_assert!(!fails || accepted == 0);
    }
}

#[test]
fn a_payload_of_faros_is_told_apart_and_balances() {
    let (intake, fake) = intake(Fake::default());
    let body = r#"{"meta":{"app":{"name":"shop"},"page":{"url":"https://a.example/cart"}},
        "measurements":[{"type":"web-vitals","values":{"inp":700,"delta":700},"context":{"id":"v4-1","interaction_target":"<b>"}},
                        {"type":"web-vitals","values":{"inp":-1},"context":{"id":"v4-2"}},{"type":"cart","values":{}}],
        "exceptions":[{"type":"TypeError","value":"x"},{"type":"TypeError"},{"type":1}],"logs":[{}],"events":[{}],"traces":{}}"#;
    let send = || page(&intake, PageForm::Faro, body.as_bytes(), &Sender::default(), &anyone).unwrap();
    let outcome = send();
    assert_eq!((outcome.accepted, outcome.dropped, outcome.rejected.len()), (3, 4, 2));
    let counts = intake.tally().count(Endpoint::Collect);
    assert_eq!(balance(&counts), (9, 9));
    let dropped = [(DropReason::Invalid, 1), (DropReason::Implausible, 1), (DropReason::Unsupported, 4)];
    assert_eq!(counts.dropped, dropped);
    let batch = fake.got.lock()[0].clone();
    let labels = [("service_name", "shop"), ("route", "/cart"), ("type", "TypeError")];
    assert_eq!(batch.items[0].labels, crate::base::Labels::metric("faro_exceptions_total", labels));
    assert_eq!(batch.items[0].delta, Delta::Add(2.0));
    send();
    let blamed = intake.attributions().worst(NOW, NOW, 9, |_| true);
    assert_eq!((blamed.len(), blamed[0].target.as_str(), blamed[0].views, blamed[0].poor), (1, "<b>", 1, 1));
}

#[test]
fn the_element_is_not_asked_for_where_the_visitor_objects() {
    let (intake, _) = intake(Fake::default());
    let body = r#"{"v":1,"view":"a","n":1,"metrics":[{"name":"LCP","value":9000,"attribution":{"target":"main"}}]}"#;
    let send = |private| {
        let sender = Sender { site: "shop", private, ..Sender::default() };
        page(&intake, PageForm::Beacon, body.as_bytes(), &sender, &anyone).unwrap();
        intake.attributions().worst(NOW, NOW, 9, |_| true).len()
    };
    assert_eq!((send(true), send(false)), (0, 1));
    // Nor is what could not be recorded, or whose value is no value.
    let (full, _) = super::tests::intake(Fake { fails: true, ..Fake::default() });
    vitals(&full, &body.replace("\"v\":1", "\"v\":1,\"site\":\"shop\"")).unwrap_err();
    assert!(full.attributions().worst(NOW, NOW, 9, |_| true).is_empty());
}

#[test]
fn attribution_that_cannot_be_read_costs_no_value() {
    let (intake, _) = intake(Fake::default());
    for attribution in ["3", "null", "[]", r#"{"target":{}}"#, r#"{"target":""}"#, r#"{"eventEntry":{"x":[1]}}"#] {
        let body = format!(r#"{{"name":"LCP","value":9000,"id":"{}","attribution":{attribution}}}"#, attribution.len());
        let sender = Sender { site: "shop", ..Sender::default() };
        let outcome = page(&intake, PageForm::Beacon, body.as_bytes(), &sender, &anyone).unwrap();
        assert_eq!((outcome.accepted, outcome.rejected.len()), (1, 0), "{attribution}");
    }
    assert!(intake.attributions().worst(NOW, NOW, 9, |_| true).is_empty());
}

proptest! {
    /// A recorded payload with any of its bytes changed, or cut short, is accounted for in full.
    #[test]
    fn no_payload_of_faros_breaks_the_balance(
        line in 0usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let recorded = include_str!("../../../tests/golden/faro/web-sdk-2.12.1.ndjson");
        let mut body = recorded.lines().nth(line).unwrap().as_bytes().to_vec();
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if cut {
            body.truncate(length.index(body.len()));
        }
        let (intake, fake) = intake(Fake::default());
        let answer = page(&intake, PageForm::Faro, &body, &Sender::default(), &anyone);
        let accepted: u64 = fake.got.lock().iter().map(events).sum();
        let counts = intake.tally().count(Endpoint::Collect);
        let (received, settled) = balance(&counts);
        prop_assert_eq!(received, settled);
        prop_assert_eq!((answer.unwrap().accepted, counts.accepted), (accepted, accepted));
    }
}
