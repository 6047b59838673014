//! The storage traits, implemented: SQLite by default. Statements are constants beside their method.

pub mod journal;
pub mod memory;
pub mod migrate;
pub mod sqlite;
