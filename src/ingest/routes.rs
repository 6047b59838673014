//! Paths become routes: few, and without anybody's id in them.
//!
//! A route that the sender names is taken as it is, without query and fragment. A plain path goes
//! through the configured patterns, and what matches none has `*` in place of every segment that looks
//! like an id. At last a cap: routes of a service beyond it become [`OTHER`].

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

/// What routes over the cap become.
pub const OTHER: &str = "__other__";

/// The most services whose routes are counted apart.
const SERVICES: usize = 1000;
/// The longest segment that is kept as it is.
const SEGMENT_BYTES: usize = 40;
/// The longest path that is kept; longer ones end in `*`.
const SEGMENTS: usize = 10;

/// A configured pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRule {
    segments: Vec<String>,
    open_ended: bool,
    route: String,
}

/// Why a pattern is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is no route pattern: expected a path such as /product/* or /docs/**")]
pub struct RouteRuleError {
    text: String,
}

impl RouteRule {
    /// Paths that match `pattern` have the route `route`. In the pattern `*` stands for one segment
    /// and `**`, at its end, for any rest.
    pub fn new(pattern: &str, route: &str) -> Result<Self, RouteRuleError> {
        let error = |text: &str| RouteRuleError { text: text.to_owned() };
        let path = pattern.strip_prefix('/').ok_or_else(|| error(pattern))?;
        let mut segments: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        let open_ended = segments.pop_if(|s| s == "**").is_some();
        if segments.iter().any(|s| s == "**") {
            return Err(error(pattern));
        }
        if !route.starts_with('/') || route.len() > super::validate::ROUTE_BYTES {
            return Err(error(route));
        }
        Ok(Self { segments, open_ended, route: route.to_owned() })
    }

    fn matches(&self, path: &[Cow<'_, str>]) -> bool {
        let long_enough = path.len() == self.segments.len() || (self.open_ended && path.len() > self.segments.len());
        long_enough && self.segments.iter().zip(path).all(|(s, p)| s == "*" || s == p)
    }
}

/// A route that the sender named: without query, fragment and trailing slash.
pub fn from_template(route: &str) -> &str {
    let end = route.find(['?', '#']).unwrap_or(route.len());
    match route[..end].trim_end_matches('/') {
        "" if route.is_empty() => "",
        "" => "/",
        kept => kept,
    }
}

/// The route of a path or URL.
pub fn from_path(url: &str, rules: &[RouteRule]) -> String {
    let path = path_of(url);
    let segments: Vec<Cow<'_, str>> = path.split('/').filter(|s| !s.is_empty()).map(decoded).collect();
    if let Some(rule) = rules.iter().find(|r| r.matches(&segments)) {
        return rule.route.clone();
    }
    let mut route = String::with_capacity(path.len());
    for segment in segments.iter().take(SEGMENTS) {
        route.push('/');
        route.push_str(if is_like_an_id(segment) { "*" } else { segment });
    }
    match (segments.len(), route.is_empty()) {
        (_, true) => "/".to_owned(),
        (n, _) if n > SEGMENTS => route + "/*",
        _ => route,
    }
}

/// What is left of a URL without scheme, authority, query and fragment.
fn path_of(url: &str) -> &str {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => url,
    }
}

/// Percent-decoded once; as it is when the bytes are no text.
fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
        match hex.filter(|_| bytes[i] == b'%').and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(segment), Cow::Owned)
}

/// Whether a segment names one thing of many rather than a kind of page: numbers, two digits or more,
/// UUIDs, long hexadecimal text, addresses, and whatever is very long or was hidden by encoding.
fn is_like_an_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment.len() >= 16 && segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    digits >= 2
        || (digits > 0 && digits == segment.len())
        || hex
        || segment.starts_with("0x")
        || segment.len() > SEGMENT_BYTES
        || segment.contains(|c: char| c.is_control() || matches!(c, '@' | '=' | '?' | '#' | '/' | '%'))
}

/// Counts the distinct routes of each service.
#[derive(Debug)]
pub struct RouteLimit {
    most: usize,
    seen: Mutex<HashMap<Box<str>, HashSet<Box<str>>>>,
}

impl RouteLimit {
    /// At most `most` routes for each service.
    pub fn new(most: usize) -> Self {
        Self { most, seen: Mutex::default() }
    }

    /// The route, or [`OTHER`] when its service has enough already.
    pub fn admit<'r>(&self, service: &str, route: &'r str) -> &'r str {
        if route.is_empty() {
            return route;
        }
        let mut seen = self.seen.lock();
        if !seen.contains_key(service) {
            if seen.len() >= SERVICES {
                return OTHER;
            }
            seen.insert(service.into(), HashSet::new());
        }
        let Some(routes) = seen.get_mut(service) else { return OTHER };
        if routes.contains(route) {
            return route;
        }
        if routes.len() >= self.most {
            return OTHER;
        }
        routes.insert(route.into());
        route
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_stars() {
        for (url, expected) in [
            ("https://shop.example/product/123?utm=x#top", "/product/*"),
            ("/users/f47ac10b-58cc-4372-a567-0e02b2c3d479/edit/", "/users/*/edit"),
            ("/tx/0xdeadbeef", "/tx/*"),
            ("/hash/deadbeefdeadbeefdeadbeef", "/hash/*"),
            ("/blog/2026-11-20/hello-world", "/blog/*/hello-world"),
            ("/page/7", "/page/*"),
            ("/api/v2/orders", "/api/v2/orders"),
            ("/mail/ann%40example.com", "/mail/*"),
            ("/a%2Fb/%64ocs", "/*/docs"),
            ("/%zz/%", "/*/*"),
            ("//a///b/", "/a/b"),
            ("https://shop.example", "/"),
            ("", "/"),
            ("/?q=secret", "/"),
            ("/a/b/c/d/e/f/g/h/i/j/k", "/a/b/c/d/e/f/g/h/i/j/*"),
        ] {
            assert_eq!(from_path(url, &[]), expected, "{url}");
        }
        assert_eq!(from_path(&format!("/x/{}", "a".repeat(41)), &[]), "/x/*");
    }

    #[test]
    fn patterns_come_first() {
        let rules =
            [RouteRule::new("/product/*", "/product/:id").unwrap(), RouteRule::new("/docs/**", "/docs/:page").unwrap()];
        assert_eq!(from_path("/product/blue-shoe", &rules), "/product/:id");
        assert_eq!(from_path("/product/1/2", &rules), "/product/*/*");
        assert_eq!(from_path("/docs/a/b/c", &rules), "/docs/:page");
        assert_eq!(from_path("/docs", &rules), "/docs/:page");
        assert!(RouteRule::new("product/*", "/p").is_err() && RouteRule::new("/a/**/b", "/p").is_err());
        assert!(RouteRule::new("/a", "p").is_err());
    }

    #[test]
    fn templates_are_kept() {
        assert_eq!(from_template("/product/:id12?x=1"), "/product/:id12");
        assert_eq!(from_template("/product/"), "/product");
        assert_eq!(from_template("/"), "/");
        assert_eq!(from_template(""), "");
    }

    #[test]
    fn routes_over_the_cap_are_other() {
        let limit = RouteLimit::new(2);
        assert_eq!(limit.admit("a", "/1"), "/1");
        assert_eq!(limit.admit("a", "/2"), "/2");
        assert_eq!(limit.admit("a", "/3"), OTHER);
        assert_eq!(limit.admit("a", "/1"), "/1");
        assert_eq!(limit.admit("b", "/3"), "/3");
        assert_eq!(limit.admit("a", ""), "");
    }

    proptest::proptest! {
        #[test]
        fn nothing_after_a_question_mark_survives(path in "\\PC{0,60}", secret in "[a-z]{8}") {
            let route = from_path(&format!("/p/{path}?{secret}"), &[]);
            proptest::prop_assert!(!route.contains('?') && !route.contains('#'));
            proptest::prop_assert!(route.starts_with('/'));
            proptest::prop_assert!(path.contains(&secret) || !route.contains(&secret));
        }
    }
}
