//! PromQL: the parser is a crate, the evaluation is ours. It reads from a [`Source`] and knows nothing
//! of storage.
//!
//! A query goes four ways in a row: [`parse`] (text to syntax tree, with limits), `plan` (names and times
//! resolved: every selector knows which samples it needs over all steps), one `Source::select` for each
//! selector, and `eval`, which reads nothing any more. Evaluation is by node, not by step: a node makes
//! whole rows (one series, one cell for each step), so labels are hashed, grouped and matched once for a
//! query however many steps it has.
//!
//! Where versions of Prometheus differ, this is version 3: ranges are open on the left, `rate` clamps at
//! zero after the limit of half an interval, native histograms interpolate exponentially.
//!
//! Absent on purpose: `smoothed` and `anchored`, trimming of histograms, arithmetic in durations and `integral`,
//! all of which are experimental; they are refused by name.

pub mod engine;
mod eval;
pub mod floats;
pub mod format;
mod functions;
mod local;
pub mod memory;
pub mod native;
mod parse;
mod plan;
#[cfg(test)]
mod promqltest;
pub mod source;
pub mod value;

pub use engine::{Engine, QueryError, QueryOptions};
pub use floats::{Floats, FloatsBuilder, FloatsView};
pub use local::LocalEngine;
pub use parse::{ExprType, MAX_DEPTH, parse_check, parse_duration, parse_selector, prettify, selectors};
pub use source::{Selection, SeriesSamples, Source, SourceError, Take};
pub use value::{Answer, InstantSample, Point, RangeSeries, Value};
