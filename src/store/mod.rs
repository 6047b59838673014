//! The storage traits, implemented: SQLite by default. Statements are constants beside their method.

pub mod memory_outbox;
pub mod migrate;
#[cfg(test)]
mod outbox_contract;
pub mod sqlite;
