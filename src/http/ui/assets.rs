//! The stylesheet and the mark: a hull's circle with its line.

use std::sync::LazyLock;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::Digest as _;

const STYLE: &str = include_str!("style.css");

const MARK: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="#14304d"/><circle cx="12" cy="12" r="6" fill="none" stroke="#fff" stroke-width="2"/><path d="M2.5 12h19" stroke="#fff" stroke-width="2"/></svg>"##;

static STYLE_TAG: LazyLock<String> =
    LazyLock::new(|| format!("\"{}\"", hex::encode(&sha2::Sha256::digest(STYLE)[..12])));

/// `GET /assets/style.css`, revalidated by its hash.
pub(super) async fn style(request: HeaderMap) -> Response {
    let tag = STYLE_TAG.as_str();
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache"), (header::ETAG, tag)];
    match known {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, STYLE).into_response(),
    }
}

/// `GET /assets/mark.svg`.
pub(super) async fn mark() -> Response {
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, MARK).into_response()
}
