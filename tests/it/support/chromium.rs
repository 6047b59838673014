//! Starts chromium.
