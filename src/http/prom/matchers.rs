//! `match[]`, and what `series`, `labels` and label values have in common: which series lie in a time.

use std::collections::BTreeSet;

use super::error::ApiError;
use super::params::Params;
use crate::base::{Labels, Matcher, Timestamp};
use crate::http::Api;
use crate::promql::{Selection, parse_selector};

/// The selectors of a request; each is a set of matchers, and a series needs to satisfy one set.
pub(super) fn parse_all(params: &Params) -> Result<Vec<Vec<Matcher>>, ApiError> {
    let one = |text| parse_selector(text).map_err(|e| ApiError::parameter("match[]", e));
    params.all("match[]").map(one).collect()
}

/// The series that satisfy any of the sets (all when there is none) and have a sample between `start` and
/// `end`, both inclusive.
pub(super) async fn find_series(
    api: &Api,
    params: &Params,
    mut sets: Vec<Vec<Matcher>>,
) -> Result<BTreeSet<Labels>, ApiError> {
    let start = params.time("start")?.unwrap_or(Timestamp::MIN);
    let end = params.time("end")?.unwrap_or(Timestamp::MAX);
    if end < start {
        return Err(ApiError::bad_data("end timestamp must not be before start time"));
    }
    let before_start = Timestamp::from_millis(start.as_millis().saturating_sub(1));
    if sets.is_empty() {
        sets.push(Vec::new());
    }
    let mut found = BTreeSet::new();
    for matchers in sets {
        let selection = Selection { matchers, start: before_start, end };
        found.extend(api.known.series(&selection).await?);
    }
    Ok(found)
}
