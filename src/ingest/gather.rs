//! Events of one body that belong to one series become one item of the batch.
//!
//! Most bodies repeat a few series many times, and most bodies repeat the series of the body before.
//! So a series is looked up by the bytes of its parts, first among those of this body, then in a bounded
//! cache of finished label sets; only a series that is new to both is put together. Lines that are known as a
//! whole ([`templates`](super::templates)) come with their series and are looked up by its number.

use std::borrow::Cow;
use std::collections::HashMap;

use parking_lot::Mutex;

use crate::base::{Labels, LabelsBuilder, METRIC_NAME, Timestamp};
use crate::series::{Batch, Delta, Item, Observation, Slot};

use super::attribution::Sighting;
use super::routes::RouteLimit;
use super::templates::Series;

/// What an event does to its series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// A value of a distribution, base unit.
    Observe(f64),
    /// The same, of an event that stands for several.
    ObserveMany {
        /// Base unit.
        value: f64,
        /// How many events it stands for.
        weight: u32,
    },
    /// A step of a counter.
    Add(f64),
    /// The value of a gauge.
    Sample(f64),
}

/// Labels as they come, before they are sorted; empty values stand for no label.
pub type LabelPairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// One validated event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// The metric.
    pub metric: Cow<'a, str>,
    /// Who sent it; empty when unknown.
    pub service: Cow<'a, str>,
    /// The other labels.
    pub labels: LabelPairs<'a>,
    /// What happens.
    pub change: Change,
    /// When.
    pub at: Timestamp,
}

/// Finished label sets by the parts that they were made from.
#[derive(Debug)]
pub struct SeriesCache {
    most: usize,
    known: Mutex<HashMap<Box<[u8]>, Labels>>,
}

impl SeriesCache {
    /// A cache of at most `most` label sets; it starts anew when it is full.
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), known: Mutex::default() }
    }

    fn get_or_build(&self, key: &[u8], build: impl FnOnce() -> Labels) -> Labels {
        if let Some(labels) = self.known.lock().get(key) {
            return labels.clone();
        }
        let labels = build();
        let mut known = self.known.lock();
        if known.len() >= self.most {
            known.clear();
        }
        known.insert(key.into(), labels.clone());
        labels
    }
}

/// Puts a batch together.
#[derive(Debug)]
pub struct Gather<'i> {
    cache: &'i SeriesCache,
    limit: &'i RouteLimit,
    key: Vec<u8>,
    index: HashMap<Box<[u8]>, usize>,
    known: KnownIndex,
    /// What has been gathered so far.
    pub batch: Batch,
    /// Elements that reports of the batch name.
    pub sightings: Vec<Sighting>,
}

impl<'i> Gather<'i> {
    /// An empty batch.
    pub fn new(cache: &'i SeriesCache, limit: &'i RouteLimit) -> Self {
        Self {
            cache,
            limit,
            key: Vec::new(),
            index: HashMap::new(),
            known: KnownIndex::default(),
            batch: Batch::default(),
            sightings: Vec::new(),
        }
    }

    /// Adds a value in base units to the item of a known series and its slot.
    pub(super) fn observe(&mut self, series: &Series, at: Timestamp, value: f64) {
        let observation = Observation { value, weight: 1 };
        let key = (series.id, Slot::of(at));
        let found = self.known.find(key).and_then(|i| self.batch.items.get_mut(i));
        if let Some(Item { delta: Delta::Observe(values), .. }) = found {
            return values.push(observation);
        }
        self.known.insert(key, self.batch.items.len());
        let delta = Delta::Observe(vec![observation]);
        self.batch.items.push(Item { labels: series.labels.clone(), at, delta });
    }

    /// Adds an event to the item of its series, kind of change and slot.
    pub fn add(&mut self, event: &Event<'_>) {
        let series_bytes = self.write_key(event);
        if let Some(item) = self.index.get(self.key.as_slice()).and_then(|i| self.batch.items.get_mut(*i))
            && join(item, event)
        {
            return;
        }
        let labels = self.labels_of(event, series_bytes);
        let delta = match event.change {
            Change::Observe(value) => Delta::Observe(vec![Observation { value, weight: 1 }]),
            Change::ObserveMany { value, weight } => Delta::Observe(vec![Observation { value, weight }]),
            Change::Add(step) => Delta::Add(step),
            Change::Sample(value) => Delta::Sample(value),
        };
        self.index.insert(self.key.as_slice().into(), self.batch.items.len());
        self.batch.items.push(Item { labels, at: event.at, delta });
    }

    /// The finished labels of a metric; `service` and route within the limits.
    pub fn labels(&mut self, event: &Event<'_>) -> Labels {
        let series_bytes = self.write_key(event);
        self.labels_of(event, series_bytes)
    }

    /// Writes metric and labels, then the slot, and returns how many bytes the series takes. Parts are
    /// kept apart by a byte that no UTF-8 text holds.
    fn write_key(&mut self, event: &Event<'_>) -> usize {
        let parts = event.labels.iter().flat_map(|(n, v)| [n.as_ref(), v.as_ref()]);
        self.key.clear();
        for part in [event.metric.as_ref(), event.service.as_ref()].into_iter().chain(parts) {
            self.key.extend_from_slice(part.as_bytes());
            self.key.push(0xff);
        }
        let series_bytes = self.key.len();
        let slot = Slot::of(event.at).index();
        self.key.extend_from_slice(&slot.to_le_bytes());
        series_bytes
    }

    fn labels_of(&self, event: &Event<'_>, series_bytes: usize) -> Labels {
        self.cache.get_or_build(&self.key[..series_bytes], || build(event, self.limit))
    }
}

/// Where in the batch the items of known series are. Most bodies hold one event, and need no table.
#[derive(Debug, Default)]
struct KnownIndex {
    first: Option<((u32, Slot), usize)>,
    others: HashMap<(u32, Slot), usize, foldhash::fast::RandomState>,
}

impl KnownIndex {
    fn find(&self, key: (u32, Slot)) -> Option<usize> {
        match self.first {
            Some((first, item)) if first == key => Some(item),
            _ => self.others.get(&key).copied(),
        }
    }

    fn insert(&mut self, key: (u32, Slot), item: usize) {
        match self.first {
            None => self.first = Some((key, item)),
            Some(_) => drop(self.others.insert(key, item)),
        }
    }
}

/// Joins the event to an item of its series and slot; not when that would lose a sample.
fn join(item: &mut Item, event: &Event<'_>) -> bool {
    match (&mut item.delta, event.change) {
        (Delta::Observe(values), Change::Observe(value)) => values.push(Observation { value, weight: 1 }),
        (Delta::Observe(values), Change::ObserveMany { value, weight }) => values.push(Observation { value, weight }),
        (Delta::Add(sum), Change::Add(step)) => *sum += step,
        _ => return false,
    }
    true
}

fn build(event: &Event<'_>, limit: &RouteLimit) -> Labels {
    let mut builder = LabelsBuilder::default();
    for (name, value) in &event.labels {
        let is_route = matches!(name.as_ref(), "route" | "http_route");
        let value = if is_route { limit.admit(&event.service, value) } else { value };
        builder.set(name.as_ref(), value);
    }
    if !event.service.is_empty() {
        builder.set("service_name", event.service.as_ref());
    }
    builder.set(METRIC_NAME, event.metric.as_ref());
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(route: &'static str, change: Change, at: i64) -> Event<'static> {
        Event {
            metric: "m_seconds".into(),
            service: "shop".into(),
            labels: vec![("http_route".into(), route.into()), ("region".into(), "".into())],
            change,
            at: Timestamp::from_secs(at),
        }
    }

    fn gather(events: &[Event<'_>]) -> Vec<Item> {
        let (cache, limit) = (SeriesCache::new(2), RouteLimit::new(2));
        let mut gather = Gather::new(&cache, &limit);
        events.iter().for_each(|e| gather.add(e));
        gather.batch.items
    }

    #[test]
    fn one_item_for_each_series_and_slot() {
        let observe = Change::Observe;
        let items = gather(&[
            event("/a", observe(1.0), 100),
            event("/b", observe(2.0), 100),
            event("/a", observe(3.0), 91),
            // A slot's end belongs to it.
            event("/a", observe(4.0), 101),
        ]);
        let values: Vec<usize> =
            items.iter().map(|i| if let Delta::Observe(v) = &i.delta { v.len() } else { 0 }).collect();
        assert_eq!(values, [2, 1, 1]);
        let expected = Labels::metric("m_seconds", [("service_name", "shop"), ("http_route", "/a")]);
        assert_eq!(items[0].labels, expected);
    }

    #[test]
    fn steps_add_up_and_samples_stay_apart() {
        let items = gather(&[
            event("/a", Change::Add(1.0), 100),
            event("/a", Change::Add(2.5), 100),
            event("/b", Change::Sample(1.0), 100),
            event("/b", Change::Sample(2.0), 101),
        ]);
        let deltas: Vec<&Delta> = items.iter().map(|i| &i.delta).collect();
        assert_eq!(deltas, [&Delta::Add(3.5), &Delta::Sample(1.0), &Delta::Sample(2.0)]);
    }

    #[test]
    fn a_full_cache_and_the_route_cap_change_no_labels_of_known_routes() {
        let events: Vec<Event<'_>> =
            ["/a", "/b", "/c", "/d", "/a"].map(|r| event(r, Change::Add(1.0), 0)).into_iter().collect();
        let items = gather(&events);
        let routes: Vec<&str> = items.iter().map(|i| i.labels.value("http_route")).collect();
        assert_eq!(routes, ["/a", "/b", "__other__", "__other__"]);
    }
}
