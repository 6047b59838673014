//! What the scenarios share.

pub(crate) mod args;
pub(crate) mod chance;
pub(crate) mod cpu;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod peers;
pub(crate) mod prom;
pub(crate) mod remote_write;
pub(crate) mod shop;
pub(crate) mod table;
