//! What is known: open slots in memory, closed ones in the archive, and how one becomes the other.
//!
//! A batch of increments is journalled, then counted in the head; only then does its sender hear 2xx.
//! Time is cut into slots of [`TICK`]. Our own counters and histograms are kept as increments per slot;
//! readers see them as cumulative samples at the end of each slot, as Prometheus would have scraped
//! them, and the open slot as a sample stamped now.

pub mod batch;
pub mod catalog;
pub mod known;
pub mod vitals;

pub use batch::{Batch, Delta, Item, Observation, RecordError, Recorded, Recorder};
pub use catalog::MetricCatalog;
pub use known::{Exposed, ExposedValue, Known, MetricType, PendingVital, SeriesStats};
pub use vitals::{VitalKey, VitalReport};

/// The length of a slot.
pub const TICK: std::time::Duration = std::time::Duration::from_secs(10);
