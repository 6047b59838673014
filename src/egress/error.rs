//! Why a request failed, and what to do about it.

use std::error::Error;
use std::time::Duration;

use crate::base::Timestamp;
use crate::base::retry::Class;

use super::address::{Refusal, ResolveError};

/// Why a request failed. `place` is the URL without path and query.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The URL is not `http` or `https` with a host.
    #[error("{place} is not an http or https address")]
    Url {
        /// Where to.
        place: String,
    },
    /// The address is not one that may be reached.
    #[error("{place} is not reached: {refusal}")]
    Refused {
        /// Where to.
        place: String,
        /// Why not.
        refusal: Refusal,
    },
    /// The name could not be resolved.
    #[error("the name in {place} could not be resolved")]
    Dns {
        /// Where to.
        place: String,
        /// What the resolver said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No connection (TCP or TLS).
    #[error("no connection to {place}")]
    Connect {
        /// Where to.
        place: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No complete answer in time. The request may have been taken.
    #[error("no answer from {place} within {limit:?}")]
    Timeout {
        /// Where to.
        place: String,
        /// The time it had.
        limit: Duration,
    },
    /// The connection broke. The request may have been taken.
    #[error("the connection to {place} broke")]
    Broken {
        /// Where to.
        place: String,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The answer was a redirect, which is never followed.
    #[error("{place} answered {status}, a redirect, which is not followed: configure the final address")]
    Redirect {
        /// Where to.
        place: String,
        /// The status.
        status: u16,
    },
    /// The answer was not a success.
    #[error("{place} answered {status}: {answer}")]
    Status {
        /// Where to.
        place: String,
        /// The status.
        status: u16,
        /// How long the other side asks to wait.
        retry_after: Option<Duration>,
        /// The beginning of the answer, without secrets.
        answer: String,
    },
}

impl EgressError {
    /// Whether and when the same request may succeed.
    pub fn class(&self) -> Class {
        match self {
            Self::Url { .. } | Self::Refused { .. } | Self::Redirect { .. } => Class::Permanent,
            Self::Dns { .. } | Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. } => Class::Transient,
            Self::Status { status, retry_after, .. } => match (is_transient(*status), retry_after) {
                (false, _) => Class::Permanent,
                (true, None) => Class::Transient,
                (true, Some(wait)) => Class::After(*wait),
            },
        }
    }

    /// The HTTP status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Redirect { status, .. } | Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The message with its causes, in one line.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }

    pub(super) fn from_reqwest(error: reqwest::Error, place: String, limit: Duration) -> Self {
        if let Some(refusal) = find::<ResolveError>(&error).and_then(refusal) {
            return Self::Refused { place, refusal };
        }
        if error.is_timeout() {
            return Self::Timeout { place, limit };
        }
        let (dns, connect) = (find::<ResolveError>(&error).is_some(), error.is_connect());
        let source = Box::new(error.without_url());
        match (dns, connect) {
            (true, _) => Self::Dns { place, source },
            (false, true) => Self::Connect { place, source },
            (false, false) => Self::Broken { place, source },
        }
    }
}

fn refusal(error: &ResolveError) -> Option<Refusal> {
    match error {
        ResolveError::Refused { refusal, .. } => Some(*refusal),
        ResolveError::Lookup { .. } => None,
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// 408 Request Timeout, 425 Too Early, 429 Too Many Requests and the server's own faults.
fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// RFC 9110, section 10.2.3: seconds or an HTTP date. A date that has passed is no wait.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Timestamp::from_millis(date.as_millisecond()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after: Option<Duration>) -> Class {
        EgressError::Status { place: String::new(), status, retry_after, answer: String::new() }.class()
    }

    #[test]
    fn classes_by_status() {
        let wait = Duration::from_secs(7);
        for code in [408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(status(code, None), Class::Transient, "{code}");
            assert_eq!(status(code, Some(wait)), Class::After(wait), "{code}");
        }
        for code in [400, 401, 403, 404, 410, 413, 415, 422] {
            assert_eq!(status(code, Some(wait)), Class::Permanent, "{code}");
        }
        assert_eq!(EgressError::Redirect { place: String::new(), status: 302 }.class(), Class::Permanent);
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Fri, 20 Nov 2026 12:01:30 GMT", Some(90)),
            ("Fri, 20 Nov 2026 11:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
