//! Float samples in columns. Series that are scraped together have the same times, so a column of times is shared:
//! it is held once, and what depends on times alone (which samples a window shows) is worked out once.

use std::ops::Range;
use std::sync::Arc;

use crate::base::Timestamp;

/// The float samples of one series, ascending in time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Floats {
    times: Arc<Vec<Timestamp>>,
    values: Vec<f64>,
}

/// Some consecutive samples of a [`Floats`].
#[derive(Debug, Clone, Copy, Default)]
pub struct FloatsView<'a> {
    /// As many as there are values.
    pub times: &'a [Timestamp],
    /// One for each time.
    pub values: &'a [f64],
}

impl Floats {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The times; series that were read together may share them.
    #[inline]
    pub fn times(&self) -> &Arc<Vec<Timestamp>> {
        &self.times
    }

    /// The values, one for each time.
    #[inline]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// All of them.
    #[inline]
    pub fn view(&self) -> FloatsView<'_> {
        FloatsView { times: &self.times, values: &self.values }
    }

    /// Those at these places, or none when there are no such places.
    #[inline]
    pub fn slice(&self, places: Range<usize>) -> FloatsView<'_> {
        match (self.times.get(places.clone()), self.values.get(places)) {
            (Some(times), Some(values)) => FloatsView { times, values },
            _ => FloatsView::default(),
        }
    }

    /// One after the other.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Timestamp, f64)> + ExactSizeIterator + '_ {
        self.view().iter()
    }

    /// The sample at this place.
    #[inline]
    pub fn get(&self, place: usize) -> Option<(Timestamp, f64)> {
        self.view().get(place)
    }

    /// The last sample.
    #[inline]
    pub fn last(&self) -> Option<(Timestamp, f64)> {
        self.view().last()
    }

    /// Appends a sample that is later than all.
    #[inline]
    pub fn push(&mut self, at: Timestamp, value: f64) {
        Arc::make_mut(&mut self.times).push(at);
        self.values.push(value);
    }

    /// Leaves out the values that are not wanted.
    pub fn retain(&mut self, wanted: impl Fn(f64) -> bool) {
        // No early end: mostly all are wanted, and so the loop takes several at once.
        if self.values.iter().fold(false, |any, v| any | !wanted(*v)) {
            *self = self.iter().filter(|(_, v)| wanted(*v)).collect();
        }
    }

    /// As pairs.
    pub fn to_vec(&self) -> Vec<(Timestamp, f64)> {
        self.iter().collect()
    }
}

impl FromIterator<(Timestamp, f64)> for Floats {
    fn from_iter<I: IntoIterator<Item = (Timestamp, f64)>>(samples: I) -> Self {
        let (times, values) = samples.into_iter().unzip();
        Self { times: Arc::new(times), values }
    }
}

impl IntoIterator for Floats {
    type Item = (Timestamp, f64);
    type IntoIter = std::vec::IntoIter<(Timestamp, f64)>;

    fn into_iter(self) -> Self::IntoIter {
        self.to_vec().into_iter()
    }
}

impl<'a> FloatsView<'a> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The sample at this place.
    #[inline]
    pub fn get(&self, place: usize) -> Option<(Timestamp, f64)> {
        Some((*self.times.get(place)?, *self.values.get(place)?))
    }

    /// The first sample.
    #[inline]
    pub fn first(&self) -> Option<(Timestamp, f64)> {
        self.get(0)
    }

    /// The last sample.
    #[inline]
    pub fn last(&self) -> Option<(Timestamp, f64)> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The first and the last sample, where there are two or more.
    #[inline]
    pub fn ends(&self) -> Option<((Timestamp, f64), (Timestamp, f64))> {
        if self.len() < 2 { None } else { Some((self.first()?, self.last()?)) }
    }

    /// One after the other.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = (Timestamp, f64)> + ExactSizeIterator + 'a {
        self.times.iter().copied().zip(self.values.iter().copied())
    }
}

/// Collects the samples of one series after the other. As long as a series has the times of the one before, it gets
/// those, and none are copied.
#[derive(Debug)]
pub struct FloatsBuilder {
    values: Vec<f64>,
    /// Of the last series that was finished.
    shared: Arc<Vec<Timestamp>>,
    shared_columns: Vec<Laid>,
    /// So many of the shared times are those of this series too; `None`: it has its own.
    same: Option<usize>,
    times: Vec<Timestamp>,
    columns: Vec<Laid>,
}

/// A column of times that was laid down whole: at which place, and which it was.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Laid {
    place: usize,
    address: usize,
    len: usize,
}

impl Default for FloatsBuilder {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            shared: Arc::default(),
            shared_columns: Vec::new(),
            same: Some(0),
            times: Vec::new(),
            columns: Vec::new(),
        }
    }
}

impl FloatsBuilder {
    /// Adds a sample.
    pub fn push(&mut self, at: Timestamp, value: f64) {
        match &mut self.same {
            Some(same) if self.shared.get(*same) == Some(&at) => *same += 1,
            _ => self.own_times().push(at),
        }
        self.values.push(value);
    }

    /// Adds these times, in milliseconds; as many values are to follow in [`values`](Self::values). The column must
    /// stay where it is as long as the builder is used: it is known again by its place.
    pub fn lay(&mut self, column: &[i64]) {
        let place = self.same.unwrap_or(self.times.len());
        let laid = Laid { place, address: column.as_ptr().addr(), len: column.len() };
        match &mut self.same {
            Some(same) if self.shared_columns.get(self.columns.len()) == Some(&laid) => *same += laid.len,
            _ => self.own_times().extend(column.iter().copied().map(Timestamp::from_millis)),
        }
        self.columns.push(laid);
    }

    /// Where the values of laid times go.
    pub fn values(&mut self) -> &mut Vec<f64> {
        &mut self.values
    }

    fn own_times(&mut self) -> &mut Vec<Timestamp> {
        if let Some(same) = self.same.take() {
            self.times.extend_from_slice(&self.shared[..same]);
        }
        &mut self.times
    }

    /// What was collected since the last call, in the order of time; of two samples at one time the first stays.
    pub fn finish(&mut self) -> Floats {
        let values = std::mem::take(&mut self.values);
        self.values.reserve(values.len());
        if self.same != Some(self.shared.len()) {
            self.own_times();
            let times = std::mem::take(&mut self.times);
            if !times.is_sorted_by(|a, b| a < b) {
                *self = Self::default();
                return in_order(times.into_iter().zip(values).collect());
            }
            self.shared_columns.clone_from(&self.columns);
            self.shared = Arc::new(times);
        }
        (self.same, self.times) = (Some(0), Vec::new());
        self.columns.clear();
        Floats { times: self.shared.clone(), values }
    }
}

fn in_order(mut samples: Vec<(Timestamp, f64)>) -> Floats {
    samples.sort_by_key(|s| s.0);
    samples.dedup_by_key(|s| s.0);
    samples.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn series_with_the_same_times_share_them() {
        let mut builder = FloatsBuilder::default();
        let mut collect = |samples: &[(i64, f64)]| {
            samples.iter().for_each(|(t, v)| builder.push(at(*t), *v));
            builder.finish()
        };
        let (a, b, c) = (collect(&[(1, 1.0), (2, 5.0)]), collect(&[(1, 2.0), (2, 3.0)]), collect(&[(1, 2.0)]));
        assert!(Arc::ptr_eq(a.times(), b.times()) && !Arc::ptr_eq(b.times(), c.times()));
        assert_eq!(b.to_vec(), [(at(1), 2.0), (at(2), 3.0)]);
        let jumbled = collect(&[(2, 2.0), (1, 1.0), (2, 9.0)]);
        assert_eq!(jumbled.to_vec(), [(at(1), 1.0), (at(2), 2.0)]);
        assert_eq!(collect(&[(1, 7.0)]).to_vec(), [(at(1), 7.0)]);
        assert_eq!(collect(&[]).to_vec(), []);
    }

    #[test]
    fn columns_are_known_again_by_their_place() {
        let (a, b) = ([1000, 2000], [3000, 4000]);
        let mut builder = FloatsBuilder::default();
        let mut collect = |columns: &[&[i64]], last: &[i64]| {
            for column in columns {
                builder.lay(column);
                builder.values().extend(column.iter().map(|t| *t as f64));
            }
            last.iter().for_each(|t| builder.push(Timestamp::from_millis(*t), 0.5));
            builder.finish()
        };
        let first = collect(&[&a, &b], &[5000]);
        let again = collect(&[&a, &b], &[5000]);
        assert!(Arc::ptr_eq(first.times(), again.times()) && first == again);
        let times = |floats: Floats| floats.times().iter().map(|t| t.as_millis()).collect::<Vec<_>>();
        assert_eq!(times(collect(&[&a], &[5000])), [1000, 2000, 5000]);
        assert_eq!(times(collect(&[&b], &[5000, 6000])), [3000, 4000, 5000, 6000]);
        assert_eq!(times(collect(&[], &[1000, 3000])), [1000, 3000]);
        assert_eq!(times(collect(&[&b], &[])), [3000, 4000]);
        assert_eq!(times(collect(&[&b, &a], &[5000])), [1000, 2000, 3000, 4000, 5000], "in the order of time");
        assert_eq!(times(collect(&[&a, &b], &[])), [1000, 2000, 3000, 4000]);
    }

    #[test]
    fn parts_are_seen_without_copies() {
        let floats: Floats = (0..5).map(|i| (at(i), i as f64)).collect();
        assert_eq!(floats.slice(1..3).ends(), Some(((at(1), 1.0), (at(2), 2.0))));
        assert_eq!(floats.slice(4..5).ends(), None);
        assert!(floats.slice(4..9).is_empty());
        let mut some = floats.clone();
        some.retain(|v| v != 3.0);
        assert_eq!((some.len(), some.get(3)), (4, Some((at(4), 4.0))));
    }
}
