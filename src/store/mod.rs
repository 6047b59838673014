//! The storage traits, implemented: SQLite by default. Statements are constants beside their method.

#[cfg(test)]
mod contract;
pub mod memory_ledger;
pub mod migrate;
pub mod sqlite;
