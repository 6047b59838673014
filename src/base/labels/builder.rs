//! Building a label set.

use std::ops::Range;

use super::Labels;

/// Builds a label set one label at a time.
///
/// It writes down what it is told, in order, and sorts once at the end: of a name that is set twice the last
/// value counts.
#[derive(Debug, Default, Clone)]
pub struct LabelsBuilder {
    text: String,
    set: Vec<Set>,
}

/// A name and a value within the text.
#[derive(Debug, Clone)]
struct Set {
    name: Range<usize>,
    value: Range<usize>,
}

impl LabelsBuilder {
    /// Sets a label; an empty value removes it.
    pub fn set<N: AsRef<str>, V: AsRef<str>>(&mut self, name: N, value: V) -> &mut Self {
        let start = self.text.len();
        self.text.push_str(name.as_ref());
        let middle = self.text.len();
        self.text.push_str(value.as_ref());
        self.set.push(Set { name: start..middle, value: middle..self.text.len() });
        self
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// The finished, sorted set.
    pub fn build(self) -> Labels {
        let Self { text, mut set } = self;
        // Of one name the latest comes first, and is the one that stays.
        let place = |s: &Set| (s.name.start, s.value.end);
        set.sort_unstable_by(|a, b| text[a.name.clone()].cmp(&text[b.name.clone()]).then(place(b).cmp(&place(a))));
        set.dedup_by(|later, first| text[later.name.clone()] == text[first.name.clone()]);
        set.retain(|s| !s.value.is_empty());
        Labels::pack(set.iter().map(|s| (&text[s.name.clone()], &text[s.value.clone()])))
    }
}
