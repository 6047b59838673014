//! Files that earlier versions wrote are read for ever: each format version has a folder here, whose bytes
//! never change.

use plimsoll::series::{Journal, JournalSync};
use plimsoll::store::journal::FileJournal;

/// Version 1 of the journal is in `v1/`, version 2 in `v3/`.
const JOURNALS: [&str; 2] = ["v1", "v3"];

fn kept(folder: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat").join(folder)
}

/// Two entries, a damaged one, a third entry and a torn end.
#[test]
fn journals_are_read() {
    for version in JOURNALS {
        let folder = tempfile::tempdir().unwrap();
        let name = "journal-0000000000000001.log";
        std::fs::copy(kept(version).join(name), folder.path().join(name)).unwrap();
        let mut entries = Vec::new();
        let mut journal = FileJournal::open(folder.path(), JournalSync::Write).unwrap();
        let replayed = journal.replay(&mut |segment, bytes| entries.push((segment, bytes.to_vec()))).unwrap();
        assert_eq!(entries, [(1, b"first".to_vec()), (1, Vec::new()), (1, b"third".to_vec())], "{version}");
        let damage: Vec<_> = replayed.damage.iter().map(|d| (d.offset, d.length, d.torn)).collect();
        assert_eq!(damage, [(45, 19, false), (81, 10, true)], "{version}");
    }
}

/// `cut/`: an entry, one that was refused and could not be cut off, and the segment that says so.
#[test]
fn journals_with_a_cut_are_read() {
    for version in JOURNALS {
        let folder = tempfile::tempdir().unwrap();
        for name in ["journal-0000000000000001.log", "journal-0000000000000002.log"] {
            std::fs::copy(kept(version).join("cut").join(name), folder.path().join(name)).unwrap();
        }
        let mut entries = Vec::new();
        let mut journal = FileJournal::open(folder.path(), JournalSync::Write).unwrap();
        let replayed = journal.replay(&mut |segment, bytes| entries.push((segment, bytes.to_vec()))).unwrap();
        assert_eq!(entries, [(1, b"kept".to_vec()), (2, b"next".to_vec())], "{version}");
        assert_eq!(replayed.damage, [], "{version}");
    }
}

/// A database of version 0.1 (chunks, ticks, series with JSON labels; twelve hours of three tiers) opens with all
/// its samples: `archive.txt.gz` is what that version answered.
#[tokio::test]
async fn archive_version_1_is_read() {
    use std::io::Read;
    use std::sync::Arc;
    use std::time::Duration;

    use plimsoll::base::{ManualClock, Matcher, Timestamp};
    use plimsoll::promql::{Selection, Source};
    use plimsoll::series::{MetricCatalog, Settings};
    use plimsoll::store::{memory::MemoryJournal, sqlite::SqliteStore};

    let folder = tempfile::tempdir().unwrap();
    let kept = kept("v1");
    std::fs::copy(kept.join("archive.sqlite"), folder.path().join("a.db")).unwrap();
    let mut expected = String::new();
    let packed = std::fs::File::open(kept.join("archive.txt.gz")).unwrap();
    flate2::bufread::GzDecoder::new(std::io::BufReader::new(packed)).read_to_string(&mut expected).unwrap();
    let start = Timestamp::from_secs(1_763_640_000);
    let end = start + Duration::from_secs(44_200);
    // The second time nothing is left to convert.
    for round in 0..2 {
        let (store, _) = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
        let clock = Arc::new(ManualClock::at(end));
        let journal = Box::new(MemoryJournal::default());
        let opened =
            plimsoll::series::open(Settings::default(), clock, Arc::new(store), journal, MetricCatalog::default());
        let (_recorder, view, _loop) = opened.await.unwrap();
        let mut found = String::new();
        for name in ["c", "h_count", "h_sum", "foreign_total", "gauge", "short_lived"] {
            let selection = Selection { matchers: vec![Matcher::equal("__name__", name)], start, end };
            for (at, value) in view.select(&selection).await.unwrap().into_iter().flat_map(|s| s.floats) {
                found += &format!("{name} {} {value}\n", at.as_millis());
            }
        }
        // The last instant showed what was only in the journal, which is not kept here.
        let last = format!(" {} ", end.as_millis());
        let kept =
            |text: &str| -> String { text.lines().filter(|l| !l.contains(&last)).map(|l| format!("{l}\n")).collect() };
        let (expected, found) = (kept(&expected), kept(&found));
        let differs = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None, "round {round}");
        assert_eq!(expected.lines().count(), found.lines().count(), "round {round}");
    }
}
