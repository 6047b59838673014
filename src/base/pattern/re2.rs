//! From Go's syntax (<https://github.com/google/re2/wiki/Syntax>, `regexp/syntax`) to the `regex` crate's.
//!
//! - `\d`, `\w`, `\s`, `\b` and their opposites mean ASCII.
//! - `{` that begins no repetition is a brace: `/users/{id}` is a route, and a pattern.
//! - `\Q…\E` quotes.
//! - In a class, `[`, `&&` and `~~` are characters: there are no classes in classes.
//!
//! What remains different: the crate also knows the flags `x`, `u` and `R`, which Go refuses.

use std::iter::Peekable;
use std::str::CharIndices;

const DIGITS: &str = "0-9";
const WORDS: &str = "0-9A-Za-z_";
const SPACES: &str = "\\t\\n\\f\\r ";

/// The same pattern in the `regex` crate's syntax. What is no pattern stays none.
pub(super) fn translate(text: &str) -> String {
    Translator { text, chars: text.char_indices().peekable(), out: String::with_capacity(text.len() + 8) }.run()
}

struct Translator<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    out: String,
}

impl Translator<'_> {
    fn run(mut self) -> String {
        while let Some((at, c)) = self.chars.next() {
            match c {
                '\\' => self.escape(),
                '[' => self.class(),
                '{' if !is_repetition(&self.text[at..]) => self.out.push_str("\\{"),
                c => self.out.push(c),
            }
        }
        self.out
    }

    fn next_is(&mut self, c: char) -> bool {
        self.chars.next_if(|(_, next)| *next == c).is_some()
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) {
        match self.chars.next() {
            Some((at, 'Q')) => self.quote(at + 1),
            Some((_, c @ ('b' | 'B'))) => self.out.extend(["(?-u:\\", c.encode_utf8(&mut [0; 4]), ")"]),
            Some((_, c)) => match ascii_class(c) {
                Some((false, class)) => self.out.extend(["[", class, "]"]),
                Some((true, class)) => self.out.extend(["[^", class, "]"]),
                None => self.escaped(c),
            },
            None => self.out.push('\\'),
        }
    }

    /// An escape that means the same, but for the two that are angle brackets in Go.
    fn escaped(&mut self, c: char) {
        if !matches!(c, '<' | '>') {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// Text to the closing `\E`, or the end.
    fn quote(&mut self, from: usize) {
        let quoted = self.text[from..].split("\\E").next().unwrap_or_default();
        self.out.push_str(&regex_syntax::escape(quoted));
        let end = from + quoted.len() + "\\E".len();
        while self.chars.next_if(|(at, _)| *at < end).is_some() {}
    }

    /// What follows an opening bracket, to the closing one.
    fn class(&mut self) {
        self.out.push('[');
        if self.next_is('^') {
            self.out.push('^');
        }
        if self.next_is(']') {
            self.out.push_str("\\]");
        }
        while let Some((at, c)) = self.chars.next() {
            match c {
                ']' => return self.out.push(']'),
                '\\' => self.escape_in_class(),
                '[' if self.text[at..].starts_with("[:") => self.named_class(at),
                '[' | '&' | '~' => self.out.extend(['\\', c]),
                c => self.out.push(c),
            }
        }
    }

    fn escape_in_class(&mut self) {
        let Some((_, c)) = self.chars.next() else { return self.out.push('\\') };
        match ascii_class(c) {
            Some((false, class)) => self.out.push_str(class),
            Some((true, class)) => self.out.extend(["[^", class, "]"]),
            None => self.escaped(c),
        }
    }

    /// `[:alpha:]`, or a bracket and a colon.
    fn named_class(&mut self, at: usize) {
        let Some(length) = self.text[at..].find(":]") else { return self.out.push_str("\\[") };
        let end = at + length + ":]".len();
        self.out.push_str(&self.text[at..end]);
        while self.chars.next_if(|(at, _)| *at < end).is_some() {}
    }
}

/// The class that a letter after a backslash names, and whether it is the opposite.
fn ascii_class(c: char) -> Option<(bool, &'static str)> {
    let class = match c.to_ascii_lowercase() {
        'd' => DIGITS,
        'w' => WORDS,
        's' => SPACES,
        _ => return None,
    };
    Some((c.is_ascii_uppercase(), class))
}

/// Whether this begins with `{3}`, `{3,}` or `{3,5}`.
fn is_repetition(text: &str) -> bool {
    let Some((inside, _)) = text[1..].split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;

    /// `tests/it/prometheus_api/corpus.rs` asks Prometheus the same.
    #[test]
    fn matches_as_go_does() {
        let cases: [(&str, &[&str], &[&str]); 14] = [
            ("/users/{id}", &["/users/{id}"], &["/users/1"]),
            ("{}", &["{}"], &[""]),
            ("a{,2}", &["a{,2}"], &["aa"]),
            ("a{2}", &["aa"], &["a{2}"]),
            ("\\d+", &["42"], &["٤٢"]),
            ("[^\\D]+", &["42"], &["4a"]),
            ("\\w", &["_"], &["é"]),
            ("[\\W\\d]", &["é", "1"], &["a"]),
            ("\\Qa.b{\\E+", &["a.b{{"], &["axb{"]),
            ("[[a]", &["[", "a"], &["[a"]),
            ("[a&&b]", &["&", "a", "b"], &["c"]),
            ("[]^]+", &["]^"], &["a"]),
            ("[[:alpha:]-]+", &["a-b"], &["1"]),
            ("\\<a\\>|b\\b", &["<a>", "b"], &["a"]),
        ];
        for (text, yes, no) in cases {
            let pattern = Pattern::new(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            yes.iter().for_each(|v| assert!(pattern.matches(v), "{text} {v}"));
            no.iter().for_each(|v| assert!(!pattern.matches(v), "{text} {v}"));
        }
    }
}
