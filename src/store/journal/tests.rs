use proptest::prelude::*;

use super::*;

fn open(folder: &Path) -> FileJournal {
    FileJournal::open(folder, JournalSync::Write).unwrap()
}

fn replay(journal: &mut FileJournal) -> (Vec<Vec<u8>>, Vec<Damage>) {
    let mut entries = Vec::new();
    let replayed = journal.replay(&mut |_, bytes| entries.push(bytes.to_vec())).unwrap();
    assert_eq!(replayed.entries as usize, entries.len());
    (entries, replayed.damage)
}

/// A folder with these entries in its first segment, and the segment's path.
fn written(entries: &[&[u8]]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path());
    replay(&mut journal);
    entries.iter().for_each(|e| journal.append(e).unwrap());
    let path = journal.path(journal.segment());
    (folder, path)
}

#[test]
fn entries_survive_and_trimming_spares_the_open_segment() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = FileJournal::open(folder.path(), JournalSync::Always).unwrap();
    replay(&mut journal);
    journal.append(b"one").unwrap();
    let first = journal.segment();
    journal.rotate().unwrap();
    journal.append(b"two").unwrap();
    drop(journal);
    let mut journal = open(folder.path());
    assert_eq!(replay(&mut journal), (vec![b"one".to_vec(), b"two".to_vec()], vec![]));
    journal.append(b"three").unwrap();
    journal.trim(first).unwrap();
    drop(journal);
    let mut journal = open(folder.path());
    assert_eq!(replay(&mut journal), (vec![b"two".to_vec(), b"three".to_vec()], vec![]));
    journal.trim(SegmentId::MAX).unwrap();
    journal.append(b"four").unwrap();
    drop(journal);
    assert_eq!(replay(&mut open(folder.path())), (vec![b"four".to_vec()], vec![]));
}

#[test]
fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    assert!(matches!(FileJournal::open(folder.path(), JournalSync::Write), Err(JournalError::Locked { .. })));
}

#[test]
fn starts_that_write_nothing_leave_no_files() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        replay(&mut open(folder.path()));
    }
    assert_eq!(segments(folder.path()).unwrap().len(), 1);
}

#[test]
fn another_version_is_refused() {
    let (folder, path) = written(&[b"x"]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 3;
    std::fs::write(&path, bytes).unwrap();
    let error = open(folder.path()).replay(&mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("version 3"), "{error}");
}

/// The first version is read, copied and adopted; what is written is of the present one.
#[test]
fn the_first_version_is_taken_everywhere() {
    let (folder, path) = written(&[b"x", b"y"]);
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes[8], 2);
    bytes[8] = 1;
    std::fs::write(&path, &bytes).unwrap();
    let to = tempfile::tempdir().unwrap();
    let copied = carry::copy(folder.path(), to.path()).unwrap();
    assert_eq!(std::fs::read(&copied.files[0].1).unwrap(), bytes);
    let fresh = tempfile::tempdir().unwrap();
    let mut journal = open(fresh.path());
    journal.adopt(1, &bytes, 5).unwrap();
    let entries = vec![b"x".to_vec(), b"y".to_vec()];
    assert_eq!(replay(&mut journal), (entries.clone(), vec![]));
    assert_eq!(replay(&mut open(folder.path())), (entries, vec![]));
    std::fs::write(fresh.path().join("journal-0000000000000001.log"), &bytes[..HEADER.len()]).unwrap();
    drop(journal);
    open(fresh.path()).check_unoccupied(5).unwrap();
}

#[test]
fn cut_anywhere_the_whole_records_before_remain() {
    let entries: [&[u8]; 3] = [b"first", b"", b"the third is longer"];
    let (_folder, path) = written(&entries);
    let bytes = std::fs::read(path).unwrap();
    let ends: Vec<usize> = scan(&bytes).unwrap().iter().filter_map(Found::end_of_record).collect();
    for length in 0..=bytes.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("journal-{:016}.log", 1));
        std::fs::write(&path, &bytes[..length]).unwrap();
        let mut journal = open(folder.path());
        let (read, damage) = replay(&mut journal);
        let whole = ends.iter().filter(|e| **e <= length).count();
        assert_eq!(read, entries[..whole], "cut at {length}");
        assert!(damage.iter().all(|d| d.torn), "cut at {length}: {damage:?}");
        journal.append(b"next").unwrap();
        drop(journal);
        let (read, damage) = replay(&mut open(folder.path()));
        assert_eq!((read.len(), damage.len()), (whole + 1, 0), "cut at {length}");
    }
}

/// The disk takes neither the entry nor the cut, but keeps all that it was given: what was refused does not come
/// back, and what comes next does not depend on it.
#[test]
fn what_was_refused_is_never_replayed() {
    let (folder, path) = written(&[b"good"]);
    let mut journal = open(folder.path());
    replay(&mut journal);
    journal.append(b"before").unwrap();
    let (left, path_left) = (journal.segment(), journal.path(journal.segment()));
    drop(journal.tail.as_mut().unwrap().break_file());
    assert!(journal.append(b"refused").is_err());
    assert_ne!(journal.segment(), left, "what cannot be cut back is left");
    let mut refused = Vec::new();
    scan::put_record(&mut refused, 7, b"refused");
    let mut bytes = std::fs::read(&path_left).unwrap();
    bytes.extend(refused);
    std::fs::write(&path_left, bytes).unwrap();
    let kept: Vec<Vec<u8>> = [&b"good"[..], b"before"].map(<[u8]>::to_vec).into();
    // Killed here: the new segment holds nothing but the cut.
    let copied = copy_of(folder.path());
    assert_eq!(replay(&mut open(copied.path())), (kept.clone(), vec![]));
    assert_eq!(replay(&mut open(copied.path())), (kept.clone(), vec![]), "and again");
    // Not killed: it goes on.
    journal.append(b"accepted").unwrap();
    drop(journal);
    let all = [kept, vec![b"accepted".to_vec()]].concat();
    assert_eq!(replay(&mut open(folder.path())), (all, vec![]));
    assert!(path.exists());
}

#[test]
fn a_disk_that_takes_no_new_segment_takes_nothing_until_it_does() {
    let (folder, _) = written(&[b"good"]);
    let mut journal = open(folder.path());
    replay(&mut journal);
    drop(journal.tail.as_mut().unwrap().break_file());
    let next = journal.path(journal.segment() + 1);
    std::fs::create_dir(&next).unwrap();
    assert!(matches!(journal.append(b"refused"), Err(JournalError::Io { operation: "written", .. })));
    assert!(matches!(journal.append(b"refused too"), Err(JournalError::Io { operation: "written", .. })));
    std::fs::remove_dir(&next).unwrap();
    // The one that finds it well again is refused too: it leans on the segment that is left.
    assert!(matches!(journal.append(b"refused again"), Err(JournalError::Abandoned { .. })));
    journal.append(b"accepted").unwrap();
    drop(journal);
    assert_eq!(replay(&mut open(folder.path())), (vec![b"good".to_vec(), b"accepted".to_vec()], vec![]));
}

#[test]
fn a_full_journal_takes_more_once_it_is_trimmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = open(folder.path()).with_limit(100);
    replay(&mut journal);
    journal.append(&[1; 40]).unwrap();
    let error = journal.append(&[2; 40]).unwrap_err();
    assert!(matches!(error, JournalError::Full { used: 68, limit: 100, .. }), "{error}");
    assert!(error.to_string().contains("journal.max"), "{error}");
    journal.append(b"small").unwrap();
    // The only segment is emptied in place.
    journal.trim(journal.segment()).unwrap();
    journal.append(&[3; 40]).unwrap();
    drop(journal);
    // What an earlier process left counts too.
    let mut journal = open(folder.path()).with_limit(100);
    assert_eq!(replay(&mut journal), (vec![vec![3; 40]], vec![]));
    assert!(matches!(journal.append(&[4; 40]), Err(JournalError::Full { .. })));
    journal.trim(journal.segment() - 1).unwrap();
    journal.append(&[5; 40]).unwrap();
}

#[test]
fn errors_say_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    std::fs::write(&file, b"").unwrap();
    let error = FileJournal::open(&file, JournalSync::Write).unwrap_err().to_string();
    assert!(error.contains("data") && error.contains("must name a folder"), "{error}");
    let of = |kind: std::io::ErrorKind| io(&file, "written")(kind.into()).to_string();
    assert!(of(std::io::ErrorKind::ReadOnlyFilesystem).contains("mount"));
    assert!(of(std::io::ErrorKind::PermissionDenied).contains("right to write"));
    assert!(of(std::io::ErrorKind::StorageFull).contains("free space"));
}

fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for segment in segments(folder).unwrap() {
        std::fs::copy(segment_path(folder, segment), segment_path(copy.path(), segment)).unwrap();
    }
    copy
}

proptest! {
    #[test]
    fn a_damaged_byte_costs_one_record(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 2..8),
        place in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let (folder, path) = written(&entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut bytes = std::fs::read(&path).unwrap();
        let at = HEADER.len() + place.index(bytes.len() - HEADER.len());
        let ends: Vec<usize> = scan(&bytes).unwrap().iter().filter_map(Found::end_of_record).collect();
        let hit = ends.iter().position(|e| at < *e).unwrap();
        bytes[at] ^= flip;
        std::fs::write(&path, bytes).unwrap();
        let (read, damage) = replay(&mut open(folder.path()));
        let mut expected = entries.clone();
        expected.remove(hit);
        prop_assert_eq!(read, expected);
        prop_assert_eq!(damage.len(), 1);
        prop_assert_eq!(damage[0].torn, hit == entries.len() - 1);
    }
}
