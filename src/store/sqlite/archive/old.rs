//! The chunks of version 0.1, on their way to pages.

use crate::series::{Slot, StoredChunk, StoredPage, Tier};

use super::{BadRow, Failure, pages};
use crate::store::sqlite::SqliteStore;

const OLDEST: &str = "SELECT series, block, tier, bytes FROM chunks \
    WHERE block = (SELECT min(block) FROM chunks) ORDER BY series, tier";
const OLDEST_OF_TIER: &str = "SELECT min(block) FROM chunks WHERE tier = ?1";
const HAS_HORIZONS: &str = "SELECT EXISTS (SELECT 1 FROM horizons)";
/// Version 0.1 did not say when a series retired: it had a chunk in every block until then.
const LISTED: &str = "UPDATE series SET retired = max(retired, ?2) \
    WHERE retired > 0 AND id IN (SELECT series FROM chunks WHERE block = ?1)";
const REMOVE: &str = "DELETE FROM chunks WHERE block = ?1";

pub(super) async fn chunks(store: &SqliteStore) -> Result<Vec<StoredChunk>, Failure> {
    let rows: Vec<(i64, i64, i64, Vec<u8>)> = sqlx::query_as(OLDEST).fetch_all(store.pool()).await?;
    let chunk = |(series, block, tier, bytes): (i64, i64, i64, Vec<u8>)| {
        let known = Tier::from_number(tier).ok_or_else(|| BadRow { table: "chunks", what: format!("tier {tier}") })?;
        Ok(StoredChunk { series: series.cast_unsigned(), block, tier: known, bytes })
    };
    rows.into_iter().map(chunk).collect()
}

pub(super) async fn convert(store: &SqliteStore, block: i64, converted: &[StoredPage]) -> Result<(), Failure> {
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    if !sqlx::query_scalar::<_, bool>(HAS_HORIZONS).fetch_one(&mut *tx).await? {
        for tier in Tier::ALL {
            let query = sqlx::query_scalar(OLDEST_OF_TIER).bind(i64::from(tier.number()));
            let oldest: Option<i64> = query.fetch_one(&mut *tx).await?;
            if let Some(oldest) = oldest {
                pages::set_horizon(&mut tx, tier, Slot::first_of_block(oldest).plus(-1)).await?;
            }
        }
    }
    pages::add(&mut tx, converted).await?;
    sqlx::query(LISTED).bind(block).bind(Slot::last_of_block(block).index()).execute(&mut *tx).await?;
    sqlx::query(REMOVE).bind(block).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}
