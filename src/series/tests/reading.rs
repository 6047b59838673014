//! What readers see.

use super::*;
use crate::base::{DropReason, MatchOp, Matcher};
use crate::promql::{Selection, SeriesSamples, Source};

fn named(name: &str) -> Vec<Matcher> {
    vec![Matcher::equal("__name__", name)]
}

async fn select(rig: &Rig, matchers: Vec<Matcher>, start: Timestamp, end: Timestamp) -> Vec<SeriesSamples> {
    rig.view.select(&Selection { matchers, start, end }).await.unwrap()
}

/// Seconds since START and value.
fn floats(samples: &[SeriesSamples]) -> Vec<(i64, f64)> {
    let seconds = |t: Timestamp| (t.as_millis() - START.as_millis()) / 1000;
    samples.iter().flat_map(|s| s.floats.iter().map(|(t, v)| (seconds(t), v))).collect()
}

fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

#[tokio::test]
async fn counters_are_samples_at_slot_ends_and_now() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(5);
    rig.record(batch([add("c", rig.now(), 2.0)]));
    let seen = |rig: &Rig, end: Timestamp| {
        let view = Selection { matchers: named("c"), start: START - Duration::from_secs(60), end };
        let read = rig.view.select(&view);
        futures::executor::block_on(read).map(|s| floats(&s)).unwrap()
    };
    // The open slot is a sample stamped now; the series was zero before.
    assert_eq!(seen(&rig, at(5)), [(0, 0.0), (5, 2.0)]);
    rig.advance(7);
    rig.record(batch([add("c", rig.now(), 1.0), add("c", at(8), 4.0)]));
    assert_eq!(seen(&rig, at(12)), [(0, 0.0), (10, 6.0), (12, 7.0)]);
    // Closing changes nothing that is seen; an idle series holds its value.
    for _ in 0..14 {
        rig.advance(10);
        rig.tick(false).await;
    }
    let before = seen(&rig, at(152));
    rig.tick(false).await;
    assert_eq!(seen(&rig, at(30)), [(0, 0.0), (10, 6.0), (20, 7.0), (30, 7.0)]);
    assert_eq!(before.last(), Some(&(152, 7.0)));
    assert_eq!(before, seen(&rig, at(152)));
    assert_eq!(rig.shared.counters.late.get(), 0);
    rig.record(batch([add("c", at(1), 1.0)]));
    assert_eq!(rig.shared.counters.late.get(), 1);
    assert_eq!(seen(&rig, at(152)).last(), Some(&(152, 8.0)));
}

#[tokio::test]
async fn downtime_is_a_gap_and_the_value_goes_on() {
    let (mut rig, archive, journal) = Rig::memory().await;
    rig.advance(5);
    rig.record(batch([add("c", rig.now(), 2.0)]));
    rig.advance(10);
    rig.tick(true).await;
    let clock = rig.clock.clone();
    clock.advance(Duration::from_secs(100));
    let mut rig = Rig::start(Settings::default(), &clock, Arc::new(archive), Box::new(journal)).await;
    rig.record(batch([add("c", rig.now(), 3.0)]));
    let samples = floats(&select(&rig, named("c"), START, at(115)).await);
    // Nor is there a sample at 20 s: the process ended before that slot did.
    assert_eq!(samples, [(10, 2.0), (115, 5.0)]);
}

#[tokio::test]
async fn a_histogram_has_four_names() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(5);
    rig.record(batch([observe("h", rig.now(), &[0.0004, 0.2, 0.2001, 60.0])]));
    let now = rig.now();
    let native = select(&rig, named("h"), START, now).await;
    assert_eq!(native.len(), 1);
    assert_eq!(native[0].histograms[0].1.count, 4.0);
    assert_eq!(floats(&select(&rig, named("h_count"), START, now).await), [(5, 4.0)]);
    let bucket = |le: &str| vec![Matcher::equal("__name__", "h_bucket"), Matcher::equal("le", le)];
    for (le, count) in [("0.0005", 1.0), ("0.2", 2.0), ("0.25", 3.0), ("10", 3.0), ("+Inf", 4.0)] {
        let found = select(&rig, bucket(le), START, now).await;
        assert_eq!(floats(&found), [(5, count)], "{le}");
        assert_eq!(found[0].labels.get("le"), Some(le));
        assert_eq!(rig.view.increases(&bucket(le), START, now).await.unwrap()[0].1, count);
    }
    let any = Matcher::new("__name__", MatchOp::Regex, "h(_count|_sum)?").unwrap();
    let names: Vec<String> =
        select(&rig, vec![any], START, now).await.iter().map(|s| s.labels.metric_name().to_owned()).collect();
    assert_eq!(names, ["h", "h_count", "h_sum"]);
    let all = select(&rig, vec![Matcher::equal("route", "/0")], START, now).await;
    assert_eq!(all.len(), 3 + 23);
    let series = Selection { matchers: named("h_sum"), start: START, end: now };
    assert_eq!(rig.view.series(&series).await.unwrap(), [labels("h_sum", 0)]);
    assert_eq!(rig.view.metric_type("h"), MetricType::Histogram);
    assert_eq!(rig.view.metric_type("h_count"), MetricType::Counter);
}

#[tokio::test]
async fn a_threshold_that_comes_later_counts_from_then_on() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(5);
    rig.record(batch([observe("h", rig.now(), &[0.21, 0.21])]));
    rig.view.set_catalog(MetricCatalog::new([("h".to_owned(), 0.22)]));
    rig.advance(20);
    let changed = rig.now();
    rig.record(batch([observe("h", rig.now(), &[0.21, 0.23])]));
    let bucket = [Matcher::equal("__name__", "h_bucket"), Matcher::equal("le", "0.22")];
    assert_eq!(rig.view.increases(&bucket, changed - TICK, rig.now()).await.unwrap()[0].1, 1.0);
    // A catalogue that forgets it does not stop it.
    rig.view.set_catalog(MetricCatalog::default());
    rig.record(batch([observe("h", rig.now(), &[0.21])]));
    assert_eq!(rig.view.increases(&bucket, changed - TICK, rig.now()).await.unwrap()[0].1, 2.0);
}

#[tokio::test]
async fn limits_of_metrics_and_labels_hold_and_old_series_go_on() {
    let clock = ManualClock::at(START);
    let limits = Limits {
        series_per_metric: 2,
        labels_per_series: 3,
        label_name_bytes: 8,
        label_value_bytes: 4,
        ..Settings::default().limits
    };
    let settings = Settings { limits, ..Settings::default() };
    let mut rig =
        Rig::start(settings, &clock, Arc::new(MemoryArchive::new()), Box::new(MemoryJournal::default())).await;
    let item = |pairs: &[(&str, &str)]| Item {
        labels: Labels::metric("c", pairs.iter().copied()),
        at: START,
        delta: Delta::Add(1.0),
    };
    let cases = [
        (item(&[("n", "1")]), None),
        (item(&[("n", "12345")]), Some(DropReason::TooLong)),
        (item(&[("nnnnnnnnn", "1")]), Some(DropReason::TooLong)),
        (item(&[("a", "1"), ("b", "1"), ("c", "1")]), Some(DropReason::TooManyLabels)),
        (item(&[("a", "1"), ("b", "1")]), None),
        (item(&[("n", "2")]), Some(DropReason::MetricSeriesLimit)),
        (item(&[("n", "1")]), None),
        (
            Item { delta: Delta::Observe(vec![Observation { value: 1.0, weight: 1 }]), ..item(&[("le", "1")]) },
            Some(DropReason::Invalid),
        ),
    ];
    for (item, expected) in cases {
        let dropped: Vec<_> = rig.record(batch([item.clone()])).dropped.iter().map(|(r, _)| *r).collect();
        assert_eq!(dropped, expected.into_iter().collect::<Vec<_>>(), "{item:?}");
    }
    let limits = rig.view.limits();
    let of = |name: &str| limits.iter().find(|l| l.name == name).unwrap();
    let metric = of("series_per_metric");
    assert_eq!((metric.used, metric.allowed, metric.refused, metric.fullest.as_deref()), (Some(2), 2, 1, Some("c")));
    assert_eq!((of("label_value").used, of("label_value").refused, of("labels_per_series").refused), (None, 2, 1));
    assert_eq!((of("series").used, of("series").refused), (Some(2), 0));
}

#[tokio::test]
async fn limits_hold_and_name_their_reason() {
    let clock = ManualClock::at(START);
    let limits = Limits { series: 3, series_per_service: 2, ..Settings::default().limits };
    let settings = Settings { limits, ..Settings::default() };
    let storage = (Arc::new(MemoryArchive::new()), Box::new(MemoryJournal::default()));
    let mut rig = Rig::start(settings, &clock, storage.0, storage.1).await;
    let item = |service: &str, n: usize| {
        let pairs = [("service_name", service.to_owned()), ("n", n.to_string())];
        Item { labels: Labels::metric("c", pairs), at: START, delta: Delta::Add(1.0) }
    };
    let recorded = rig.record(batch([item("a", 1), item("a", 2), item("a", 3), item("b", 1), item("c", 1)]));
    assert_eq!(recorded.dropped, [(DropReason::ServiceSeriesLimit, 1), (DropReason::SeriesLimit, 1)]);
    let wrong_kind = Item { delta: Delta::Sample(1.0), ..item("a", 1) };
    let bad = Item { delta: Delta::Add(f64::NAN), ..item("a", 1) };
    let future = Item { at: at(9999), ..sample("a", START, 1.0) };
    let nameless = Item { labels: Labels::new([("a", "b")]), ..item("a", 1) };
    let recorded = rig.record(batch([wrong_kind, bad, nameless, future]));
    let reasons = [(DropReason::Invalid, 2), (DropReason::Implausible, 1), (DropReason::OutOfRange, 1)];
    assert_eq!(recorded.dropped, reasons);
    assert_eq!(rig.shared.counters.head_series.get(), 3);
}

/// A day of ticks: every increase over every aligned window is the sum of what went in, whichever tier
/// answers, and after a restart too.
#[tokio::test]
async fn increases_are_exact_across_tiers_and_restarts() {
    let keep = Keep {
        resolution_10s: Duration::from_secs(4 * 3600),
        resolution_5m: Duration::from_secs(10 * 3600),
        resolution_1h: Duration::from_secs(400 * 86_400),
    };
    let settings = Settings { keep, ..Settings::default() };
    let (archive, journal, clock) = (MemoryArchive::new(), MemoryJournal::default(), ManualClock::at(START));
    let storage = || (Arc::new(archive.clone()), Box::new(journal.clone()));
    let (a, j) = storage();
    let mut rig = Rig::start(settings.clone(), &clock, a, j).await;
    let mut sent: Vec<(u64, u64)> = Vec::new();
    for tick in 0..24 * 360u64 {
        rig.advance(10);
        let n = tick * 7919 % 13;
        if n > 0 && tick % 400 < 300 {
            rig.record(batch([add("c", rig.now(), n as f64), observe("h", rig.now(), &vec![0.1; n as usize])]));
            sent.push(((tick + 1) * 10, n));
        }
        rig.tick(false).await;
        if tick % 360 == 0 {
            rig.compact().await;
        }
        if tick == 5000 {
            let (a, j) = storage();
            rig = Rig::start(settings.clone(), &clock, a, j).await;
        }
    }
    assert!(rig.shared.head.read().paged.block() > Slot::of(START).block() + 10);
    let windows = [(0u64, 86_400u64), (0, 3600), (3600, 7200), (7200, 21_600), (40_000 / 3600 * 3600, 79_200)];
    let fine = [(50_000u64 / 300 * 300, 75_000u64), (86_000, 86_390), (80_010, 86_400)];
    for (start, end) in windows.into_iter().chain(fine) {
        let expected: u64 = sent.iter().filter(|(t, _)| start < *t && *t <= end).map(|(_, n)| n).sum();
        for name in ["c", "h_count", "h_bucket"] {
            let increases = rig.view.increases(&named(name), at(start), at(end)).await.unwrap();
            let last = increases.last().map_or(0.0, |(_, v)| *v);
            assert_eq!(last, expected as f64, "{name} from {start} to {end}");
        }
        let merged = rig.view.histograms(&named("h"), at(start), at(end)).await.unwrap();
        assert_eq!(merged.first().map_or(0, |(_, h)| h.count()), expected);
    }
    // Samples are there for every tier, ascend, and end with the total.
    let samples = floats(&select(&rig, named("c"), START, at(86_400)).await);
    assert!(samples.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1));
    assert_eq!(samples.last().unwrap().1, sent.iter().map(|(_, n)| *n).sum::<u64>() as f64);
    let steps: std::collections::BTreeSet<i64> = samples.windows(2).map(|w| w[1].0 - w[0].0).collect();
    assert!(steps.contains(&10) && steps.contains(&300) && steps.contains(&3600), "{steps:?}");
}

#[tokio::test]
async fn idle_series_retire_and_return_as_new_ones() {
    let settings = Settings { idle: Duration::from_secs(3600), ..Settings::default() };
    let (archive, journal, clock) = (MemoryArchive::new(), MemoryJournal::default(), ManualClock::at(START));
    let mut rig = Rig::start(settings, &clock, Arc::new(archive.clone()), Box::new(journal)).await;
    rig.advance(5);
    rig.record(batch([add("c", rig.now(), 5.0)]));
    for _ in 0..60 {
        rig.advance(300);
        rig.tick(false).await;
        rig.compact().await;
    }
    assert_eq!(rig.view.stats(5).series, 0);
    assert!(rig.view.exposition(rig.now()).is_empty());
    rig.record(batch([add("c", rig.now(), 2.0)]));
    assert_eq!(rig.view.increases(&named("c"), START, rig.now()).await.unwrap(), [(labels("c", 0), 7.0)]);
    let samples = select(&rig, named("c"), START, rig.now()).await;
    assert_eq!(samples.len(), 1);
    assert_eq!(floats(&samples).last().unwrap().1, 2.0);
}

#[tokio::test]
async fn foreign_samples_keep_their_time_and_resets_are_seen() {
    let (mut rig, ..) = Rig::memory().await;
    rig.advance(600);
    let stale = f64::from_bits(crate::promql::source::STALE_NAN);
    for (seconds, value) in [(480, 100.0), (495, 130.0), (510, 10.0), (525, 12.0), (540, stale)] {
        rig.record(batch([sample("foreign_total", at(seconds), value)]));
    }
    let samples = select(&rig, named("foreign_total"), at(480), at(600)).await;
    let bits: Vec<u64> = samples[0].floats.iter().map(|(_, v)| v.to_bits()).collect();
    assert_eq!(bits, [130.0f64.to_bits(), 10.0f64.to_bits(), 12.0f64.to_bits(), stale.to_bits()]);
    let increases = rig.view.increases(&named("foreign_total"), at(490), at(600)).await.unwrap();
    assert_eq!(increases, [(labels("foreign_total", 0), 42.0)]);
    // Closed samples are final.
    rig.tick(true).await;
    let recorded = rig.record(batch([sample("foreign_total", at(500), 1.0)]));
    assert_eq!(recorded.dropped, [(DropReason::OutOfOrder, 1)]);
}

#[tokio::test]
async fn the_journal_of_another_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(START);
    let journal = MemoryJournal::default();
    for (name, fits) in [("a.db", true), ("a.db", true), ("b.db", false)] {
        let (store, _) = crate::store::sqlite::SqliteStore::open(&folder.path().join(name)).await.unwrap();
        let rig = Rig::try_start(Settings::default(), &clock, Arc::new(store), Box::new(journal.clone())).await;
        match rig {
            Ok(mut rig) if fits => drop(rig.record(batch([add("c", START, 1.0)]))),
            Err(OpenError::ForeignJournal) if !fits => {}
            other => panic!("{name}: {:?}", other.map(|r| r.found)),
        }
    }
}

#[tokio::test]
async fn the_loop_archives_what_is_over_when_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = crate::store::sqlite::SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
    let clock = ManualClock::at(START);
    let shared: crate::base::SharedClock = Arc::new(clock.clone());
    let journal = MemoryJournal::default();
    let open_again = async || {
        let parts = (Arc::new(store.clone()), Box::new(journal.clone()));
        open(Settings::default(), shared.clone(), parts.0, parts.1, MetricCatalog::default()).await.unwrap()
    };
    let (recorder, view, own) = open_again().await;
    let own = own.with_own_metrics(Arc::new(|now| vec![sample("plimsoll_up", now, 1.0)]));
    let stop = tokio_util::sync::CancellationToken::new();
    let recorded = recorder.record(batch([add("c", START, 3.0)])).await.unwrap();
    assert_eq!(recorded, Recorded::default());
    assert_eq!(view.increases(&named("c"), at(0) - TICK, START).await.unwrap()[0].1, 3.0);
    clock.advance(Duration::from_secs(1));
    let vitals = vec![crash::vital(1, Some(1), 1.2, true, START)];
    recorder.record(Batch { items: vec![], vitals }).await.unwrap();
    stop.cancel();
    own.run(stop).await;
    assert!(matches!(recorder.record(batch([add("c", START, 3.0)])).await, Err(RecordError::Stopped)));
    let (_recorder, view, own) = open_again().await;
    // The vital settled in the slot that is not over, which stays in the journal; all else is archived.
    assert_eq!(own.recovery().applied, 1);
    let counts = view.increases(&named("c"), START - TICK, at(600)).await.unwrap();
    assert_eq!(counts[0].1, 3.0);
    let lcp = view.increases(&named("web_vitals_lcp_seconds_count"), START - TICK, at(600)).await.unwrap();
    assert_eq!(lcp[0].1, 1.0);
}

#[tokio::test]
async fn a_sample_out_of_time_takes_no_place() {
    let (mut rig, ..) = Rig::memory().await;
    let (early, late) = (START - Duration::from_secs(401 * 86_400), START + Duration::from_secs(3600));
    let recorded = rig.record(batch([sample("a", early, 1.0), sample("b", late, 1.0), sample("c", START, 1.0)]));
    assert_eq!(recorded.dropped, [(DropReason::OutOfRange, 2)]);
    assert_eq!(rig.shared.head.read().by_labels.len(), 1);
}
