//! Files that earlier versions wrote are read for ever: each format version has a folder here, whose bytes
//! never change.

use plimsoll::series::{Journal, JournalSync};
use plimsoll::store::journal::FileJournal;

/// `v1/`: two entries, a damaged one, a third entry and a torn end.
#[test]
fn journal_version_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let name = "journal-0000000000000001.log";
    let kept = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/v1").join(name);
    std::fs::copy(kept, folder.path().join(name)).unwrap();
    let mut entries = Vec::new();
    let mut journal = FileJournal::open(folder.path(), JournalSync::Write).unwrap();
    let replayed = journal.replay(&mut |segment, bytes| entries.push((segment, bytes.to_vec()))).unwrap();
    assert_eq!(entries, [(1, b"first".to_vec()), (1, Vec::new()), (1, b"third".to_vec())]);
    let damage: Vec<_> = replayed.damage.iter().map(|d| (d.offset, d.length, d.torn)).collect();
    assert_eq!(damage, [(45, 19, false), (81, 10, true)]);
}
