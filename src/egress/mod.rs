//! The one outgoing HTTP client, and what it refuses.
//!
//! Addresses are checked where they can hide: in the URL itself (a literal address never meets a resolver),
//! in every DNS answer (on the way to the connection, so there is no second look-up to differ from the
//! first), and by following no redirect at all. Timeouts hold until the last byte of the answer; no more
//! of an answer is kept than the request allows. Errors name the host, never the path or the query: there
//! is where webhooks keep their secrets.
//!
//! Absent on purpose: proxies from the environment (the address check would see the proxy's address alone)
//! and retries (what to do after a failure is a property of the error, see [`EgressError::class`]; when to
//! do it is the caller's business).

pub mod address;
pub mod client;
pub mod error;
pub mod redact;

pub use address::{Policy, Refusal};
pub use client::{BuildError, Client, Limits, Request, Response};
pub use error::EgressError;
