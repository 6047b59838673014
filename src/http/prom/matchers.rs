//! `match[]`, and what `series`, `labels` and label values have in common: which series lived in a time.

use super::error::ApiError;
use super::params::Params;
use crate::base::{Matcher, Timestamp};
use crate::promql::{Selection, parse_selector};

/// The selectors of a request; each is a set of matchers, and a series needs to satisfy one set.
pub(super) fn parse_all(params: &Params) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let one = |text| parse_selector(text).map_err(|e| ApiError::parameter("match[]", e));
    params.all("match[]").map(one).collect()
}

/// What is asked for: for each set of matchers (or once without any) the series that satisfy it and lived
/// between `start` and `end`, both inclusive. An end before the start is no error in Prometheus, but empty.
pub(super) fn selections(params: &Params, mut sets: Vec<Vec<Matcher>>) -> Result<Vec<Selection>, ApiError> {
    let start = params.time("start")?.unwrap_or(Timestamp::MIN);
    let end = params.time("end")?.unwrap_or(Timestamp::MAX);
    if end < start {
        return Ok(Vec::new());
    }
    let start = Timestamp::from_millis(start.as_millis().saturating_sub(1));
    if sets.is_empty() {
        sets.push(Vec::new());
    }
    Ok(sets.into_iter().map(|matchers| Selection { matchers, start, end }).collect())
}
