//! Our own API.
