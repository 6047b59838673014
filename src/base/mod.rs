//! The leaf: what every other module may use and what itself uses nothing of ours.

pub mod bounded;
pub mod clock;
pub mod id;
pub mod labels;
pub mod matcher;
pub mod outcome;
pub mod pattern;
pub mod retry;
pub mod secret;
pub mod severity;
pub mod steady;
pub mod time;

pub use clock::{Clock, ManualClock, SharedClock, SystemClock};
pub use labels::{LabelMap, Labels, LabelsBuilder, METRIC_NAME};
pub use matcher::{MatchOp, Matcher};
pub use outcome::DropReason;
pub use secret::Secret;
pub use severity::Severity;
pub use steady::SteadyClock;
pub use time::Timestamp;
