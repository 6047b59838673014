//! `google.rpc.Status`, which OTLP answers errors with, and its detail `google.rpc.RetryInfo`.
//!
//! Written down here rather than taken from generated code: two messages of five fields.

use std::time::Duration;

use http::{StatusCode, header};
use prost::Message;
use serde::Serialize;

use crate::http::Problem;
use crate::ingest::otlp::Form;

/// `google.rpc.Code`, as far as it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request is wrong and stays wrong.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// The key may not do this.
    PermissionDenied = 7,
    /// Too much, or too often.
    ResourceExhausted = 8,
    /// This cannot be done here.
    Unimplemented = 12,
    /// Our own fault.
    Internal = 13,
    /// Not now.
    Unavailable = 14,
    /// No key, or a wrong one.
    Unauthenticated = 16,
}

impl Code {
    /// The code of an HTTP status.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::PermissionDenied,
            StatusCode::REQUEST_TIMEOUT => Self::DeadlineExceeded,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Self::ResourceExhausted,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::Unimplemented,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            _ if status.is_client_error() => Self::InvalidArgument,
            _ => Self::Internal,
        }
    }
}

/// An error as OTLP tells it.
#[derive(Clone, PartialEq, Message, Serialize)]
pub struct Status {
    /// A [`Code`].
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What is wrong and what to do.
    #[prost(string, tag = "2")]
    pub message: String,
    /// At most a [`RetryInfo`].
    #[prost(message, repeated, tag = "3")]
    #[serde(skip)]
    pub details: Vec<Any>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    /// What it holds.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// That, encoded.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// `google.rpc.RetryInfo`
#[derive(Clone, PartialEq, Message)]
pub struct RetryInfo {
    /// How long to wait.
    #[prost(message, optional, tag = "1")]
    pub retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`
#[derive(Clone, PartialEq, Message)]
pub struct Delay {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// And nanoseconds.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

impl Status {
    /// A problem as OTLP tells it; with how long to wait where the problem says.
    pub fn of(problem: &Problem) -> Self {
        let code = Code::of(problem.status()) as i32;
        let details = wait(problem).map(retry_info).into_iter().collect();
        Self { code, message: problem.detail().to_owned(), details }
    }

    /// Its bytes.
    pub fn encode(&self, form: Form) -> Vec<u8> {
        match form {
            Form::Protobuf => self.encode_to_vec(),
            Form::Json => serde_json::to_vec(self).unwrap_or_default(),
        }
    }
}

/// How long the problem says to wait.
fn wait(problem: &Problem) -> Option<Duration> {
    let (_, value) = problem.headers().iter().find(|(name, _)| name == header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

fn retry_info(wait: Duration) -> Any {
    let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
    let info = RetryInfo { retry_delay: Some(Delay { seconds, nanos: 0 }) };
    Any { type_url: RETRY_INFO.to_owned(), value: info.encode_to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_googles_messages() {
        let problem = Problem::of(StatusCode::SERVICE_UNAVAILABLE, "later").retry_after(Duration::from_secs(2));
        let mut bytes = vec![0x08, 14, 0x12, 5];
        bytes.extend_from_slice(b"later");
        bytes.extend_from_slice(&[0x1a, (2 + RETRY_INFO.len() + 2 + 4) as u8, 0x0a, RETRY_INFO.len() as u8]);
        bytes.extend_from_slice(RETRY_INFO.as_bytes());
        bytes.extend_from_slice(&[0x12, 4, 0x0a, 2, 0x08, 2]);
        assert_eq!(Status::of(&problem).encode(Form::Protobuf), bytes);
        let json = Status::of(&problem).encode(Form::Json);
        assert_eq!(String::from_utf8(json).unwrap(), r#"{"code":14,"message":"later"}"#);
    }
}
