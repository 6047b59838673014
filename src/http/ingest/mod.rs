//! Where data comes in: each path checks the door, hands the body to the intake, and answers.

pub mod collect;
pub mod door;
pub mod otlp;
pub mod page;
pub mod performance;
pub mod postgres;
mod push;
pub mod redis;
pub mod remote_write;
pub mod reply;
#[cfg(test)]
pub mod testkit;
pub mod timings;
pub mod vitals;
