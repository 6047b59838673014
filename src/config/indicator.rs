//! `indicator:` of an objective.

use std::time::Duration;

use super::levels::Amounts;
use super::reader::{At, Fields};
use crate::slo::compile::unit_of_name;
use crate::slo::{Indicator, RatioSide};

/// The window of an indicator that names none.
const OVER: Duration = Duration::from_secs(300);

const KINDS: &str = "one of percentile, threshold, ratio, value";

/// Reads an indicator; exactly one kind.
pub(super) fn read_indicator(at: &At<'_>) -> Option<Indicator> {
    let mut fields = at.fields()?;
    fields.unsupported(&["any", "all", "relative_to"]);
    let kinds = ["percentile", "threshold", "ratio", "value"];
    let given: Vec<At<'_>> = kinds.iter().filter_map(|kind| fields.get(kind)).collect();
    let composite = fields.peek("any").or_else(|| fields.peek("all")).is_some();
    let indicator = match given.as_slice() {
        [one] => read_kind(one),
        [] if composite => None,
        [] => at.fail(format!("no indicator: expected {KINDS}")),
        _ => at.fail(format!("more than one indicator: expected {KINDS}")),
    };
    fields.finish();
    indicator
}

fn read_kind(at: &At<'_>) -> Option<Indicator> {
    match at.path.rsplit('.').next() {
        Some("value") => Some(Indicator::Value { expr: at.name()? }),
        Some("percentile") => read_percentile(at),
        Some("threshold") => read_threshold(at),
        _ => read_ratio(at),
    }
}

/// What indicators of histograms have in common.
struct Common {
    of: Option<String>,
    filter: String,
    over: Duration,
    by: Vec<String>,
    worst_of: Vec<String>,
}

fn read_common(fields: &mut Fields<'_>) -> Common {
    Common {
        of: fields.require("of").and_then(|at| at.name()),
        filter: fields.get("where").and_then(|at| at.text()).unwrap_or_default(),
        over: read_over(fields),
        by: texts(fields, "by"),
        worst_of: texts(fields, "worst_of"),
    }
}

fn read_over(fields: &mut Fields<'_>) -> Duration {
    let longest = Duration::from_secs(90 * 86_400);
    fields.get("over").and_then(|at| at.duration_within(Duration::from_secs(1), longest)).unwrap_or(OVER)
}

fn texts(fields: &mut Fields<'_>, name: &'static str) -> Vec<String> {
    fields.get(name).and_then(|at| at.texts()).unwrap_or_default()
}

fn read_percentile(at: &At<'_>) -> Option<Indicator> {
    let mut fields = at.fields()?;
    let Common { of, filter, over, by, worst_of } = read_common(&mut fields);
    let p = fields.require("p").and_then(|at| {
        let p = at.number()?;
        if p > 0.0 && p < 100.0 { Some(p) } else { at.fail("a percentile lies above 0 and below 100, such as 95") }
    });
    fields.finish();
    Some(Indicator::Percentile { of: of?, p: p?, filter, over, by, worst_of })
}

fn read_threshold(at: &At<'_>) -> Option<Indicator> {
    let mut fields = at.fields()?;
    let Common { of, filter, over, by, worst_of } = read_common(&mut fields);
    let unit = of.as_deref().map(unit_of_name);
    let amounts = unit.map_or_else(|| Amounts::inferred(None), Amounts::fixed);
    let below = fields.require("below").and_then(|at| amounts.read(&at));
    fields.finish();
    Some(Indicator::Threshold { of: of?, below: below?, filter, over, by, worst_of })
}

fn read_ratio(at: &At<'_>) -> Option<Indicator> {
    let mut fields = at.fields()?;
    let good = fields.get("good");
    let bad = fields.get("bad");
    let total = fields.require("total").and_then(|at| at.name());
    let over = read_over(&mut fields);
    let by = texts(&mut fields, "by");
    fields.finish();
    let (side, part) = match (good, bad) {
        (Some(good), None) => (RatioSide::Good, good),
        (None, Some(bad)) => (RatioSide::Bad, bad),
        _ => return at.fail("a ratio has either `good` or `bad`, beside `total`"),
    };
    Some(Indicator::Ratio { side, part: part.name()?, total: total?, over, by })
}
