//! `plimsoll demo`: a small shop that is really served over HTTP, really loaded, and breaks on a schedule.
//!
//! Nothing is made up: each request goes over a socket, waits for a real database and a real cache, and is
//! timed where it happens; page loads come from a real browser. The timings reach Plimsoll as any
//! application's would, by `POST /ingest/timings`. What stands in for PagerDuty, Slack and the mail server
//! ([`receiver`]) takes only what they would take.

pub mod faults;
pub mod http;
pub mod load;
pub mod peers;
pub mod receiver;
pub mod shop;
pub mod stage;
pub mod visitors;
