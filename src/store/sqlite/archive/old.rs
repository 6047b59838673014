//! What earlier versions stored: the chunks of version 0.1 on their way to pages, and what their rows of series lack
//! and no statement can tell.

use crate::series::{Groups, Slot, StoredChunk, StoredPage, Tier};

use super::{BadRow, Failure, pages, series};
use crate::store::sqlite::SqliteStore;

const OLDEST: &str = "SELECT c.series, s.grp, c.block, c.tier, c.bytes FROM chunks AS c JOIN series AS s ON s.id = c.series \
    WHERE c.block = (SELECT min(block) FROM chunks JOIN series ON id = series) ORDER BY c.series, c.tier";
const OLDEST_OF_TIER: &str = "SELECT min(block) FROM chunks WHERE tier = ?1";
const HAS_HORIZONS: &str = "SELECT EXISTS (SELECT 1 FROM horizons)";
/// Version 0.1 did not say when a series retired: it had a chunk in every block until then.
const LISTED: &str = "UPDATE series SET retired = max(retired, ?2), ended = max(ended, ?2) \
    WHERE retired > 0 AND id IN (SELECT series FROM chunks WHERE block = ?1)";
const REMOVE: &str = "DELETE FROM chunks WHERE block = ?1";

const HAS_UNGROUPED: &str = "SELECT EXISTS (SELECT 1 FROM series WHERE grp = 0)";
const GROUP: &str = "UPDATE series SET grp = ?2 WHERE id = ?1";
const SET_LAST_GROUP: &str = "UPDATE archive_state SET last_group = max(last_group, ?1) WHERE one = 1";

const UNNAMED: &str = "SELECT id, grp, kind, born, retired, ended, packed, CASE WHEN packed IS NULL THEN labels END \
    FROM series INDEXED BY series_unnamed WHERE metric IS NULL ORDER BY id LIMIT 10000";
const NAME: &str = "UPDATE series SET metric = ?2 WHERE id = ?1";

pub(super) async fn chunks(store: &SqliteStore) -> Result<Vec<StoredChunk>, Failure> {
    let rows: Vec<(i64, i64, i64, i64, Vec<u8>)> = sqlx::query_as(OLDEST).fetch_all(store.pool()).await?;
    let chunk = |(series, group, block, tier, bytes): (i64, i64, i64, i64, Vec<u8>)| {
        let known = Tier::from_number(tier).ok_or_else(|| BadRow { table: "chunks", what: format!("tier {tier}") })?;
        Ok(StoredChunk { series: series.cast_unsigned(), group: group.cast_unsigned(), block, tier: known, bytes })
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

/// Gives a group to what version 0.1 left without one.
pub(super) async fn give_groups(store: &SqliteStore) -> Result<(), Failure> {
    if !sqlx::query_scalar::<_, bool>(HAS_UNGROUPED).fetch_one(store.pool()).await? {
        return Ok(());
    }
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    let all = series::load_all(&mut tx).await?;
    let mut groups = Groups::default();
    for def in all.iter().filter(|d| d.group != 0) {
        groups.enter(def.labels.metric_name(), def.kind, def.group);
    }
    for def in all.iter().filter(|d| d.group == 0) {
        let group = groups.assign(def.labels.metric_name(), def.kind);
        sqlx::query(GROUP).bind(def.id.cast_signed()).bind(group.cast_signed()).execute(&mut *tx).await?;
    }
    sqlx::query(SET_LAST_GROUP).bind(groups.last().cast_signed()).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// Writes beside the labels which metric they are of, where an earlier version did not.
pub(super) async fn give_metrics(store: &SqliteStore) -> Result<(), Failure> {
    loop {
        let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
        let rows: Vec<series::SeriesRow> = sqlx::query_as(UNNAMED).fetch_all(&mut *tx).await?;
        if rows.is_empty() {
            return Ok(tx.rollback().await?);
        }
        for row in rows {
            let def = series::definition(row)?;
            sqlx::query(NAME).bind(def.id.cast_signed()).bind(def.labels.metric_name()).execute(&mut *tx).await?;
        }
        tx.commit().await?;
    }
}
