//! What must come out of an evaluation.

use std::time::Duration;

use super::script::duration;
use crate::base::Labels;
use crate::promql::memory::notation;
use crate::promql::value::{Answer, Point};

/// One line below an `eval`.
pub(super) enum Expectation {
    Fail(Text),
    Warn(Text),
    Info(Text),
    NoWarn,
    NoInfo,
    /// The elements in this order.
    Ordered,
    String(String),
    /// A range vector with samples at these times.
    RangeVector {
        start: Duration,
        step: Duration,
    },
    Scalar(f64),
    Series(ExpectedSeries),
}

pub(super) struct ExpectedSeries {
    pub(super) labels: Labels,
    pub(super) values: Vec<Option<Point>>,
    /// Whether what is known of resets is part of the expectation.
    pub(super) with_hints: bool,
}

/// What a message must be like.
pub(super) enum Text {
    Any,
    Exact(String),
    Pattern(regex::Regex),
}

impl Text {
    fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(exact) = text.strip_prefix("msg:") {
            return Self::Exact(exact.trim().to_owned());
        }
        match text.strip_prefix("regex:") {
            Some(pattern) => Self::Pattern(regex::Regex::new(pattern.trim()).unwrap()),
            None => Self::Any,
        }
    }

    pub(super) fn fits(&self, message: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(text) => text == message,
            Self::Pattern(pattern) => pattern.is_match(message),
        }
    }
}

impl Expectation {
    /// What `eval_fail` and its like say.
    pub(super) fn of_command(suffix: &str) -> Option<Self> {
        match suffix {
            "_fail" => Some(Self::Fail(Text::Any)),
            "_warn" => Some(Self::Warn(Text::Any)),
            "_info" => Some(Self::Info(Text::Any)),
            "_ordered" => Some(Self::Ordered),
            _ => None,
        }
    }

    pub(super) fn parse(line: &str) -> Self {
        if let Some(text) = line.strip_prefix("expected_fail_message") {
            return Self::Fail(Text::Exact(text.trim().to_owned()));
        }
        match line.strip_prefix("expect ") {
            Some(rest) => Self::parse_expect(rest).unwrap_or_else(|| panic!("{line:?} is no expectation")),
            None => Self::parse_value(line),
        }
    }

    fn parse_expect(rest: &str) -> Option<Self> {
        let rest = rest.trim_start();
        if let Some(text) = rest.strip_prefix("string") {
            return Some(Self::String(text.strip_prefix(' ').unwrap_or(text).to_owned()));
        }
        if let Some(times) = rest.strip_prefix("range vector from") {
            let words: Vec<&str> = times.split_whitespace().collect();
            let &[start, "to", _, "step", step] = words.as_slice() else { return None };
            return Some(Self::RangeVector { start: duration(start)?, step: duration(step)? });
        }
        let (kind, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        Some(match kind {
            "fail" => Self::Fail(Text::parse(text)),
            "warn" => Self::Warn(Text::parse(text)),
            "info" => Self::Info(Text::parse(text)),
            "no_warn" => Self::NoWarn,
            "no_info" => Self::NoInfo,
            "ordered" => Self::Ordered,
            _ => return None,
        })
    }

    fn parse_value(line: &str) -> Self {
        if let Ok(number) = line.parse() {
            return Self::Scalar(number);
        }
        let (labels, values) = notation::split_labels(line).unwrap_or_else(|e| panic!("{line:?}: {e}"));
        let values = notation::values(values).unwrap_or_else(|e| panic!("{line:?}: {e}"));
        Self::Series(ExpectedSeries { labels, values, with_hints: line.contains("counter_reset_hint") })
    }

    /// Whether an answer's remarks are as expected.
    pub(super) fn check_remarks(all: &[Self], answer: &Answer) -> Result<(), String> {
        let mut texts: [Vec<&Text>; 2] = [Vec::new(), Vec::new()];
        let remarks = [("warning", &answer.warnings), ("info", &answer.infos)];
        for expectation in all {
            match expectation {
                Self::Warn(text) => texts[0].push(text),
                Self::Info(text) => texts[1].push(text),
                Self::NoWarn if !answer.warnings.is_empty() => return Err(format!("warnings {:?}", answer.warnings)),
                Self::NoInfo if !answer.infos.is_empty() => return Err(format!("infos {:?}", answer.infos)),
                _ => {}
            }
        }
        for ((kind, found), wanted) in remarks.into_iter().zip(texts) {
            let all_found = wanted.iter().all(|text| found.iter().any(|message| text.fits(message)));
            let none_else = wanted.is_empty() || found.iter().all(|m| wanted.iter().any(|text| text.fits(m)));
            if !(all_found && none_else) {
                return Err(format!("not the expected {kind}s: {found:?}"));
            }
        }
        Ok(())
    }
}
