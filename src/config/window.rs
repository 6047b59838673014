//! `budget`, `burn` and `no_data` of an objective.

use std::time::Duration;

use super::levels::Amounts;
use super::reader::At;
use crate::base::Severity;
use crate::slo::compile::ZERO_TOLERANCE;
use crate::slo::{Budget, CalendarPeriod, NoData, Unit, Window};

const HOUR: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

const PERIODS: [(&str, CalendarPeriod); 3] =
    [("week", CalendarPeriod::Week), ("month", CalendarPeriod::Month), ("quarter", CalendarPeriod::Quarter)];

/// Reads `budget`, with `burn` beside it.
pub(super) fn read_budget(at: &At<'_>, burn: Option<&At<'_>>) -> Option<Budget> {
    let mut fields = at.fields()?;
    let objective = fields.require("objective").and_then(|at| read_share(&at));
    let window = match (fields.get("window"), fields.get("calendar")) {
        (Some(window), None) => read_window(&window),
        (None, Some(calendar)) => read_calendar(&calendar, fields.get("time_zone")),
        _ => at.fail("expected `window: 30d`, or `calendar: month` with a `time_zone`"),
    };
    fields.finish();
    let burn = burn.map_or(Some(true), |at| at.choice(&[("default", true), ("off", false)]));
    Some(Budget { objective: objective?, window: window?, burn: burn? })
}

fn read_share(at: &At<'_>) -> Option<f64> {
    let share = Amounts::fixed(Unit::Ratio).read(at)?;
    if share <= 0.0 || share >= 1.0 { at.fail(ZERO_TOLERANCE) } else { Some(share) }
}

/// `30d`, or the calendar's form as a mapping.
fn read_window(at: &At<'_>) -> Option<Window> {
    if !matches!(at.node.value, super::yaml::Value::Map(_)) {
        return at.duration_within(HOUR, LONGEST).map(Window::Rolling);
    }
    let mut fields = at.fields()?;
    let window = fields.require("calendar").and_then(|at| read_calendar(&at, fields.get("time_zone")));
    fields.finish();
    window
}

fn read_calendar(at: &At<'_>, zone: Option<At<'_>>) -> Option<Window> {
    let period = at.choice(&PERIODS);
    let time_zone = match zone {
        None => "UTC".to_owned(),
        Some(zone) => {
            let name = zone.name()?;
            if jiff::tz::TimeZone::get(&name).is_err() {
                return zone.fail(format!("{name:?} is not an IANA time zone such as Europe/Berlin"));
            }
            name
        }
    };
    Some(Window::Calendar { period: period?, time_zone })
}

/// Reads `no_data`.
pub(super) fn read_no_data(at: &At<'_>) -> Option<NoData> {
    let mut fields = at.fields()?;
    let after = fields.require("after").and_then(|at| at.duration());
    let severity = fields.get("severity").map_or(Some(Severity::Warning), |at| {
        at.choice(&[("warning", Severity::Warning), ("critical", Severity::Critical)])
    });
    fields.finish();
    Some(NoData { after: after?, severity: severity? })
}
