use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_200_000 + seconds)
}

fn counts(good: f64, total: f64) -> BTreeMap<Labels, Counts> {
    [(Labels::default(), Counts { good, total })].into()
}

fn sum(increments: &[(&'static str, Labels, f64)], metric: &str) -> f64 {
    increments.iter().filter(|(m, _, _)| *m == metric).map(|(_, _, add)| add).sum()
}

#[test]
fn minutes_are_whole_and_a_gap_is_not_measured() {
    let mut measured = Measured::new(at(0));
    let none = BTreeSet::new();
    let mut all = Vec::new();
    for (second, total) in [(0, 0.0), (30, 5.0), (60, 5.0), (90, 5.0), (120, 5.0)] {
        all.extend(measured.count(&counts(total, total), &none, true, at(second)));
    }
    assert_eq!((sum(&all, Measure::EXPECTED), sum(&all, Measure::MEASURED)), (2.0, 1.0));
    // Nobody looked for an hour; a value alone makes a minute measured.
    let gap = measured.count(&counts(5.0, 5.0), &[Labels::default()].into(), true, at(3720));
    assert_eq!((sum(&gap, Measure::EXPECTED), sum(&gap, Measure::MEASURED)), (60.0, 0.0));
    let next = measured.count(&counts(5.0, 5.0), &none, true, at(3780));
    assert_eq!((sum(&next, Measure::EXPECTED), sum(&next, Measure::MEASURED)), (1.0, 1.0));
}

#[test]
fn a_clock_set_back_counts_no_minute_twice() {
    let mut measured = Measured::new(at(0));
    let mut all = measured.count(&counts(0.0, 0.0), &BTreeSet::new(), true, at(0));
    for second in [120, 30, 90, 120, 180] {
        all.extend(measured.count(&counts(0.0, 0.0), &BTreeSet::new(), true, at(second)));
    }
    assert_eq!(sum(&all, Measure::EXPECTED), 3.0);
}

#[test]
fn a_group_that_is_gone_is_forgotten() {
    let mut measured = Measured::new(at(0));
    let group = Labels::new([("route", "/a")]);
    let seen: BTreeMap<_, _> = [(group.clone(), Counts { good: 1.0, total: 1.0 })].into();
    measured.count(&seen, &BTreeSet::new(), false, at(0));
    assert_eq!(measured.groups.len(), 1);
    measured.count(&BTreeMap::new(), &BTreeSet::new(), false, at(86_500));
    assert_eq!(measured.groups.len(), 0);
}

#[test]
fn the_sequence_number_travels_with_the_counts() {
    let counting =
        Counting { sequence: 7, at: at(0), increments: vec![(series(Measure::TOTAL, "api", &Labels::default()), 3.0)] };
    let items = counting.items(at(5));
    assert_eq!(items[0].labels.to_string(), r#"slo:events_total{objective="api"}"#);
    assert_eq!(items[0].delta, Delta::Add(3.0));
    assert_eq!((items[1].labels.metric_name(), &items[1].delta), (SEQUENCE, &Delta::Sample(7.0)));
}

proptest! {
    /// Events arrive in any order up to two minutes late: each is counted once, whatever the evaluations.
    #[test]
    fn every_event_is_counted_once(
        events in proptest::collection::vec((0i64..3000, 0i64..120, any::<bool>()), 0..200),
        pauses in proptest::collection::vec(1i64..200, 20..60),
    ) {
        // What the series know at `now` about events of slots after `from` and up to `to`.
        let known = |from: Timestamp, to: Timestamp, now: i64| {
            let inside = events.iter().filter(|(stamp, late, _)| {
                let slot_end = at(*stamp).floor_to(TICK) + TICK;
                stamp + late <= now && slot_end > from && at(*stamp) < to
            });
            let mut all = Counts::default();
            for (_, _, ok) in inside {
                all.total += 1.0;
                all.good += f64::from(u8::from(*ok));
            }
            BTreeMap::from([(Labels::default(), all)])
        };
        let mut measured = Measured::new(at(0));
        let (mut now, mut good, mut total) = (0, 0.0, 0.0);
        for pause in pauses.into_iter().chain([100, 3200]) {
            now += pause;
            let increments = measured.count(&known(measured.anchor, at(now + 1), now), &BTreeSet::new(), true, at(now));
            good += sum(&increments, Measure::GOOD);
            total += sum(&increments, Measure::TOTAL);
            if let Some(anchor) = measured.next_anchor(at(now)) {
                let settled = known(measured.anchor, anchor, now);
                measured.slide(anchor, &settled);
            }
        }
        prop_assert_eq!(total, events.len() as f64);
        prop_assert_eq!(good, events.iter().filter(|(_, _, ok)| *ok).count() as f64);
    }
}
