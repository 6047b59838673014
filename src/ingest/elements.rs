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
