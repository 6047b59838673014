use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn input(counts: Counts, target: f64, window: Duration) -> BudgetInput<'static> {
    let now = Timestamp::from_secs(100 * 86_400);
    BudgetInput {
        objective: "api",
        window: format_duration(window),
        span: Span { start: now - window, end: now },
        target,
        counts,
        minutes: (0.0, 0.0),
        burn: Vec::new(),
        bad_by_group: Vec::new(),
        now,
    }
}

#[test]
fn a_quiet_hour_does_not_weigh_as_much_as_a_busy_one() {
    // 99 % of a day's traffic in 2 of 24 hours, at 1 % errors; the rest is clean.
    let busy = Counts { good: 490_050.0, total: 495_000.0 };
    let quiet = Counts { good: 454.0, total: 454.0 };
    let hours = std::iter::repeat_n(busy, 2).chain(std::iter::repeat_n(quiet, 22));
    let sum = hours.clone().fold(Counts::default(), |a, b| Counts { good: a.good + b.good, total: a.total + b.total });
    let mean_of_ratios = hours.map(|h| h.bad() / h.total).sum::<f64>() / 24.0;
    let error_ratio = report(input(sum, 0.99, DAY)).sli.map(|sli| 1.0 - sli).unwrap();
    assert!((mean_of_ratios - 0.000_833).abs() < 1e-5, "the mean says {mean_of_ratios}");
    assert!((error_ratio - 0.0099).abs() < 1e-5, "the truth is {error_ratio}");
    assert!(error_ratio / mean_of_ratios > 11.8, "twelve times");
}

#[test]
fn spends_what_the_target_allows() {
    let thirty_days = 30 * DAY;
    let report = report(input(Counts { good: 999_250.0, total: 1_000_000.0 }, 0.999, thirty_days));
    assert!((report.remaining.unwrap() - 0.25).abs() < 1e-9);
    assert!((report.minutes_remaining.unwrap() - 43.2 * 0.25).abs() < 1e-6, "99.9 % of 30 days is 43.2 min");
    let overdrawn = super::report(input(Counts { good: 998_000.0, total: 1_000_000.0 }, 0.999, thirty_days));
    assert!((overdrawn.remaining.unwrap() + 1.0).abs() < 1e-9);
    assert_eq!(overdrawn.exhausted_in, Some(0.0));
}

#[test]
fn without_events_nothing_is_claimed() {
    let report = report(input(Counts::default(), 0.999, DAY));
    assert_eq!((report.sli, report.remaining, report.minutes_remaining), (None, None, None));
    assert_eq!((report.exhausted_in, report.coverage), (None, None));
}

#[test]
fn says_when_it_will_be_used_up() {
    let hour = |bad: f64| (PRESENT, Counts { good: 1000.0 - bad, total: 1000.0 });
    let mut half_left = input(Counts { good: 9_995.0, total: 10_000.0 }, 0.999, 30 * DAY);
    half_left.burn = vec![hour(10.0)];
    // Ten times too fast: half of 30 days, divided by ten.
    let seconds = report(half_left.clone()).exhausted_in.unwrap();
    assert!((seconds - 1.5 * 86_400.0).abs() < 1e-3, "{seconds}");
    half_left.burn = vec![hour(0.0)];
    assert_eq!(report(half_left.clone()).exhausted_in, None, "nothing burns");
    // On the calendar it is enough that the budget lasts until the period ends.
    half_left.burn = vec![hour(10.0)];
    half_left.span = Span { start: half_left.now - 29 * DAY, end: half_left.now + DAY };
    assert_eq!(report(half_left).exhausted_in, None);
}

#[test]
fn names_who_spent_it() {
    let group = |name: &str| Labels::new([("http_route", name)]);
    let mut spent = input(Counts { good: 90.0, total: 100.0 }, 0.99, DAY);
    spent.bad_by_group = vec![(group("/a"), 2.0), (group("/b"), 8.0), (group("/c"), 0.0)];
    let shares: Vec<_> = report(spent).contributors.into_iter().map(|c| (c.labels, c.share)).collect();
    assert_eq!(shares, [(group("/b"), 0.8), (group("/a"), 0.2)]);
}

proptest! {
    /// The report of counted windows equals counting every event of the window.
    #[test]
    fn equals_counting_every_event(
        events in proptest::collection::vec((0i64..172_800, any::<bool>()), 0..400),
        target in 0.5f64..0.9999,
    ) {
        let now = Timestamp::from_secs(172_800);
        let count = |window: Duration| {
            let inside = events.iter().filter(|(at, _)| Timestamp::from_secs(*at) > now - window);
            let (good, total) = inside.fold((0.0, 0.0), |(g, t), (_, ok)| (g + f64::from(u8::from(*ok)), t + 1.0));
            Counts { good, total }
        };
        let mut input = input(count(DAY), target, DAY);
        input.span = Span { start: now - DAY, end: now };
        input.now = now;
        input.burn = BURN_WINDOWS.iter().filter(|w| **w <= DAY).map(|w| (*w, count(*w))).collect();
        let report = report(input);
        let inside: Vec<bool> = events.iter().filter(|(at, _)| *at > 86_400).map(|(_, ok)| *ok).collect();
        let bad = inside.iter().filter(|ok| !**ok).count() as f64;
        prop_assert_eq!(report.total, inside.len() as f64);
        prop_assert_eq!(report.bad, bad);
        if let Some(remaining) = report.remaining {
            let allowed = inside.len() as f64 * (1.0 - target);
            prop_assert!((remaining - (allowed - bad) / allowed).abs() < 1e-6);
            prop_assert_eq!(remaining < 0.0, bad / inside.len() as f64 / (1.0 - target) > 1.0);
        }
        prop_assert_eq!(report.burn.len(), 6);
    }
}
