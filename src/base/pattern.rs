//! Patterns over label values: Prometheus's regular expressions, which are Go's.
//!
//! A pattern matches the whole value, and `.` also matches a newline (Prometheus compiles `^(?s:…)$`,
//! `model/labels/regexp.go`). Go and the `regex` crate both implement RE2; where they differ, [`re2`] translates.
//! What a pattern can match is looked at once: most are a choice of literal values or begin with one, and an
//! index then looks values up instead of trying them all.

mod re2;

use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// A compiled pattern may take this much memory, bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// A pattern that matches whole values.
#[derive(Debug)]
pub struct Pattern {
    regex: regex::Regex,
    shape: Shape,
}

/// Which values a pattern can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Each of these, sorted, and nothing else.
    Literals(Box<[String]>),
    /// Every value: `.*`.
    All,
    /// Every value but the empty one: `.+`.
    NotEmpty,
    /// Some of those that begin so; the beginning may be empty.
    Beginning(String),
}

impl Pattern {
    /// Compiles a pattern in Go's syntax.
    ///
    /// # Errors
    /// What is no regular expression, or one too large.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        let regex = anchored(text)?;
        Ok(Self { regex, shape: Shape::of(&re2::translate(text)) })
    }

    /// Whether it matches all of a value.
    pub fn matches(&self, value: &str) -> bool {
        match &self.shape {
            Shape::Literals(literals) => literals.binary_search_by(|l| l.as_str().cmp(value)).is_ok(),
            Shape::All => true,
            Shape::NotEmpty => !value.is_empty(),
            Shape::Beginning(beginning) => value.starts_with(beginning.as_str()) && self.regex.is_match(value),
        }
    }

    /// Which values it can match.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// The expression, in Go's syntax, that matches whole values.
///
/// # Errors
/// What is no regular expression, or one too large.
pub fn anchored(text: &str) -> Result<regex::Regex, regex::Error> {
    let translated = re2::translate(text);
    // By itself first: in the brackets, `a)(b` would be one too.
    parse(&translated).map_err(|error| regex::Error::Syntax(error.to_string()))?;
    let whole = format!("^(?s:{translated})$");
    regex::RegexBuilder::new(&whole).octal(true).size_limit(SIZE_LIMIT).build()
}

fn parse(translated: &str) -> Result<Hir, Box<regex_syntax::Error>> {
    regex_syntax::ParserBuilder::new()
        .dot_matches_new_line(true)
        .octal(true)
        .build()
        .parse(translated)
        .map_err(Box::new)
}

impl Shape {
    fn of(translated: &str) -> Self {
        let unknown = Self::Beginning(String::new());
        let Ok(hir) = parse(translated) else { return unknown };
        if !hir.properties().look_set().is_empty() {
            return unknown;
        }
        if let Some(any) = Self::of_any(&hir) {
            return any;
        }
        let seq = Extractor::new().extract(&hir);
        match seq.literals() {
            Some(literals) if seq.is_exact() => {
                let texts = literals.iter().map(|l| String::from_utf8(l.as_bytes().to_vec()));
                let Ok(mut texts) = texts.collect::<Result<Vec<_>, _>>() else { return unknown };
                texts.sort_unstable();
                texts.dedup();
                Self::Literals(texts.into())
            }
            _ => Self::Beginning(text_of(seq.longest_common_prefix().unwrap_or_default())),
        }
    }

    /// `.*` and `.+`.
    fn of_any(hir: &Hir) -> Option<Self> {
        let HirKind::Repetition(Repetition { min, max: None, sub, .. }) = hir.kind() else { return None };
        let HirKind::Class(Class::Unicode(class)) = sub.kind() else { return None };
        match (class.ranges(), min) {
            ([all], 0 | 1) if (all.start(), all.end()) == ('\0', char::MAX) => {
                Some(if *min == 0 { Self::All } else { Self::NotEmpty })
            }
            _ => None,
        }
    }
}

/// The characters that are whole.
fn text_of(bytes: &[u8]) -> String {
    let whole = std::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), str::len);
    String::from_utf8_lossy(&bytes[..whole]).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape(text: &str) -> Shape {
        Pattern::new(text).unwrap().shape().clone()
    }

    fn literals(of: &[&str]) -> Shape {
        Shape::Literals(of.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn knows_what_can_match() {
        assert_eq!(shape("b|a|b"), literals(&["a", "b"]));
        assert_eq!(shape("get|(?:put|post)_x|"), literals(&["", "get", "post_x", "put_x"]));
        assert_eq!(shape("a\\.b"), literals(&["a.b"]));
        assert_eq!(shape("50[34]"), literals(&["503", "504"]));
        assert_eq!(shape(""), literals(&[""]));
        assert_eq!(
            (shape(".*"), shape("(.+)"), shape("(?s).*")),
            (Shape::All, Shape::Beginning(String::new()), Shape::All)
        );
        assert_eq!(shape(".+"), Shape::NotEmpty);
        assert_eq!(shape("node_.*"), Shape::Beginning("node_".to_owned()));
        assert_eq!(shape("https?://.*"), Shape::Beginning("http".to_owned()));
        assert_eq!(shape("^a$"), Shape::Beginning(String::new()));
        assert!(Pattern::new("^a$").unwrap().matches("a"));
    }

    #[test]
    fn a_bracket_that_closes_ours_is_refused() {
        for text in ["a)(b", "(", "[", "a**b)", "*"] {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
    }

    proptest! {
        /// The shape only spares work: the answer is the expression's.
        #[test]
        fn the_shape_decides_as_the_expression_does(
            text in "([ab]|a\\|b|\\(a\\|b\\)|\\.\\*|\\.\\+|b\\?|\\[ab\\]|\\[\\^a\\]|\\(\\?i:a\\)|a\\{2\\}|\\||é|\\.){0,5}",
            values in prop::collection::vec("[abAé\n]{0,5}", 1..20),
        ) {
            let Ok(pattern) = Pattern::new(&text) else { return Ok(()) };
            for value in values {
                prop_assert_eq!(pattern.matches(&value), pattern.regex.is_match(&value), "{:?} {:?}", text, value);
            }
        }
    }
}
