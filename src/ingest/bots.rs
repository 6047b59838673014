//! Who is not a visitor.
//!
//! Most crawlers never run a script, so what reaches us are headless browsers, link previewers that
//! render, and monitors. They are counted apart, never mixed into what visitors saw.

/// What a user agent is, beside a visitor's browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Robot {
    /// A crawler that names itself.
    Crawler,
    /// A browser driven by a program.
    Automated,
}

/// Parts of the names of browsers that programs drive; lower case.
const AUTOMATED: [&str; 6] = ["headlesschrome", "phantomjs", "puppeteer", "playwright", "selenium", "cypress"];

/// Parts of the names of crawlers and monitors that render pages; lower case.
const CRAWLERS: [&str; 24] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "lighthouse",
    "pagespeed",
    "gtmetrix",
    "pingdom",
    "ptst/",
    "facebookexternalhit",
    "google-inspectiontool",
    "mediapartners-google",
    "apis-google",
    "feedfetcher",
    "bingpreview",
    "whatsapp/",
    "embedly",
    "prerender",
    "rendertron",
    "scrapy",
    "archive.org",
    "dareboost",
    "chatgpt-user",
    "speedcurve",
];

/// Names that contain one of the above and are people's devices.
const DEVICES: [&str; 2] = ["cubot", "crawler tablet"];

/// What the user agent says it is; `webdriver` is what the page's script saw (`navigator.webdriver`).
pub fn classify(user_agent: &str, webdriver: bool) -> Option<Robot> {
    let agent = crate::base::bounded::cut(user_agent, 512).to_ascii_lowercase();
    let names_any = |parts: &[&str]| parts.iter().any(|p| agent.contains(p));
    if webdriver || names_any(&AUTOMATED) {
        return Some(Robot::Automated);
    }
    (names_any(&CRAWLERS) && !names_any(&DEVICES)).then_some(Robot::Crawler)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

    #[test]
    fn knows_robots() {
        for (agent, expected) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Some(Robot::Crawler)),
            (&CHROME.replace("Chrome/", "HeadlessChrome/"), Some(Robot::Automated)),
            ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) Chrome/88 Mobile Safari/537.36", None),
            (CHROME, None),
            ("", None),
        ] {
            assert_eq!(classify(agent, false), expected, "{agent}");
        }
        assert_eq!(classify(CHROME, true), Some(Robot::Automated));
    }
}
