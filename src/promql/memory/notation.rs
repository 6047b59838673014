//! The notation of Prometheus's tests for one series: `name{label="x"} 1 2+3x2 _ stale {{sum:5 count:4}}`.

use std::sync::Arc;

use crate::base::{Labels, LabelsBuilder, METRIC_NAME, MatchOp};
use crate::promql::native;
use crate::promql::source::STALE_NAN;
use crate::promql::value::Point;
use crate::sketch::{NativeBuckets, NativeHistogram, ResetHint};

/// The labels in front of a series' values, and the rest of the line.
pub(in crate::promql) fn split_labels(line: &str) -> Result<(Labels, &str), String> {
    let name_end = line.find(|c: char| c.is_whitespace() || c == '{').unwrap_or(line.len());
    let (name, rest) = line.split_at(name_end);
    let braces = rest.starts_with('{') && !rest.starts_with("{{");
    let end = if braces { closing_brace(rest).ok_or("a brace is not closed")? } else { 0 };
    let (conditions, values) = rest.split_at(end);
    let mut labels = conditions_as_labels(conditions)?;
    if !name.is_empty() {
        labels.set(METRIC_NAME, name);
    }
    Ok((labels.build(), values))
}

/// Where the text after the matching brace begins; braces in quotes do not count.
fn closing_brace(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(i + 1),
            _ => {}
        }
    }
    None
}

fn conditions_as_labels(text: &str) -> Result<LabelsBuilder, String> {
    let mut labels = LabelsBuilder::default();
    if text.trim_matches(['{', '}']).trim().is_empty() {
        return Ok(labels);
    }
    let all = crate::promql::parse::selectors(text).map_err(|e| e.to_string())?;
    for matcher in all.into_iter().flatten() {
        match matcher.op {
            MatchOp::Equal => labels.set(matcher.name.as_str(), matcher.value.as_str()),
            _ => return Err(format!("{matcher} is no label")),
        };
    }
    Ok(labels)
}

/// The values of a series, one for each interval; `None` is a gap, the marker of staleness a float.
pub(in crate::promql) fn values(mut text: &str) -> Result<Vec<Option<Point>>, String> {
    let mut all = Vec::new();
    while let Some(start) = text.find(|c: char| !c.is_whitespace()) {
        text = &text[start..];
        let (item, rest) = text.split_at(item_end(text));
        text = rest;
        all.extend(if item.starts_with("{{") { histograms(item) } else { floats(item) }?);
    }
    Ok(all)
}

/// Where an item ends: at white space outside of double braces.
fn item_end(text: &str) -> usize {
    let mut from = 0;
    while let Some(found) = text[from..].find(|c: char| c.is_whitespace() || c == '{') {
        let at = from + found;
        if !text[at..].starts_with("{{") {
            return at;
        }
        from = text[at..].find("}}").map_or(text.len(), |end| at + end + 2);
    }
    text.len()
}

/// `5x3` is 5 and three more, `0+10x5` is 0 and five more in steps of 10, `_x3` leaves three gaps, not four.
fn floats(item: &str) -> Result<Vec<Option<Point>>, String> {
    let bad = || format!("{item:?} is no value");
    let (body, repeats) = repeated(item).ok_or_else(bad)?;
    if body == "_" {
        return Ok(vec![None; repeats.max(1) as usize]);
    }
    if body == "stale" {
        return Ok(vec![Some(Point::Float(f64::from_bits(STALE_NAN))); repeats as usize + 1]);
    }
    let split = body.char_indices().skip(1).find(|(i, c)| matches!(c, '+' | '-') && !body[..*i].ends_with(['e', 'E']));
    let (first, step) = split.map_or((body, "0"), |(i, _)| body.split_at(i));
    let number = |text: &str| text.parse::<f64>().map_err(|_| bad());
    let (first, step) = (number(first)?, number(step)?);
    let value = |i: u32| if step == 0.0 { first } else { first + step * f64::from(i) };
    Ok((0..=repeats).map(|i| Some(Point::Float(value(i)))).collect())
}

fn repeated(item: &str) -> Option<(&str, u32)> {
    match item.rsplit_once('x') {
        Some((body, times)) => Some((body, times.parse().ok()?)),
        None => Some((item, 0)),
    }
}

/// `{{…}}x3`, and `{{…}}+{{…}}x3`, which adds the second once more each time.
fn histograms(item: &str) -> Result<Vec<Option<Point>>, String> {
    let bad = || format!("{item:?} is no histogram");
    let (first, rest) = item.split_once("}}").ok_or_else(bad)?;
    let mut h = histogram(first.trim_start_matches('{'))?;
    let (step, times) = match rest.split_once("}}") {
        Some((step, times)) => (Some(step), times),
        None => (None, rest),
    };
    let repeats: u32 = match times {
        "" => 0,
        times => times.strip_prefix('x').and_then(|t| t.parse().ok()).ok_or_else(bad)?,
    };
    let down = step.is_some_and(|s| s.starts_with('-'));
    let step = step.map(|s| histogram(s.trim_start_matches(['+', '-', '{']))).transpose()?;
    let mut all = vec![Some(Point::Histogram(Arc::new(h.clone())))];
    for _ in 0..repeats {
        if let Some(step) = &step {
            let combine = if down { native::subtract } else { native::add };
            combine(&mut h, step).map_err(|e| e.to_string())?;
        }
        all.push(Some(Point::Histogram(Arc::new(h.clone()))));
    }
    Ok(all)
}

/// What stands between the double braces.
fn histogram(text: &str) -> Result<NativeHistogram, String> {
    let mut h = NativeHistogram::default();
    let (mut offset, mut negative_offset) = (0, 0);
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    let mut rest = text.trim();
    while !rest.is_empty() {
        let bad = || format!("{rest:?} is no part of a histogram");
        let (key, after) = rest.split_once(':').ok_or_else(bad)?;
        let end = match after.starts_with('[') {
            true => after.find(']').ok_or_else(bad)? + 1,
            false => after.find(char::is_whitespace).unwrap_or(after.len()),
        };
        let (value, next) = after.split_at(end);
        let number = || value.parse::<f64>().map_err(|_| bad());
        let whole = || value.parse::<i32>().map_err(|_| bad());
        let list = || {
            let items = value.trim_matches(['[', ']']).split_whitespace();
            items.map(|v| v.parse::<f64>().map_err(|_| bad())).collect::<Result<Vec<_>, _>>()
        };
        match key {
            "schema" => h.schema = whole()?,
            "sum" => h.sum = number()?,
            "count" => h.count = number()?,
            "z_bucket" => h.zero_count = number()?,
            "z_bucket_w" => h.zero_threshold = number()?,
            "custom_values" => h.custom_bounds = list()?.into(),
            "buckets" => positive = list()?,
            "n_buckets" => negative = list()?,
            "offset" => offset = whole()?,
            "n_offset" => negative_offset = whole()?,
            "counter_reset_hint" => h.reset_hint = reset_hint(value).ok_or_else(bad)?,
            _ => return Err(bad()),
        }
        rest = next.trim_start();
    }
    (h.positive, h.negative) = (side(offset, &positive), side(negative_offset, &negative));
    Ok(h)
}

fn side(offset: i32, counts: &[f64]) -> NativeBuckets {
    NativeBuckets((offset..).zip(counts.iter().copied()).filter(|bucket| bucket.1 != 0.0).collect())
}

fn reset_hint(text: &str) -> Option<ResetHint> {
    Some(match text {
        "unknown" => ResetHint::Unknown,
        "reset" => ResetHint::Reset,
        "not_reset" => ResetHint::NotReset,
        "gauge" => ResetHint::Gauge,
        _ => return None,
    })
}
