//! One distribution, stored once: a base-2 exponential histogram for people to look at, and exact
//! counts at chosen bounds for decisions.
//!
//! The exponential part has schema 5: bucket `i` holds the values in `(2^((i-1)/32), 2^(i/32)]`, so the
//! geometric middle of a bucket is at most `2^(1/64) - 1` = 1.1 % from any value in it (OpenTelemetry
//! data model, "Exponential Histogram", scale 5; Prometheus native histograms, schema 5). It answers
//! "what is the p95?" to 1.1 %.
//!
//! The exact part counts how many values were `<=` each bound: the metric's default bounds and every
//! threshold that an objective names. It answers "were 95 % within 500 ms?" as a ratio of integers, the
//! same here and in an exported Prometheus rule. No decision rests on interpolation.

mod bounds;
mod buckets;
mod histogram;
mod native;

pub use bounds::{Bounds, BoundsError, format_le};
pub use buckets::{SCHEMA, bucket_index, bucket_middle, bucket_upper};
pub use histogram::{Histogram, SubtractError};
pub use native::{CUSTOM_SCHEMA, NativeBuckets, NativeHistogram, ResetHint};
