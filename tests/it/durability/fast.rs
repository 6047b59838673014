//! Real kills where days pass in seconds: this test binary starts itself as a child that runs the series on the
//! real files with a clock moved by hand, so that slots close, blocks are compacted and merged and chunks expire
//! many times a second, and is killed at random moments.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use plimsoll::base::{Clock, Labels, ManualClock, Matcher, Timestamp};
use plimsoll::series::{
    Batch, Delta, Item, JournalSync, Keep, Known, MetricCatalog, Observation, Recorder, RecorderHandle, Settings, View,
};
use plimsoll::store::journal::FileJournal;
use plimsoll::store::sqlite::SqliteStore;
use tokio_util::sync::CancellationToken;

const FOLDER: &str = "PLIMSOLL_TEST_FAST_FOLDER";
const KILLS: usize = 25;
const START: Timestamp = Timestamp::from_secs(1_763_640_000);

fn settings() -> Settings {
    let hour = Duration::from_secs(3600);
    let keep = Keep { resolution_10s: 4 * hour, resolution_5m: 24 * hour, resolution_1h: 100_000 * hour };
    Settings { keep, idle: 6 * hour, ..Settings::default() }
}

/// Counters that tell of every event, and of histograms the number of values.
fn batch(now: Timestamp, round: u64) -> Batch {
    let labels = |name: &str| Labels::metric(name, [("route", format!("/{}", round % 7))]);
    let item = |name: &str, delta| Item { labels: labels(name), at: now, delta };
    let items = vec![
        item("fast_total", Delta::Add(1.0)),
        item("fast_seconds", Delta::Observe(vec![Observation { value: 0.1, weight: 1 }])),
        item("fast_gauge", Delta::Sample(round as f64)),
    ];
    Batch { items, vitals: Vec::new() }
}

/// All events that were ever counted; both ways of counting must agree.
async fn counted(view: &View, now: Timestamp) -> u64 {
    let mut sums = Vec::new();
    for name in ["fast_total", "fast_seconds_count"] {
        let matchers = [Matcher::equal("__name__", name)];
        let increases = view.increases(&matchers, START - Duration::from_secs(86_400), now).await.expect("a sum");
        sums.push(increases.iter().map(|(_, v)| v).sum::<f64>());
    }
    assert_eq!(sums[0], sums[1], "counters and histograms disagree");
    sums[0] as u64
}

/// Counts one event after the other, each followed by minutes or hours, until it is killed.
async fn work(recorder: &RecorderHandle, manual: &ManualClock, out: &mut impl Write) {
    for round in 0.. {
        let recorded = recorder.record(batch(manual.now(), round)).await.expect("recorded");
        assert!(recorded.dropped.is_empty(), "{recorded:?}");
        writeln!(out, "acknowledged").and_then(|()| out.flush()).expect("the parent reads");
        let step = if round % 20 == 19 { 7200 } else { rand::random_range(1..400) };
        manual.advance(Duration::from_secs(step));
        // The loop has its turn.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
}

/// The child; nothing unless it was started as such.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the child is told by its environment, and ends by a kill")]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = PathBuf::from(folder);
    let manual = ManualClock::at(START);
    let (store, _) = SqliteStore::open(&folder.join("fast.db")).await.expect("a database");
    let journal = FileJournal::open(&folder.join("journal"), JournalSync::Write).expect("a journal");
    let opened = plimsoll::series::open(
        settings(),
        Arc::new(manual.clone()),
        Arc::new(store),
        Box::new(journal),
        MetricCatalog::default(),
    );
    let (recorder, view, keeper) = opened.await.expect("the series");
    let found = keeper.recovery().clone();
    assert_eq!((found.lost, found.missing), (0, 0), "{found:?}");
    // It goes on a little after where it was killed.
    manual.set_wall(found.newest.unwrap_or(START) + Duration::from_secs(1));
    let mut out = std::io::stdout();
    writeln!(out, "\ncounted {}", counted(&view, manual.now()).await).expect("the parent reads");
    tokio::spawn(keeper.run(CancellationToken::new()));
    work(&recorder, &manual, &mut out).await;
}

fn start(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "durability::fast::child", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the child starts")
}

/// One life: what it found counted, and how many events it acknowledged before it was killed.
fn live(folder: &Path) -> (u64, u64) {
    let mut child = start(folder);
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let found = loop {
        let line = lines.next().expect("the child starts").expect("text");
        if let Some(n) = line.strip_prefix("counted ") {
            break n.parse().expect("a number");
        }
    };
    // The kill comes at a random moment after a random number of answers, whatever the child is doing then.
    let answers = rand::random_range(0..120);
    let mut acknowledged = 0;
    while acknowledged < answers {
        let line = lines.next().expect("the child works").expect("text");
        acknowledged += u64::from(line == "acknowledged");
    }
    let pause = Duration::from_micros(rand::random_range(0..3_000));
    std::thread::sleep(pause);
    child.kill().expect("the child is killed");
    child.wait().expect("it is gone");
    // What was answered before the kill and is still in the pipe.
    acknowledged += lines.map_while(Result::ok).filter(|line| line == "acknowledged").count() as u64;
    (found, acknowledged)
}

#[test]
fn kills_while_days_pass_lose_and_double_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut expected = 0..=0;
    let mut in_all = 0;
    for life in 0..KILLS {
        let (found, acknowledged) = live(folder.path());
        assert!(expected.contains(&found), "life {life}: {found} are counted, not {expected:?}");
        in_all += acknowledged;
        // One more may have been written and not answered.
        expected = found + acknowledged..=found + acknowledged + 1;
    }
    assert!(in_all > 500, "only {in_all} events: nothing was shown");
}
