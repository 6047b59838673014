//! A body as a row of elements: a JSON array, NDJSON, or one object.
//!
//! Elements fail one by one where that is possible: a wrong type spoils its element, a broken line of
//! NDJSON its line, broken syntax inside an array the whole array.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::base::DropReason;

use super::outcome::Reject;

/// An element's line (NDJSON) or position (array), from 1, and what it is.
pub type Element<T> = (usize, Result<T, Reject>);

/// The lines of a body that hold something, with their number from 1.
pub(super) fn rows(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = Some(body);
    let mut number = 0;
    let all = std::iter::from_fn(move || {
        let text = rest?;
        number += 1;
        let end = memchr::memchr(b'\n', text);
        rest = end.and_then(|end| text.get(end + 1..));
        Some((number, text[..end.unwrap_or(text.len())].trim_ascii()))
    });
    all.filter(|(_, line)| !line.is_empty())
}

/// The objects of a JSON array, found by their braces alone: whoever takes them checks what they are.
pub(super) struct Objects<'a> {
    rest: &'a [u8],
}

/// What comes next in an array.
#[derive(Debug, PartialEq)]
pub(super) enum Next<'a> {
    /// Something that begins and ends with braces.
    Object(&'a [u8]),
    /// The array ends here, and the body with it.
    End,
    /// This is no array of objects.
    Other,
}

impl<'a> Objects<'a> {
    /// The objects of a body that begins with `[`.
    pub(super) fn of(body: &'a [u8]) -> Option<Self> {
        body.strip_prefix(b"[").map(|rest| Self { rest })
    }

    /// The next one. If each of them is valid JSON and [`Next::End`] comes, so is the array, and these are its
    /// elements; after [`Next::Other`] nothing is known.
    pub(super) fn next(&mut self) -> Next<'a> {
        let text = skip_space(self.rest);
        let Some((object, after)) = object_length(text).and_then(|n| text.split_at_checked(n)) else {
            return if text == b"]" { Next::End } else { Next::Other };
        };
        self.rest = match skip_space(after) {
            [b',', rest @ ..] if skip_space(rest).first() == Some(&b'{') => rest,
            rest @ [b']'] => rest,
            _ => return Next::Other,
        };
        Next::Object(object)
    }
}

/// Without what JSON takes as space.
fn skip_space(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(text.len());
    &text[end..]
}

/// Up to the brace that closes the first one.
fn object_length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut i) = (0usize, 0);
    if text.first() != Some(&b'{') {
        return None;
    }
    loop {
        match text.get(i)? {
            b'"' => i = string_end(text, i + 1)?,
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(i + 1),
            b'}' => depth -= 1,
            _ => {}
        }
        i += 1;
    }
}

/// The quote that ends a string.
fn string_end(text: &[u8], mut i: usize) -> Option<usize> {
    loop {
        match text.get(i)? {
            b'"' => return Some(i),
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
}

/// Takes the body apart.
pub fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Vec<Element<T>> {
    let body = body.trim_ascii();
    match body.first() {
        None => vec![(1, Err(Reject::new(DropReason::Malformed, "the body is empty")))],
        Some(b'[') => array(body),
        Some(_) if !body.contains(&b'\n') => vec![(1, one(body))],
        Some(_) => lines(body),
    }
}

fn one<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Reject> {
    serde_json::from_slice(json).map_err(|e| Reject::json(&e))
}

/// All at once when all is well, else element by element.
fn array<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Vec<Element<T>> {
    if let Ok(all) = serde_json::from_slice::<Vec<T>>(body) {
        return all.into_iter().enumerate().map(|(i, e)| (i + 1, Ok(e))).collect();
    }
    match serde_json::from_slice::<Vec<&RawValue>>(body) {
        Ok(raw) => raw.iter().enumerate().map(|(i, raw)| (i + 1, one(raw.get().as_bytes()))).collect(),
        Err(error) => vec![(1, Err(Reject::json(&error)))],
    }
}

fn lines<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Vec<Element<T>> {
    let mut elements: Vec<Element<T>> = Vec::new();
    for (i, line) in body.split(|b| *b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let element = serde_json::from_slice(line);
        if i == 0
            && element.as_ref().is_err_and(serde_json::Error::is_eof)
            && let Ok(whole) = one(body)
        {
            return vec![(1, Ok(whole))];
        }
        elements.push((i + 1, element.map_err(|e| Reject::json(&e))));
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(body: &str) -> Option<Vec<&str>> {
        let mut objects = Objects::of(body.as_bytes())?;
        let mut out = Vec::new();
        loop {
            match objects.next() {
                Next::Object(object) => out.push(std::str::from_utf8(object).unwrap()),
                Next::End => return Some(out),
                Next::Other => return None,
            }
        }
    }

    #[test]
    fn objects_end_where_their_braces_do() {
        assert_eq!(objects("[]"), Some(vec![]));
        assert_eq!(objects(r#"[ {"a":"}]\""} ,{"b":{"c":{}}}]"#), Some(vec![r#"{"a":"}]\""}"#, r#"{"b":{"c":{}}}"#]));
        for other in
            ["", "{}", "[", "[1]", "[{}", "[{},]", "[{}]]", "[{}{}]", "[{},1]", "[{}] {}", "[,{}]", r#"[{"a":"]"#]
        {
            assert_eq!(objects(other), None, "{other}");
        }
    }

    #[test]
    fn rows_are_numbered_as_the_lines_are() {
        let found: Vec<_> = rows(b"a\r\n\n  \n b\nc").collect();
        assert_eq!(found, [(1, &b"a"[..]), (4, b"b"), (5, b"c")]);
    }
}
