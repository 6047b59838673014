//! `ETag` and `304` for what clients ask again and again: Grafana reads labels, metadata and rules for every
//! editor it opens.
//!
//! The tag is strong, a hash of the body. The body is compressed behind us by what the client accepts, and other
//! bytes need another tag: what the client accepts is hashed too.

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};

/// Tags a successful reply, and leaves out what the client has.
pub(super) async fn tag(request: Request, next: Next) -> Response {
    let asked = (request.method() == Method::GET).then(|| request.headers().clone());
    let response = next.run(request).await;
    match asked {
        Some(headers) if response.status() == StatusCode::OK => tagged(&headers, response).await,
        _ => response,
    }
}

async fn tagged(asked: &HeaderMap, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    debug_assert!(body.size_hint().exact().is_some(), "what is tagged is in memory already");
    // Reading from memory cannot fail.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let tag = tag_of(&body, asked.get(ACCEPT_ENCODING));
    let has_it = asked.get_all(IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok()).any(|known| names(known, &tag));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(ETAG, value);
    }
    if !has_it {
        return Response::from_parts(parts, Body::from(body));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(CONTENT_TYPE);
    Response::from_parts(parts, Body::empty())
}

fn tag_of(body: &Bytes, encoding: Option<&HeaderValue>) -> String {
    let accepted = encoding.map_or(&b""[..], HeaderValue::as_bytes);
    let hash = Sha256::new().chain_update(body).chain_update([0]).chain_update(accepted).finalize();
    format!("\"{}\"", hex::encode(&hash[..16]))
}

/// Whether a list of tags has this one, or is `*`. Weak tags count: a proxy may have weakened ours.
fn names(known: &str, tag: &str) -> bool {
    known.split(',').map(str::trim).any(|k| k == "*" || k.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::prom::testing::answer;

    async fn ask(uri: &str, headers: &[(&str, &str)]) -> (StatusCode, String, Bytes) {
        let request = headers.iter().fold(Request::get(uri), |r, (name, value)| r.header(*name, *value));
        let response = answer(request.body(Body::empty()).unwrap()).await;
        let tag = response.headers().get(ETAG).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        (response.status(), tag, to_bytes(response.into_body(), 1 << 20).await.unwrap())
    }

    #[tokio::test]
    async fn what_the_client_has_is_not_sent_again() {
        for uri in ["/api/v1/labels", "/api/v1/label/job/values", "/api/v1/metadata", "/api/v1/rules"] {
            let (status, tag, body) = ask(uri, &[]).await;
            assert!(status == StatusCode::OK && tag.starts_with('"') && !body.is_empty(), "{uri}");
            for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
                let (status, again, body) = ask(uri, &[("if-none-match", &known)]).await;
                assert_eq!((status, again, body.len()), (StatusCode::NOT_MODIFIED, tag.clone(), 0), "{uri} {known}");
            }
            assert_eq!(ask(uri, &[("if-none-match", "\"other\"")]).await.0, StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn another_body_or_encoding_has_another_tag() {
        let tag = async |uri, headers| ask(uri, headers).await.1;
        let plain = tag("/api/v1/labels", &[]).await;
        assert_ne!(plain, tag("/api/v1/labels?match[]=native", &[]).await);
        assert_ne!(plain, tag("/api/v1/labels", &[("accept-encoding", "gzip")]).await);
        assert_eq!(plain, tag("/api/v1/labels", &[("accept", "x")]).await);
    }

    #[tokio::test]
    async fn errors_and_queries_have_none() {
        assert_eq!(ask("/api/v1/series", &[]).await.1, "");
        assert_eq!(ask("/api/v1/query?query=1", &[]).await.1, "");
    }
}
