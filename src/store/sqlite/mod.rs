//! The embedded default: one SQLite file.

mod archive;
pub mod backup;
mod ledger;
pub mod outbox;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    SqliteTransactionManager,
};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use sqlx_core::transaction::TransactionManager;

use super::migrate::{MigrateError, Migration, migrate};

/// All migrations of the SQLite schema, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "archive", sql: include_str!("../../../migrations/sqlite/0001_archive.sql") },
    Migration { number: 2, name: "ledger", sql: include_str!("../../../migrations/sqlite/0002_ledger.sql") },
    Migration { number: 3, name: "outbox", sql: include_str!("../../../migrations/sqlite/0003_outbox.sql") },
    Migration { number: 4, name: "pages", sql: include_str!("../../../migrations/sqlite/0004_pages.sql") },
    Migration { number: 5, name: "retired", sql: include_str!("../../../migrations/sqlite/0005_retired.sql") },
];

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be opened.
    #[error("database {path} could not be opened")]
    Open {
        /// Which file.
        path: String,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("database {path} could not be migrated")]
    Migrate {
        /// Which file.
        path: String,
        /// Why.
        source: MigrateError,
    },
}

/// An open SQLite database with the present schema.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
}

impl SqliteStore {
    /// Opens or creates the file and applies missing migrations, which are returned too.
    ///
    /// WAL, so that readers and the one writer do not wait for each other; `synchronous=FULL`, so that
    /// what is committed survives a power cut.
    pub async fn open(path: &Path) -> Result<(Self, Vec<Migration>), OpenError> {
        let name = path.display().to_string();
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .pragma("journal_size_limit", "4194304")
            .busy_timeout(Duration::from_secs(10));
        let pool =
            SqlitePoolOptions::new().max_connections(4).before_acquire(|connection, _| Box::pin(settle(connection)));
        let pool = pool.connect_with(options).await;
        let pool = pool.map_err(|source| OpenError::Open { path: name.clone(), source })?;
        archive::prepare(&pool).await.map_err(|source| OpenError::Open { path: name.clone(), source })?;
        let applied = migrate(&pool, MIGRATIONS).await.map_err(|source| OpenError::Migrate { path: name, source })?;
        Ok((Self { pool }, applied))
    }

    /// The connections, for the implementations beside this file.
    pub(in crate::store) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Closes all connections; what was committed is in the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// On a full disk SQLite ends a transaction by itself, and sqlx then counts it as open for ever: no other one can begin on
/// that connection, and on that disk no other connection can be opened. One that is open in truth ends for both.
async fn settle(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
        if connection.is_in_transaction() {
            SqliteTransactionManager::rollback(connection).await?;
        } else {
            // It had ended meanwhile.
            sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
        }
    }
    Ok(true)
}
