//! Samples of the past go into the archive with a tick.

use crate::series::archive::{ArchiveError, Rewrite, StoredPage, Tick};
use crate::series::codec::Corrupt;
use crate::series::cycle::Loop;
use crate::series::pages::open_whole;
use crate::series::slot::SLOTS_PER_BLOCK;
use crate::series::total::SeriesKind;
use crate::series::writer::chain;

use super::History;
use super::fold::{Ages, GroupPast, by_group, union};

impl Loop {
    /// Puts the samples of the past that wait into a tick that has none yet; whether that went well. Some of them may
    /// be of a later entry than the tick: a replay of that changes nothing.
    pub(in crate::series) async fn fold_history(&self, tick: &mut Tick) -> bool {
        if !tick.history.pages.is_empty() || self.shared.head.read().history.is_empty() {
            return true;
        }
        let history = std::mem::take(&mut self.shared.head.write().history);
        self.shared.counters.history_waiting.set(0);
        match self.rewritten(&history).await {
            Ok(rewrite) => {
                tick.history = rewrite;
                self.shared.counters.history_samples.add(history.len() as u64);
                true
            }
            Err(error) => {
                self.shared.counters.archive_failures.add(1);
                tracing::error!(error = %chain(&error), "samples of the past were not stored; it is tried again");
                self.shared.head.write().history.take_back(history);
                false
            }
        }
    }

    /// Pages of what closed, with what history has brought into their windows before: after a start that found all in
    /// the journal, both may be of the same ten minutes.
    pub(in crate::series) async fn with_history(&self, made: Vec<StoredPage>) -> Result<Vec<StoredPage>, ArchiveError> {
        let Some(first) = made.first().map(|page| page.key) else { return Ok(made) };
        let groups: Vec<_> = made.iter().map(|page| page.key.group).collect();
        let there = self.archive.scan(&groups, first.first, first.last()).await?.pages;
        if there.is_empty() {
            return Ok(made);
        }
        let joined = made.into_iter().map(|page| {
            let key = page.key;
            let mut both: Vec<_> = there.iter().filter(|p| p.key == key).cloned().collect();
            if both.is_empty() {
                return Ok(page);
            }
            both.push(page.clone());
            let both = open_whole(both, &self.shared.counters);
            // Only samples have a history; of others it is this very page, whose answer was lost.
            let is_of_samples = both.iter().all(|p| p.series().all(|(_, kind)| kind == SeriesKind::Sample));
            if is_of_samples { union(key, &both) } else { Ok(page) }
        });
        joined.collect::<Result<_, _>>().map_err(broken)
    }

    /// The pages that these samples become part of.
    async fn rewritten(&self, history: &History) -> Result<Rewrite, ArchiveError> {
        let (groups, paged) = {
            let head = self.shared.head.read();
            (by_group(&head, history), head.paged)
        };
        let ages = Ages { paged, expired: self.expired };
        let mut all = Rewrite::default();
        for group in &groups {
            let Rewrite { sources, pages, born } = self.rewritten_group(group, ages).await?;
            all.sources.extend(sources);
            all.pages.extend(pages);
            all.born.extend(born);
        }
        Ok(all)
    }

    async fn rewritten_group(&self, group: &GroupPast<'_>, ages: Ages) -> Result<Rewrite, ArchiveError> {
        let past = group.unpack().map_err(broken)?;
        let Some((first, last)) = past.span() else { return Ok(Rewrite::default()) };
        let (first, last) = (first.first_of_window(SLOTS_PER_BLOCK), last.last_of_window(SLOTS_PER_BLOCK));
        let stored = self.archive.overlapping(group.group, first, last).await?;
        let shared = self.shared.clone();
        let work = move || past.rewrite(stored, ages, &shared.counters);
        let written = tokio::task::spawn_blocking(work).await;
        let broken_off = |e| ArchiveError { operation: "written", source: Box::new(e) };
        written.map_err(broken_off)?.map_err(broken)
    }
}

fn broken(error: Corrupt) -> ArchiveError {
    ArchiveError { operation: "written", source: Box::new(error) }
}
