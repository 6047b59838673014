//! Bytes become validated batches; no sockets here.

pub mod postgres_rows;
pub mod redis_text;
