//! Plimsoll: how deep a web application may lie in the water, and who is called when the line goes under.

pub mod alert;
pub mod base;
pub mod notify;
pub mod promql;
pub mod series;
pub mod sketch;
pub mod slo;
