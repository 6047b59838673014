//! Starts prometheus.
