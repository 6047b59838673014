use proptest::prelude::*;

use super::*;
use crate::base::Labels;

fn report(id: usize, sequence: Option<u64>, value: f64, delta: Option<f64>) -> VitalReport {
    VitalReport {
        key: VitalKey { site: "shop".into(), id: id.to_string(), metric: "INP".into() },
        sequence,
        value,
        delta,
        is_final: false,
        start: Timestamp::from_secs(0),
        received: Timestamp::from_secs(0),
        weight: 1,
        labels: Labels::metric("web_vitals_inp_seconds", [("route", "/")]),
    }
}

fn ledger() -> Ledger {
    Ledger::new(LedgerSettings { settle: Duration::from_secs(300), pending: 100, settled: 100 })
}

fn value(ledger: &Ledger, id: usize) -> Option<f64> {
    ledger.pending().find(|p| p.report.key.id == id.to_string()).map(|p| p.report.value)
}

/// Through the archive and back, as a restart does it.
fn reloaded(ledger: &mut Ledger, archive: &mut HashMap<VitalKey, VitalState>, now: Timestamp) {
    let (changes, forgotten) = ledger.take_changes(now);
    archive.extend(changes);
    archive.retain(|_, s| !matches!(s, VitalState::Settled(at) if *at <= forgotten));
    let settings = ledger.settings.clone();
    *ledger = Ledger::new(settings);
    ledger.restore(archive.clone().into_iter().collect()).unwrap();
}

/// Sends reports and checks the value that stands after each.
fn follow(reports: &[(f64, f64, Result<f64, DropReason>)]) {
    let mut ledger = ledger();
    for (i, (value_now, delta, expected)) in reports.iter().enumerate() {
        let outcome = ledger.report(report(0, None, *value_now, Some(*delta)), Timestamp::from_secs(i as i64));
        assert_eq!(outcome.map(|()| value(&ledger, 0).unwrap()), *expected, "report {i}");
    }
}

#[test]
fn without_sequence_numbers_the_chain_decides() {
    use DropReason::{Duplicate, Superseded};
    // In order, down and up again, and repeated.
    follow(&[(0.3, 0.3, Ok(0.3)), (0.1, -0.2, Ok(0.1)), (0.1, -0.2, Err(Duplicate)), (0.3, 0.2, Ok(0.3))]);
    // The first comes last, or again after others.
    follow(&[(0.5, 0.2, Ok(0.5)), (0.3, 0.3, Err(Superseded))]);
    follow(&[(0.3, 0.3, Ok(0.3)), (0.5, 0.2, Ok(0.5)), (0.3, 0.3, Err(Duplicate))]);
    // Two neighbours change places.
    follow(&[(0.1, 0.1, Ok(0.1)), (0.12, -0.08, Ok(0.12)), (0.2, 0.1, Err(Superseded))]);
}

/// Three reports in any order and with any one of them twice end at the third; so does a sender that begins
/// with 0, and one that returns to a value that it had.
#[test]
fn three_links_find_their_places_in_any_order() {
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for values in [[0.3, 0.1, 0.2], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.0, 0.2, 0.1]] {
        let link = |i: usize| (values[i], if i == 0 { values[0] } else { values[i] - values[i - 1] });
        for order in ORDERS {
            for twice in 0..3 {
                let mut ledger = ledger();
                for i in order.into_iter().flat_map(|i| std::iter::repeat_n(i, 1 + usize::from(i == twice))) {
                    let (value, delta) = link(i);
                    let _outcome = ledger.report(report(0, None, value, Some(delta)), Timestamp::from_secs(0));
                }
                assert_eq!(value(&ledger, 0), Some(values[2]), "{values:?} in order {order:?}, {twice} twice");
            }
        }
    }
}

#[test]
fn a_lost_link_does_not_make_what_follows_old() {
    // The value comes back to one that was there before, and the report in between never arrives.
    follow(&[(0.3, 0.3, Ok(0.3)), (0.1, -0.2, Ok(0.1)), (0.3, 0.1, Ok(0.3))]);
    follow(&[(0.3, 0.3, Ok(0.3)), (0.1, -0.2, Ok(0.1)), (0.2, -0.1, Ok(0.2))]);
}

#[test]
fn without_anything_the_last_to_arrive_counts() {
    let mut ledger = ledger();
    let now = Timestamp::from_secs(0);
    assert_eq!(ledger.report(report(0, None, 0.3, None), now), Ok(()));
    assert_eq!(ledger.report(report(0, None, 0.2, None), now), Ok(()));
    assert_eq!(ledger.report(report(0, None, 0.2, None), now), Err(DropReason::Duplicate));
    assert_eq!(value(&ledger, 0), Some(0.2));
}

#[test]
fn settles_after_the_pause_a_final_report_or_a_day() {
    let mut ledger = ledger();
    let at = |s: i64| Timestamp::from_secs(s);
    ledger.report(report(0, Some(1), 0.1, None), at(0)).unwrap();
    ledger.report(report(1, Some(1), 0.1, None), at(0)).unwrap();
    ledger.report(report(0, Some(2), 0.2, None), at(200)).unwrap();
    let due = |ledger: &Ledger, now: i64| -> Vec<String> {
        ledger.due(at(now), 99).map(|p| p.report.key.id.clone()).collect()
    };
    assert_eq!(due(&ledger, 299), [""; 0]);
    assert_eq!(due(&ledger, 300), ["1"]);
    assert_eq!(due(&ledger, 500), ["1", "0"]);
    let last = VitalReport { is_final: true, ..report(0, Some(3), 0.3, None) };
    ledger.report(last, at(210)).unwrap();
    assert_eq!(due(&ledger, 210), ["0"]);
    for minute in 0..24 * 60 {
        ledger.report(report(2, Some(minute), 0.1, None), at(minute as i64 * 60)).unwrap();
    }
    assert!(due(&ledger, 86_400).contains(&"2".to_owned()));
}

#[test]
fn settled_keys_are_late_until_they_are_forgotten() {
    let mut ledger = ledger();
    let first = report(0, Some(1), 0.1, None);
    ledger.report(first.clone(), Timestamp::from_secs(0)).unwrap();
    ledger.settle(&first.key, Timestamp::from_secs(10));
    let again = || report(0, Some(2), 0.2, None);
    assert_eq!(ledger.report(again(), Timestamp::from_secs(11)), Err(DropReason::Late));
    ledger.forget(Timestamp::from_secs(10 + 86_400));
    assert_eq!(ledger.report(again(), Timestamp::from_secs(86_410)), Err(DropReason::Late));
    // The instant decides, also before anybody has cleared up.
    assert_eq!(ledger.report(again(), Timestamp::from_secs(86_411)), Ok(()));
    ledger.forget(Timestamp::from_secs(11 + 86_400));
    assert_eq!(value(&ledger, 0), Some(0.2));
    ledger.settle(&first.key, Timestamp::from_secs(86_500));
    assert_eq!(ledger.report(again(), Timestamp::from_secs(86_501)), Err(DropReason::Late));
}

#[test]
fn both_sides_are_bounded() {
    let mut ledger = ledger();
    for id in 0..100 {
        ledger.report(report(id, Some(1), 0.1, None), Timestamp::from_secs(0)).unwrap();
    }
    let one_more = ledger.report(report(100, Some(1), 0.1, None), Timestamp::from_secs(0));
    assert_eq!(one_more, Err(DropReason::Overloaded));
    for id in 0..150 {
        ledger.settle(&report(id, None, 0.0, None).key, Timestamp::from_secs(id as i64));
    }
    ledger.forget(Timestamp::from_secs(150));
    assert_eq!((ledger.settled.len(), ledger.settled_order.len()), (100, 100));
    assert_eq!(ledger.forgotten, Timestamp::from_secs(49));
}

proptest! {
    /// Duplicates, any order and restarts in between change nothing: what stands is the last report.
    #[test]
    fn any_arrival_equals_the_last_reports(
        reports in prop::collection::vec((0usize..4, 0u64..6), 1..60),
        restarts in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut ledger = ledger();
        let mut archive = HashMap::new();
        // A sequence number means one value: it is the sender's count of its beacons.
        let value_of = |id: usize, n: u64| (id as f64 + 1.0) / (n as f64 + 1.0);
        for (i, (id, n)) in reports.iter().enumerate() {
            let now = Timestamp::from_secs(i as i64);
            let _outcome = ledger.report(report(*id, Some(*n), value_of(*id, *n), None), now);
            if restarts[i] {
                reloaded(&mut ledger, &mut archive, now);
            }
        }
        for id in 0..4 {
            let last = reports.iter().filter(|(i, _)| *i == id).map(|(_, n)| *n).max();
            prop_assert_eq!(value(&ledger, id), last.map(|n| value_of(id, n)));
        }
    }

    /// The same for senders without sequence numbers, when each beacon is at most one place out of order.
    #[test]
    fn chained_reports_survive_duplicates_and_swaps(
        steps in prop::collection::vec(1u32..1000, 1..12),
        swaps in prop::collection::vec(any::<bool>(), 12),
        repeats in prop::collection::vec(any::<bool>(), 12),
    ) {
        // All values differ by more than the tolerance, as real measurements nearly always do.
        let mut values: Vec<f64> = Vec::new();
        for step in steps {
            let next = f64::from(step) / 100.0;
            if values.iter().all(|v| (v - next).abs() > 0.002) {
                values.push(next);
            }
        }
        let mut sent: Vec<(f64, f64)> =
            values.iter().enumerate().map(|(i, v)| (*v, v - if i == 0 { 0.0 } else { values[i - 1] })).collect();
        let mut i = 0;
        while i + 1 < sent.len() {
            if swaps[i] {
                sent.swap(i, i + 1);
                i += 1;
            }
            i += 1;
        }
        let mut ledger = ledger();
        for (i, (v, delta)) in sent.iter().enumerate() {
            for _ in 0..1 + usize::from(repeats[i]) {
                let _outcome = ledger.report(report(0, None, *v, Some(*delta)), Timestamp::from_secs(0));
            }
        }
        prop_assert_eq!(value(&ledger, 0), values.last().copied());
    }
}
