//! Giving space back to the file system: SQLite keeps what rows leave free, unless it is told.

use sqlx::{SqliteConnection, SqlitePool};

use super::Failure;
use crate::store::sqlite::SqliteStore;

const MODE: &str = "PRAGMA auto_vacuum";
const SIZE: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
const FREE: &str = "PRAGMA freelist_count";
const PAGES: &str = "PRAGMA page_count";
const GIVE_BACK: &str = "PRAGMA incremental_vacuum(1000)";
const TRUNCATE: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// A file of an earlier version that is larger than this is left as it is: to rewrite it would take too long.
const REWRITE_UP_TO_BYTES: i64 = 256 << 20;
/// Steps of 1,000 pages at one call: 80 MB.
const STEPS: usize = 20;

/// Makes a database of an earlier version able to give space back, by writing it anew, when it is small.
pub(in crate::store::sqlite) async fn prepare(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mode: i64 = sqlx::query_scalar(MODE).fetch_one(&mut *connection).await?;
    if mode != 0 {
        return Ok(());
    }
    let bytes: i64 = sqlx::query_scalar(SIZE).fetch_one(&mut *connection).await?;
    if bytes > REWRITE_UP_TO_BYTES {
        tracing::warn!(bytes, "the database keeps the space of what expires: run VACUUM after PRAGMA auto_vacuum = 2");
        return Ok(());
    }
    sqlx::query("PRAGMA auto_vacuum = INCREMENTAL").execute(&mut *connection).await?;
    sqlx::query("VACUUM").execute(&mut *connection).await?;
    Ok(())
}

/// Gives back what is free beyond a tenth of the file, in small steps, and the journal of SQLite with it.
pub(super) async fn give_back(store: &SqliteStore) -> Result<(), Failure> {
    let mut connection = store.pool().acquire().await?;
    for _ in 0..STEPS {
        if !has_free(&mut connection, 10).await? {
            break;
        }
        sqlx::query(GIVE_BACK).execute(&mut *connection).await?;
    }
    sqlx::query(TRUNCATE).execute(&mut *connection).await?;
    Ok(())
}

/// The same when more than a third is free: ticks that have become pages leave room for the ticks to come, but after
/// a sender caught up with an hour they leave far more. That it fails is no reason to do anything again.
pub(super) async fn give_back_much(store: &SqliteStore) {
    let given_back = async {
        let has_much = has_free(&mut *store.pool().acquire().await?, 3).await?;
        if has_much { give_back(store).await } else { Ok(()) }
    };
    if let Err(error) = given_back.await {
        tracing::debug!(%error, "the database kept free space; it is tried again when samples expire");
    }
}

/// Whether so great a part of the file is free, and enough to be worth it.
async fn has_free(connection: &mut SqliteConnection, part: i64) -> Result<bool, sqlx::Error> {
    let free: i64 = sqlx::query_scalar(FREE).fetch_one(&mut *connection).await?;
    let pages: i64 = sqlx::query_scalar(PAGES).fetch_one(&mut *connection).await?;
    Ok(free >= 1000.max(pages / part))
}
