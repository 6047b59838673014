//! The text that Redis and Valkey answer to `INFO everything`, under redis_exporter's metric names.
//!
//! One mapping serves what we pull and what is pushed, so both give the same series. The rules that make
//! it hold on servers never seen before:
//! - fields are found by name, in any order and section; an unknown field is skipped;
//! - a missing field gives nothing: missing is not zero;
//! - `k=v` lists are read by name too (Redis 7.4 put a field in the middle of `db0:…`).
//!
//! Absent on purpose: rates and ratios (queries derive them), and Sentinel's sections.

mod commands;
mod fields;
mod keyspace;
mod replication;

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::base::bounded::cut;
use crate::base::{DropReason, Labels, Timestamp};
use crate::series::{Delta, Item};

/// The longest text that is read, in bytes; a server with every command and histogram gives about 100 KiB.
pub const TEXT_LIMIT: usize = 4 << 20;
/// The longest label value, in bytes; longer ones are cut.
const VALUE_LIMIT: usize = 128;

/// What a text gave.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed {
    /// One sample a series.
    pub items: Vec<Item>,
    /// Samples that were left out, by reason.
    pub dropped: Vec<(DropReason, u64)>,
}

/// Why a text was refused whole.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RedisTextError {
    /// Over [`TEXT_LIMIT`].
    #[error("the text is longer than {TEXT_LIMIT} bytes")]
    TooLong,
    /// None of the fields that every server has.
    #[error("the text is not an answer to INFO: it has no redis_version, valkey_version or uptime_in_seconds")]
    NotInfo,
}

/// The labels of one server's series: the instance, and what the public dashboards select by.
pub fn target(instance: &str) -> Labels {
    Labels::new([("instance", cut(instance, VALUE_LIMIT)), ("job", "redis"), ("namespace", "default")])
}

/// Reads the text; every series carries the labels of `target` and is stamped `at`.
///
/// Takes the bare text as well as a RESP2 bulk string (`$5604`) or RESP3 verbatim string (`=5608`, `txt:`).
pub fn parse(text: &str, target: &Labels, at: Timestamp) -> Result<Parsed, RedisTextError> {
    if text.len() > TEXT_LIMIT {
        return Err(RedisTextError::TooLong);
    }
    let info = Info::read(text);
    if !["redis_version", "valkey_version", "uptime_in_seconds"].iter().any(|f| info.text(f).is_some()) {
        return Err(RedisTextError::NotInfo);
    }
    let mut out = Writer::new(target, at);
    fields::write(&info, &mut out);
    replication::write(&info, &mut out);
    keyspace::write(&info, &mut out);
    commands::write(&info, &mut out);
    Ok(out.finish())
}

/// The fields of the text by name.
struct Info<'a> {
    fields: BTreeMap<&'a str, &'a str>,
    has_keyspace: bool,
}

impl<'a> Info<'a> {
    fn read(text: &'a str) -> Self {
        let lines = || text.lines().map(|line| line.trim_end_matches('\r'));
        let fields = lines().map(|line| line.strip_prefix("txt:").unwrap_or(line));
        let fields = fields.filter(|line| !line.starts_with(['#', '$', '='])).filter_map(|line| line.split_once(':'));
        Self { fields: fields.collect(), has_keyspace: lines().any(|line| line == "# Keyspace") }
    }

    /// A field as it stands; `None` when absent or empty.
    fn text(&self, field: &str) -> Option<&'a str> {
        self.fields.get(field).copied().filter(|v| !v.is_empty())
    }

    fn number(&self, field: &str) -> Option<f64> {
        self.text(field).and_then(number)
    }

    /// The fields whose name starts with `prefix`, with the rest of their name.
    fn starting<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = (&'a str, &'a str)> + 's {
        let from = self.fields.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let from = from.take_while(move |(name, _)| name.starts_with(prefix));
        from.map(move |(name, value)| (&name[prefix.len()..], *value))
    }
}

/// Reads a number, a percentage, or one of the words that stand for 1 and 0.
fn number(text: &str) -> Option<f64> {
    match text {
        "ok" | "up" | "true" | "yes" => Some(1.0),
        "err" | "fail" | "down" | "false" | "no" => Some(0.0),
        _ => text.trim_end_matches('%').parse().ok().filter(|v: &f64| v.is_finite()),
    }
}

/// Reads `a=1,b=2` by name.
fn pairs(list: &str) -> BTreeMap<&str, &str> {
    list.split(',').filter_map(|pair| pair.split_once('=')).collect()
}

/// Collects items of one server.
struct Writer<'a> {
    target: &'a Labels,
    at: Timestamp,
    parsed: Parsed,
}

impl<'a> Writer<'a> {
    fn new(target: &'a Labels, at: Timestamp) -> Self {
        Self { target, at, parsed: Parsed::default() }
    }

    /// Adds a sample of `redis_<name>`.
    fn put(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        if !value.is_finite() {
            return self.drop(DropReason::Implausible, 1);
        }
        let mut series = self.target.to_builder();
        for (label, text) in labels {
            series.set(*label, cut(text, VALUE_LIMIT));
        }
        series.set(crate::base::METRIC_NAME, format!("redis_{name}"));
        // `+ 0.0` makes the -0 of an empty sum a 0.
        self.parsed.items.push(Item { labels: series.build(), at: self.at, delta: Delta::Sample(value + 0.0) });
    }

    /// As [`Self::put`], when there is a value.
    fn put_some(&mut self, name: &str, labels: &[(&str, &str)], value: Option<f64>) {
        if let Some(value) = value {
            self.put(name, labels, value);
        }
    }

    fn drop(&mut self, reason: DropReason, count: u64) {
        if count > 0 {
            self.parsed.dropped.push((reason, count));
        }
    }

    fn finish(self) -> Parsed {
        self.parsed
    }
}

#[cfg(test)]
mod tests;
