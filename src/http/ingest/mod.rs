//! Where data comes in.
