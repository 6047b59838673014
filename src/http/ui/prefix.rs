//! Pages below a path: links, forms and redirects get the prefix that everything is served under.
//!
//! The pages write absolute paths. Here, in one place, they are moved: `maud` escapes quotes in text, so that
//! ` href="/` in a page is always a link of ours.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::Problem;

/// What a page begins a path with: link, form, button.
const PLACES: [&str; 3] = [" href=\"/", " action=\"/", " formaction=\"/"];

/// The largest page, in bytes.
const PAGE: usize = 8 << 20;

/// Moves an answer of the pages below `prefix` (`/plimsoll`; empty: leaves it as it is).
pub(super) async fn moved(prefix: &str, response: Response) -> Response {
    if prefix.is_empty() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let location = parts.headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).filter(|l| l.starts_with('/'));
    if let Some(location) = location.and_then(|l| HeaderValue::from_str(&format!("{prefix}{l}")).ok()) {
        parts.headers.insert(header::LOCATION, location);
    }
    let is_page = parts.headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/html"));
    if !is_page {
        return Response::from_parts(parts, body);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    match to_bytes(body, PAGE).await {
        Ok(page) => Response::from_parts(parts, Body::from(links_moved(prefix, &String::from_utf8_lossy(&page)))),
        Err(error) => Problem::of(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn links_moved(prefix: &str, page: &str) -> String {
    PLACES.iter().fold(page.to_owned(), |page, place| {
        let target = format!("{}{prefix}/", &place[..place.len() - 1]);
        page.replace(place, &target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_paths_move() {
        let page = r#"<a href="/vitals">x</a><a href="https://a.example/">y</a><p>href=&quot;/no</p><form action="/a"><button formaction="/b">"#;
        let expected = r#"<a href="/mark/vitals">x</a><a href="https://a.example/">y</a><p>href=&quot;/no</p><form action="/mark/a"><button formaction="/mark/b">"#;
        assert_eq!(links_moved("/mark", page), expected);
    }
}
