use std::sync::Arc;

use proptest::prelude::*;

use crate::promql::source::STALE_NAN;
use crate::series::native;
use crate::sketch::{NativeBuckets, NativeHistogram};

use super::*;

/// Never change: what a version wrote is read for ever.
const KEPT_V1: &[u8] = include_bytes!("../../../tests/compat/v1/entry.bin");
const KEPT_V3: &[u8] = include_bytes!("../../../tests/compat/v3/entry.bin");

const NOTHING: Archived = Archived { entry: 0, through: Slot::NONE };
const AT: Timestamp = Timestamp::from_millis(1_763_640_004_321);

fn series(r: SeriesRef) -> (Labels, SeriesKind) {
    match r {
        0 => (Labels::metric("orders_total", [("tier", "gold")]), SeriesKind::Counter),
        1 => (Labels::metric("web_vitals_cls", [("route", "/ä")]), SeriesKind::Histogram),
        2 => (Labels::metric("temperature", [("", "")]), SeriesKind::Sample),
        _ => (Labels::metric("latency", [("n", r.to_string())]), SeriesKind::Native),
    }
}

/// What `tests/compat/v1/entry.bin` holds.
fn draft(at: Timestamp) -> Draft {
    let key = VitalKey { site: "shop".into(), id: "f3b1".into(), metric: "CLS".into() };
    let report = VitalReport {
        key: key.clone(),
        sequence: Some(2),
        value: 0.25,
        delta: Some(-0.05),
        is_final: true,
        start: at,
        received: at,
        weight: 3,
        labels: series(1).0,
    };
    let slot = Slot::of(at);
    let observations = vec![Observation { value: 0.1, weight: 1 }, Observation { value: 0.2, weight: 7 }];
    Draft {
        settlements: vec![(1, Settlement { key, slot, value: 0.125, weight: 2 })],
        changes: vec![
            (0, Change::Add(slot.plus(-3), 2.0)),
            (1, Change::Observe(slot, observations)),
            (2, Change::Sample(Timestamp::from_millis(1_763_640_000_007), -1.5)),
            (0, Change::Add(slot, 0.5)),
        ],
        reports: vec![(1, report)],
    }
}

fn histogram() -> Arc<NativeHistogram> {
    let positive = NativeBuckets(vec![(-3, 2.0), (7, 1.0)]);
    Arc::new(NativeHistogram { schema: 3, count: 3.0, sum: -0.5, positive, ..native::stale_marker() })
}

/// What `tests/compat/v3/entry.bin` holds: the same and every other form.
fn draft_v3(at: Timestamp) -> Draft {
    let mut draft = draft(at);
    let scraped = Timestamp::from_millis(at.as_millis() - 321);
    let of_weight_1 = [0.25, 3.0].map(|value| Observation { value, weight: 1 });
    draft.changes.extend([
        (1, Change::Observe(Slot::of(at), of_weight_1.to_vec())),
        (2, Change::Sample(scraped, 42.0)),
        (2, Change::Sample(scraped, 1.0 / 3.0)),
        (3, Change::Distribution(scraped, histogram())),
        (3, Change::Distribution(at, Arc::new(native::stale_marker()))),
        (2, Change::Sample(at, -7.0)),
        (2, Change::Sample(at, f64::INFINITY)),
        (2, Change::Sample(at, -0.0)),
        (2, Change::Sample(at, f64::from_bits(STALE_NAN))),
    ]);
    draft
}

fn encode(draft: &Draft, at: Timestamp) -> Vec<u8> {
    let known: Vec<(Labels, SeriesKind)> = (0..PLACES).map(series).collect();
    let mut encoder = Encoder::new(0x0123_4567_89ab_cdef);
    encoder.encode(77, at, draft, |r| (&known[r as usize].0, known[r as usize].1));
    encoder.bytes().to_vec()
}

fn decode(dictionary: &mut Dictionary, bytes: &[u8]) -> Result<Entry, Corrupt> {
    let mut entry = Entry::default();
    dictionary.decode(bytes, NOTHING, &mut entry).map(|()| entry)
}

/// What is read of a draft whose series are numbered like this.
fn numbered(draft: Draft, number: impl Fn(SeriesRef) -> u64) -> Entry {
    Entry {
        number: 77,
        at: AT,
        archive: Some(0x0123_4567_89ab_cdef),
        starts: true,
        last_slot: Slot::of(AT),
        settlements: draft.settlements.into_iter().map(|(r, s)| (number(r), s)).collect(),
        changes: draft.changes.into_iter().map(|(r, c)| (number(r), c)).collect(),
        reports: draft.reports.into_iter().map(|(r, v)| (number(r), v)).collect(),
    }
}

/// Series are numbered in the order in which they appear.
fn number(r: SeriesRef) -> u64 {
    [2, 1, 3, 4][r as usize]
}

#[test]
fn version_1_is_read() {
    let read = decode(&mut Dictionary::default(), KEPT_V1).unwrap();
    assert_eq!(exact(read), exact(numbered(draft(AT), number)));
}

#[test]
fn version_3_is_written_and_read() {
    assert_eq!(encode(&draft_v3(AT), AT), KEPT_V3);
    let read = decode(&mut Dictionary::default(), KEPT_V3).unwrap();
    assert_eq!(exact(read), exact(numbered(draft_v3(AT), number)));
}

#[test]
fn what_the_archive_has_is_left_out() {
    let slot = Slot::of(AT);
    for (kept, of) in [(KEPT_V1, draft(AT)), (KEPT_V3, draft_v3(AT))] {
        for (entry, through, left) in [(77, slot.plus(-1), true), (76, slot, false), (77, slot, true)] {
            let mut read = Entry::default();
            Dictionary::default().decode(kept, Archived { entry, through }, &mut read).unwrap();
            let mut all = numbered(Draft { changes: of.changes.clone(), ..draft(AT) }, number);
            all.changes.retain(|(_, change)| !left || crate::series::writer::slot_of(change) > through);
            assert_eq!(exact(read), exact(all));
        }
    }
}

#[test]
fn what_failed_to_be_written_is_explained_again() {
    let known: Vec<(Labels, SeriesKind)> = (0..3).map(series).collect();
    let of = |r: SeriesRef| (&known[r as usize].0, known[r as usize].1);
    let at = Timestamp::from_secs(0);
    let mut encoder = Encoder::new(1);
    encoder.encode(1, at, &draft(at), of);
    encoder.failed();
    encoder.encode(1, at, &draft(at), of);
    let again = encoder.bytes().to_vec();
    encoder.written();
    encoder.encode(2, at, &draft(at), of);
    let mut dictionary = Dictionary::default();
    assert_eq!(decode(&mut dictionary, &again).unwrap().number, 1);
    assert!(encoder.bytes().len() < again.len());
    assert_eq!(decode(&mut dictionary, encoder.bytes()).unwrap().changes.len(), 4);
    assert_eq!(dictionary.get(2).map(|known| (known.labels.clone(), known.kind)), Some(series(0)));
}

/// The second of a scrape's entries, in bytes for each of its samples.
fn bytes_per_sample(value: impl Fn(u32) -> f64) -> usize {
    let labels = Labels::metric("m", [("a", "b")]);
    let (mut encoder, count) = (Encoder::new(1), 10_000);
    for number in 1..3 {
        let changes = (0..count).map(|r| (r, Change::Sample(AT, value(r)))).collect();
        encoder.encode(number, AT, &Draft { changes, ..Draft::default() }, |_| (&labels, SeriesKind::Sample));
        encoder.written();
    }
    encoder.bytes().len() / count as usize
}

#[test]
fn a_scrape_takes_a_byte_and_the_value_for_each_sample() {
    assert_eq!(bytes_per_sample(|r| f64::from(r % 60)), 2);
    assert_eq!(bytes_per_sample(|r| f64::from(1_000_000 + r)), 4);
    assert_eq!(bytes_per_sample(|r| f64::from(r) + 0.1), 10);
}

#[test]
fn weights_of_one_take_no_byte() {
    let bytes = |weight: u32| {
        let observations = vec![Observation { value: 0.1, weight }; 100];
        let changes = vec![(0, Change::Observe(Slot::of(AT), observations))];
        encode(&Draft { changes, ..Draft::default() }, AT).len()
    };
    assert_eq!(bytes(2) - bytes(1), 100);
}

#[test]
fn rubbish_is_refused() {
    for kept in [KEPT_V1, KEPT_V3] {
        for length in 0..kept.len() {
            assert_eq!(decode(&mut Dictionary::default(), &kept[..length]), Err(Corrupt), "cut at {length}");
        }
    }
}

/// An entry that only explains series, from this number on.
fn explaining(first: u64, names: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_varint(1);
    out.put_zigzag(0);
    out.push(STEPS);
    out.put_varint(first);
    out.put_varint(names.len() as u64);
    for name in names {
        out.push(SeriesKind::Sample.number());
        out.put_labels(&Labels::metric::<&str, &str>(name, []));
    }
    out.extend([0, 0, 0]);
    out
}

#[test]
fn numbers_that_were_lost_leave_holes_and_take_no_memory() {
    let mut dictionary = Dictionary::default();
    let entries: [(u64, &[&str]); 6] = [
        (1, &["a", "b"]),
        (u64::MAX - 1, &["far", "last"]),
        (6, &["f"]),
        (4, &["d", "e", "new f", "g"]),
        (2, &["new b"]),
        (0, &["none"]),
    ];
    for (first, names) in entries {
        decode(&mut dictionary, &explaining(first, names)).unwrap();
    }
    let name = |number| dictionary.get(number).map(|known| known.labels.metric_name().to_owned());
    let names: Vec<_> = (0..9).map(|number| name(number).unwrap_or_default()).collect();
    assert_eq!(names, ["none", "a", "new b", "", "d", "e", "new f", "g", ""]);
    assert_eq!(name(u64::MAX - 1).as_deref(), Some("far"));
    assert_eq!(name(u64::MAX).as_deref(), Some("last"));
    assert_eq!(decode(&mut dictionary, &explaining(u64::MAX, &["last", "beyond"])), Err(Corrupt));
}

/// So many series that steps between them take more than a byte.
const PLACES: SeriesRef = 200;

fn value() -> impl Strategy<Value = f64> {
    let special = [f64::from_bits(STALE_NAN), f64::NAN, -0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, -1.0];
    let whole = any::<i64>().prop_map(|n| n as f64);
    prop_oneof![prop::sample::select(special.to_vec()), any::<u64>().prop_map(f64::from_bits), whole, 0.0..1e6]
}

fn time() -> impl Strategy<Value = Timestamp> {
    let millis = prop_oneof![4 => 0i64..3, 4 => 1_763_640_000_000i64..1_763_640_100_000, 1 => any::<i64>()];
    millis.prop_map(Timestamp::from_millis)
}

fn change() -> impl Strategy<Value = Change> {
    let weight = prop_oneof![3 => Just(1), 1 => any::<u32>()];
    let observation = (value(), weight).prop_map(|(value, weight)| Observation { value, weight });
    let observations = prop::collection::vec(observation, 0..4);
    let ends = prop::sample::select(vec![histogram(), Arc::new(native::stale_marker())]);
    prop_oneof![
        (time(), value()).prop_map(|(at, v)| Change::Add(Slot::of(at), v)),
        (time(), observations).prop_map(|(at, all)| Change::Observe(Slot::of(at), all)),
        (time(), value()).prop_map(|(at, v)| Change::Sample(at, v)),
        (time(), value()).prop_map(|(at, v)| Change::Past(at, v)),
        (time(), ends).prop_map(|(at, h)| Change::Distribution(at, h)),
    ]
}

/// An entry with the values of its changes by their bits.
fn exact(mut entry: Entry) -> (Vec<(u64, ExactChange)>, Entry) {
    let changes = std::mem::take(&mut entry.changes);
    (changes.iter().map(|(number, change)| (*number, exact_change(change))).collect(), entry)
}

type ExactChange = (u8, i64, Vec<(u64, u32)>, Option<String>);

fn exact_change(change: &Change) -> ExactChange {
    match change {
        Change::Add(slot, v) => (0, slot.index(), vec![(v.to_bits(), 0)], None),
        Change::Observe(slot, all) => {
            (1, slot.index(), all.iter().map(|o| (o.value.to_bits(), o.weight)).collect(), None)
        }
        Change::Sample(at, v) => (2, at.as_millis(), vec![(v.to_bits(), 0)], None),
        Change::Past(at, v) => (4, at.as_millis(), vec![(v.to_bits(), 0)], None),
        Change::Distribution(at, h) => (3, at.as_millis(), vec![(h.sum.to_bits(), 0)], Some(format!("{h:?}"))),
    }
}

proptest! {
    #[test]
    fn drafts_come_back(
        at in time(),
        changes in prop::collection::vec((0..PLACES, change()), 0..40),
        settled in prop::option::of((0..PLACES, time(), value(), any::<u32>())),
    ) {
        let key = VitalKey { site: "shop".into(), id: "f3b1".into(), metric: "CLS".into() };
        let settlement = |(r, at, value, weight)| (r, Settlement { key, slot: Slot::of(at), value, weight });
        let draft = Draft { settlements: settled.map(settlement).into_iter().collect(), changes, reports: Vec::new() };
        let mut dictionary = Dictionary::default();
        let entry = decode(&mut dictionary, &encode(&draft, at)).unwrap();
        let labels = |number: u64| dictionary.get(number).map(|known| known.labels.clone());
        prop_assert_eq!((entry.number, entry.at), (77, at));
        prop_assert_eq!(entry.changes.len(), draft.changes.len());
        for ((number, read), (r, change)) in entry.changes.iter().zip(&draft.changes) {
            prop_assert_eq!(labels(*number), Some(series(*r).0));
            prop_assert_eq!(exact_change(read), exact_change(change));
        }
        prop_assert_eq!(entry.settlements.len(), draft.settlements.len());
        for ((number, read), (r, settlement)) in entry.settlements.iter().zip(&draft.settlements) {
            let bits = |s: &Settlement| (s.slot, s.value.to_bits(), s.weight);
            prop_assert_eq!(labels(*number), Some(series(*r).0));
            prop_assert_eq!(bits(read), bits(settlement));
        }
    }

    #[test]
    fn rubbish_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kept: bool, at: prop::sample::Index) {
        if kept {
            let (place, by) = (at.index(KEPT_V3.len()), bytes.first().copied().unwrap_or(1));
            bytes = KEPT_V3.to_vec();
            bytes[place] ^= by;
        }
        let _entry = decode(&mut Dictionary::default(), &bytes);
    }
}
