//! Migrations go forward only. Each is applied once, in a transaction, and remembered with its checksum.

use sqlx::{Sqlite, SqliteConnection, SqlitePool};

/// One migration: its number and name, and its SQL.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Ascending from 1, the same in every database.
    pub number: i64,
    /// The file's name without number and extension.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// Why the schema is not what this version needs.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A statement failed; nothing of this migration was kept.
    #[error("migration {number} ({name}) failed")]
    Apply {
        /// Which.
        number: i64,
        /// Its name.
        name: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The list of applied migrations could not be read.
    #[error("the list of applied migrations could not be read")]
    Read(#[source] sqlx::Error),
    /// A migration was applied in another wording.
    #[error("migration {number} ({name}) was changed after it had been applied: restore the released version")]
    Altered {
        /// Which.
        number: i64,
        /// Its name.
        name: &'static str,
    },
    /// The database is newer than this program.
    #[error("the database has migration {0}, which this version does not know: use a newer plimsoll")]
    Unknown(i64),
}

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
    (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)";
const APPLIED: &str = "SELECT number, checksum FROM schema_migrations ORDER BY number";
const REMEMBER: &str = "INSERT INTO schema_migrations (number, name, checksum) VALUES (?1, ?2, ?3)";

/// Applies what is missing and returns what was applied.
pub async fn migrate(pool: &SqlitePool, migrations: &[Migration]) -> Result<Vec<Migration>, MigrateError> {
    sqlx::query(CREATE).execute(pool).await.map_err(MigrateError::Read)?;
    let applied: Vec<(i64, String)> = sqlx::query_as(APPLIED).fetch_all(pool).await.map_err(MigrateError::Read)?;
    if let Some((number, _)) = applied.iter().find(|(n, _)| migrations.iter().all(|m| m.number != *n)) {
        return Err(MigrateError::Unknown(*number));
    }
    let mut done = Vec::new();
    for migration in migrations {
        match applied.iter().find(|(n, _)| *n == migration.number) {
            Some((_, sum)) if *sum == checksum(migration.sql) => {}
            Some(_) => return Err(MigrateError::Altered { number: migration.number, name: migration.name }),
            None => {
                apply(pool, migration).await.map_err(|source| MigrateError::Apply {
                    number: migration.number,
                    name: migration.name,
                    source,
                })?;
                done.push(*migration);
            }
        }
    }
    Ok(done)
}

async fn apply(pool: &SqlitePool, migration: &Migration) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let connection: &mut SqliteConnection = &mut transaction;
    sqlx::raw_sql(migration.sql).execute(&mut *connection).await?;
    sqlx::query::<Sqlite>(REMEMBER)
        .bind(migration.number)
        .bind(migration.name)
        .bind(checksum(migration.sql))
        .execute(&mut *connection)
        .await?;
    transaction.commit().await
}

fn checksum(sql: &str) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(sql.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Migration =
        Migration { number: 1, name: "first", sql: "CREATE TABLE a (x INTEGER); CREATE TABLE b (y)" };

    async fn pool() -> SqlitePool {
        sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap()
    }

    #[tokio::test]
    async fn applies_once_and_notices_changes() {
        let pool = pool().await;
        assert_eq!(migrate(&pool, &[FIRST]).await.unwrap().len(), 1);
        assert_eq!(migrate(&pool, &[FIRST]).await.unwrap().len(), 0);
        let altered = Migration { sql: "CREATE TABLE a (z)", ..FIRST };
        assert!(matches!(migrate(&pool, &[altered]).await, Err(MigrateError::Altered { number: 1, .. })));
        assert!(matches!(migrate(&pool, &[]).await, Err(MigrateError::Unknown(1))));
    }

    #[tokio::test]
    async fn a_failed_migration_leaves_nothing() {
        let pool = pool().await;
        let bad = Migration { number: 1, name: "bad", sql: "CREATE TABLE a (x); CREATE TABLE a (x)" };
        assert!(matches!(migrate(&pool, &[bad]).await, Err(MigrateError::Apply { number: 1, .. })));
        assert_eq!(migrate(&pool, &[FIRST]).await.unwrap().len(), 1);
    }
}
