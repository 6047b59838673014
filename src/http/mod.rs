//! The HTTP side: handlers decode, call a port, encode. The route table is on this page.

pub mod api;
pub mod ingest;
pub mod problem;
pub mod prom;
mod same_origin;
pub mod sdk;
pub mod state;
#[cfg(test)]
mod testkit;
pub mod ui;

pub use problem::Problem;
pub use state::{Api, Ports};
