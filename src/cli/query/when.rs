//! Times as people write them.

use std::time::Duration;

use anyhow::bail;

use crate::base::Timestamp;
use crate::promql::parse_duration;

/// RFC 3339, Unix seconds, `now`, `-1h`, `now-1h`, `now+5m`.
pub(super) fn read_time(flag: &str, text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let relative = text.strip_prefix("now").unwrap_or(if text.starts_with(['-', '+']) { text } else { "" });
    if text == "now" {
        return Ok(now);
    }
    let (sign, rest) = relative.split_at_checked(1).unwrap_or_default();
    let found = match sign {
        "-" => parse_duration(rest).map(|ago| now - ago),
        "+" => parse_duration(rest).map(|ahead| now + ahead),
        _ => Timestamp::parse(text).ok(),
    };
    let Some(at) = found else {
        bail!("{flag} {text:?} is not a time: write 2026-11-21T12:00:00Z, Unix seconds, now, or -1h");
    };
    Ok(at)
}

/// A round step that gives about a hundred points.
pub(super) fn auto_step(range: Duration) -> Duration {
    const ROUND: [u64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
    let wanted = range.as_secs_f64() / 120.0;
    let round = ROUND.into_iter().find(|step| *step as f64 >= wanted);
    let hours = (wanted / 3600.0).ceil().clamp(1.0, 1e6) as u64;
    Duration::from_secs(round.unwrap_or(hours * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        let now = Timestamp::from_secs(100_000);
        let at = |text| read_time("--at", text, now).ok().map(Timestamp::as_secs_f64);
        for (text, seconds) in [
            ("now", 100_000.0),
            ("-1h", 96_400.0),
            ("-1h30m", 94_600.0),
            ("now-90s", 99_910.0),
            ("now+5m", 100_300.0),
            ("+5", 100_005.0),
            ("1.5", 1.5),
            ("1970-01-01T00:00:02Z", 2.0),
        ] {
            assert_eq!(at(text), Some(seconds), "{text}");
        }
        for bad in ["", "yesterday", "now1h", "-", "--1h", "-x"] {
            let error = read_time("--start", bad, now).unwrap_err().to_string();
            assert!(error.contains("--start") && error.contains("-1h"), "{bad}: {error}");
        }
    }

    #[test]
    fn steps_are_round() {
        for (range, step) in [(0, 1), (60, 1), (3600, 30), (86_400, 900), (7 * 86_400, 7200), (90 * 86_400, 18 * 3600)]
        {
            assert_eq!(auto_step(Duration::from_secs(range)).as_secs(), step, "{range}");
        }
    }
}
