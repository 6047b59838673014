//! `GET /sdk/…`: the browser script, embedded when it was built.
//!
//! Under its version a file never changes and may be pinned by its hash (Subresource Integrity); the path
//! without a version is revalidated. Every site may embed it, also pages that isolate themselves
//! (`Cross-Origin-Resource-Policy`), and hash checks need the CORS header.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use serde::Serialize;
use sha2::Digest as _;

use super::{Api, Problem};

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The version that the script says it has and that its immutable path names.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One embedded file.
#[derive(Debug, Clone, Serialize)]
pub struct SdkFile {
    /// Its name, such as `plimsoll.js`.
    pub name: &'static str,
    /// The path under its version, which never changes.
    pub path: String,
    /// Its length in bytes.
    pub size: usize,
    /// For the `integrity` attribute: `sha384-…`.
    pub integrity: String,
    #[serde(skip)]
    content: &'static [u8],
}

static FILES: LazyLock<Vec<SdkFile>> =
    LazyLock::new(|| EMBEDDED.iter().map(|(name, content)| file(name, content)).collect());

fn file(name: &'static str, content: &'static [u8]) -> SdkFile {
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha384::digest(content));
    let path = format!("/sdk/{VERSION}/{name}");
    SdkFile { name, path, size: content.len(), integrity: format!("sha384-{hash}"), content }
}

/// The embedded files; empty when the script was not built before the server.
pub fn files() -> &'static [SdkFile] {
    &FILES
}

/// The routes of the browser script.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/sdk/", get(index))
        .route("/sdk/{file}", get(newest))
        .route("/sdk/{version}/{file}", get(pinned))
}

/// The files with the paths that this service serves them under.
async fn index(State(api): State<Api>) -> Response {
    if files().is_empty() {
        return missing().into_response();
    }
    let prefix = match api.edge().settings.route_prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("/{prefix}"),
    };
    let below = |file: &SdkFile| SdkFile { path: format!("{prefix}{}", file.path), ..file.clone() };
    let files: Vec<SdkFile> = files().iter().map(below).collect();
    axum::Json(serde_json::json!({"version": VERSION, "files": files})).into_response()
}

async fn newest(Path(name): Path<String>, request: HeaderMap) -> Result<Response, Problem> {
    serve(&name, &request, "public, max-age=3600")
}

async fn pinned(Path((version, name)): Path<(String, String)>, request: HeaderMap) -> Result<Response, Problem> {
    if version != VERSION {
        let detail = format!("this server has version {VERSION}; see /sdk/ for its files");
        return Err(Problem::of(StatusCode::NOT_FOUND, detail));
    }
    serve(&name, &request, "public, max-age=31536000, immutable")
}

fn missing() -> Problem {
    let detail = "the browser script was not built into this binary: run `make web`, then build the server again";
    Problem::of(StatusCode::NOT_FOUND, detail)
}

fn serve(name: &str, request: &HeaderMap, caching: &'static str) -> Result<Response, Problem> {
    if files().is_empty() {
        return Err(missing());
    }
    let Some(file) = files().iter().find(|f| f.name == name) else {
        return Err(Problem::of(StatusCode::NOT_FOUND, "see /sdk/ for the files there are"));
    };
    let tag = format!("\"{}\"", file.integrity);
    let known = request.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let fresh = known.is_some_and(|known| known.split(',').any(|t| t.trim().trim_start_matches("W/") == tag));
    let mut response = if fresh { StatusCode::NOT_MODIFIED.into_response() } else { file.content.into_response() };
    describe(response.headers_mut(), &tag, caching);
    Ok(response)
}

fn describe(headers: &mut HeaderMap, tag: &str, caching: &'static str) {
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, caching),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testkit::Kit;

    #[tokio::test]
    async fn what_is_embedded_is_served_pinned_and_revalidated() {
        let kit = Kit::new();
        if files().is_empty() {
            let reply = kit.get(routes(), "/sdk/plimsoll.js").await;
            assert_eq!(reply.status, 404);
            assert!(reply.text.contains("make web"), "{}", reply.text);
            return;
        }
        let index = kit.get(routes(), "/sdk/").await.json();
        assert_eq!(index["files"][0]["name"], "plimsoll.js");
        let integrity = index["files"][0]["integrity"].as_str().unwrap().to_owned();

        let pinned = kit.get(routes(), index["files"][0]["path"].as_str().unwrap()).await;
        assert_eq!(pinned.status, 200);
        assert!(pinned.header("cache-control").contains("immutable"));
        assert_eq!(pinned.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(pinned.header("cross-origin-resource-policy"), "cross-origin");
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha384::digest(pinned.text.as_bytes()));
        assert_eq!(integrity, format!("sha384-{hash}"));
        assert!(pinned.text.contains(&format!("plimsoll {VERSION}")), "the script is of another version");

        let newest = kit.get(routes(), "/sdk/plimsoll.js").await;
        assert!(!newest.header("cache-control").contains("immutable"));
        let tag = newest.header("etag").to_owned();
        let again = kit.send(routes(), kit.request("GET", "/sdk/plimsoll.js").header("if-none-match", tag), "").await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        assert_eq!(kit.get(routes(), "/sdk/0.0.0/plimsoll.js").await.status, 404);
        assert_eq!(kit.get(routes(), "/sdk/other.js").await.status, 404);
    }
}
