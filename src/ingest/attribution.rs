//! What to look at: the elements that views beyond good name as their reason.
//!
//! A report may say which element was largest (LCP), was used (INP) or moved most (CLS), as a selector of its
//! page. Selectors are free text, so they never become labels. What is kept is a count by service, route,
//! vital and element over the last hours, in memory only: it helps to find the cause of what is poor now, and
//! nothing is decided on it. A new start begins with an empty table.
//!
//! A view counts once, with its last report, as long as its place is remembered. Everything is bounded: an
//! hour that is full takes no further elements, a route that has many puts further ones under `__other__`.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::{Timestamp, bounded};
use crate::series::VitalKey;

use super::routes::OTHER;

/// The longest selector kept, in bytes.
const TARGET_BYTES: usize = 128;
/// Elements of one route and vital in an hour.
const TARGETS: usize = 50;
/// Elements of all routes in an hour.
const TARGETS_IN_ALL: usize = 10_000;
/// How many hours are kept, the present one included.
const HOURS: usize = 6;
/// Views whose place is remembered, so that a later report moves them.
const PLACES: usize = 50_000;
const HOUR: Duration = Duration::from_secs(3600);

/// Where an element was blamed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// `service_name`
    pub service: String,
    /// The route, within the limits of labels.
    pub route: String,
    /// `LCP`, `INP` or `CLS`.
    pub vital: String,
    /// Soft navigations are a population of their own.
    pub soft: bool,
}

/// How one view went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rating {
    /// At or below the good bound.
    Good,
    /// Between the bounds.
    Middling,
    /// Above the upper bound.
    Poor,
}

/// One report that names an element.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The view and its vital.
    pub key: VitalKey,
    /// The sender's count of its beacons, when it keeps one.
    pub sequence: Option<u64>,
    /// Where.
    pub spot: Spot,
    /// The element's selector.
    pub target: String,
    /// In the vital's base unit.
    pub value: f64,
    /// How many views it stands for.
    pub weight: u32,
    /// How it went.
    pub rating: Rating,
}

/// One element, and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Where.
    pub spot: Spot,
    /// Its selector, cut to 128 bytes; `__other__` for those over the limit.
    pub target: String,
    /// Views beyond good that name it.
    pub views: u64,
    /// Poor views among them.
    pub poor: u64,
    /// The mean of these views, base unit.
    pub average: f64,
}

/// Counts; values in millionths of the base unit, so that taking one back leaves nothing behind.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    views: u64,
    poor: u64,
    micros: u64,
}

impl Sum {
    fn of(sighting: &Sighting) -> Self {
        let weight = u64::from(sighting.weight);
        let poor = if sighting.rating == Rating::Poor { weight } else { 0 };
        Self { views: weight, poor, micros: (sighting.value * 1e6) as u64 * weight }
    }

    fn add(&mut self, other: Self) {
        self.views += other.views;
        self.poor += other.poor;
        self.micros += other.micros;
    }

    fn take(&mut self, other: Self) {
        self.views -= other.views;
        self.poor -= other.poor;
        self.micros -= other.micros;
    }
}

type Targets = HashMap<Arc<str>, Sum>;

/// One hour.
#[derive(Debug)]
struct Hour {
    start: Timestamp,
    spots: HashMap<Arc<Spot>, Targets>,
    targets: usize,
}

/// What a view was counted under.
#[derive(Debug)]
struct Place {
    sequence: Option<u64>,
    hour: Timestamp,
    spot: Arc<Spot>,
    target: Arc<str>,
    sum: Sum,
}

#[derive(Debug, Default)]
struct Board {
    hours: VecDeque<Hour>,
    places: HashMap<u64, Place>,
    order: VecDeque<u64>,
}

/// The table of elements; shared by all who send and look.
#[derive(Debug, Default)]
pub struct Attributions {
    hash: RandomState,
    board: Mutex<Board>,
}

impl Attributions {
    /// Counts what was recorded.
    pub fn note(&self, sightings: Vec<Sighting>, now: Timestamp) {
        if sightings.is_empty() {
            return;
        }
        let mut board = self.board.lock();
        for sighting in sightings {
            board.note(self.hash.hash_one(&sighting.key), sighting, now);
        }
    }

    /// The elements that were blamed in hours that reach beyond `since`: those with most poor views first, then
    /// those with most views; at most `limit` of those for which `wanted` holds.
    pub fn worst(&self, since: Timestamp, now: Timestamp, limit: usize, wanted: impl Fn(&Spot) -> bool) -> Vec<Target> {
        let mut found = self.board.lock().totals(since.max(now - HOUR * HOURS as u32), &wanted);
        found.sort_by(|a, b| {
            let order = (b.poor, b.views).cmp(&(a.poor, a.views));
            order.then_with(|| (&a.spot, &a.target).cmp(&(&b.spot, &b.target)))
        });
        found.truncate(limit);
        found
    }
}

impl Board {
    fn note(&mut self, key: u64, sighting: Sighting, now: Timestamp) {
        match self.places.get(&key) {
            Some(place) if place.sequence > sighting.sequence => return,
            Some(_) => self.take_back(key),
            None => {}
        }
        if sighting.rating == Rating::Good {
            return;
        }
        let sum = Sum::of(&sighting);
        let hour = self.hour(now);
        let Some((spot, target)) = hour.add(sighting.spot, bounded::cut(&sighting.target, TARGET_BYTES), sum) else {
            return;
        };
        let place = Place { sequence: sighting.sequence, hour: hour.start, spot, target, sum };
        self.remember(key, place);
    }

    /// The present hour; older ones than are kept go.
    fn hour(&mut self, now: Timestamp) -> &mut Hour {
        let start = now.floor_to(HOUR);
        if self.hours.back().is_none_or(|h| h.start < start) {
            self.hours.push_back(Hour { start, spots: HashMap::new(), targets: 0 });
        }
        while self.hours.len() > HOURS {
            self.hours.pop_front();
        }
        let last = self.hours.len() - 1;
        &mut self.hours[last]
    }

    fn remember(&mut self, key: u64, place: Place) {
        if self.places.insert(key, place).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > PLACES {
            if let Some(oldest) = self.order.pop_front() {
                self.places.remove(&oldest);
            }
        }
    }

    /// The view stays known, with nothing to its name, so that its order is kept once.
    fn take_back(&mut self, key: u64) {
        let Some(place) = self.places.get_mut(&key) else { return };
        let sum = std::mem::take(&mut place.sum);
        let hour = self.hours.iter_mut().find(|h| h.start == place.hour);
        let spots = hour.and_then(|h| h.spots.get_mut(&place.spot));
        if let Some(total) = spots.and_then(|t| t.get_mut(&place.target)) {
            total.take(sum);
        }
    }

    fn totals(&self, since: Timestamp, wanted: &impl Fn(&Spot) -> bool) -> Vec<Target> {
        let mut totals: HashMap<(&Spot, &str), Sum> = HashMap::new();
        for hour in self.hours.iter().filter(|h| h.start + HOUR > since) {
            for (spot, targets) in hour.spots.iter().filter(|(spot, _)| wanted(spot)) {
                for (target, sum) in targets.iter().filter(|(_, sum)| sum.views > 0) {
                    totals.entry((spot, target)).or_default().add(*sum);
                }
            }
        }
        let target = |((spot, target), sum): ((&Spot, &str), Sum)| Target {
            spot: spot.clone(),
            target: target.to_owned(),
            views: sum.views,
            poor: sum.poor,
            average: sum.micros as f64 / 1e6 / sum.views as f64,
        };
        totals.into_iter().map(target).collect()
    }
}

impl Hour {
    /// Counts, unless the hour is full; under which name it counts.
    fn add(&mut self, spot: Spot, target: &str, sum: Sum) -> Option<(Arc<Spot>, Arc<str>)> {
        let known = self.spots.get_key_value(&spot);
        let fits = |targets: &Targets| targets.len() < TARGETS || targets.contains_key(target);
        let target = if known.is_none_or(|(_, t)| fits(t)) { target } else { OTHER };
        let is_new = known.is_none_or(|(_, t)| !t.contains_key(target));
        if is_new && self.targets >= TARGETS_IN_ALL {
            return None;
        }
        self.targets += usize::from(is_new);
        let spot = known.map_or_else(|| Arc::new(spot), |(spot, _)| spot.clone());
        let targets = self.spots.entry(spot.clone()).or_default();
        let target = targets.get_key_value(target).map_or_else(|| target.into(), |(t, _)| t.clone());
        targets.entry(target.clone()).or_default().add(sum);
        Some((spot, target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_680_000);

    fn sighting(view: &str, n: u64, target: &str, value: f64) -> Sighting {
        Sighting {
            key: VitalKey { site: "shop".into(), id: view.into(), metric: "INP".into() },
            sequence: Some(n),
            spot: Spot { service: "shop".into(), route: "/cart".into(), vital: "INP".into(), soft: false },
            target: target.into(),
            value,
            weight: 2,
            rating: match value {
                v if v <= 0.2 => Rating::Good,
                v if v <= 0.5 => Rating::Middling,
                _ => Rating::Poor,
            },
        }
    }

    fn worst(board: &Attributions, since: Timestamp, now: Timestamp) -> Vec<(String, u64, u64, f64)> {
        let found = board.worst(since, now, 100, |_| true);
        found.into_iter().map(|t| (t.target, t.views, t.poor, (t.average * 1e4).round() / 1e4)).collect()
    }

    #[test]
    fn a_view_counts_once_with_its_last_report() {
        let board = Attributions::default();
        board.note(vec![sighting("a", 1, "button", 0.3), sighting("b", 1, "button", 0.7)], NOW);
        assert_eq!(worst(&board, NOW, NOW), [("button".to_owned(), 4, 2, 0.5)]);
        // Again, and an older one: nothing changes. A newer one moves it, and a good one removes it.
        board.note(vec![sighting("b", 1, "button", 0.7), sighting("b", 0, "menu", 9.0)], NOW);
        assert_eq!(worst(&board, NOW, NOW), [("button".to_owned(), 4, 2, 0.5)]);
        board.note(vec![sighting("b", 2, "menu", 0.6), sighting("a", 2, "button", 0.2)], NOW);
        assert_eq!(worst(&board, NOW, NOW), [("menu".to_owned(), 2, 2, 0.6)]);
        board.note(vec![sighting("a", 3, "button", 0.4)], NOW + HOUR);
        let both = [("menu".to_owned(), 2, 2, 0.6), ("button".to_owned(), 2, 0, 0.4)];
        assert_eq!(worst(&board, NOW, NOW + HOUR), both);
        assert_eq!(worst(&board, NOW + HOUR * 2, NOW + HOUR * 2), []);
    }

    #[test]
    fn hours_elements_and_places_are_bounded() {
        let board = Attributions::default();
        for i in 0..TARGETS as u64 + 5 {
            board.note(vec![sighting(&i.to_string(), 1, &format!("#e{i}"), 0.9)], NOW);
        }
        let found = worst(&board, NOW, NOW);
        assert_eq!(found.len(), TARGETS + 1);
        assert_eq!(found[0], (OTHER.to_owned(), 10, 10, 0.9));
        for route in 0..TARGETS_IN_ALL {
            let mut one = sighting(&format!("r{route}"), 1, &"x".repeat(500), 0.9);
            one.spot.route = route.to_string();
            board.note(vec![one], NOW);
        }
        for view in 0..PLACES {
            board.note(vec![sighting(&format!("v{view}"), 1, "#e1", 0.9)], NOW);
        }
        for hour in 1..20 {
            board.note(vec![sighting("late", 1 + u64::from(hour), "a", 0.9)], NOW + HOUR * hour);
        }
        let board = board.board.lock();
        assert_eq!((board.hours.len(), board.places.len(), board.order.len()), (HOURS, PLACES, PLACES));
        assert!(board.hours.iter().all(|h| h.targets <= TARGETS_IN_ALL));
    }
}
