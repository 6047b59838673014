//! Reading JSON with a fixed set of fields, noting everything that is wrong.

use std::cell::RefCell;
use std::collections::BTreeSet;

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::Request;

/// Everything that is wrong.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<String>>);

impl Problems {
    pub(super) fn add(&self, problem: impl Into<String>) {
        self.0.borrow_mut().push(problem.into());
    }

    pub(super) fn expect(&self, holds: bool, otherwise: &str) {
        if !holds {
            self.add(otherwise);
        }
    }

    /// The value, if nothing is wrong.
    pub(super) fn result<T>(&self, value: T) -> Result<T, Vec<String>> {
        let problems = self.0.take();
        if problems.is_empty() { Ok(value) } else { Err(problems) }
    }
}

/// The body of a POST of JSON with at most `limit` bytes.
pub(super) fn posted(request: &Request<'_>, limit: usize, problems: &Problems) -> Value {
    problems.expect(request.method == Method::POST, "the method is not POST");
    let kind = request.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    problems.expect(kind == "application/json", "the content type is not application/json");
    problems.expect(request.body.len() <= limit, "the body is too large");
    serde_json::from_slice(request.body).unwrap_or_else(|error| {
        problems.add(format!("the body is not JSON: {error}"));
        Value::Null
    })
}

/// An object whose fields are all asked for by name; [`Fields::end`] complains of the rest.
pub(super) struct Fields<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
    asked: BTreeSet<&'static str>,
    problems: &'a Problems,
}

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value, path: &str, problems: &'a Problems) -> Self {
        let map = value.as_object();
        problems.expect(map.is_some(), &format!("{path} is not an object"));
        Self { path: path.to_owned(), map, asked: BTreeSet::new(), problems }
    }

    /// A field of any type.
    pub(super) fn any(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.insert(name);
        self.map.and_then(|map| map.get(name))
    }

    /// A field that must be there.
    pub(super) fn required(&mut self, name: &'static str) -> &'a Value {
        const ABSENT: &Value = &Value::Null;
        let value = self.any(name);
        self.problems.expect(value.is_some(), &format!("{}.{name} is missing", self.path));
        value.unwrap_or(ABSENT)
    }

    /// A string that must be there, not empty and at most `limit` characters long.
    pub(super) fn text(&mut self, name: &'static str, limit: usize) -> &'a str {
        let value = self.required(name);
        self.string(name, value, limit)
    }

    /// A string that, if it is there, is not empty and at most `limit` characters long.
    pub(super) fn optional(&mut self, name: &'static str, limit: usize) -> Option<&'a str> {
        let value = self.any(name)?;
        Some(self.string(name, value, limit))
    }

    fn string(&self, name: &str, value: &'a Value, limit: usize) -> &'a str {
        let text = value.as_str().unwrap_or_default();
        self.problems.expect(!text.is_empty(), &format!("{}.{name} is not a text or empty", self.path));
        let length = text.encode_utf16().count();
        self.problems.expect(length <= limit, &format!("{}.{name} has {length} characters, not {limit}", self.path));
        text
    }

    /// One of some words.
    pub(super) fn word(&mut self, name: &'static str, words: &[&str]) -> &'a str {
        let word = self.text(name, 100);
        self.problems.expect(words.contains(&word), &format!("{}.{name} is {word:?}, not one of {words:?}", self.path));
        word
    }

    /// A list of up to `limit` values; empty when it is absent.
    pub(super) fn list(&mut self, name: &'static str, limit: usize) -> &'a [Value] {
        let list = self.any(name).map_or(&[][..], |v| {
            self.problems.expect(v.is_array(), &format!("{}.{name} is not a list", self.path));
            v.as_array().map_or(&[][..], Vec::as_slice)
        });
        self.problems.expect(list.len() <= limit, &format!("{}.{name} has more than {limit} items", self.path));
        list
    }

    /// An http or https address of up to `limit` characters.
    pub(super) fn link(&mut self, name: &'static str, limit: usize) -> &'a str {
        let text = self.text(name, limit);
        let url = url::Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
        self.problems.expect(url.is_some(), &format!("{}.{name} is not a web address", self.path));
        text
    }

    /// An instant in RFC 3339.
    pub(super) fn time(&mut self, name: &'static str) -> &'a str {
        let text = self.text(name, 40);
        let read = text.parse::<jiff::Timestamp>();
        self.problems.expect(read.is_ok(), &format!("{}.{name} is not an instant in RFC 3339", self.path));
        text
    }

    /// An object whose values are all strings.
    pub(super) fn strings(&mut self, name: &'static str) {
        let value = self.required(name);
        let good = value.as_object().is_some_and(|map| map.values().all(Value::is_string));
        self.problems.expect(good, &format!("{}.{name} is not an object of texts", self.path));
    }

    /// `true` or `false`, if it is there.
    pub(super) fn flag(&mut self, name: &'static str) {
        let good = self.any(name).is_none_or(Value::is_boolean);
        self.problems.expect(good, &format!("{}.{name} is not true or false", self.path));
    }

    /// No fields but those that were asked for.
    pub(super) fn end(self) {
        let unknown = self.map.into_iter().flat_map(|m| m.keys()).filter(|name| !self.asked.contains(name.as_str()));
        for name in unknown {
            self.problems.add(format!("{}.{name} is not a known field", self.path));
        }
    }
}
