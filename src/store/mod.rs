//! The storage traits, implemented: SQLite by default. Statements are constants beside their method.

#[cfg(test)]
mod contract;
pub mod journal;
pub mod memory;
pub mod memory_ledger;
pub mod memory_outbox;
pub mod migrate;
#[cfg(test)]
mod outbox_contract;
pub mod sqlite;
