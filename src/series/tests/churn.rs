//! Instances that get another name every hour: memory holds those that live, readers find all.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::base::{MatchOp, Matcher};
use crate::promql::{Selection, Source, SourceError};
use crate::store::sqlite::SqliteStore;

const HOUR: Duration = Duration::from_secs(3600);
/// Each instance is a gauge, every second one a counter too, every fifth one a histogram.
const INSTANCES: u64 = 24;
const SERIES_AN_HOUR: usize = 24 + 12 + 5;
/// How often each of them has news.
const EVERY: Duration = Duration::from_secs(1800);

fn of(metric: &str, instance: &str) -> Labels {
    Labels::metric(metric, [("instance", instance)])
}

fn named(metric: &str) -> Vec<Matcher> {
    vec![Matcher::equal("__name__", metric)]
}

/// What was sent: events by slot, samples as they are.
#[derive(Default)]
struct Model {
    events: BTreeMap<(Labels, Timestamp), u64>,
    samples: BTreeMap<(Labels, Timestamp), f64>,
}

impl Model {
    /// How much each counter and histogram grew within `(start, end]`.
    fn grown(&self, metric: &str, start: Timestamp, end: Timestamp) -> BTreeMap<Labels, u64> {
        let mut out = BTreeMap::new();
        let inside = |at: Timestamp| start < at && at <= end;
        for ((labels, _), n) in self.events.iter().filter(|((l, at), _)| l.metric_name() == metric && inside(*at)) {
            *out.entry(labels.clone()).or_default() += n;
        }
        out
    }

    fn sampled(&self, start: Timestamp, end: Timestamp) -> BTreeMap<Labels, Vec<(Timestamp, f64)>> {
        let mut out: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for ((labels, at), v) in self.samples.iter().filter(|((_, at), _)| start < *at && *at <= end) {
            out.entry(labels.clone()).or_default().push((*at, *v));
        }
        out
    }
}

struct World {
    rig: Rig,
    clock: ManualClock,
    archive: Arc<dyn Archive>,
    journal: MemoryJournal,
    model: Model,
    serial: u64,
}

impl World {
    async fn new(archive: Arc<dyn Archive>) -> Self {
        let (clock, journal) = (ManualClock::at(START), MemoryJournal::default());
        let rig = Rig::start(Settings::default(), &clock, archive.clone(), Box::new(journal.clone())).await;
        Self { rig, clock, archive, journal, model: Model::default(), serial: 0 }
    }

    async fn restart(&mut self) {
        let journal = Box::new(self.journal.clone());
        self.rig = Rig::start(Settings::default(), &self.clock, self.archive.clone(), journal).await;
        let head = self.rig.shared.head.read();
        assert_eq!(head.series.len(), head.by_labels.len(), "those that live, and no others, are loaded");
    }

    fn count(&mut self, metric: &str, instance: &str, items: &mut Vec<Item>) {
        let (at, labels) = (self.clock.now(), of(metric, instance));
        let n = 1 + self.serial % 5;
        let observations = (0..n).map(|_| Observation { value: 0.1, weight: 1 }).collect();
        let delta = if metric == "h" { Delta::Observe(observations) } else { Delta::Add(n as f64) };
        items.push(Item { labels: labels.clone(), at, delta });
        self.model.events.insert((labels, at), n);
    }

    /// News of the instances of an hour, and of one that comes every thirty hours.
    fn report(&mut self, hour: u64, rare: bool) {
        let mut items = Vec::new();
        for n in 0..INSTANCES {
            self.serial += 1;
            let (at, instance) = (self.clock.now(), format!("i-{hour}-{n}"));
            let (labels, value) = (of("g", &instance), self.serial as f64);
            items.push(Item { labels: labels.clone(), at, delta: Delta::Sample(value) });
            self.model.samples.insert((labels, at), value);
            if n % 2 == 0 {
                self.count("c", &instance, &mut items);
            }
            if n % 5 == 0 {
                self.count("h", &instance, &mut items);
            }
        }
        if rare {
            self.count("c", "rare", &mut items);
        }
        assert_eq!(self.rig.record(batch(items)), Recorded::default());
    }

    async fn hour(&mut self, hour: u64) {
        for step in 0..2 {
            self.clock.advance(EVERY - Duration::from_secs(5));
            self.report(hour, hour.is_multiple_of(30) && step == 1);
            self.clock.advance(Duration::from_secs(5));
            self.rig.tick(false).await;
        }
        if hour.is_multiple_of(4) {
            self.rig.compact().await;
        }
    }

    /// Memory holds what had news within a day, and a little of what is about to leave. What a process finds at its
    /// start stays as long as its group had news.
    fn check_memory(&self, restarted: bool) {
        let head = self.rig.shared.head.read();
        let most = if restarted { 33 } else { 27 } * SERIES_AN_HOUR;
        let instances = head.index.postings().iter().flat_map(|p| p.values("instance")).count();
        let indexed = head.index.postings().iter().map(|p| p.all().len()).sum::<usize>();
        let places = (head.series.len(), head.by_id.len(), head.by_labels.len(), indexed);
        assert!(places.0 <= most && instances <= most, "{places:?} places, {instances} instances");
        assert!(places.1 <= places.0 && places.2 <= places.1 && indexed == places.1, "{places:?}");
    }

    async fn grown(&self, metric: &str, start: Timestamp, end: Timestamp) -> BTreeMap<Labels, u64> {
        let found = self.rig.view.increases(&named(metric), start, end).await.unwrap();
        found.into_iter().filter(|(_, n)| *n > 0.0).map(|(labels, n)| (labels, n.round() as u64)).collect()
    }

    /// What readers find within `(start, end]`, on edges of the steps.
    async fn check(&self, start: Timestamp, end: Timestamp) {
        let what = format!("from {start} to {end} at {}", self.clock.now());
        let selection = |matchers| Selection { matchers, start, end };
        assert_eq!(self.grown("c", start, end).await, self.model.grown("c", start, end), "{what}");
        let counted = self.grown("h_count", start, end).await;
        let renamed = |(labels, n): (Labels, u64)| (labels.with("__name__", "h"), n);
        let counted: BTreeMap<Labels, u64> = counted.into_iter().map(renamed).collect();
        assert_eq!(counted, self.model.grown("h", start, end), "{what}");

        let samples = self.rig.view.select(&selection(named("g"))).await.unwrap();
        let samples: BTreeMap<_, _> = samples.into_iter().map(|s| (s.labels, s.floats.to_vec())).collect();
        let expected = self.model.sampled(start, end);
        assert_eq!(samples, expected, "{what}");
        // What lived on into the range, or began after its last sample, may be listed too.
        let listed: BTreeSet<Labels> =
            self.rig.view.series(&selection(named("g"))).await.unwrap().into_iter().collect();
        assert!(expected.keys().all(|l| listed.contains(l)) && listed.len() <= expected.len() + 2 * 24, "{what}");
        let instances = self.rig.view.label_values("instance", &selection(named("g"))).await.unwrap();
        assert_eq!(instances, listed.iter().map(|l| l.value("instance").to_owned()).collect(), "{what}");
        let all = self.rig.view.label_values("instance", &selection(Vec::new())).await.unwrap();
        assert!(all.is_superset(&instances), "{what}");
        let le = vec![Matcher::new("__name__", MatchOp::Regex, "h_b.*").unwrap(), Matcher::equal("le", "+Inf")];
        let buckets = self.rig.view.series(&selection(le)).await.unwrap();
        assert!(counted.keys().all(|l| buckets.contains(&l.with("__name__", "h_bucket").with("le", "+Inf"))), "{what}");
        let names = self.rig.view.label_names(&selection(named("h_bucket"))).await.unwrap();
        assert!(names.iter().eq(["__name__", "instance", "le"]), "{what}: {names:?}");
    }
}

async fn rename_hourly(archive: Arc<dyn Archive>, hours: u64, restarts: &[u64]) -> World {
    let mut world = World::new(archive).await;
    for hour in 0..hours {
        world.hour(hour).await;
        world.check_memory(restarts.iter().any(|restart| *restart <= hour));
        if restarts.contains(&hour) {
            world.restart().await;
        }
        if hour % 240 == 50 {
            for ago in [1, 20, 30, 49] {
                let start = START + HOUR * (hour - ago) as u32;
                world.check(start, start + HOUR).await;
                world.check(start - EVERY, start + 2 * EVERY).await;
            }
        }
    }
    world
}

#[tokio::test]
async fn a_month_of_hourly_renames_leaves_memory_to_those_that_live() {
    let hours = 30 * 24;
    let world = rename_hourly(Arc::new(MemoryArchive::new()), hours, &[100, 101, 333, 700]).await;
    for hour in [0, 100, 101, 511, hours - 26, hours - 1] {
        let start = START + HOUR * hour as u32;
        world.check(start, start + HOUR).await;
    }
    // All of it, with the one that retired and came again.
    let (start, end) = (START - HOUR, world.clock.now());
    assert_eq!(world.grown("c", start, end).await, world.model.grown("c", start, end));
    let sets = world.rig.view.series(&Selection { matchers: named("g"), start, end }).await.unwrap();
    assert_eq!(sets.len(), (hours * INSTANCES) as usize);
}

#[tokio::test]
async fn three_days_of_renames_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
    let world = rename_hourly(Arc::new(store), 72, &[30, 60]).await;
    for hour in [0, 1, 29, 30, 31, 71] {
        let start = START + HOUR * hour;
        world.check(start, start + HOUR).await;
    }
}

/// What is sent to us ends with its last sample, so nobody who looks at the last day asks the archive for more.
#[tokio::test]
async fn the_last_day_of_samples_is_in_memory() {
    let (mut rig, ..) = Rig::memory().await;
    for hour in 0..40 {
        rig.record(batch([Item { labels: labels("g", hour), at: rig.now(), delta: Delta::Sample(1.0) }]));
        rig.advance(3600);
        rig.tick(false).await;
    }
    let newest = rig.shared.head.read().retirement.newest;
    assert!(Slot::of(START) < newest && newest < Slot::of(rig.now() - 24 * HOUR), "{newest:?}");
}

/// Until the archive knows that a series retired, it is found in memory; after that in the archive, once.
#[tokio::test]
async fn whoever_leaves_is_found_at_every_instant() {
    let (mut rig, archive, journal) = Rig::memory().await;
    rig.record(batch([add("c", rig.now(), 2.0), sample("g", rig.now(), 7.0)]));
    rig.advance(200);
    rig.tick(false).await;
    rig.advance(23 * 3600);
    rig.record(batch([add("other", rig.now(), 1.0)]));
    rig.advance(200);
    rig.tick(false).await;
    rig.advance(2 * 3600);
    let both = async |rig: &Rig| {
        let selection = Selection { matchers: named("g"), start: START - TICK, end: rig.now() };
        let samples = rig.view.select(&selection).await.unwrap();
        let floats: Vec<_> = samples.into_iter().flat_map(|s| s.floats).map(|s| s.1).collect();
        (rig.view.increases(&named("c"), START - TICK, rig.now()).await.unwrap()[0].1, floats)
    };
    let known = |rig: &Rig| rig.shared.head.read().by_id.len();
    while known(&rig) > 1 {
        assert!(rig.page().await);
        let Some(tick) = rig.writer.close(false) else { break };
        assert_eq!(both(&rig).await, (2.0, vec![7.0]), "retired");
        archive.append_tick(&tick).await.unwrap();
        assert_eq!(both(&rig).await, (2.0, vec![7.0]), "in both");
        rig.writer.archived(tick.through, tick.entry);
        assert_eq!(both(&rig).await, (2.0, vec![7.0]), "gone");
    }
    assert_eq!((known(&rig), rig.shared.head.read().series.len()), (1, 3));
    // The label set that comes again is a new series, at a place that was free.
    rig.record(batch([add("c", rig.now(), 3.0)]));
    assert_eq!((known(&rig), rig.shared.head.read().series.len()), (2, 3));
    assert_eq!(both(&rig).await, (5.0, vec![7.0]));
    let clock = rig.clock.clone();
    let rig = Rig::start(Settings::default(), &clock, Arc::new(archive), Box::new(journal)).await;
    assert_eq!(both(&rig).await, (5.0, vec![7.0]));
    assert_eq!(rig.shared.head.read().next_id, 5);
}

#[tokio::test]
async fn a_read_of_too_many_that_ended_says_what_to_do() {
    let (rig, archive, journal) = Rig::memory().await;
    let def = |id: u64| SeriesDef {
        id,
        group: id / 64,
        labels: labels("g", id as usize),
        kind: SeriesKind::Sample,
        born: Slot::of(START),
        retired: Some(Retired { listed: Slot::of(START), ended: Slot::of(START) }),
    };
    let tick = Tick { series: (1..=100_001).map(def).collect(), ..Tick::empty(Slot::of(START), 0) };
    archive.append_tick(&tick).await.unwrap();
    let clock = rig.clock.clone();
    let rig = Rig::start(Settings::default(), &clock, Arc::new(archive), Box::new(journal)).await;
    let selection = |name, start| Selection { matchers: named(name), start, end: START };
    let error = rig.view.series(&selection("g", START - HOUR)).await.unwrap_err();
    assert!(matches!(error, SourceError::TooManySeries { limit: 100_000 }));
    assert!(error.to_string().contains("name the metric"), "{error}");
    assert!(rig.view.series(&selection("other", START - HOUR)).await.unwrap().is_empty());
    assert!(rig.view.series(&selection("g", START + 2 * HOUR)).await.unwrap().is_empty());
}

/// The time that the process was away is not held against those that had no chance to have news.
#[tokio::test]
async fn nobody_retires_for_a_long_absence() {
    let (mut rig, archive, journal) = Rig::memory().await;
    rig.record(batch([add("c", rig.now(), 2.0), sample("g", rig.now(), 7.0)]));
    rig.advance(1200);
    rig.tick(false).await;
    let clock = rig.clock.clone();
    clock.advance(72 * HOUR);
    let mut rig = Rig::start(Settings::default(), &clock, Arc::new(archive), Box::new(journal)).await;
    let known = |rig: &Rig| rig.shared.head.read().by_labels.len();
    for _ in 0..23 {
        rig.advance(3600);
        rig.tick(false).await;
    }
    assert_eq!(known(&rig), 2);
    rig.advance(2 * 3600);
    rig.tick(false).await;
    assert_eq!(known(&rig), 0);
}

/// Started every few hours, it lets go all the same.
#[tokio::test]
async fn restarts_keep_nobody() {
    let restarts: Vec<u64> = (0..60).filter(|hour| hour % 7 == 6).collect();
    let world = rename_hourly(Arc::new(MemoryArchive::new()), 60, &restarts).await;
    let start = START + 20 * HOUR;
    world.check(start, start + HOUR).await;
}
