//! Files, environment and flags become plain data.
//!
//! A file is first read into a tree in which every value knows its place ([`yaml`]); overrides edit the tree
//! ([`overrides`]); then it is read field by field ([`reader`]), and everything that is wrong is collected with
//! file, line, column and path before anything is refused. Unknown fields are errors; so are forms that this
//! version can't honour: an ignored line in a file of thresholds is an alert that never comes.

mod channels;
pub mod error;
mod escalations;
mod glob;
mod indicator;
mod levels;
pub mod load;
pub mod objectives;
pub mod overrides;
pub mod reader;
mod secrets;
mod sections;
pub mod service;
pub mod sources;
pub mod units;
mod window;
pub mod yaml;

#[cfg(test)]
mod tests;

pub use error::{ConfigError, ConfigErrors};
pub use load::{Loaded, built_in_objectives, load, load_objectives, parse_objectives};
pub use objectives::Objectives;
pub use overrides::Flags;
pub use service::{
    Channel, ChannelConfig, EmailTls, IngestKey, Journal, JournalSync, Keep, Limits, RoutePattern, Service, Target,
};
pub use sources::{MemorySources, Sources, SystemSources};
