//! Our own metrics, logs and traces.
//!
//! Metrics are one catalogue ([`catalogue::CATALOGUE`]): a name that is not in it cannot be registered, so
//! what we say of ourselves is documented in one place. Modules keep plain atomics; the catalogue reads
//! them when asked.

pub mod catalogue;
pub mod logs;
mod metrics;
pub mod traces;

pub use catalogue::{Kind, Metric};
pub use logs::{LogFormat, LogSettings};
pub use metrics::{RegisterError, Telemetry};
pub use traces::{TraceError, TraceSettings, Traces};
