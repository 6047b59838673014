//! Label matchers as PromQL, silences and `match[]` use them.

use std::fmt;
use std::sync::Arc;

use super::labels::Labels;
use super::pattern::{Pattern, Shape};

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored on both sides
    Regex,
    /// `!~`, anchored on both sides
    NotRegex,
}

/// One condition on one label; an absent label counts as the empty string.
#[derive(Clone)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// The comparison.
    pub op: MatchOp,
    /// The value or the pattern as written.
    pub value: String,
    pattern: Option<Arc<Pattern>>,
}

/// A pattern that is no regular expression.
#[derive(Debug, thiserror::Error)]
#[error("{value:?} is not a regular expression")]
pub struct MatcherError {
    value: String,
    source: regex::Error,
}

impl Matcher {
    /// A matcher; patterns follow RE2's syntax and match the whole value.
    ///
    /// # Errors
    /// A pattern that is no regular expression.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => {
                let pattern = Pattern::new(&value);
                Some(Arc::new(pattern.map_err(|source| MatcherError { value: value.clone(), source })?))
            }
        };
        Ok(Self { name, op, value, pattern })
    }

    /// The matcher `name="value"`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// Whether a label with this value satisfies the matcher.
    pub fn matches(&self, value: &str) -> bool {
        let found = || self.pattern.as_ref().is_some_and(|p| p.matches(value));
        match self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Regex => found(),
            MatchOp::NotRegex => !found(),
        }
    }

    /// Whether it asks for what differs: `!=` and `!~`.
    pub fn is_negative(&self) -> bool {
        matches!(self.op, MatchOp::NotEqual | MatchOp::NotRegex)
    }

    /// Which values satisfy it, or, when it [is negative](Self::is_negative), do not.
    pub fn shape(&self) -> Shape {
        let literal = || Shape::Literals(Box::new([self.value.clone()]));
        self.pattern.as_ref().map_or_else(literal, |p| p.shape().clone())
    }

    /// Whether this label set satisfies all matchers.
    pub fn all_match(matchers: &[Self], labels: &Labels) -> bool {
        matchers.iter().all(|m| m.matches(labels.value(&m.name)))
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl std::hash::Hash for Matcher {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.name, self.op, &self.value).hash(state);
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        };
        write!(f, "{}{op}{:?}", self.name, self.value)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_and_absent_is_empty() {
        let matcher = Matcher::new("code", MatchOp::Regex, "5..|").unwrap();
        assert!(matcher.matches("503") && matcher.matches("") && !matcher.matches("1503"));
        let not = Matcher::new("code", MatchOp::NotRegex, "5..").unwrap();
        assert!(Matcher::all_match(&[not], &Labels::default()));
        assert!(Matcher::new("a", MatchOp::Regex, "(").is_err());
    }
}
