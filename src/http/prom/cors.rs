//! Pages of other origins may read, as with Prometheus: what is answered here needs no key, and no cookie is read.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName, ORIGIN, VARY,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

const HEADERS: [(HeaderName, &str); 4] = [
    (ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Authorization, Content-Type, Origin"),
    (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
];

/// `OPTIONS`
pub(super) async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Says to browsers that the answer may be read.
pub(super) async fn cors(request: Request, next: Next) -> Response {
    let from_page = request.headers().contains_key(ORIGIN);
    let mut response = next.run(request).await;
    if from_page {
        let headers = response.headers_mut();
        headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Method;

    use super::*;
    use crate::http::prom::testing::answer;

    #[tokio::test]
    async fn pages_may_ask_and_read() {
        for method in [Method::OPTIONS, Method::GET] {
            let request =
                Request::builder().method(&method).uri("/api/v1/query?query=1").header(ORIGIN, "https://a.example");
            let response = answer(request.body(Body::empty()).unwrap()).await;
            let allowed = |name: HeaderName| response.headers().get(name).map(|v| v.to_str().unwrap());
            assert_eq!(allowed(ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
            assert_eq!(allowed(ACCESS_CONTROL_ALLOW_METHODS), Some("GET, POST, OPTIONS"));
            assert_eq!(response.status(), if method == Method::GET { StatusCode::OK } else { StatusCode::NO_CONTENT });
        }
    }

    #[tokio::test]
    async fn others_are_told_nothing() {
        let response = answer(Request::get("/api/v1/labels").body(Body::empty()).unwrap()).await;
        assert!(!response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}
