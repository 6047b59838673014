//! Starts smtp.
