//! Keys and origins.
//!
//! Services send `Authorization: Bearer KEY` (or `x-api-key: KEY`). A browser cannot keep a secret: its key is public and
//! travels as `site` in the beacon, and what protects it is the origin of the page, checked here and not
//! left to CORS, which only keeps browsers from reading answers.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::base::DropReason;

use super::problem::Problem;
use super::same_origin;
use super::settings::{IngestKey, Keys};
use super::state::Api;

/// Where a page comes from: scheme, host and port, compared as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

/// What is no origin.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is no origin: expected scheme, host and port, such as https://shop.example")]
pub struct OriginError {
    text: String,
}

impl Origin {
    /// Reads `https://shop.example` or `http://127.0.0.1:8080`; a path or the opaque `null` is refused.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let error = || OriginError { text: crate::base::bounded::cut(text, 200).to_owned() };
        let url = url::Url::parse(text).map_err(|_| error())?;
        let bare = url.path().trim_matches('/').is_empty() && url.query().is_none() && url.fragment().is_none();
        let origin = url.origin();
        (bare && origin.is_tuple()).then(|| Self(origin.ascii_serialization())).ok_or_else(error)
    }

    /// `https://shop.example`, without the scheme's own port.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the `Origin` header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claimed {
    /// There is none: not a browser, or an old one.
    Nothing,
    /// `null` or rubbish: a page without an origin.
    Opaque,
    /// A page's origin.
    Page(Origin),
}

impl Claimed {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::ORIGIN) else { return Self::Nothing };
        let parsed = value.to_str().ok().and_then(|v| Origin::parse(v).ok());
        parsed.map_or(Self::Opaque, Self::Page)
    }
}

impl IngestKey {
    /// Whether a page may use the key. One that lists origins is of no use without one; requests that
    /// carry the key as a secret (`secret`) need not come from a page.
    fn allows(&self, claimed: &Claimed, secret: bool) -> bool {
        self.origins.is_empty()
            || match claimed {
                Claimed::Nothing => secret,
                Claimed::Opaque => false,
                Claimed::Page(origin) => self.origins.contains(origin),
            }
    }
}

impl Keys {
    /// The key with this text, compared in constant time; with its position.
    fn find(&self, text: &str) -> Option<(usize, &IngestKey)> {
        let mut found = None;
        for (i, key) in self.ingest.iter().enumerate() {
            if key.secret.matches(text) {
                found = Some((i, key));
            }
        }
        found
    }

    /// The key that the request carries as a secret. `None` when no keys are configured, and, where a
    /// `site` may follow in the body, when it carries none.
    pub(super) fn bearer(
        &self,
        headers: &HeaderMap,
        site_may_follow: bool,
    ) -> Result<Option<(usize, &IngestKey)>, DropReason> {
        if self.ingest.is_empty() {
            return Ok(None);
        }
        let Some(text) = bearer_token(headers).or_else(|| api_key(headers)) else {
            return if site_may_follow { Ok(None) } else { Err(DropReason::Unauthorized) };
        };
        let found = self.find(text).ok_or(DropReason::Unauthorized)?;
        match found.1.allows(&Claimed::of(headers), true) {
            true => Ok(Some(found)),
            false => Err(DropReason::ForbiddenOrigin),
        }
    }

    /// Whether a browser may send for `site`; the service that the site stands for.
    pub(super) fn site(&self, site: &str, claimed: &Claimed) -> Result<Option<String>, DropReason> {
        if self.ingest.is_empty() {
            return Ok(None);
        }
        let (_, key) = self.find(site).ok_or(DropReason::Unauthorized)?;
        if !key.allows(claimed, false) {
            return Err(DropReason::ForbiddenOrigin);
        }
        Ok(key.service.clone())
    }

    /// Whether some key could let this page send.
    pub(super) fn may_allow(&self, claimed: &Claimed) -> bool {
        self.ingest.is_empty() || self.ingest.iter().any(|k| k.allows(claimed, true))
    }

    /// Whether the origin is listed by name.
    fn lists(&self, origin: &Origin) -> bool {
        self.ingest.iter().any(|k| k.origins.contains(origin))
    }
}

/// Where Faro's SDK puts its key.
fn api_key(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-api-key")?.to_str().ok()
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The headers that let a page read the answer: its own origin, echoed when some key allows it.
/// Credentials only for origins that are listed by name; without them browsers would not deliver a JSON
/// `sendBeacon`. We neither set nor read cookies.
pub(super) fn cors(keys: &Keys, claimed: &Claimed) -> Vec<(http::HeaderName, HeaderValue)> {
    let mut headers = vec![(header::VARY, HeaderValue::from_static("Origin"))];
    if let Claimed::Page(origin) = claimed
        && keys.may_allow(claimed)
        && let Ok(value) = HeaderValue::from_str(origin.as_str())
    {
        headers.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, value));
        headers.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after")));
        if keys.lists(origin) {
            headers.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
    }
    headers
}

/// `OPTIONS` on a browser-facing path.
pub(super) async fn preflight(axum::extract::State(api): axum::extract::State<Api>, headers: HeaderMap) -> Response {
    let claimed = Claimed::of(&headers);
    let keys = &api.edge().settings.keys;
    if !keys.may_allow(&claimed) {
        let refused = Problem::of(StatusCode::FORBIDDEN, "no key allows this origin");
        return refused.header(header::VARY, HeaderValue::from_static("Origin")).into_response();
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let out = response.headers_mut();
    out.extend(cors(keys, &claimed));
    out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    // The second line is what Faro's SDK adds.
    let allowed = "content-type, content-encoding, authorization, traceparent, \
                   x-api-key, x-faro-session-id, idempotency-key";
    out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
    out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    response
}

/// Whether the request may act (acknowledge, silence, reload). Where admin keys are configured it needs
/// one: as `Authorization: Bearer KEY`, or as the password that a browser asks its user for. What a
/// browser sends on its own must come from a page of ours.
pub fn require_admin(api: &Api, headers: &HeaderMap) -> Result<(), Problem> {
    let admin = &api.edge().settings.keys.admin;
    let is_key = |text: &str| admin.iter().fold(false, |found, key| key.matches(text) | found);
    if bearer_token(headers).is_some_and(&is_key) {
        return Ok(());
    }
    same_origin::check(headers)?;
    if admin.is_empty() || basic_password(headers).as_deref().is_some_and(is_key) {
        return Ok(());
    }
    let by_hand = HeaderValue::from_static("Basic realm=\"admin key as password\", charset=\"UTF-8\"");
    let refused = unauthorized("an admin key is needed: Authorization: Bearer KEY");
    Err(refused.header(header::WWW_AUTHENTICATE, by_hand))
}

/// The password of RFC 7617.
fn basic_password(headers: &HeaderMap) -> Option<String> {
    use base64::Engine as _;
    let (scheme, text) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(text.trim()).ok()?;
    String::from_utf8(decoded).ok()?.split_once(':').map(|(_user, password)| password.to_owned())
}

/// 401 with what to send.
pub(super) fn unauthorized(detail: &str) -> Problem {
    let scheme = HeaderValue::from_static("Bearer");
    Problem::of(StatusCode::UNAUTHORIZED, detail).header(header::WWW_AUTHENTICATE, scheme)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    fn page(text: &str) -> Claimed {
        Claimed::Page(Origin::parse(text).unwrap())
    }

    fn keys() -> Keys {
        let key = |secret: &str, origins: &[&str], service: Option<&str>| IngestKey {
            secret: Secret::new(secret),
            origins: origins.iter().map(|o| Origin::parse(o).unwrap()).collect(),
            service: service.map(str::to_owned),
            rate: None,
        };
        let ingest = vec![key("shop", &["https://shop.example"], Some("shop-web")), key("k2", &[], None)];
        Keys { ingest, admin: Vec::new() }
    }

    #[test]
    fn origins_are_compared_whole() {
        assert_eq!(Origin::parse("https://Shop.example:443/").unwrap().as_str(), "https://shop.example");
        for bad in ["null", "shop.example", "https://shop.example/path", "file:///x", "https://a?b", ""] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
        for other in [
            "http://shop.example",
            "https://shop.example:8443",
            "https://evilshop.example",
            "https://shop.example.evil",
        ] {
            assert_eq!(keys().site("shop", &page(other)), Err(DropReason::ForbiddenOrigin), "{other}");
        }
    }

    #[test]
    fn a_site_needs_its_page() {
        let keys = keys();
        assert_eq!(keys.site("shop", &page("https://shop.example")), Ok(Some("shop-web".to_owned())));
        assert_eq!(keys.site("shop", &Claimed::Nothing), Err(DropReason::ForbiddenOrigin));
        assert_eq!(keys.site("shop", &Claimed::Opaque), Err(DropReason::ForbiddenOrigin));
        assert_eq!(keys.site("k2", &Claimed::Nothing), Ok(None));
        assert_eq!(keys.site("", &Claimed::Nothing), Err(DropReason::Unauthorized));
        assert_eq!(Keys::default().site("anything", &Claimed::Opaque), Ok(None));
    }

    #[test]
    fn a_secret_needs_no_page_and_no_wrong_one() {
        let keys = keys();
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs.iter().map(|(n, v)| (http::HeaderName::from_static(n), v.parse().unwrap())).collect()
        };
        let found = |pairs: &[(&'static str, &str)]| keys.bearer(&headers(pairs), false).map(|k| k.map(|(i, _)| i));
        assert_eq!(found(&[("authorization", "Bearer shop")]), Ok(Some(0)));
        assert_eq!(found(&[("authorization", "bearer k2"), ("origin", "https://x.example")]), Ok(Some(1)));
        assert_eq!(
            found(&[("authorization", "Bearer shop"), ("origin", "https://x.example")]),
            Err(DropReason::ForbiddenOrigin)
        );
        assert_eq!(found(&[("authorization", "Bearer nope")]), Err(DropReason::Unauthorized));
        assert_eq!(found(&[("authorization", "Basic shop")]), Err(DropReason::Unauthorized));
        assert_eq!(found(&[]), Err(DropReason::Unauthorized));
        assert_eq!(keys.bearer(&HeaderMap::new(), true).map(|k| k.is_none()), Ok(true));
    }
}
