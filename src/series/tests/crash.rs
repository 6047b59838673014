//! Stops anywhere, and counts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::faulty::{FaultyArchive, Strikes};
use super::*;
use crate::base::Matcher;
use crate::promql::{Selection, Source};

/// Where the next failure strikes, and whether the operation took effect although its answer was lost.
#[derive(Debug, Clone, Default)]
struct Faults(Arc<Mutex<FaultPlan>>);

#[derive(Debug, Default)]
struct FaultPlan {
    journal: bool,
    archive: Option<bool>,
}

impl Strikes for Faults {
    fn archive(&self, call: &'static str) -> Option<bool> {
        if matches!(call, "expire" | "convert") { None } else { self.0.lock().archive.take() }
    }
}

struct FaultyJournal(MemoryJournal, Faults);

impl Journal for FaultyJournal {
    fn replay(&mut self, entry: &mut dyn FnMut(SegmentId, &[u8])) -> Result<Replayed, JournalError> {
        self.0.replay(entry)
    }
    fn append(&mut self, entry: &[u8]) -> Result<(), JournalError> {
        if std::mem::take(&mut self.1.0.lock().journal) {
            return Err(JournalError::TooLarge { size: entry.len(), limit: 0 });
        }
        self.0.append(entry)
    }
    fn rotate(&mut self) -> Result<SegmentId, JournalError> {
        self.0.rotate()
    }
    fn segment(&self) -> SegmentId {
        self.0.segment()
    }
    fn trim(&mut self, through: SegmentId) -> Result<(), JournalError> {
        self.0.trim(through)
    }
}

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    /// So many events of a route, their age in seconds.
    Record {
        route: usize,
        events: u32,
        age: u64,
    },
    /// A sample.
    Sample {
        age: u64,
    },
    /// A report: which view, its sequence number, its value, whether it is final.
    Vital {
        view: u8,
        sequence: u64,
        value: u32,
        is_final: bool,
    },
    Advance {
        seconds: u64,
    },
    /// Closes; a failure of the archive keeps the tick for the next time.
    Tick,
    /// The archive fails at the next commit; with the answer lost or nothing done.
    FailArchive {
        took_effect: bool,
    },
    /// The journal refuses the next entry.
    FailJournal,
    Settle,
    Compact,
    /// SIGKILL and a new start; `closing`: after slots closed and before the archive had them.
    Kill {
        closing: bool,
    },
    /// SIGTERM and a new start.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..3, 1u32..5, prop_oneof![Just(0u64), 0u64..400])
            .prop_map(|(route, events, age)| Step::Record { route, events, age }),
        2 => (0u64..100).prop_map(|age| Step::Sample { age }),
        4 => (0u8..4, 0u64..5, 1u32..5000, prop::bool::weighted(0.2))
            .prop_map(|(view, sequence, value, is_final)| Step::Vital { view, sequence, value, is_final }),
        4 => prop_oneof![1u64..30, 100u64..400, 3000u64..9000].prop_map(|seconds| Step::Advance { seconds }),
        5 => Just(Step::Tick),
        1 => any::<bool>().prop_map(|took_effect| Step::FailArchive { took_effect }),
        1 => Just(Step::FailJournal),
        2 => Just(Step::Settle),
        2 => Just(Step::Compact),
        3 => any::<bool>().prop_map(|closing| Step::Kill { closing }),
        1 => Just(Step::Restart),
    ]
}

/// What was acknowledged, counted by the test itself.
#[derive(Debug, Default)]
struct Model {
    events: BTreeMap<usize, u64>,
    samples: BTreeMap<Timestamp, f64>,
    /// The last report of each view that is provisional, by sequence.
    pending: BTreeMap<u8, (u64, f64)>,
    settled: Vec<f64>,
    closed_views: Vec<u8>,
}

struct World {
    rig: Rig,
    clock: ManualClock,
    archive: MemoryArchive,
    journal: MemoryJournal,
    faults: Faults,
    waiting: Option<Tick>,
    model: Model,
    serial: u32,
}

impl World {
    async fn new() -> Self {
        let (archive, journal, faults) = (MemoryArchive::new(), MemoryJournal::default(), Faults::default());
        let clock = ManualClock::at(START);
        let rig = Self::rig(&clock, &archive, &journal, &faults).await;
        Self { rig, clock, archive, journal, faults, waiting: None, model: Model::default(), serial: 0 }
    }

    async fn rig(clock: &ManualClock, archive: &MemoryArchive, journal: &MemoryJournal, faults: &Faults) -> Rig {
        let archive = Arc::new(FaultyArchive(archive.clone(), faults.clone()));
        let journal = Box::new(FaultyJournal(journal.clone(), faults.clone()));
        // Series retire in the longer pauses, and come again.
        let settings = Settings { idle: Duration::from_secs(2 * 3600), ..Settings::default() };
        Rig::start(settings, clock, archive, journal).await
    }

    async fn step(&mut self, step: Step) {
        let now = self.clock.now();
        match step {
            Step::Record { route, events, age } => self.record(route, events, now - Duration::from_secs(age)),
            Step::Sample { age } => self.sample(now - Duration::from_secs(age)),
            Step::Vital { view, sequence, value, is_final } => self.vital(view, sequence, value, is_final),
            Step::Advance { seconds } => self.clock.advance(Duration::from_secs(seconds)),
            Step::Tick => self.tick(false).await,
            Step::FailArchive { took_effect } => self.faults.0.lock().archive = Some(took_effect),
            Step::FailJournal => self.faults.0.lock().journal = true,
            Step::Settle => self.settle(),
            Step::Compact => {
                if self.waiting.is_none() {
                    self.rig.compact().await;
                }
            }
            Step::Kill { closing } => {
                if closing {
                    self.rig.writer.close(false);
                }
                self.restart().await;
            }
            Step::Restart => {
                *self.faults.0.lock() = FaultPlan::default();
                self.tick(true).await;
                self.tick(true).await;
                self.restart().await;
            }
        }
    }

    async fn restart(&mut self) {
        self.waiting = None;
        self.rig = Self::rig(&self.clock, &self.archive, &self.journal, &self.faults).await;
    }

    fn record(&mut self, route: usize, events: u32, at: Timestamp) {
        let observations = (0..events).map(|_| Observation { value: 0.1, weight: 1 }).collect();
        let items = vec![
            Item { labels: labels("events_total", route), at, delta: Delta::Add(f64::from(events)) },
            Item { labels: labels("latency_seconds", route), at, delta: Delta::Observe(observations) },
        ];
        match self.commit(batch(items)) {
            Ok(recorded) => {
                assert_eq!(recorded, Recorded::default());
                *self.model.events.entry(route).or_default() += u64::from(events);
            }
            Err(error) => assert!(matches!(error, RecordError::Journal(_)), "{error}"),
        }
    }

    fn sample(&mut self, at: Timestamp) {
        self.serial += 1;
        let value = f64::from(self.serial);
        let outcome = self.commit(batch([sample("gauge", at, value)]));
        if outcome.is_ok_and(|r| r.dropped.is_empty()) {
            self.model.samples.insert(at, value);
        }
    }

    fn vital(&mut self, view: u8, sequence: u64, value: u32, is_final: bool) {
        let report = vital(view, Some(sequence), f64::from(value) / 1000.0, is_final, self.clock.now());
        let outcome = self.commit(Batch { items: vec![], vitals: vec![report] });
        let Ok(recorded) = outcome else { return };
        let have = self.model.pending.get(&view).map(|(s, _)| *s);
        let expected = match have {
            _ if self.model.closed_views.contains(&view) => Some(crate::base::DropReason::Late),
            Some(have) if have == sequence => Some(crate::base::DropReason::Duplicate),
            Some(have) if have > sequence => Some(crate::base::DropReason::Superseded),
            _ => None,
        };
        assert_eq!(recorded.dropped, expected.map(|r| (r, 1)).into_iter().collect::<Vec<_>>());
        if expected.is_none() {
            self.model.pending.insert(view, (sequence, f64::from(value) / 1000.0));
        }
    }

    fn settle(&mut self) {
        let refused = self.faults.0.lock().journal;
        self.model_settles(refused);
        self.rig.writer.commit(Vec::new());
    }

    /// Moves what the ledger is about to settle; which is due is asked of it, the values are the model's own.
    fn model_settles(&mut self, refused: bool) {
        let head = self.rig.shared.head.read();
        let due: Vec<u8> = head.ledger.due(self.clock.now(), 1000).map(|p| p.report.key.id.parse().unwrap()).collect();
        for view in due.into_iter().filter(|_| !refused) {
            let (_, value) = self.model.pending.remove(&view).expect("what settles was reported");
            self.model.settled.push(value);
            self.model.closed_views.push(view);
        }
    }

    async fn tick(&mut self, everything: bool) {
        loop {
            let tick = match self.waiting.take() {
                Some(tick) => Some(tick),
                None if !self.rig.page().await => return,
                None => self.rig.writer.close(everything),
            };
            let Some(mut tick) = tick else { return };
            assert!(self.rig.keeper().fold_history(&mut tick).await);
            match self.rig.archive.append_tick(&tick).await {
                Ok(()) => self.rig.writer.archived(tick.through, tick.entry),
                Err(_) => return self.waiting = Some(tick),
            }
        }
    }

    async fn increases(&self, name: &str) -> Vec<(Labels, f64)> {
        let matchers = [Matcher::equal("__name__", name)];
        let start = START - Duration::from_secs(86_400);
        self.rig.view.increases(&matchers, start, self.clock.now()).await.unwrap()
    }

    /// How much each counter grows over its samples up to now; a series that returned began at zero again.
    async fn growth(&self, name: &str) -> Vec<(Labels, f64)> {
        let matchers = vec![Matcher::equal("__name__", name)];
        let selection = Selection { matchers, start: START - Duration::from_secs(86_400), end: self.clock.now() };
        let found = self.rig.view.select(&selection).await.unwrap();
        let grown = |floats: &[(Timestamp, f64)]| -> f64 {
            let pairs = std::iter::once(0.0).chain(floats.iter().map(|s| s.1)).zip(floats);
            pairs.map(|(before, (_, v))| if *v < before { *v } else { v - before }).sum()
        };
        found.into_iter().map(|s| (s.labels, grown(&s.floats.to_vec()))).collect()
    }

    /// Commits one batch; what is due settles with it.
    fn commit(&mut self, batch: Batch) -> Result<Recorded, RecordError> {
        let refused = self.faults.0.lock().journal;
        self.model_settles(refused);
        self.rig.writer.commit(vec![batch]).remove(0)
    }

    /// Who is known is in the index, and has a place; all other places are free.
    fn check_places(&self) {
        let head = self.rig.shared.head.read();
        assert_eq!(head.index.postings().iter().map(|p| p.all().len()).sum::<usize>(), head.by_id.len());
        let known: std::collections::BTreeSet<u32> = head.by_id.values().copied().collect();
        for place in 0..head.series.len() as u32 {
            assert_ne!(known.contains(&place), head.new_at(place).is_some(), "place {place}");
        }
        assert!(head.by_labels.iter().all(|(labels, r)| head.series[*r as usize].labels == *labels));
    }

    /// What readers see is what was acknowledged.
    async fn check(&mut self) {
        self.check_places();
        let (start, end) = (START - Duration::from_secs(86_400), self.clock.now());
        let expected = |name: &str| -> Vec<(Labels, f64)> {
            self.model.events.iter().map(|(route, n)| (labels(name, *route), *n as f64)).collect()
        };
        assert_eq!(self.increases("events_total").await, expected("events_total"));
        assert_eq!(self.increases("latency_seconds_count").await, expected("latency_seconds_count"));
        assert_eq!(self.growth("events_total").await, expected("events_total"));
        assert_eq!(self.growth("latency_seconds_count").await, expected("latency_seconds_count"));
        let settled = self.increases("web_vitals_lcp_seconds_count").await;
        let n = self.model.settled.len();
        assert_eq!(settled.iter().map(|(_, v)| *v).sum::<f64>(), n as f64);
        let sum: f64 = self.increases("web_vitals_lcp_seconds_sum").await.iter().map(|(_, v)| *v).sum();
        assert!((sum - self.model.settled.iter().sum::<f64>()).abs() < 1e-6);
        let mut pending: Vec<u64> =
            self.rig.view.pending_vitals(Timestamp::MIN).iter().map(|p| (p.value * 1000.0).round() as u64).collect();
        let mut expected: Vec<u64> = self.model.pending.values().map(|(_, v)| (v * 1000.0).round() as u64).collect();
        pending.sort_unstable();
        expected.sort_unstable();
        assert_eq!(pending, expected);
        let selection = Selection { matchers: vec![Matcher::equal("__name__", "gauge")], start, end };
        let found = self.rig.view.select(&selection).await.unwrap();
        let samples: Vec<(Timestamp, f64)> = found.into_iter().flat_map(|s| s.floats).collect();
        let expected: Vec<(Timestamp, f64)> = self.model.samples.iter().map(|(t, v)| (*t, *v)).collect();
        assert_eq!(samples, expected);
    }
}

pub(super) fn vital(view: u8, sequence: Option<u64>, value: f64, is_final: bool, now: Timestamp) -> VitalReport {
    VitalReport {
        key: VitalKey { site: "shop".into(), id: view.to_string(), metric: "LCP".into() },
        sequence,
        value,
        delta: None,
        is_final,
        start: now,
        received: now,
        weight: 1,
        labels: Labels::metric("web_vitals_lcp_seconds", [("service_name", "shop")]),
    }
}

fn run(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new().await;
        for step in steps {
            let restarted = matches!(step, Step::Kill { .. } | Step::Restart);
            world.step(step).await;
            if restarted {
                world.check().await;
            }
        }
        world.check().await;
        world.restart().await;
        world.check().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_stops_it_each_acknowledged_event_counts_once(steps in prop::collection::vec(step(), 1..60)) {
        run(steps);
    }
}

#[test]
fn an_answer_that_was_lost_is_not_archived_twice() {
    run(vec![
        Step::Record { route: 0, events: 3, age: 0 },
        Step::Advance { seconds: 300 },
        Step::FailArchive { took_effect: true },
        Step::Tick,
        Step::Record { route: 0, events: 4, age: 0 },
        Step::Tick,
        Step::Kill { closing: false },
        Step::Tick,
        Step::Kill { closing: true },
    ]);
}

#[test]
fn a_journal_that_never_saw_an_archive_counts_however_old_it_is() {
    run(vec![
        Step::Record { route: 0, events: 1, age: 0 },
        Step::Advance { seconds: 121 },
        Step::Kill { closing: false },
        Step::Advance { seconds: 3610 },
        Step::Tick,
    ]);
    run(vec![
        Step::Sample { age: 0 },
        Step::Advance { seconds: 10_920 },
        Step::Kill { closing: false },
        Step::Tick,
        Step::Compact,
    ]);
}

#[test]
fn a_sample_older_than_the_first_slot_survives_a_restart() {
    run(vec![
        Step::Advance { seconds: 1 },
        Step::Sample { age: 1 },
        Step::Record { route: 0, events: 1, age: 0 },
        Step::Advance { seconds: 3730 },
        Step::Tick,
    ]);
}

#[test]
fn a_block_with_nothing_but_a_late_sample_keeps_every_total() {
    run(vec![
        Step::Record { route: 0, events: 1, age: 0 },
        Step::Advance { seconds: 7201 },
        Step::Sample { age: 1 },
        Step::Advance { seconds: 3720 },
        Step::Tick,
        Step::Compact,
    ]);
}

/// Nothing had closed before the crash, so the sample's block must not be compacted before it has.
#[test]
fn a_sample_that_was_never_archived_is_not_compacted_away() {
    run(vec![
        Step::Sample { age: 0 },
        Step::Advance { seconds: 3000 },
        Step::Sample { age: 0 },
        Step::Advance { seconds: 3386 },
        Step::Kill { closing: false },
        Step::Compact,
        Step::Advance { seconds: 4535 },
        Step::Tick,
        Step::Compact,
    ]);
}

/// The page of both is one: what retired ends where it did, not with the page.
#[test]
fn who_comes_again_within_a_merged_page_counts_once() {
    let record = |route, events| Step::Record { route, events, age: 0 };
    run(vec![
        Step::Advance { seconds: 1 },
        record(0, 1),
        record(2, 5),
        Step::Advance { seconds: 7340 },
        Step::Tick,
        record(2, 7),
        Step::Advance { seconds: 80_000 },
        Step::Tick,
        Step::Compact,
        Step::Advance { seconds: 180_000 },
        Step::Tick,
        Step::Compact,
        Step::Compact,
    ]);
}
