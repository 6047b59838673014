//! What a read takes from the head.
//!
//! After the clock was set back, slots may have closed that are not over. Their samples would be stamped in
//! the future, where no read looks, so to readers they are still open.

use std::sync::Arc;

use std::collections::HashSet;

use crate::base::{Labels, Matcher, Timestamp};
use crate::promql::{Selection, SourceError};

use super::super::archive::{ArchiveError, GroupId};
use super::super::codec::Corrupt;
use super::super::data::{Data, Ours, Series};
use super::super::live::Live;
use super::super::slot::Slot;
use super::super::total::{SeriesKind, Total};
use super::View;
use super::ended;
use super::forms::Forms;
use super::points::corrupt;

/// One series at one instant.
pub(super) struct TakenSeries {
    pub(super) id: u64,
    pub(super) group: GroupId,
    pub(super) labels: Labels,
    pub(super) kind: SeriesKind,
    /// The last slot whose pages list it, when it has left memory.
    pub(super) until: Option<Slot>,
    pub(super) forms: Arc<Forms>,
    pub(super) data: Data,
}

impl TakenSeries {
    /// Of a series of ours.
    pub(super) fn ours(&self) -> Option<&Ours> {
        if let Data::Ours(ours) = &self.data { Some(ours) } else { None }
    }

    /// Opens the closed slots from `first` on: their increments move from the base to the open ones.
    fn reopen(&mut self, first: Slot) -> Result<(), Corrupt> {
        let Data::Ours(ours) = &mut self.data else { return Ok(()) };
        let mut base = ours.before.as_deref().cloned();
        let mut open = Vec::new();
        for increment in ours.closed.iter().flat_map(|c| c.iter(self.kind)) {
            match increment? {
                (slot, increment) if slot < first => Total::add_to(&mut base, &increment),
                (slot, increment) => open.push((slot, Arc::new(increment))),
            }
        }
        ours.base = base.map(Arc::new);
        ours.near.splice(..0, open);
        Ok(())
    }
}

/// The series that match, at one instant.
pub(super) struct Taken {
    pub(super) now: Timestamp,
    /// Every slot up to this one is closed, and over.
    pub(super) closed: Slot,
    /// Every slot up to this one is in pages only.
    pub(super) paged: Slot,
    pub(super) live: Arc<Live>,
    /// By group, then id.
    pub(super) series: Vec<TakenSeries>,
}

impl Taken {
    /// Of memory first, then of the archive: what leaves memory in between is in both, and taken once.
    pub(super) async fn read(view: &View, selection: &Selection) -> Result<Self, SourceError> {
        let (mut taken, has_ended) = Self::of_head(view, &selection.matchers, selection.start);
        if has_ended {
            let known: HashSet<u64> = taken.series.iter().map(|s| s.id).collect();
            let ended = ended::read(view, selection).await?.into_iter();
            taken.series.extend(ended.filter(|(_, s)| !known.contains(&s.id)).map(|(forms, s)| self::taken(&s, forms)));
        }
        taken.series.sort_unstable_by_key(|s| (s.group, s.id));
        let current = taken.current();
        if taken.closed >= current {
            taken.closed = current.plus(-1);
            taken.series.iter_mut().try_for_each(|s| s.reopen(current)).map_err(corrupt)?;
        }
        Ok(taken)
    }

    /// What is in memory, and whether more may be in the archive.
    fn of_head(view: &View, matchers: &[Matcher], start: Timestamp) -> (Self, bool) {
        let now = view.clock.now();
        let head = view.shared.head.read();
        let mut series = Vec::new();
        for (forms, refs) in head.select(matchers) {
            let forms = Arc::new(forms);
            series.extend(refs.iter().filter_map(|r| head.get(*r)).map(|s| taken(s, forms.clone())));
        }
        let taken = Self { now, closed: head.closed, paged: head.paged, live: head.live.clone(), series };
        (taken, ended::may_have(&head, start))
    }

    /// Whether two stored series may appear under the same labels: one that came back, or one whose name is that of a
    /// part of a histogram.
    pub(super) fn may_share_labels(&self) -> bool {
        let is_plain = |s: &TakenSeries| s.kind == SeriesKind::Sample;
        let plain = self.series.iter().filter(|s| is_plain(s)).count();
        (plain > 0 && plain < self.series.len()) || self.series.iter().any(|s| s.until.is_some())
    }

    /// The slot that is open now.
    pub(super) fn current(&self) -> Slot {
        Slot::of(self.now)
    }
}

fn taken(series: &Series, forms: Arc<Forms>) -> TakenSeries {
    TakenSeries {
        id: series.id,
        group: series.group,
        labels: series.labels.clone(),
        kind: series.kind,
        until: series.retired,
        forms,
        data: series.data.clone(),
    }
}

pub(super) fn storage(error: ArchiveError) -> SourceError {
    SourceError::Storage(Box::new(error))
}
