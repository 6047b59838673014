//! Bytes become validated batches; no sockets here.
//!
//! A body passes the stages in order, and each stage is a file: a decoder ([`vitals`], [`timings`],
//! [`legacy`]), [`validate`], [`routes`], the classes of senders ([`device`], [`bots`]), and [`gather`],
//! which groups what belongs to one series. [`intake`] is the pipeline as a list of these stages, with
//! the recorder at its end. Whatever falls out on the way has a reason and is counted in [`tally`]:
//! received = accepted + dropped, for every endpoint and at every moment of rest.
//!
//! Kept of a beacon is what becomes a label or a number. Attribution (selectors, scripts) is read past
//! and not stored, there is no session and no user, and addresses never leave the HTTP side; a browser
//! that sends `Sec-GPC: 1` therefore gives us nothing that another one would not.

pub mod bots;
pub mod device;
pub mod elements;
pub mod gather;
pub mod intake;
pub mod legacy;
pub mod outcome;
pub mod postgres_rows;
pub mod redis_text;
pub mod routes;
pub mod settings;
pub mod statement;
pub mod tally;
pub mod text;
pub mod timings;
pub mod validate;
pub mod vitals;

pub use intake::{Intake, IntakeError, Sender};
pub use outcome::{LineError, Outcome, Reject};
pub use routes::{RouteRule, RouteRuleError};
pub use settings::Settings;
pub use tally::{Endpoint, EndpointCounts, Tally};
