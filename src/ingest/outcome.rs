//! What became of a body, and why a part of it was not taken.

use std::borrow::Cow;

use serde::Serialize;

use crate::base::DropReason;

/// How many errors of one body are spelled out; the rest is only counted.
const LISTED_ERRORS: usize = 100;

/// Why one datum was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The counted reason.
    pub reason: DropReason,
    /// What is wrong and what to do, for the sender.
    pub error: Cow<'static, str>,
}

impl Reject {
    /// A refusal in words.
    pub fn new(reason: DropReason, error: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, error: error.into() }
    }

    /// What serde_json's verdict means: broken JSON, a number beyond all numbers, or a wrong type.
    pub fn json(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let reason = match error.classify() {
            _ if text.starts_with("number out of range") => DropReason::Implausible,
            serde_json::error::Category::Data => DropReason::Invalid,
            _ => DropReason::Malformed,
        };
        Self::new(reason, text)
    }
}

/// One refused part of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineError {
    /// The line of NDJSON, or the element of an array; counted from 1.
    pub line: usize,
    /// What is wrong.
    pub error: Cow<'static, str>,
    /// The counted reason.
    #[serde(skip)]
    pub reason: DropReason,
}

/// What became of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Events that were counted.
    pub accepted: u64,
    /// Events that were well-formed and left out (bots, duplicates, limits).
    #[serde(skip)]
    pub dropped: u64,
    /// Those of them that the recorder left out, by reason.
    #[serde(skip)]
    pub dropped_by: Vec<(DropReason, u64)>,
    /// The first hundred events that were refused, with the reason.
    pub rejected: Vec<LineError>,
    /// How many more were refused.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Outcome {
    /// Notes a refusal.
    pub fn reject(&mut self, line: usize, reject: Reject) {
        if self.rejected.len() < LISTED_ERRORS {
            self.rejected.push(LineError { line, error: reject.error, reason: reject.reason });
        } else {
            self.more += 1;
        }
    }

    /// Whether everything in the body was refused.
    pub fn is_refused(&self) -> bool {
        self.accepted == 0 && self.dropped == 0 && !self.rejected.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(json: &str) -> DropReason {
        Reject::json(&serde_json::from_str::<f64>(json).unwrap_err()).reason
    }

    #[test]
    fn tells_broken_from_wrong_from_absurd() {
        assert_eq!(reason("NaN"), DropReason::Malformed);
        assert_eq!(reason(""), DropReason::Malformed);
        assert_eq!(reason("\"1\""), DropReason::Invalid);
        assert_eq!(reason("1e999"), DropReason::Implausible);
    }

    #[test]
    fn lists_only_so_many_errors() {
        let mut outcome = Outcome::default();
        for line in 0..LISTED_ERRORS + 5 {
            outcome.reject(line, Reject::new(DropReason::Invalid, "x"));
        }
        assert_eq!((outcome.rejected.len(), outcome.more), (LISTED_ERRORS, 5));
    }
}
