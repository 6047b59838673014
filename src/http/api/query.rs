//! Query strings and the words in them.

use std::time::Duration;

use axum::http::StatusCode;

use crate::http::Problem;
use crate::slo::{CalendarPeriod, Window};

/// The value of one parameter of a query string; the first when it occurs twice.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.into_iter().find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
}

/// What a parameter should have been.
pub(super) fn wrong(name: &str, given: &str, expected: &str) -> Problem {
    let given: String = given.chars().take(60).collect();
    Problem::of(StatusCode::BAD_REQUEST, format!("{name}={given:?}: expected {expected}"))
}

/// `30d`, `12h`, `90m`, `4w`, `week`, `month`, `quarter`; calendar periods in `time_zone`.
pub(super) fn window(text: &str, time_zone: &str) -> Option<Window> {
    let calendar = |period| Window::Calendar { period, time_zone: time_zone.to_owned() };
    match text {
        "week" => Some(calendar(CalendarPeriod::Week)),
        "month" => Some(calendar(CalendarPeriod::Month)),
        "quarter" => Some(calendar(CalendarPeriod::Quarter)),
        _ => rolling(text).map(Window::Rolling),
    }
}

/// One number and one unit, from 1 minute to 400 days.
fn rolling(text: &str) -> Option<Duration> {
    let unit = text.chars().last().filter(char::is_ascii)?;
    let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        'w' => 7 * 24 * 60,
        _ => return None,
    };
    let minutes = number.checked_mul(minutes).filter(|m| (1..=400 * 24 * 60).contains(m))?;
    Some(Duration::from_secs(minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_windows() {
        let days = |n: u64| Some(Window::Rolling(Duration::from_secs(n * 86_400)));
        assert_eq!(window("30d", "UTC"), days(30));
        assert_eq!(window("4w", "UTC"), days(28));
        assert_eq!(window("48h", "UTC"), days(2));
        let month = Window::Calendar { period: CalendarPeriod::Month, time_zone: "Europe/Berlin".into() };
        assert_eq!(window("month", "Europe/Berlin"), Some(month));
        for bad in ["", "d", "30", "-1d", "1.5d", "0d", "401d", "30y", "99999999999999999999d", "30 d", "3é"] {
            assert_eq!(window(bad, "UTC"), None, "{bad}");
        }
    }

    #[test]
    fn reads_parameters() {
        assert_eq!(parameter(Some("a=1&b=2%203&b=4"), "b").as_deref(), Some("2 3"));
        assert_eq!(parameter(None, "b"), None);
    }
}
