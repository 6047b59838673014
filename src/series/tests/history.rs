//! Samples of the past: they enter the pages of their own time, once, wherever the process dies.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::base::{DropReason, Matcher};
use crate::promql::{Selection, Source};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// What each series must have: the first value that came for each time.
type Model = BTreeMap<(usize, Timestamp), f64>;

fn past(name: &str, n: usize, at: Timestamp, value: f64) -> Item {
    Item { labels: labels(name, n), at, delta: Delta::Sample(value) }
}

async fn read(rig: &Rig, name: &str, start: Timestamp, end: Timestamp) -> Model {
    let selection = Selection { matchers: vec![Matcher::equal("__name__", name)], start, end };
    let number = |labels: &Labels| labels.value("route")[1..].parse::<usize>().unwrap();
    let found = rig.view.select(&selection).await.unwrap().into_iter();
    found.flat_map(|s| s.floats.iter().map(move |(t, v)| ((number(&s.labels), t), v)).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn the_past_is_read_where_it_belongs() {
    let (mut rig, archive, journal) = Rig::memory().await;
    rig.advance(HOUR);
    let ago = |seconds: u64| START - Duration::from_secs(seconds);
    rig.record(batch([past("x_total", 0, rig.now(), 50.0)]));
    let sent: Vec<(Timestamp, f64)> = (0..720).map(|i| (ago(20 * HOUR - 10 * i), i as f64)).collect();
    let items: Vec<Item> = sent.iter().map(|(at, v)| past("x_total", 0, *at, *v)).collect();
    assert_eq!(rig.record(batch(items.clone())).dropped, []);
    assert!(read(&rig, "x_total", ago(DAY), START).await.is_empty(), "not before the tick");
    rig.advance(600);
    rig.tick(false).await;
    let expected: Model = sent.iter().map(|(at, v)| ((0, *at), *v)).collect();
    assert_eq!(read(&rig, "x_total", ago(DAY), START).await, expected);
    // Sent once more, with other values too: what is there stays.
    let again = items.into_iter().map(|i| Item { delta: Delta::Sample(7.5), ..i });
    assert_eq!(rig.record(batch(again.collect::<Vec<_>>())).dropped, []);
    rig.advance(600);
    rig.tick(false).await;
    assert_eq!(read(&rig, "x_total", ago(DAY), START).await, expected);
    // A start finds it, and the series goes on.
    let rig = Rig::start(Settings::default(), &rig.clock, Arc::new(archive), Box::new(journal)).await;
    assert_eq!(read(&rig, "x_total", ago(DAY), START).await, expected);
    assert_eq!(read(&rig, "x_total", START, rig.now()).await.values().copied().collect::<Vec<_>>(), [50.0]);
}

#[tokio::test]
async fn what_is_older_than_the_finest_tier_is_in_the_coarser_ones() {
    let (mut rig, ..) = Rig::memory().await;
    let mut keeper = rig.keeper();
    keeper.expire(rig.now()).await;
    let first = START - Duration::from_secs(10 * DAY);
    for i in 0..(9 * DAY / 10) {
        let at = first + Duration::from_secs(10 * i) + Duration::from_secs(3);
        rig.record(batch([past("x_total", 0, at, i as f64)]));
    }
    rig.advance(600);
    assert_eq!(rig.shared.counters.history_waiting.get(), 9 * DAY / 10);
    let mut tick = rig.writer.close(false).unwrap();
    assert!(keeper.fold_history(&mut tick).await);
    rig.archive.append_tick(&tick).await.unwrap();
    rig.compact().await;
    let days = |n: u64| first + Duration::from_secs(n * DAY);
    let (coarse, fine) = (read(&rig, "x_total", days(1), days(2)).await, read(&rig, "x_total", days(8), days(9)).await);
    // The last of each five minutes, and the first of each two hours: a counter may have fallen before it.
    assert_eq!((coarse.len(), fine.len()), (288 + 12, 8640));
    let sent = |at: Timestamp| (at.since(first).as_secs() / 10) as f64;
    assert!(coarse.iter().chain(&fine).all(|((_, at), value)| *value == sent(*at)));
    let steps = coarse.keys().filter(|(_, at)| (at.as_millis() / 1000) % 300 == 293);
    assert_eq!(steps.count(), 288);
}

#[tokio::test]
async fn the_rest_is_refused_as_before() {
    let (mut rig, ..) = Rig::memory().await;
    let ago = |seconds: u64| rig.now() - Duration::from_secs(seconds);
    let (recent, old) = (ago(399 * DAY), ago(401 * DAY));
    assert_eq!(rig.record(batch([past("x", 0, recent, 1.0)])).dropped, []);
    assert_eq!(rig.record(batch([past("x", 0, old, 1.0)])).dropped, [(DropReason::OutOfRange, 1)]);
}

#[derive(Debug, Clone)]
enum Step {
    /// Samples of some series from so many seconds ago on, so many seconds apart.
    Send {
        series: usize,
        ago: u64,
        every: u64,
        count: u64,
        value: f64,
    },
    Tick,
    /// The archive refuses the next tick; the process is killed before it is tried again.
    RefusedAndKilled,
    Killed,
    Advance(u64),
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..4, 4_000u64..40 * HOUR, 1u64..900, 1u64..200, 0.0..9.0f64)
            .prop_map(|(series, ago, every, count, value)| Step::Send { series, ago, every, count, value }),
        3 => Just(Step::Tick),
        1 => Just(Step::RefusedAndKilled),
        1 => Just(Step::Killed),
        2 => (10u64..4_000).prop_map(Step::Advance),
        1 => Just(Step::Compact),
    ]
}

async fn follow(steps: Vec<Step>) {
    let (mut rig, archive, journal) = Rig::memory().await;
    let mut model = Model::new();
    let restart = async |rig: &Rig| {
        Rig::start(Settings::default(), &rig.clock, Arc::new(archive.clone()), Box::new(journal.clone())).await
    };
    for step in steps {
        match step {
            Step::Send { series, ago, every, count, value } => {
                let first = rig.now() - Duration::from_secs(ago);
                let times = (0..count).map(|i| first + Duration::from_secs(i * every));
                let floor = rig.shared.head.read().sample_floor;
                let times: Vec<_> = times.filter(|at| Slot::of(*at) <= floor).collect();
                for at in &times {
                    model.entry((series, *at)).or_insert(value);
                }
                let items: Vec<_> = times.into_iter().map(|at| past("g", series, at, value)).collect();
                assert_eq!(rig.record(batch(items)).dropped, []);
            }
            Step::Tick => rig.tick(true).await,
            Step::Killed => rig = restart(&rig).await,
            Step::RefusedAndKilled => {
                if let Some(mut tick) = rig.writer.close(true) {
                    assert!(rig.keeper().fold_history(&mut tick).await);
                }
                rig = restart(&rig).await;
            }
            Step::Advance(seconds) => rig.advance(seconds),
            Step::Compact => rig.compact().await,
        }
    }
    rig.advance(600);
    rig.tick(true).await;
    let found = read(&rig, "g", START - Duration::from_secs(45 * HOUR), rig.now()).await;
    let missing: Vec<_> = model.iter().filter(|(k, v)| found.get(k) != Some(v)).collect();
    let extra: Vec<_> = found.iter().filter(|(k, _)| !model.contains_key(k)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "now {}, missing {missing:?}, extra {extra:?}", rig.now());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn it_is_there_once_whatever_happens(steps in prop::collection::vec(step(), 1..25)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(follow(steps));
    }
}

#[tokio::test]
async fn the_past_leaves_half_of_the_journal_to_the_present() {
    let (mut rig, ..) = Rig::memory().await;
    let lane = super::super::lane::lane(1).0;
    let recorder = RecorderHandle { lane, stopping: Arc::default(), shared: rig.shared.clone() };
    let old = || batch([past("x", 0, rig.now() - Duration::from_secs(DAY), 1.0)]);
    let now = || batch([past("x", 0, rig.now(), 1.0), add("c", rig.now(), 1.0)]);
    assert!(!recorder.has_no_room_for(&old()));
    rig.shared.counters.journal_held.set(rig.shared.settings.journal_max_bytes / 2);
    assert!(recorder.has_no_room_for(&old()) && !recorder.has_no_room_for(&now()));
    assert!(matches!(recorder.record(old()).await, Err(RecordError::Full)));
    assert_eq!(rig.shared.counters.dropped_for(DropReason::Overloaded), 1);
    let sent = batch([past("x", 0, rig.now(), 1.0)]);
    rig.record(sent);
    assert!(rig.shared.counters.journal_held.get() < 1000, "what was written since the start");
}
