//! The HTTP side: handlers decode, call a port, encode. The route table is on this page.

pub mod api;
pub mod ingest;
pub mod metrics;
pub mod prom;
pub mod state;
pub mod ui;

pub use state::{Api, Ports};
