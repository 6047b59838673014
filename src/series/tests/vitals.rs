//! Reports of many views in any order, with settling and restarts in between, end in exactly the counters and
//! histograms that a rebuild from the last report of each view gives.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::base::{DropReason, Matcher};
use crate::sketch::Histogram;

const SETTLE: i64 = 300;
const DAY: i64 = 86_400;
const ROUTES: [&str; 2] = ["/", "/cart"];

/// What arrived for one view: `(second, n, report)`, as it came.
type Arrivals = Vec<(i64, u64, Sent)>;

/// One report as its sender means it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sent {
    milliseconds: u32,
    weight: u32,
    route: usize,
    is_final: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Report {
        view: usize,
        n: u64,
    },
    Advance {
        seconds: u64,
    },
    /// Whatever is due settles.
    Settle,
    Tick,
    /// SIGKILL; `closing`: when slots had closed and the archive did not have them yet.
    Kill {
        closing: bool,
    },
    /// SIGTERM.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0usize..6, 0u64..6).prop_map(|(view, n)| Step::Report { view, n }),
        4 => prop_oneof![0u64..20, 250u64..400, 20_000u64..50_000].prop_map(|seconds| Step::Advance { seconds }),
        2 => Just(Step::Settle),
        2 => Just(Step::Tick),
        2 => any::<bool>().prop_map(|closing| Step::Kill { closing }),
        1 => Just(Step::Restart),
    ]
}

/// The model: the arrivals of each view that has not settled, and what has. It scans everything anew each
/// time and never compares two reports.
#[derive(Debug, Default)]
struct Model {
    arrivals: BTreeMap<usize, Arrivals>,
    settled: BTreeMap<usize, (i64, Sent)>,
}

/// The last report: the highest `n`, as it came first.
fn last(arrivals: &Arrivals) -> Sent {
    let most = arrivals.iter().map(|(_, n, _)| *n).max().unwrap();
    arrivals.iter().find(|(_, n, _)| *n == most).unwrap().2
}

/// When a view settles: at once after a final report, else after the pause since its value changed, and a day
/// after its first report at the latest.
fn due(arrivals: &Arrivals) -> i64 {
    let mut rises = (0..arrivals.len()).filter(|i| arrivals[..*i].iter().all(|(_, n, _)| *n < arrivals[*i].1));
    let (at, _, sent) = arrivals[rises.next_back().unwrap()];
    if sent.is_final { at } else { (at + SETTLE).min(arrivals[0].0 + DAY) }
}

impl Model {
    fn settle(&mut self, now: i64) {
        let due: Vec<usize> = self.arrivals.iter().filter(|(_, a)| due(a) <= now).map(|(v, _)| *v).collect();
        for view in due {
            let arrivals = self.arrivals.remove(&view).unwrap();
            // A view that comes again after a day is another one; these tests end before that.
            assert_eq!(self.settled.insert(view, (now, last(&arrivals))), None);
        }
    }

    /// What the sender is to hear of a report.
    fn report(&mut self, view: usize, n: u64, sent: Sent, now: i64) -> Option<DropReason> {
        if self.settled.contains_key(&view) {
            return Some(DropReason::Late);
        }
        let arrivals = self.arrivals.entry(view).or_default();
        let most = arrivals.iter().map(|(_, n, _)| *n).max();
        arrivals.push((now, n, sent));
        match most.map(|most| most.cmp(&n)) {
            Some(std::cmp::Ordering::Greater) => Some(DropReason::Superseded),
            Some(std::cmp::Ordering::Equal) => Some(DropReason::Duplicate),
            Some(std::cmp::Ordering::Less) | None => None,
        }
    }

    /// The histogram of each route, from scratch.
    fn histograms(&self) -> BTreeMap<&'static str, Histogram> {
        let mut all = BTreeMap::new();
        for (_, sent) in self.settled.values() {
            let empty = || Histogram::new(MetricCatalog::default().bounds("web_vitals_inp_seconds"));
            let histogram: &mut Histogram = all.entry(ROUTES[sent.route]).or_insert_with(empty);
            histogram.observe_n(f64::from(sent.milliseconds) / 1000.0, u64::from(sent.weight));
        }
        all
    }
}

struct World {
    rig: Rig,
    archive: MemoryArchive,
    journal: MemoryJournal,
    model: Model,
    sent: Vec<Vec<Sent>>,
}

impl World {
    async fn new(sent: Vec<Vec<Sent>>) -> Self {
        let (rig, archive, journal) = Rig::memory().await;
        Self { rig, archive, journal, model: Model::default(), sent }
    }

    fn second(&self) -> i64 {
        (self.rig.now().as_millis() - START.as_millis()) / 1000
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Report { view, n } => self.report(view, n),
            Step::Advance { seconds } => self.rig.advance(seconds),
            Step::Settle => self.settle(),
            Step::Tick => self.rig.tick(false).await,
            Step::Kill { closing } => {
                if closing {
                    self.rig.writer.close(false);
                }
                self.restart().await;
            }
            Step::Restart => {
                self.rig.tick(true).await;
                self.restart().await;
            }
        }
    }

    async fn restart(&mut self) {
        let (archive, journal) = (Arc::new(self.archive.clone()), Box::new(self.journal.clone()));
        self.rig = Rig::start(Settings::default(), &self.rig.clock.clone(), archive, journal).await;
    }

    fn settle(&mut self) {
        self.model.settle(self.second());
        self.rig.writer.commit(Vec::new());
    }

    fn report(&mut self, view: usize, n: u64) {
        let sent = self.sent[view][n as usize];
        let now = self.rig.now();
        let vital = VitalReport {
            key: VitalKey { site: "shop".into(), id: view.to_string(), metric: "INP".into() },
            sequence: Some(n),
            value: f64::from(sent.milliseconds) / 1000.0,
            delta: None,
            is_final: sent.is_final,
            start: now,
            received: now,
            weight: sent.weight,
            labels: Labels::metric("web_vitals_inp_seconds", [("route", ROUTES[sent.route])]),
        };
        self.model.settle(self.second());
        let expected = self.model.report(view, n, sent, self.second());
        let recorded = self.rig.record(Batch { items: vec![], vitals: vec![vital] });
        assert_eq!(recorded.dropped, expected.map(|r| (r, 1)).into_iter().collect::<Vec<_>>());
    }

    /// What readers see: settled values in histograms and counters, all others as provisional.
    async fn check(&self) {
        let of = |name: &str| [Matcher::equal("__name__", name)];
        let (start, end) = (START - Duration::from_secs(86_400), self.rig.now());
        let found = self.rig.view.histograms(&of("web_vitals_inp_seconds"), start, end).await.unwrap();
        let expected = self.model.histograms();
        assert_eq!(found.len(), expected.len());
        for (labels, histogram) in found {
            let model = &expected[labels.value("route")];
            assert_eq!(histogram.count(), model.count());
            assert_eq!(histogram.bounds(), model.bounds());
            assert_eq!(histogram.exact(), model.exact());
            let buckets = |h: &Histogram| (h.exponential().0, h.exponential().1.collect::<Vec<_>>());
            assert_eq!(buckets(&histogram), buckets(model));
            assert!((histogram.sum() - model.sum()).abs() < 1e-9);
        }
        let counted = self.rig.view.increases(&of("web_vitals_inp_seconds_count"), start, end).await.unwrap();
        let counted: BTreeMap<String, f64> =
            counted.into_iter().map(|(l, v)| (l.value("route").to_owned(), v)).filter(|(_, v)| *v > 0.0).collect();
        let counts = expected.iter().map(|(route, h)| ((*route).to_owned(), h.count() as f64)).collect();
        assert_eq!(counted, counts);
        let shown = |value: f64, weight: u32, route: &str| ((value * 1000.0).round() as u32, weight, route.to_owned());
        let pending = self.rig.view.pending_vitals(Timestamp::MIN);
        let mut pending: Vec<_> = pending.iter().map(|p| shown(p.value, p.weight, p.labels.value("route"))).collect();
        let mut expected: Vec<_> = self
            .model
            .arrivals
            .values()
            .map(last)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|s| (s.milliseconds, s.weight, ROUTES[s.route].to_owned()))
            .collect();
        pending.sort();
        expected.sort();
        assert_eq!(pending, expected);
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    (prop_oneof![1u32..2000, Just(200), Just(500)], 1u32..5, 0usize..2, prop::bool::weighted(0.15))
        .prop_map(|(milliseconds, weight, route, is_final)| Sent { milliseconds, weight, route, is_final })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_order_counters_are_rebuilt_from_the_last_reports(
        sent in prop::collection::vec(prop::collection::vec(sent(), 6), 6),
        steps in prop::collection::vec(step(), 1..70),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(sent).await;
            for step in &steps {
                // Settled views are remembered for a day.
                if world.second() > DAY - 50_000 && matches!(step, Step::Advance { .. }) {
                    continue;
                }
                world.step(step).await;
                if matches!(step, Step::Kill { .. } | Step::Restart | Step::Settle) {
                    world.check().await;
                }
            }
            world.check().await;
            // Once all have settled nothing is provisional, and a restart changes nothing.
            world.rig.advance(SETTLE as u64);
            world.settle();
            world.check().await;
            assert!(world.model.arrivals.is_empty());
            world.restart().await;
            world.check().await;
        });
    }
}

/// Through the front door: the recorder, the loop and the view of two lives, the first of which ends without
/// a word in the middle of the views.
#[tokio::test]
async fn a_view_goes_on_in_the_next_life() {
    let (archive, journal) = (MemoryArchive::new(), MemoryJournal::default());
    let clock = ManualClock::at(START);
    let start = || {
        let (archive, journal) = (Arc::new(archive.clone()), Box::new(journal.clone()));
        open(Settings::default(), Arc::new(clock.clone()), archive, journal, MetricCatalog::default())
    };
    let report = |id: &str, n, value, is_final| Batch {
        items: vec![],
        vitals: vec![VitalReport {
            key: VitalKey { site: "shop".into(), id: id.into(), metric: "INP".into() },
            sequence: Some(n),
            value,
            delta: None,
            is_final,
            start: START,
            received: START,
            weight: 1,
            labels: Labels::metric("web_vitals_inp_seconds", [("route", "/")]),
        }],
    };
    let dropped = |recorded: Recorded| recorded.dropped.first().map(|(reason, _)| *reason);
    let (recorder, view, lost) = start().await.unwrap();
    assert_eq!(dropped(recorder.record(report("a", 1, 0.3, false)).await.unwrap()), None);
    assert_eq!(dropped(recorder.record(report("b", 1, 0.9, false)).await.unwrap()), None);
    assert_eq!(view.pending_vitals(START).len(), 2);
    drop((recorder, view, lost));

    let (recorder, view, _loop) = start().await.unwrap();
    assert_eq!(view.pending_vitals(START).len(), 2, "nothing is lost");
    assert_eq!(dropped(recorder.record(report("a", 1, 0.3, false)).await.unwrap()), Some(DropReason::Duplicate));
    assert_eq!(dropped(recorder.record(report("b", 2, 0.8, true)).await.unwrap()), None);
    // Whatever is recorded next finds the final value settled.
    assert_eq!(dropped(recorder.record(report("a", 2, 0.1, false)).await.unwrap()), None);
    assert_eq!(dropped(recorder.record(report("b", 3, 0.7, true)).await.unwrap()), Some(DropReason::Late));
    let pending = view.pending_vitals(START);
    assert_eq!(pending.iter().map(|p| p.value).collect::<Vec<_>>(), [0.1], "the fall is kept, nothing is doubled");
    assert_eq!(dropped(recorder.record(report("a", 3, 0.2, true)).await.unwrap()), None);
    assert_eq!(dropped(recorder.record(report("c", 1, 0.5, false)).await.unwrap()), None);
    let (before, now) = (START - Duration::from_secs(60), clock.now());
    let of = |name| [Matcher::equal("__name__", name)];
    let settled = view.histograms(&of("web_vitals_inp_seconds"), before, now).await.unwrap().remove(0).1;
    assert_eq!((settled.count(), (settled.sum() * 1000.0).round()), (2, 1000.0), "0.8 and 0.2");
    assert_eq!(view.increases(&of("web_vitals_inp_seconds_count"), before, now).await.unwrap()[0].1, 2.0);
}
