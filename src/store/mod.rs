//! The storage traits, implemented: SQLite by default. Statements are constants beside their method.

pub mod memory_outbox;
pub mod journal;
pub mod memory;
#[cfg(test)]
mod contract;
pub mod memory_ledger;
pub mod migrate;
#[cfg(test)]
mod outbox_contract;
pub mod sqlite;
