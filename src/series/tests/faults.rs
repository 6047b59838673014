//! Faults at every step: a history is run once to count the calls that change what is stored, then again for
//! each of them and each fault, and what is stored afterwards must be what was acknowledged.
//!
//! A fault strikes before or after the call took effect, and is either an error, after which the process goes on,
//! or its end, after which nothing works until it starts anew on what is stored.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::crash::vital;
use super::faulty::{FaultyArchive, Strikes};
use super::*;
use crate::base::Matcher;
use crate::promql::{Selection, SeriesSamples, Source};
use crate::sketch::{NativeBuckets, NativeHistogram};
use crate::store::journal::FileJournal;

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ErrorBefore,
    ErrorAfter,
    KillBefore,
    KillAfter,
}

impl Fault {
    /// A kill before a call is one after the call before it.
    const ALL: [Self; 3] = [Self::ErrorBefore, Self::ErrorAfter, Self::KillAfter];

    fn takes_effect(self) -> bool {
        matches!(self, Self::ErrorAfter | Self::KillAfter)
    }

    fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }
}

/// What strikes when; shared by the wrappers of one process.
#[derive(Debug, Clone, Default)]
struct Script(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    /// The calls so far, by name.
    calls: Vec<&'static str>,
    strike: Option<(usize, Fault)>,
    dead: bool,
    /// Entries that the journal has taken.
    appended: usize,
}

impl Script {
    fn striking(strike: Option<(usize, Fault)>) -> Self {
        Self(Arc::new(Mutex::new(Plan { strike, ..Plan::default() })))
    }

    fn is_dead(&self) -> bool {
        self.0.lock().dead
    }

    fn appended(&self) -> usize {
        self.0.lock().appended
    }

    /// Notes a call, and says what strikes it.
    fn fault(&self, call: &'static str) -> Option<Fault> {
        let mut plan = self.0.lock();
        if plan.dead {
            return Some(Fault::KillBefore);
        }
        let number = plan.calls.len();
        plan.calls.push(call);
        let (_, fault) = plan.strike.filter(|(at, _)| *at == number)?;
        plan.dead = fault.kills();
        Some(fault)
    }

    fn journal<T>(&self, call: &'static str, run: impl FnOnce() -> Result<T, JournalError>) -> Result<T, JournalError> {
        match self.fault(call) {
            None => run(),
            Some(fault) => {
                // A journal that takes an entry and says that it did not would break its contract; a file that
                // could not be created may be there all the same.
                if fault.takes_effect() && (fault.kills() || call != "append") {
                    run()?;
                }
                let source = std::io::Error::other("injected");
                Err(JournalError::Io { path: call.to_owned(), operation: "written", source })
            }
        }
    }
}

impl Strikes for Script {
    fn archive(&self, call: &'static str) -> Option<bool> {
        self.fault(call).map(Fault::takes_effect)
    }
}

struct FaultyJournal(Box<dyn Journal>, Script);

impl Journal for FaultyJournal {
    fn replay(&mut self, entry: &mut dyn FnMut(SegmentId, &[u8])) -> Result<Replayed, JournalError> {
        self.0.replay(entry)
    }
    fn append(&mut self, entry: &[u8]) -> Result<(), JournalError> {
        let (inner, script) = (&mut self.0, self.1.clone());
        self.1.journal("append", || {
            inner.append(entry)?;
            script.0.lock().appended += 1;
            Ok(())
        })
    }
    fn rotate(&mut self) -> Result<SegmentId, JournalError> {
        let inner = &mut self.0;
        self.1.journal("rotate", || inner.rotate())
    }
    fn segment(&self) -> SegmentId {
        self.0.segment()
    }
    fn trim(&mut self, through: SegmentId) -> Result<(), JournalError> {
        let inner = &mut self.0;
        self.1.journal("trim", || inner.trim(through))
    }
}

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// Counters and a histogram of a route: so many events, their age in seconds.
    Events {
        route: usize,
        events: u32,
        age: u64,
    },
    /// A gauge.
    Sample {
        age: u64,
    },
    /// A native histogram.
    Native,
    /// The next report of a view.
    Vital {
        view: u8,
        value: u32,
        is_final: bool,
    },
    Advance {
        seconds: u64,
    },
    /// One round of the loop: settle, close, archive, trim, compact, expire.
    Turn,
    /// SIGTERM and a new start.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0usize..3, 1u32..5, prop_oneof![Just(0u64), 0u64..150])
            .prop_map(|(route, events, age)| Step::Events { route, events, age }),
        2 => (0u64..100).prop_map(|age| Step::Sample { age }),
        2 => Just(Step::Native),
        4 => (0u8..3, 1u32..5000, prop::bool::weighted(0.2))
            .prop_map(|(view, value, is_final)| Step::Vital { view, value, is_final }),
        4 => prop_oneof![1u64..30, 100u64..400, 3000u64..9000].prop_map(|seconds| Step::Advance { seconds }),
        6 => Just(Step::Turn),
        1 => Just(Step::Restart),
    ]
}

/// What was acknowledged, counted by the test itself.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    events: BTreeMap<usize, u64>,
    samples: BTreeMap<Timestamp, f64>,
    natives: BTreeMap<Timestamp, f64>,
    /// The last report of each view that is provisional, in milliseconds.
    pending: BTreeMap<u8, u32>,
    settled: Vec<u32>,
}

/// Where the journal lies.
enum Disk {
    Memory(MemoryJournal),
    Files(tempfile::TempDir),
}

impl Disk {
    fn journal(&self) -> Box<dyn Journal> {
        match self {
            Self::Memory(journal) => Box::new(journal.clone()),
            Self::Files(folder) => Box::new(FileJournal::open(folder.path(), JournalSync::Write).unwrap()),
        }
    }
}

struct World {
    rig: Option<Rig>,
    clock: ManualClock,
    archive: MemoryArchive,
    disk: Disk,
    script: Script,
    waiting: Option<Tick>,
    model: Model,
    /// What the model is when what was on its way at a kill counts too.
    also: Option<Model>,
    serial: u32,
}

impl World {
    async fn new(disk: Disk, strike: Option<(usize, Fault)>) -> Self {
        let mut world = Self {
            rig: None,
            clock: ManualClock::at(START),
            archive: MemoryArchive::new(),
            disk,
            script: Script::striking(strike),
            waiting: None,
            model: Model::default(),
            also: None,
            serial: 0,
        };
        world.start().await;
        world
    }

    /// Keeps little, so that expiry has something to do.
    fn settings() -> Settings {
        let hour = Duration::from_secs(3600);
        let keep = Keep { resolution_10s: 4 * hour, resolution_5m: 8 * hour, resolution_1h: 1000 * hour };
        Settings { keep, idle: 3 * hour, ..Settings::default() }
    }

    async fn start(&mut self) {
        (self.rig, self.waiting) = (None, None);
        let archive = Arc::new(FaultyArchive(self.archive.clone(), self.script.clone()));
        let journal = Box::new(FaultyJournal(self.disk.journal(), self.script.clone()));
        let rig = Rig::start(Self::settings(), &self.clock, archive, journal).await;
        let found = &rig.found;
        assert_eq!((found.lost, found.missing, found.damage.len()), (0, 0, 0), "{found:?}");
        self.rig = Some(rig);
    }

    fn rig(&mut self) -> &mut Rig {
        self.rig.as_mut().unwrap()
    }

    /// The process is gone; another starts on what is stored, and nothing strikes any more.
    async fn revive(&mut self) {
        let calls = std::mem::take(&mut self.script.0.lock().calls);
        self.script = Script::default();
        self.script.0.lock().calls = calls;
        self.start().await;
    }

    async fn step(&mut self, step: &Step) {
        let now = self.clock.now();
        match *step {
            Step::Events { route, events, age } => {
                let at = now - Duration::from_secs(age);
                let observations = (0..events).map(|_| Observation { value: 0.1, weight: 1 }).collect();
                let items = vec![
                    Item { labels: labels("events_total", route), at, delta: Delta::Add(f64::from(events)) },
                    Item { labels: labels("latency_seconds", route), at, delta: Delta::Observe(observations) },
                ];
                self.commit(batch(items), |m| *m.events.entry(route).or_default() += u64::from(events));
            }
            Step::Sample { age } => {
                self.serial += 1;
                let (at, value) = (now - Duration::from_secs(age), f64::from(self.serial));
                self.commit(batch([sample("gauge", at, value)]), |m| {
                    m.samples.insert(at, value);
                });
            }
            Step::Native => {
                self.serial += 1;
                let count = f64::from(self.serial);
                let item = Item { labels: labels("native", 0), at: now, delta: Delta::Distribution(native(count)) };
                self.commit(batch([item]), |m| {
                    m.natives.insert(now, count);
                });
            }
            Step::Vital { view, value, is_final } => {
                self.serial += 1;
                let value_seconds = f64::from(value) / 1000.0;
                let report = vital(view, Some(u64::from(self.serial)), value_seconds, is_final, now);
                self.commit(Batch { items: vec![], vitals: vec![report] }, |m| {
                    m.pending.insert(view, value);
                });
            }
            Step::Advance { seconds } => self.clock.advance(Duration::from_secs(seconds)),
            Step::Turn => self.turn(false).await,
            Step::Restart => {
                self.turn(true).await;
                self.turn(true).await;
                if !self.script.is_dead() {
                    self.start().await;
                }
            }
        }
    }

    /// Commits a batch, with what is due to settle, and keeps the model in step.
    fn commit(&mut self, batch: Batch, apply: impl FnOnce(&mut Model)) {
        let (due, before) = (self.due(), self.script.appended());
        let outcome = self.rig().writer.commit(vec![batch]).remove(0);
        let appended = self.script.appended() > before;
        if appended {
            self.settled(due);
        }
        match outcome {
            Ok(recorded) if recorded.dropped.is_empty() => apply(&mut self.model),
            Ok(_) => {}
            Err(_) if appended => {
                // Killed between the entry and the answer: whether it would have counted nobody has heard.
                let mut also = self.model.clone();
                apply(&mut also);
                self.also = Some(also);
            }
            Err(_) => {}
        }
    }

    /// Which views are about to settle; their values are the model's own.
    fn due(&mut self) -> Vec<u8> {
        let now = self.clock.now();
        let head = self.rig().shared.head.read();
        head.ledger.due(now, 1000).map(|p| p.report.key.id.parse().unwrap()).collect()
    }

    fn settled(&mut self, due: Vec<u8>) {
        for view in due {
            let value = self.model.pending.remove(&view).expect("what settles was reported");
            self.model.settled.push(value);
        }
    }

    async fn turn(&mut self, everything: bool) {
        let (due, before) = (self.due(), self.script.appended());
        self.rig().writer.commit(Vec::new());
        if self.script.appended() > before {
            self.settled(due);
        }
        // As the loop does: the tick that waits, else pages of what closed, then the next tick.
        loop {
            let tick = match self.waiting.take() {
                Some(tick) => Some(tick),
                None if !self.rig().page().await => return,
                None => self.rig().writer.close(everything),
            };
            let Some(mut tick) = tick else { return self.rig().compact().await };
            assert!(self.rig().keeper().fold_history(&mut tick).await);
            match self.rig().archive.append_tick(&tick).await {
                Ok(()) => self.rig().writer.archived(tick.through, tick.entry),
                Err(_) => {
                    self.waiting = Some(tick);
                    return;
                }
            }
        }
    }

    async fn select(&self, name: &str, start: Timestamp) -> Vec<SeriesSamples> {
        let matchers = vec![Matcher::equal("__name__", name)];
        let selection = Selection { matchers, start, end: self.clock.now() };
        self.rig.as_ref().unwrap().view.select(&selection).await.unwrap()
    }

    /// How much a counter grows, by the exact read and by its samples, which must agree.
    async fn grown(&self, name: &str) -> BTreeMap<Labels, u64> {
        let start = START - Duration::from_secs(86_400);
        let matchers = [Matcher::equal("__name__", name)];
        let view = &self.rig.as_ref().unwrap().view;
        let exact = view.increases(&matchers, start, self.clock.now()).await.unwrap();
        let exact: BTreeMap<Labels, u64> = exact.into_iter().map(|(l, v)| (l, v.round() as u64)).collect();
        let sampled = |s: SeriesSamples| {
            let before = std::iter::once(0.0).chain(s.floats.iter().map(|f| f.1));
            let grown: f64 = before.zip(s.floats.iter()).map(|(a, (_, v))| if v < a { v } else { v - a }).sum();
            (s.labels, grown.round() as u64)
        };
        let samples: BTreeMap<Labels, u64> = self.select(name, start).await.into_iter().map(sampled).collect();
        assert_eq!(exact, samples, "{name}");
        exact
    }

    /// What readers see, in the model's terms; of samples those that are kept at full resolution.
    async fn seen(&self) -> Model {
        let of_route = |(labels, n): (Labels, u64)| (labels.value("route")[1..].parse().unwrap(), n);
        let events: BTreeMap<usize, u64> = self.grown("events_total").await.into_iter().map(of_route).collect();
        let counted: BTreeMap<usize, u64> =
            self.grown("latency_seconds_count").await.into_iter().map(of_route).collect();
        assert_eq!(events, counted);
        let recent = self.recent();
        let gauge = self.select("gauge", recent).await;
        let natives = self.select("native", recent).await;
        let histograms = natives.into_iter().flat_map(|s| s.histograms).map(|(t, h)| (t, h.count));
        let pending = self.rig.as_ref().unwrap().view.pending_vitals(Timestamp::MIN);
        let mut pending: Vec<u32> = pending.iter().map(|p| (p.value * 1000.0).round() as u32).collect();
        pending.sort_unstable();
        let settled = self.grown("web_vitals_lcp_seconds_count").await.into_values().sum::<u64>();
        let start = START - Duration::from_secs(86_400);
        let matchers = [Matcher::equal("__name__", "web_vitals_lcp_seconds_sum")];
        let sum = self.rig.as_ref().unwrap().view.increases(&matchers, start, self.clock.now()).await.unwrap();
        let sum: f64 = sum.into_iter().map(|(_, v)| v).sum();
        Model {
            events,
            samples: gauge.into_iter().flat_map(|s| s.floats).collect(),
            natives: histograms.collect(),
            pending: pending.into_iter().enumerate().map(|(i, v)| (i as u8, v)).collect(),
            settled: vec![settled as u32, (sum * 1000.0).round() as u32],
        }
    }

    fn recent(&self) -> Timestamp {
        self.clock.now() - Duration::from_secs(3 * 3600)
    }

    /// The model in the terms of [`World::seen`].
    fn expected(&self, model: &Model) -> Model {
        let recent = self.recent();
        let keep =
            |m: &BTreeMap<Timestamp, f64>| m.iter().filter(|(t, _)| **t > recent).map(|(t, v)| (*t, *v)).collect();
        let mut pending: Vec<u32> = model.pending.values().copied().collect();
        pending.sort_unstable();
        Model {
            events: model.events.clone(),
            samples: keep(&model.samples),
            natives: keep(&model.natives),
            pending: pending.into_iter().enumerate().map(|(i, v)| (i as u8, v)).collect(),
            settled: vec![model.settled.len() as u32, model.settled.iter().sum()],
        }
    }

    /// Readers see what was acknowledged; of what was on its way at a kill, all or nothing.
    async fn check(&mut self, what: &str) {
        let seen = self.seen().await;
        if let Some(also) = self.also.take()
            && seen == self.expected(&also)
        {
            self.model = also;
        }
        assert_eq!(seen, self.expected(&self.model), "{what}");
    }
}

fn native(count: f64) -> Arc<NativeHistogram> {
    Arc::new(NativeHistogram {
        schema: 3,
        zero_threshold: 1e-9,
        zero_count: 0.0,
        count,
        sum: count / 2.0,
        positive: NativeBuckets(vec![(1, count)]),
        negative: NativeBuckets(Vec::new()),
        ..NativeHistogram::default()
    })
}

/// What every history ends with: long enough for all that is open to close and be compacted.
fn tail() -> Vec<Step> {
    let record = |route| Step::Events { route, events: 1, age: 0 };
    let long = Step::Advance { seconds: 9_000 };
    vec![record(0), Step::Turn, Step::Advance { seconds: 200 }, Step::Turn, long, record(1), Step::Turn, Step::Turn]
}

/// Runs a history with a fault; returns the calls that were made.
async fn run(disk: Disk, steps: &[Step], strike: Option<(usize, Fault)>) -> Vec<&'static str> {
    let mut world = World::new(disk, strike).await;
    for step in steps {
        world.step(step).await;
        if world.script.is_dead() {
            break;
        }
    }
    let what = format!("{strike:?} after {:?}", world.script.0.lock().calls.last());
    if !world.script.is_dead() {
        world.check(&what).await;
    }
    let calls = world.script.0.lock().calls.clone();
    world.revive().await;
    world.check(&format!("{what}, started again")).await;
    for step in tail() {
        world.step(&step).await;
    }
    world.check(&format!("{what}, and gone on")).await;
    world.revive().await;
    world.check(&format!("{what}, gone on and started again")).await;
    calls
}

/// Every fault at every call of a history.
fn everywhere(disk: impl Fn() -> Disk, steps: &[Step]) -> BTreeMap<&'static str, usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let calls = run(disk(), steps, None).await;
        for at in 0..calls.len() {
            for fault in Fault::ALL {
                run(disk(), steps, Some((at, fault))).await;
            }
        }
        let mut count = BTreeMap::new();
        calls.into_iter().for_each(|call| *count.entry(call).or_default() += 1);
        count
    })
}

fn memory() -> Disk {
    Disk::Memory(MemoryJournal::default())
}

fn files() -> Disk {
    Disk::Files(tempfile::tempdir().unwrap())
}

/// A history in which every call is made: pages are written, merged and expire, series retire.
fn full_history() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..6u32 {
        steps.extend([
            Step::Events { route: (round % 2) as usize, events: round + 1, age: 0 },
            Step::Sample { age: 0 },
            Step::Native,
            Step::Vital { view: (round % 3) as u8, value: 100 + round, is_final: round == 4 },
            Step::Turn,
            Step::Advance { seconds: 61 },
            Step::Events { route: 2, events: 2, age: 30 },
            Step::Vital { view: (round % 3) as u8, value: 200 + round, is_final: false },
            Step::Advance { seconds: 200 },
            Step::Turn,
            Step::Advance { seconds: 5_000 },
            Step::Turn,
        ]);
    }
    steps
}

#[test]
fn a_fault_at_any_call_of_a_full_history_loses_and_doubles_nothing() {
    let calls = everywhere(memory, &full_history());
    for call in ["append", "rotate", "trim", "append_tick", "put_pages", "merge", "expire"] {
        assert!(calls.get(call).is_some_and(|n| *n >= 3), "{call} was hardly struck: {calls:?}");
    }
}

#[test]
fn a_fault_at_any_call_on_files_loses_and_doubles_nothing() {
    everywhere(files, &full_history()[..36]);
}

/// A tick that was refused is archived before there is a page of it; else it would count from both.
#[tokio::test]
async fn no_page_is_made_of_what_a_waiting_tick_holds() {
    let (clock, archive, journal) = (ManualClock::at(START), MemoryArchive::new(), MemoryJournal::default());
    let script = Script::striking(Some((0, Fault::ErrorBefore)));
    let faulty = Arc::new(FaultyArchive(archive.clone(), script.clone()));
    let mut rig = Rig::start(Settings::default(), &clock, faulty, Box::new(journal.clone())).await;
    rig.record(batch([add("c", START, 1.0)]));
    rig.advance(130);
    let mut keeper = rig.keeper();
    keeper.waiting = rig.writer.close(false);
    assert_eq!(keeper.archive_next(false).await, None);
    assert_eq!(script.0.lock().calls, ["append_tick"]);
    assert_eq!(keeper.archive_next(false).await, Some(true));
    assert_eq!(script.0.lock().calls, ["append_tick", "append_tick", "put_pages"]);
    let rig = Rig::start(Settings::default(), &clock, Arc::new(archive), Box::new(journal)).await;
    assert_eq!(rig.query("sum(c)").await, Some(1.0));
}

/// The archive refuses for long: the journal fills to its limit, refuses, and takes again once it could be trimmed.
#[tokio::test]
async fn a_journal_at_its_limit_recovers_with_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, archive) = (ManualClock::at(START), MemoryArchive::new());
    let journal = FileJournal::open(folder.path(), JournalSync::Write).unwrap().with_limit(20_000);
    let settings = Settings::default();
    let mut rig = Rig::start(settings, &clock, Arc::new(archive.clone()), Box::new(journal)).await;
    let mut taken = 0.0;
    let mut waiting = None;
    let mut refused = false;
    // The archive is gone: the tick that closed first waits.
    for _ in 0..10_000 {
        rig.advance(1);
        waiting = waiting.or_else(|| rig.writer.close(false));
        match rig.writer.commit(vec![batch([add("c", rig.now(), 1.0)])]).remove(0) {
            Ok(_) => taken += 1.0,
            Err(RecordError::Journal(error)) => {
                assert!(error.contains("journal.max"), "{error}");
                refused = true;
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused && taken > 300.0, "{taken}");
    assert_eq!(rig.shared.counters.journal_failing.get(), 1);
    // It is back.
    let tick: Tick = waiting.unwrap();
    archive.append_tick(&tick).await.unwrap();
    rig.writer.archived(tick.through, tick.entry);
    rig.advance(130);
    rig.tick(false).await;
    rig.advance(10);
    rig.tick(false).await;
    rig.record(batch([add("c", rig.now(), 1.0)]));
    assert_eq!(rig.shared.counters.journal_failing.get(), 0);
    assert_eq!(rig.query("sum(c)").await, Some(taken + 1.0));
    drop(rig);
    let journal = FileJournal::open(folder.path(), JournalSync::Write).unwrap();
    let rig = Rig::start(Settings::default(), &clock, Arc::new(archive), Box::new(journal)).await;
    assert_eq!(rig.query("sum(c)").await, Some(taken + 1.0));
}

/// Whichever segment was removed: the rest counts, and how many entries are gone is known.
#[tokio::test]
async fn a_segment_that_is_missing_is_noticed() {
    for removed in 1..=3u64 {
        let folder = tempfile::tempdir().unwrap();
        let (clock, archive) = (ManualClock::at(START + Duration::from_secs(5)), MemoryArchive::new());
        let start = || async {
            let journal = FileJournal::open(folder.path(), JournalSync::Write).unwrap();
            Rig::start(Settings::default(), &clock, Arc::new(archive.clone()), Box::new(journal)).await
        };
        for _ in 1..=3 {
            let mut rig = start().await;
            assert_eq!(rig.found.missing, 0);
            (0..4).for_each(|_| drop(rig.record(batch([add("c", clock.now(), 1.0)]))));
        }
        std::fs::remove_file(folder.path().join(format!("journal-{removed:016}.log"))).unwrap();
        let rig = start().await;
        // What is missing at the end leaves no trace: the numbers go on from what is there.
        assert_eq!(rig.found.missing, if removed == 3 { 0 } else { 4 });
        assert_eq!(rig.shared.counters.recovered_missing.get(), rig.found.missing);
        assert_eq!(rig.query("sum(c)").await, Some(8.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 100, ..ProptestConfig::default() })]
    #[test]
    fn a_fault_at_any_call_loses_and_doubles_nothing(steps in prop::collection::vec(step(), 1..25)) {
        everywhere(memory, &steps);
    }
}
