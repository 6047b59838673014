//! The frame of every page, and its headers.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::alert::ActError;
use crate::http::Problem;

/// No inline script or style, nothing from elsewhere, no framing, forms only to us.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; script-src 'none'";

/// The entries of the navigation.
const SECTIONS: [(&str, &str); 5] = [
    ("/", "Overview"),
    ("/incidents", "Incidents"),
    ("/vitals", "Web vitals"),
    ("/redis", "Redis"),
    ("/postgres", "PostgreSQL"),
];

/// One page.
pub(super) struct Page<'a> {
    /// Before the service's name in the tab.
    pub title: &'a str,
    /// The path of the navigation's entry that it belongs to.
    pub section: &'a str,
    /// Loads itself again after so many seconds; not where someone may be typing.
    pub refresh: Option<u32>,
    /// What it shows.
    pub body: Markup,
}

impl Page<'_> {
    fn render(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if let Some(seconds) = self.refresh { meta http-equiv="refresh" content=(seconds); }
                    title { (self.title) " · Plimsoll" }
                    link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/style.css";
                }
                body {
                    (header(self.section))
                    main { (self.body) }
                    (footer())
                }
            }
        }
    }
}

fn header(section: &str) -> Markup {
    html! {
        header.top {
            a.brand href="/" {
                svg viewBox="0 0 24 24" aria-hidden="true" { circle cx="12" cy="12" r="7" {} path d="M1 12h22" {} }
                "Plimsoll"
            }
            nav {
                @for (path, name) in SECTIONS {
                    a href=(path) aria-current=[(path == section).then_some("page")] { (name) }
                }
            }
        }
    }
}

fn footer() -> Markup {
    html! {
        footer {
            "Times are UTC. Also as "
            a href="/metrics" { "metrics" } ", "
            a href="/api/objectives" { "objectives" } " and "
            a href="/api/incidents?state=all" { "incidents" } " in JSON."
        }
    }
}

impl IntoResponse for Page<'_> {
    fn into_response(self) -> Response {
        let fixed: [(HeaderName, &'static str); 5] = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // Not "no-referrer": that would take the Origin from our own forms, which we check.
            (header::REFERRER_POLICY, "same-origin"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = self.render().into_string().into_response();
        response.headers_mut().extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
        response
    }
}

/// A problem as a page.
pub(super) struct Failure(pub Problem);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<ActError> for Failure {
    fn from(error: ActError) -> Self {
        Self(error.into())
    }
}

impl Failure {
    /// Something that is not there.
    pub(super) fn not_found(what: &str) -> Self {
        Self(Problem::of(StatusCode::NOT_FOUND, format!("{what}. It may have been renamed or removed.")))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = html! {
            section.empty {
                h1 { (self.0.title()) }
                p { (self.0.detail()) }
                p { a.button href="/" { "Back to the overview" } }
            }
        };
        (self.0.status(), Page { title: self.0.title(), section: "", refresh: None, body }).into_response()
    }
}
