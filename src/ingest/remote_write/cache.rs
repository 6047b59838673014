//! Finished label sets by the bytes that they were made from.
//!
//! A sender names every series in full in every request. What came before is found by a keyed 128-bit hash of
//! its raw bytes, so a label set is validated and put together once. The key is drawn at start, so nobody
//! outside can make two series meet; by chance they do once in 2^64 series.
//!
//! There are two generations. What is used lies in the young one; when that is full, or old enough, it becomes
//! the old one, and what nobody asks for until the next turn is forgotten.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{RwLock, RwLockReadGuard};

use crate::base::{DropReason, Labels, Timestamp};

/// The most series of one generation.
const MOST: usize = 1 << 18;
/// A generation is young for this long.
const TURN: Duration = Duration::from_secs(600);

/// What is known of a series.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Known {
    /// Its labels.
    Series(Labels),
    /// The labels of a histogram with bounds of its own, which are remembered so that its end can be told
    /// to each of the series that it becomes.
    Custom(Labels, Arc<[f64]>),
    /// It is not taken.
    Refused(DropReason),
}

/// Hands a hash on as it is.
#[derive(Debug, Default, Clone, Copy)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = self.0.rotate_left(8) ^ u64::from(*b));
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

type Map = HashMap<u128, Known, BuildHasherDefault<AsIs>>;

#[derive(Debug)]
struct Generations {
    young: Map,
    old: Map,
    since: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub(super) struct SeriesCache {
    keys: [RandomState; 2],
    most: usize,
    generations: RwLock<Generations>,
}

impl Default for SeriesCache {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl SeriesCache {
    /// A cache of at most `most` series for each of its two generations.
    pub(super) fn new(most: usize) -> Self {
        let generations = Generations { young: Map::default(), old: Map::default(), since: Timestamp::MIN };
        Self { keys: [RandomState::new(), RandomState::new()], most, generations: RwLock::new(generations) }
    }

    /// Looks many series up, for one request. What is new is entered when the session ends.
    pub(super) fn session(&self) -> Session<'_> {
        Session { cache: self, known: self.generations.read(), learned: Vec::new() }
    }

    fn hash(&self, bytes: &[u8]) -> u128 {
        let [high, low] = self.keys.each_ref().map(|key| {
            let mut hasher = key.build_hasher();
            hasher.write(bytes);
            u128::from(hasher.finish())
        });
        high << 64 | low
    }
}

/// One request's look at the cache. Readers do not wait for each other.
pub(super) struct Session<'c> {
    cache: &'c SeriesCache,
    known: RwLockReadGuard<'c, Generations>,
    learned: Vec<(u128, Known)>,
}

impl Session<'_> {
    /// What is known of the series with these bytes, found out by `build` when it is the first time.
    pub(super) fn get<E>(&mut self, bytes: &[u8], build: impl FnOnce() -> Result<Known, E>) -> Result<Known, E> {
        let hash = self.cache.hash(bytes);
        if let Some(known) = self.known.young.get(&hash) {
            return Ok(known.clone());
        }
        let known = match self.known.old.get(&hash) {
            Some(known) => known.clone(),
            None => build()?,
        };
        self.learned.push((hash, known.clone()));
        Ok(known)
    }

    /// Remembers something else of a series from now on.
    pub(super) fn learn(&mut self, bytes: &[u8], known: Known) {
        self.learned.push((self.cache.hash(bytes), known));
    }

    /// Enters what is new.
    pub(super) fn end(self, now: Timestamp) {
        let Self { cache, known, learned } = self;
        drop(known);
        if learned.is_empty() {
            return;
        }
        let mut generations = cache.generations.write();
        for (hash, known) in learned {
            generations.turn(cache.most, now);
            generations.young.insert(hash, known);
        }
    }
}

impl Generations {
    fn turn(&mut self, most: usize, now: Timestamp) {
        if self.young.len() >= most || now.since(self.since) >= TURN {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(cache: &SeriesCache, name: &str, now: i64) -> bool {
        let mut built = false;
        let mut session = cache.session();
        let known = session.get::<()>(name.as_bytes(), || {
            built = true;
            Ok(Known::Series(Labels::metric::<&str, &str>(name, [])))
        });
        assert_eq!(known, Ok(Known::Series(Labels::metric::<&str, &str>(name, []))));
        session.end(Timestamp::from_secs(now));
        built
    }

    #[test]
    fn builds_once_while_it_is_used() {
        let cache = SeriesCache::new(100);
        assert!(get(&cache, "a", 1_000));
        assert!(!get(&cache, "a", 1_001));
        // A new series makes the generation turn; what is asked for again lives on.
        assert!(get(&cache, "b", 1_601));
        assert!(!get(&cache, "a", 1_602));
        assert!(get(&cache, "c", 2_300));
        assert!(!get(&cache, "a", 2_301));
        assert!(get(&cache, "d", 3_000));
        assert!(get(&cache, "b", 3_001));
    }

    #[test]
    fn never_holds_more_than_two_generations() {
        let cache = SeriesCache::new(10);
        for i in 0..1_000 {
            get(&cache, &format!("s{i}"), 1_000);
            let generations = cache.generations.read();
            assert!(generations.young.len() <= 10 && generations.old.len() <= 10);
        }
    }

    #[test]
    fn what_failed_is_not_remembered() {
        let cache = SeriesCache::new(10);
        let mut session = cache.session();
        assert_eq!(session.get(b"x", || Err("broken")), Err("broken"));
        session.end(Timestamp::from_secs(0));
        assert!(get(&cache, "x", 1));
    }

    #[test]
    fn both_halves_of_the_hash_are_keyed_apart() {
        let cache = SeriesCache::new(1);
        let (a, b) = (cache.hash(b"a"), cache.hash(b"b"));
        assert_ne!(a as u64, b as u64);
        assert_ne!(a >> 64, b >> 64);
        assert_ne!(a as u64, (a >> 64) as u64);
        assert_ne!(a, SeriesCache::new(1).hash(b"a"));
    }
}
