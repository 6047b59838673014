//! The Prometheus API against the real Prometheus.
