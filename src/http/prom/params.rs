//! Parameters, from the query string and, with POST, from a form.

use std::time::Duration;

use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;

use super::error::ApiError;
use crate::base::Timestamp;
use crate::promql::engine::StatsSlot;
use crate::promql::{QueryOptions, parse_duration};

/// How Prometheus's clients write "the beginning" and "the end of time".
const BEGINNING: &str = "-292273086-05-16T16:47:06Z";
const END: &str = "292277025-08-18T07:12:54.999999999Z";

/// All parameters of a request, the form's before the query string's.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_form = content_type.starts_with("application/x-www-form-urlencoded");
        let body = if is_form {
            request.extract::<Bytes, _>().await.map_err(|e| ApiError::too_large(e.body_text()))?
        } else {
            Bytes::new()
        };
        let pairs = url::form_urlencoded::parse(&body).chain(url::form_urlencoded::parse(query.as_bytes()));
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }
}

impl Params {
    /// The first value; empty counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| value.as_str()).find(|value| !value.is_empty())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(super) fn require(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::parameter(name, "it is missing"))
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        self.get(name).map(|text| parse_time(name, text)).transpose()
    }

    pub(super) fn require_time(&self, name: &str) -> Result<Timestamp, ApiError> {
        parse_time(name, self.get(name).unwrap_or_default())
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, ApiError> {
        let parse = |text| {
            parse_duration(text)
                .ok_or_else(|| ApiError::parameter(name, format!("cannot parse {text:?} to a valid duration")))
        };
        self.get(name).map(parse).transpose()
    }

    /// A switch, off when absent; the words that Go's `strconv.ParseBool` takes.
    pub(super) fn boolean(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
            Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
            Some(text) => Err(ApiError::parameter(name, format!("{text:?} is neither true nor false"))),
        }
    }

    /// At most how many results; 0 for all.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else { return Ok(0) };
        text.parse().map_err(|_| ApiError::parameter("limit", format!("{text:?} is not a number of results")))
    }

    /// `timeout` can shorten the default and not lengthen it.
    pub(super) fn options(&self) -> Result<QueryOptions, ApiError> {
        let mut options = QueryOptions::default();
        if let Some(timeout) = self.duration("timeout")? {
            options.timeout = options.timeout.min(timeout);
        }
        if let Some(lookback) = self.duration("lookback_delta")?.filter(|lookback| !lookback.is_zero()) {
            options.lookback = lookback;
        }
        options.stats = self.get("stats").map(|_| StatsSlot::default());
        Ok(options)
    }
}

fn parse_time(name: &str, text: &str) -> Result<Timestamp, ApiError> {
    // Go writes so late a year without a sign, ISO 8601 with one.
    match text.trim_start_matches('+') {
        BEGINNING => Ok(Timestamp::MIN),
        END => Ok(Timestamp::MAX),
        _ => Timestamp::parse(text)
            .map_err(|_| ApiError::parameter(name, format!("cannot parse {text:?} to a valid timestamp"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn params(request: axum::http::request::Builder, body: &str) -> Params {
        Params::from_request(request.body(body.to_owned().into()).unwrap(), &()).await.unwrap()
    }

    #[tokio::test]
    async fn reads_query_and_form() {
        let post =
            Request::post("/x?a=1&b=%2B").header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        let params = params(post, "a=2&match%5B%5D=up&match%5B%5D=down+x").await;
        assert_eq!((params.get("a"), params.get("b"), params.get("c")), (Some("2"), Some("+"), None));
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["up", "down x"]);
    }

    #[tokio::test]
    async fn reads_times_in_all_forms() {
        let uri =
            "/x?a=1.5&b=1970-01-01T00:00:02Z&c=-292273086-05-16T16:47:06Z&d=tomorrow&e=1970-01-01T01:00:00%2B01:00";
        let params = params(Request::get(uri), "").await;
        assert_eq!(params.time("a").unwrap(), Some(Timestamp::from_millis(1500)));
        assert_eq!(params.time("b").unwrap(), Some(Timestamp::from_secs(2)));
        assert_eq!(params.time("c").unwrap(), Some(Timestamp::MIN));
        assert_eq!(params.time("e").unwrap(), Some(Timestamp::from_secs(0)));
        assert_eq!(params.time("none").unwrap(), None);
        assert!(params.time("d").is_err() && params.require_time("none").is_err());
    }

    #[tokio::test]
    async fn timeouts_only_shorten() {
        let short = params(Request::get("/x?timeout=1s&lookback_delta=90"), "").await.options().unwrap();
        assert_eq!((short.timeout.as_secs(), short.lookback.as_secs()), (1, 90));
        assert_eq!(params(Request::get("/x?timeout=1h"), "").await.options().unwrap(), QueryOptions::default());
        assert_eq!(params(Request::get("/x?lookback_delta=0"), "").await.options().unwrap(), QueryOptions::default());
        assert!(params(Request::get("/x?timeout=x"), "").await.options().is_err());
    }
}
