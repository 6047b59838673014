//! The class of the visitor's device: few values, because it is a label.
//!
//! Asked in this order: what the page's script found (it can count touch points, which tells an iPad
//! from a Mac), the client hint `Sec-CH-UA-Mobile`, the user agent. Models and versions are not looked
//! at: user agents have frozen them.

/// What the sender's browser says of its device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints<'a> {
    /// The beacon's own `device`; empty when absent.
    pub own: &'a str,
    /// `Sec-CH-UA-Mobile`
    pub mobile: Option<bool>,
    /// `User-Agent`; empty when absent.
    pub user_agent: &'a str,
}

/// `phone`, `tablet`, `desktop`, `bot` or `unknown`.
pub fn classify(hints: Hints<'_>) -> &'static str {
    from_own(hints.own).unwrap_or_else(|| from_agent(hints.mobile, hints.user_agent))
}

fn from_own(own: &str) -> Option<&'static str> {
    match own {
        "phone" | "mobile" => Some("phone"),
        "tablet" => Some("tablet"),
        "desktop" => Some("desktop"),
        "bot" => Some("bot"),
        _ => None,
    }
}

fn from_agent(mobile: Option<bool>, agent: &str) -> &'static str {
    let says = |part: &str| agent.contains(part);
    if super::bots::classify(agent, false) == Some(super::bots::Robot::Crawler) {
        "bot"
    } else if says("iPad") || says("Tablet") || says("Kindle") || (says("Android") && !says("Mobile")) {
        "tablet"
    } else if mobile == Some(true) || says("iPhone") || says("Mobi") {
        "phone"
    } else if mobile == Some(false) || ["Windows", "Macintosh", "X11", "CrOS"].iter().any(|p| says(p)) {
        "desktop"
    } else {
        "unknown"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_hints() {
        for (own, mobile, user_agent, expected) in [
            ("mobile", Some(false), "Macintosh", "phone"),
            ("tablet", None, "Mozilla/5.0 (Macintosh)", "tablet"),
            ("toaster", Some(true), "Mozilla/5.0 (Linux; Android 10; K) Mobile Safari", "phone"),
            ("", Some(false), "Mozilla/5.0 (Linux; Android 14; SM-X700) Safari", "tablet"),
            ("", None, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", "phone"),
            ("", None, "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "desktop"),
            ("", None, "Googlebot/2.1", "bot"),
            ("", None, "", "unknown"),
        ] {
            assert_eq!(classify(Hints { own, mobile, user_agent }), expected, "{own} {mobile:?} {user_agent}");
        }
    }
}
