//! Refuses what another site makes a visitor's browser send: an acknowledgement must be meant.
//!
//! Browsers name the sender in `Sec-Fetch-Site` (on HTTPS and loopback) and in `Origin` (on every POST).
//! What sends neither is no browser and cannot be tricked into sending.

use axum::http::{HeaderMap, StatusCode, header};

use super::Problem;

/// `Err` when a browser says that another site is behind this request.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let allowed = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => text(header::HOST.as_str()).is_some_and(|host| authority(origin) == Some(host)),
        (None, None) => true,
    };
    let detail = "this request was sent by another site's page; use the button on this service's own page";
    allowed.then_some(()).ok_or_else(|| Problem::of(StatusCode::FORBIDDEN, detail))
}

fn authority(origin: &str) -> Option<&str> {
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers =
            pairs.iter().map(|(n, v)| (header::HeaderName::from_static(n), header::HeaderValue::from_static(v)));
        check(&headers.collect()).is_ok()
    }

    #[test]
    fn only_our_own_pages_and_no_browsers_pass() {
        assert!(verdict(&[]));
        assert!(verdict(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://proxy.example"),
            ("host", "inner:1876")
        ]));
        assert!(verdict(&[("origin", "http://slo.example:1876"), ("host", "slo.example:1876")]));
        assert!(!verdict(&[("sec-fetch-site", "cross-site")]));
        assert!(!verdict(&[("sec-fetch-site", "same-site"), ("origin", "http://a.example"), ("host", "a.example")]));
        assert!(!verdict(&[("origin", "http://evil.example"), ("host", "slo.example")]));
        assert!(!verdict(&[("origin", "null"), ("host", "slo.example")]));
        assert!(!verdict(&[("origin", "http://slo.example.evil"), ("host", "slo.example")]));
    }
}
