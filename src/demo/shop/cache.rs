//! A small cache in memory, with an age limit.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

/// Answers are kept this long.
const KEEP: Duration = Duration::from_secs(20);
/// More answers than this are not kept.
const CAPACITY: usize = 10_000;

/// Answers by key, with the (monotonic) time until which they are good.
#[derive(Debug, Default)]
pub(super) struct Cache {
    answers: Mutex<HashMap<String, (String, Duration)>>,
}

impl Cache {
    /// The answer for a key, unless it is too old.
    pub(super) fn get(&self, key: &str, now: Duration) -> Option<String> {
        let answers = self.answers.lock();
        answers.get(key).filter(|(_, until)| now < *until).map(|(answer, _)| answer.clone())
    }

    /// Keeps an answer.
    pub(super) fn put(&self, key: String, answer: String, now: Duration) {
        let mut answers = self.answers.lock();
        if answers.len() >= CAPACITY {
            answers.retain(|_, (_, until)| now < *until);
        }
        if answers.len() < CAPACITY {
            answers.insert(key, (answer, now + KEEP));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.answers.lock().clear();
    }
}
