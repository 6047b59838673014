//! A start on a backup: what it carries of the journal becomes the journal. See `store::sqlite::backup`.

use anyhow::Context;

use crate::store::journal::FileJournal;
use crate::store::sqlite::SqliteStore;

/// Unpacks what the database carries, if it is a backup that was not started before.
///
/// # Errors
/// A database or journal that cannot be read or written; a journal folder that is not empty.
pub(super) async fn unpack(store: &SqliteStore, journal: &mut FileJournal) -> anyhow::Result<()> {
    let Some(carried) = store.carried().await.context("what the backup carries could not be read")? else {
        return Ok(());
    };
    journal.check_unoccupied(carried.identity)?;
    for segment in &carried.segments {
        let bytes = store.carried_segment(*segment).await.context("what the backup carries could not be read")?;
        journal.adopt(*segment, &bytes, carried.identity)?;
    }
    store.unpacked(&carried).await.context("what the backup carried could not be removed from the database")?;
    tracing::info!(segments = carried.segments.len(), "restored from a backup: its journal is unpacked");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::base::{Clock, Labels, ManualClock, Matcher, Timestamp};
    use crate::series::{self, Batch, Delta, Item, JournalError, JournalSync, Known, MetricCatalog, Recorder};
    use crate::store::sqlite::backup::Backup;

    struct Running {
        clock: ManualClock,
        recorder: series::RecorderHandle,
        view: Arc<series::View>,
        keeper: series::Loop,
    }

    impl Running {
        async fn start(folder: &Path) -> anyhow::Result<Self> {
            let clock = ManualClock::at(Timestamp::from_secs(1_763_640_005));
            let (store, _) = SqliteStore::open(&folder.join("a.db")).await?;
            let mut journal = FileJournal::open(&folder.join("journal"), JournalSync::Write)?;
            unpack(&store, &mut journal).await?;
            let (settings, catalog) = (series::Settings::default(), MetricCatalog::default());
            let shared = Arc::new(clock.clone());
            let opened = series::open(settings, shared, Arc::new(store), Box::new(journal), catalog).await?;
            let (recorder, view, keeper) = opened;
            Ok(Self { clock, recorder, view, keeper })
        }

        async fn count(&self) {
            let item = Item { labels: Labels::metric("c", [("a", "b")]), at: self.clock.now(), delta: Delta::Add(1.0) };
            self.recorder.record(Batch { items: vec![item], vitals: Vec::new() }).await.unwrap();
        }

        async fn counted(&self) -> f64 {
            let start = self.clock.now() - Duration::from_secs(3600);
            let all = self.view.increases(&[Matcher::equal("__name__", "c")], start, self.clock.now()).await.unwrap();
            all.iter().map(|(_, v)| v).sum()
        }

        async fn stop(self) {
            let stop = CancellationToken::new();
            stop.cancel();
            self.keeper.run(stop).await;
        }
    }

    /// A backup of ten events in two segments.
    async fn backed_up(folder: &Path) -> Backup {
        for _ in 0..2 {
            let service = Running::start(folder).await.unwrap();
            for _ in 0..5 {
                service.count().await;
            }
            service.stop().await;
        }
        let backup = Backup {
            database: folder.join("a.db"),
            journal: folder.join("journal"),
            file: folder.join("backup.db"),
            overwrite: false,
        };
        let done = backup.run().await.unwrap();
        assert_eq!((done.segments, done.until.is_some()), (2, true));
        backup
    }

    #[tokio::test]
    async fn wherever_the_first_start_dies_the_next_counts_everything_once() {
        let folder = tempfile::tempdir().unwrap();
        let backup = backed_up(folder.path()).await;
        for died_after in 0..=3 {
            let restored = tempfile::tempdir().unwrap();
            let path = restored.path();
            std::fs::copy(&backup.file, path.join("a.db")).unwrap();
            if died_after > 0 {
                let (store, _) = SqliteStore::open(&path.join("a.db")).await.unwrap();
                let mut journal = FileJournal::open(&path.join("journal"), JournalSync::Write).unwrap();
                let carried = store.carried().await.unwrap().unwrap();
                for segment in carried.segments.iter().take(died_after - 1) {
                    let bytes = store.carried_segment(*segment).await.unwrap();
                    journal.adopt(*segment, &bytes, carried.identity).unwrap();
                }
                store.close().await;
            }
            for more in 0..2 {
                let service = Running::start(path).await.unwrap();
                assert_eq!(service.counted().await, 10.0 + f64::from(more), "died after {died_after}");
                service.count().await;
                service.stop().await;
            }
        }
    }

    #[tokio::test]
    async fn a_folder_with_a_journal_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let backup = backed_up(folder.path()).await;
        std::fs::copy(&backup.file, folder.path().join("b.db")).unwrap();
        let (store, _) = SqliteStore::open(&folder.path().join("b.db")).await.unwrap();
        let mut journal = FileJournal::open(&folder.path().join("journal"), JournalSync::Write).unwrap();
        let error = unpack(&store, &mut journal).await.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(JournalError::Occupied { .. })), "{error:#}");
        assert!(store.carried().await.unwrap().is_some());
        drop(journal);
        let service = Running::start(folder.path()).await.unwrap();
        assert_eq!(service.counted().await, 10.0, "the original goes on");
        service.stop().await;
    }
}
