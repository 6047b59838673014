//! The one place that builds concrete things.
