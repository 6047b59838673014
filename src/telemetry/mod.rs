//! Our own metrics, logs and traces.
