//! What a value can be. Outside, it is refused and counted, never clamped in silence.

use std::time::Duration;

use crate::base::{DropReason, Timestamp};

use super::outcome::Reject;

/// The longest name of a service or site, in bytes.
pub const SERVICE_BYTES: usize = 128;
/// The longest route, in bytes.
pub const ROUTE_BYTES: usize = 256;
/// The longest URL of a page, in bytes.
pub const URL_BYTES: usize = 2048;
/// The longest id of a view or metric, in bytes.
pub const ID_BYTES: usize = 128;
/// The longest other label value, in bytes.
pub const VALUE_BYTES: usize = 128;
/// The longest metric or label name, in bytes.
pub const NAME_BYTES: usize = 128;
/// The most labels that one event brings.
pub const LABELS: usize = 24;

/// The longest duration that anything may have taken.
const LONGEST_MS: f64 = 86_400_000.0;
/// How far ahead of ours a sender's clock may be.
const AHEAD: Duration = Duration::from_secs(60);
/// The oldest stamp; what is older than the open slots still counts on arrival.
const OLDEST: Duration = Duration::from_secs(30 * 86_400);
/// The largest step of a counter.
const LARGEST_STEP: f64 = 1e15;

/// Refuses a text that is over its limit.
pub fn text(field: &str, value: &str, limit: usize) -> Result<(), Reject> {
    if value.len() <= limit {
        return Ok(());
    }
    let error = format!("{field} has {} bytes; at most {limit} are taken", value.len());
    Err(Reject::new(DropReason::TooLong, error))
}

/// A duration in milliseconds, as seconds: 0 to 24 h.
pub fn duration(field: &str, ms: f64) -> Result<f64, Reject> {
    within(field, ms, LONGEST_MS).map(|ms| ms / 1000.0)
}

/// A number between 0 and `most`.
fn within(field: &str, value: f64, most: f64) -> Result<f64, Reject> {
    if (0.0..=most).contains(&value) {
        return Ok(value);
    }
    let error = format!("{field} is {value}; plausible is 0 to {most}");
    Err(Reject::new(DropReason::Implausible, error))
}

/// The step of a counter: finite, not negative, at most 10¹⁵.
pub fn step(field: &str, value: f64) -> Result<f64, Reject> {
    within(field, value, LARGEST_STEP)
}

/// A gauge's value: any finite number.
pub fn finite(field: &str, value: f64) -> Result<f64, Reject> {
    let error = || Reject::new(DropReason::Implausible, format!("{field} is {value}; it must be a finite number"));
    value.is_finite().then_some(value).ok_or_else(error)
}

/// The field, or a refusal that names it.
pub fn required<T>(field: &str, value: Option<T>) -> Result<T, Reject> {
    value.ok_or_else(|| Reject::new(DropReason::Invalid, format!("{field} is missing")))
}

/// How many views a beacon sampled at `rate` stands for: 1 ÷ rate, rounded, for rates above 0 and at
/// most 1; at most `most`, so that nobody picks the weight of a single beacon at will.
pub fn weight(rate: Option<f64>, most: u32) -> Result<u32, Reject> {
    let Some(rate) = rate else { return Ok(1) };
    let weight = (1.0 / rate).round();
    if rate > 0.0 && rate <= 1.0 && weight <= f64::from(most) {
        return Ok(weight as u32);
    }
    let error = format!("rate is {rate}; it must be at most 1 and at least 1/{most}");
    Err(Reject::new(DropReason::Implausible, error))
}

/// The time of an event that is stamped `seconds` (Unix). A stamp a little ahead of our clock is now.
pub fn event_time(seconds: Option<f64>, now: Timestamp) -> Result<Timestamp, Reject> {
    let Some(seconds) = seconds else { return Ok(now) };
    let at = Timestamp::from_secs_f64(seconds).filter(|at| (now - OLDEST..=now + AHEAD).contains(at));
    let error = || format!("ts is {seconds}; expected Unix seconds (not milliseconds) of the last 30 days");
    at.map(|at| at.min(now)).ok_or_else(|| Reject::new(DropReason::OutOfRange, error()))
}

/// The metrics of a histogram of ours and of ourselves, which nobody writes from outside under this name.
const RESERVED: [&str; 8] = [
    "web_vitals_",
    "http_server_request_duration_seconds",
    "db_client_operation_duration_seconds",
    "cache_operation_duration_seconds",
    "operation_duration_seconds",
    "plimsoll_",
    "slo:",
    "ALERTS",
];

/// Refuses what is no metric name, and names that are ours.
pub fn metric_name(name: &str) -> Result<(), Reject> {
    text("name", name, NAME_BYTES)?;
    if !crate::base::labels::is_metric_name(name) {
        let error = format!("name {name:?} is no metric name: letters, digits, _ and :, no digit first");
        return Err(Reject::new(DropReason::Invalid, error));
    }
    if RESERVED.iter().any(|r| name.starts_with(r)) {
        let error = format!("name {name:?} is reserved; send the event that it is made from instead");
        return Err(Reject::new(DropReason::Invalid, error));
    }
    Ok(())
}

/// Metrics that nobody but ourselves writes, whatever their form.
const OURS: [&str; 4] = ["web_vitals_", "plimsoll_", "slo:", "ALERTS"];

/// Refuses names of metrics that are ours alone. Those of timings may come from outside as well, in the form
/// in which their sender keeps them.
pub fn outside_name(name: &str) -> Result<(), Reject> {
    if OURS.iter().any(|r| name.starts_with(r)) {
        let error = format!("metric {name:?} is reserved for what is measured or computed here");
        return Err(Reject::new(DropReason::Invalid, error));
    }
    Ok(())
}

/// Refuses label sets with too many labels, bad or reserved names, or long values.
pub fn labels<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> Result<(), Reject> {
    if pairs.len() > LABELS {
        let error = format!("{} labels; at most {LABELS} are taken", pairs.len());
        return Err(Reject::new(DropReason::TooLong, error));
    }
    for (name, value) in pairs {
        let name = name.as_ref();
        text("a label's name", name, NAME_BYTES)?;
        if !crate::base::labels::is_label_name(name) || name.starts_with("__") {
            let error = format!("{name:?} is no label name: letters, digits and _, no digit and no __ first");
            return Err(Reject::new(DropReason::Invalid, error));
        }
        text(name, value.as_ref(), VALUE_BYTES)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason<T: std::fmt::Debug>(result: Result<T, Reject>) -> DropReason {
        result.unwrap_err().reason
    }

    #[test]
    fn durations_are_finite_positive_and_under_a_day() {
        assert_eq!(duration("d", 1500.0), Ok(1.5));
        assert_eq!(duration("d", 0.0), Ok(0.0));
        for bad in [f64::NAN, f64::INFINITY, -0.1, 86_400_001.0] {
            assert_eq!(reason(duration("d", bad)), DropReason::Implausible);
        }
    }

    #[test]
    fn weights_come_from_honest_rates() {
        assert_eq!(weight(None, 1000), Ok(1));
        assert_eq!(weight(Some(0.3), 1000), Ok(3));
        assert_eq!(weight(Some(0.001), 1000), Ok(1000));
        for bad in [0.0, -1.0, 1.1, f64::NAN, 1e-9] {
            assert_eq!(reason(weight(Some(bad), 1000)), DropReason::Implausible, "{bad}");
        }
    }

    #[test]
    fn stamps_are_seconds_near_now() {
        let now = Timestamp::from_secs(1_763_640_000);
        assert_eq!(event_time(None, now), Ok(now));
        assert_eq!(event_time(Some(1_763_639_990.5), now), Ok(Timestamp::from_millis(1_763_639_990_500)));
        assert_eq!(event_time(Some(1_763_640_030.0), now), Ok(now));
        for bad in [1_763_640_061.0, 1_763_640_000_000.0, 0.0, f64::NAN] {
            assert_eq!(reason(event_time(Some(bad), now)), DropReason::OutOfRange, "{bad}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(metric_name("orders_total"), Ok(()));
        assert_eq!(reason(metric_name("slo:events_total")), DropReason::Invalid);
        assert_eq!(reason(metric_name("web_vitals_lcp_seconds_bucket")), DropReason::Invalid);
        assert_eq!(reason(metric_name("a b")), DropReason::Invalid);
        assert_eq!(reason(metric_name(&"a".repeat(129))), DropReason::TooLong);
        assert_eq!(reason(labels(&[("__name__", "x")])), DropReason::Invalid);
        assert_eq!(reason(labels(&[("a", "x".repeat(129))])), DropReason::TooLong);
        assert_eq!(reason(labels(&[("a", "x"); 25])), DropReason::TooLong);
    }
}
