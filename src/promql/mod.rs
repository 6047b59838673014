//! PromQL: the parser is a crate, the evaluation is ours. It reads from a [`Source`] and knows nothing
//! of storage.

pub mod engine;
pub mod source;
pub mod value;

pub use engine::{Engine, QueryError, QueryOptions};
pub use source::{Selection, SeriesSamples, Source, SourceError};
pub use value::{Answer, InstantSample, Point, RangeSeries, Value};
