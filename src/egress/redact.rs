//! What may be said about a request in an error.

use url::Url;

/// The place a URL points to, without what may be secret: no user, no path, no query, no fragment.
pub fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    let rest = if url.path().len() > 1 || url.query().is_some() { "/…" } else { "" };
    format!("{}://{host}{port}{rest}", url.scheme())
}

/// The most characters of an answer that an error repeats.
const EXCERPT: usize = 200;

/// The beginning of an answer in one line of printable characters, without the URL's path, its longer
/// segments, its query and the other `secrets`.
pub fn excerpt(answer: &[u8], url: &Url, secrets: &[String]) -> String {
    let mut text = String::from_utf8_lossy(answer).into_owned();
    let segments = url.path_segments().into_iter().flatten().filter(|s| s.len() >= 8);
    let own = std::iter::once(url.path()).filter(|p| p.len() > 1).chain(url.query()).chain(segments);
    for secret in own.chain(secrets.iter().map(String::as_str)).filter(|s| !s.is_empty()) {
        text = text.replace(secret, "…");
    }
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(EXCERPT).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_hold_no_secrets() {
        for (url, expected) in [
            ("https://hooks.slack.com/services/T0/B0/secret", "https://hooks.slack.com/…"),
            ("http://user:secret@127.0.0.1:8080/?token=secret#secret", "http://127.0.0.1:8080/…"),
            ("https://events.pagerduty.com", "https://events.pagerduty.com"),
        ] {
            assert_eq!(place(&Url::parse(url).unwrap()), expected);
        }
    }

    #[test]
    fn answers_are_repeated_without_secrets() {
        let url = Url::parse("https://hooks.slack.com/services/T0/B0/abcdefgh").unwrap();
        let answer = b"Cannot POST /services/T0/B0/abcdefgh\r\n(abcdefgh, key-1)";
        assert_eq!(excerpt(answer, &url, &["key-1".to_owned()]), "Cannot POST …  (…, …)");
        assert_eq!(excerpt(&[b'x'; 5000], &url, &[]).len(), EXCERPT);
    }
}
