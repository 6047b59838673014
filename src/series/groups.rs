//! Which series share pages: those of one metric and kind, in the order in which they came.

use std::collections::HashMap;

use super::archive::GroupId;
use super::total::SeriesKind;

/// The most series that share a page.
const MEMBERS: usize = 64;
/// The same of histograms, which are larger.
const HISTOGRAMS: usize = 16;

/// Gives each new series a group: the latest of its metric and kind while that has room.
#[derive(Debug, Default)]
pub struct Groups {
    last: GroupId,
    open: HashMap<(SeriesKind, Box<str>), (GroupId, usize)>,
}

impl Groups {
    /// Groups up to this one were given before; none of them is given to another metric.
    pub fn start_after(&mut self, last: GroupId) {
        self.last = self.last.max(last);
    }

    /// The greatest group that there is.
    pub fn last(&self) -> GroupId {
        self.last
    }

    /// Forgets metrics that are not wanted any more: should one come again, it begins a new group.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.open.retain(|(_, metric), _| wanted(metric));
    }

    /// Counts a series that has a group.
    pub fn enter(&mut self, metric: &str, kind: SeriesKind, group: GroupId) {
        self.last = self.last.max(group);
        let open = self.open.entry((kind, metric.into())).or_insert((group, 0));
        match open.0.cmp(&group) {
            std::cmp::Ordering::Less => *open = (group, 1),
            std::cmp::Ordering::Equal => open.1 += 1,
            std::cmp::Ordering::Greater => {}
        }
    }

    /// The group of a new series, which is counted.
    pub fn assign(&mut self, metric: &str, kind: SeriesKind) -> GroupId {
        let most = match kind {
            SeriesKind::Histogram | SeriesKind::Native => HISTOGRAMS,
            SeriesKind::Counter | SeriesKind::Sample => MEMBERS,
        };
        let key = (kind, metric.into());
        if let Some(open) = self.open.get_mut(&key).filter(|open| open.1 < most) {
            open.1 += 1;
            return open.0;
        }
        self.last += 1;
        self.open.insert(key, (self.last, 1));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_of_one_metric_and_has_room() {
        let mut groups = Groups::default();
        let first: Vec<GroupId> = (0..65).map(|_| groups.assign("x", SeriesKind::Sample)).collect();
        assert_eq!((first[0], first[63], first[64]), (1, 1, 2));
        assert_eq!(groups.assign("x", SeriesKind::Counter), 3);
        let mut again = Groups::default();
        first.iter().for_each(|g| again.enter("x", SeriesKind::Sample, *g));
        assert_eq!(again.assign("x", SeriesKind::Sample), 2);
        assert_eq!(again.assign("h", SeriesKind::Histogram), 3);
        again.retain(|metric| metric != "x");
        again.start_after(7);
        assert_eq!((again.assign("x", SeriesKind::Sample), again.assign("h", SeriesKind::Histogram)), (8, 3));
        assert_eq!(again.last(), 8);
    }
}
