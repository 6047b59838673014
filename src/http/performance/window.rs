//! The `window` parameter.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(400 * 86_400);

/// Reads `90s`, `15m`, `1h`, `7d`, `2w` or `1h30m`, between a minute and 400 days.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok().filter(|n| *n < 1_000_000_000)?;
        let unit = rest[digits..].chars().next()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return None,
        };
        total = total.checked_add(Duration::from_secs(count * seconds))?;
        rest = &rest[digits + 1..];
    }
    (SHORTEST..=LONGEST).contains(&total).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse("400d"), Some(LONGEST));
        for bad in ["", "1", "h", "59s", "401d", "-1h", "1h ", "1é", "99999999999999999999h", "1.5h"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
