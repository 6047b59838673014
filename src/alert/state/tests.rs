use proptest::prelude::*;

use super::*;

const EVERY: i64 = 10;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + seconds)
}

fn timing(hold: u64, keep_firing: u64) -> Timing {
    Timing {
        hold: Duration::from_secs(hold),
        keep_firing: Duration::from_secs(keep_firing),
        evidence_gap: Duration::from_secs(30),
    }
}

fn seen(breach: bool) -> Reading {
    Reading::Seen { breach, stay: breach }
}

/// Plays readings at their seconds and returns what happened when.
fn play(timing: &Timing, readings: impl IntoIterator<Item = (i64, Reading)>) -> Vec<(i64, Transition)> {
    let mut state = None;
    let mut happened = Vec::new();
    for (second, reading) in readings {
        let (next, transition) = step(state.as_ref(), reading, timing, at(second));
        happened.extend(transition.map(|t| (second, t)));
        state = next;
    }
    happened
}

#[test]
fn zero_fires_at_the_first_reading() {
    assert_eq!(play(&timing(0, 0), [(0, seen(true))]), [(0, Transition::Fired)]);
}

#[test]
fn fires_when_the_breach_has_lasted() {
    let readings = (0..=7).map(|i| (i * EVERY, seen(true)));
    assert_eq!(play(&timing(60, 0), readings), [(0, Transition::Pending), (60, Transition::Fired)]);
    let interrupted = (0..=9).map(|i| (i * EVERY, seen(i != 3)));
    let expected = [(0, Transition::Pending), (30, Transition::Dropped), (40, Transition::Pending)];
    assert_eq!(play(&timing(60, 0), interrupted), expected);
}

#[test]
fn goes_on_firing_for_a_while() {
    let readings = [(0, true), (10, false), (20, true), (30, false), (40, false), (50, false)];
    let happened = play(&timing(0, 20), readings.map(|(t, b)| (t, seen(b))));
    assert_eq!(happened, [(0, Transition::Fired), (50, Transition::Resolved)]);
}

#[test]
fn hysteresis_keeps_but_does_not_start() {
    let inside = Reading::Seen { breach: false, stay: true };
    assert_eq!(play(&timing(0, 0), [(0, inside)]), []);
    let readings = [(0, seen(true)), (10, inside), (20, inside), (30, seen(false)), (40, inside)];
    assert_eq!(play(&timing(0, 0), readings), [(0, Transition::Fired), (30, Transition::Resolved)]);
}

#[test]
fn an_error_keeps_the_state_and_is_no_evidence() {
    let firing = [(0, seen(true)), (10, Reading::Unknown), (20, Reading::Unknown), (30, seen(true))];
    assert_eq!(play(&timing(0, 0), firing), [(0, Transition::Fired)]);
    // 20 s seen, 100 s of errors, then 40 s more are needed.
    let errors = (3..12).map(|i| (i * EVERY, Reading::Unknown));
    let readings =
        (0..3).map(|i| (i * EVERY, seen(true))).chain(errors).chain((12..20).map(|i| (i * EVERY, seen(true))));
    assert_eq!(play(&timing(60, 0), readings), [(0, Transition::Pending), (160, Transition::Fired)]);
}

#[test]
fn downtime_is_not_evidence() {
    let down = (0..3).map(|i| (i * EVERY, seen(true))).chain((180..190).map(|i| (i * EVERY, seen(true))));
    assert_eq!(play(&timing(60, 0), down), [(0, Transition::Pending), (1840, Transition::Fired)]);
    let too_long = [0, 25, 50, 5000, 5025, 5050, 5060].map(|t| (t, seen(true)));
    assert_eq!(play(&timing(60, 0), too_long).last(), Some(&(5060, Transition::Fired)), "begins anew after an hour");
}

#[test]
fn a_clock_set_back_neither_fires_nor_hangs() {
    let readings = [(10_000, seen(true)), (10_020, seen(true)), (0, seen(true)), (20, seen(true)), (40, seen(true))];
    assert_eq!(play(&timing(60, 0), readings), [(10_000, Transition::Pending), (40, Transition::Fired)]);
    let firing = [(10_000, seen(true)), (0, seen(true)), (10, seen(true))];
    assert_eq!(play(&timing(0, 60), firing), [(10_000, Transition::Fired)]);
}

#[test]
fn resolved_is_remembered_a_quarter_of_an_hour() {
    let (state, _) = step(None, seen(true), &timing(0, 0), at(0));
    let (state, _) = step(state.as_ref(), seen(false), &timing(0, 0), at(10));
    let (kept, _) = step(state.as_ref(), seen(false), &timing(0, 0), at(900));
    assert_eq!(kept.as_ref().map(|s| s.phase), Some(AlertPhase::Resolved));
    assert_eq!(step(kept.as_ref(), seen(false), &timing(0, 0), at(911)).0, None);
    assert_eq!(step(kept.as_ref(), seen(true), &timing(0, 0), at(901)).1, Some(Transition::Fired));
}

#[test]
fn only_changes_and_running_clocks_are_stored() {
    let t = timing(20, 10);
    let (pending, _) = step(None, seen(true), &t, at(0));
    let (later, _) = step(pending.as_ref(), seen(true), &t, at(10));
    assert!(worth_storing(None, pending.as_ref()) && worth_storing(pending.as_ref(), later.as_ref()));
    let (firing, _) = step(later.as_ref(), seen(true), &t, at(20));
    let (steady, _) = step(firing.as_ref(), seen(true), &t, at(30));
    assert!(worth_storing(later.as_ref(), firing.as_ref()) && !worth_storing(firing.as_ref(), steady.as_ref()));
    let (clearing, _) = step(steady.as_ref(), seen(false), &t, at(40));
    assert!(worth_storing(steady.as_ref(), clearing.as_ref()) && !worth_storing(None, None));
}

/// The definition, evaluated from the whole history at every instant: quadratic, and without state.
fn by_definition(history: &[Reading], hold: i64, keep: i64) -> Vec<bool> {
    let mut fires = vec![false; history.len()];
    for i in 0..history.len() {
        let Reading::Seen { breach, .. } = history[i] else { continue };
        let was_firing = i > 0 && fires[i - 1];
        fires[i] = if was_firing {
            let last_stay = (0..=i).rev().find(|j| matches!(history[*j], Reading::Seen { stay: true, .. }));
            let clear_from = last_stay.map_or(0, |j| j + 1);
            clear_from > i || (i - clear_from) as i64 * EVERY < keep
        } else {
            let first = (0..=i).rev().take_while(|j| matches!(history[*j], Reading::Seen { breach: true, .. })).last();
            let not_before = (0..i).rev().find(|j| fires[*j]).map_or(0, |j| j + 1);
            breach && first.is_some_and(|f| (i - f.max(not_before)) as i64 * EVERY >= hold)
        };
    }
    fires
}

fn history() -> impl Strategy<Value = Vec<Reading>> {
    let reading = prop_oneof![
        5 => Just(Reading::Seen { breach: true, stay: true }),
        1 => Just(Reading::Seen { breach: false, stay: true }),
        2 => Just(Reading::Seen { breach: false, stay: false }),
    ];
    proptest::collection::vec(reading, 1..80)
}

proptest! {
    #[test]
    fn equals_its_definition(history in history(), hold in 0u64..8, keep in 0u64..5) {
        let (hold, keep) = (hold * 10, keep * 10);
        let t = timing(hold, keep);
        let mut state = None;
        let expected = by_definition(&history, hold as i64, keep as i64);
        for (i, reading) in history.iter().enumerate() {
            state = step(state.as_ref(), *reading, &t, at(i as i64 * EVERY)).0;
            let fires = state.as_ref().is_some_and(|s| s.phase == AlertPhase::Firing);
            prop_assert_eq!(fires, expected[i], "at reading {}", i);
        }
    }

    /// Whatever the gaps, errors and jumps of the clock: at firing, readings in breach cover `hold`.
    #[test]
    fn never_fires_without_a_full_period_seen(
        steps in proptest::collection::vec((-5_000i64..5_000, 0u8..10), 1..60),
        hold in 1u64..200,
    ) {
        let t = timing(hold, 0);
        let (mut state, mut now, mut evidence, mut last) = (None, 0i64, 0i64, None::<i64>);
        for (jump, kind) in steps {
            now += if kind < 7 { jump.rem_euclid(30) } else { jump };
            let reading = match kind { 8 => Reading::Unknown, 9 => seen(false), _ => seen(true) };
            let (next, transition) = step(state.as_ref(), reading, &t, at(now));
            match reading {
                Reading::Seen { breach: true, .. } => {
                    evidence += last.map(|l| now - l).filter(|d| (0..=30).contains(d)).unwrap_or(0);
                    last = Some(now);
                }
                Reading::Seen { .. } => (evidence, last) = (0, None),
                Reading::Unknown => {}
            }
            if transition == Some(Transition::Fired) {
                prop_assert!(evidence >= hold as i64, "fired after {} of {} s", evidence, hold);
            }
            if next.as_ref().is_some_and(|s| s.phase != AlertPhase::Pending) { break }
            state = next;
        }
    }
}
