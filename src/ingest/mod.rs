//! Bytes become validated batches; no sockets here.
//!
//! A body passes the stages in order, and each stage is a file: a decoder ([`vitals`], [`timings`],
//! [`legacy`]), [`validate`], [`routes`], the classes of senders ([`device`], [`bots`]), and [`gather`],
//! which groups what belongs to one series. [`intake`] is the pipeline as a list of these stages, with
//! the recorder at its end. Whatever falls out on the way has a reason and is counted in [`tally`]:
//! received = accepted + dropped, for every endpoint and at every moment of rest.
//!
//! Kept of a beacon is what becomes a label or a number. The element that a poor view blames is counted in
//! memory for some hours ([`attribution`]), unless the browser sends `Sec-GPC: 1`. There is no session and no
//! user, and addresses never leave the HTTP side.

pub mod attribution;
pub mod bots;
pub mod browser_events;
pub mod device;
pub mod elements;
pub mod faro;
pub mod gather;
pub mod intake;
pub mod legacy;
pub mod otlp;
pub mod outcome;
pub mod postgres_rows;
pub mod redis_text;
pub mod remote_write;
pub mod routes;
pub mod settings;
pub mod statement;
pub mod tally;
mod templates;
pub mod text;
pub mod timings;
pub mod validate;
pub mod vitals;

pub use attribution::Attributions;
pub use intake::{Gathered, Intake, IntakeError, PageForm, Sender};
pub use outcome::{LineError, Outcome, Reject};
pub use routes::{RouteRule, RouteRuleError};
pub use settings::{LabelLimits, Settings};
pub use tally::{Endpoint, EndpointCounts, Tally};
