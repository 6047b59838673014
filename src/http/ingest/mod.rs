//! Where data comes in.

pub mod postgres;
mod push;
pub mod redis;
