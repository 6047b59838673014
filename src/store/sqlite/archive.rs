//! The archive in SQLite: the state and the ticks here, the rest in a file each.

mod old;
mod pages;
mod series;
mod space;

use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::base::Timestamp;
use crate::base::clock::BoxFuture;
use crate::series::{
    Archive, ArchiveError, GroupId, Merge, PageKey, Restored, RetiredQuery, Scanned, SeriesDef, Slot, StoredChunk,
    StoredPage, Tick, VitalKey, VitalState,
};

use super::SqliteStore;

pub(super) use space::prepare;

const CREATE_STATE: &str = "INSERT INTO archive_state (one, identity) VALUES (1, ?1) ON CONFLICT DO NOTHING";
const READ_STATE: &str = "SELECT identity, through, entry, coalesce(paged, compacted * 720 + 719), last_series, \
    last_group FROM archive_state WHERE one = 1";
const ADVANCE: &str = "UPDATE archive_state SET through = ?1, entry = ?2 \
    WHERE one = 1 AND (through IS NULL OR through < ?1)";

const READ_TICKS: &str = "SELECT through, data FROM ticks ORDER BY through";
const ADD_TICK: &str = "INSERT INTO ticks (through, data) VALUES (?1, ?2)";

const READ_LIVED: &str = "SELECT first, last FROM lived ORDER BY first";
const EXTEND_LIVED: &str = "UPDATE lived SET last = ?2 WHERE last = ?1 - 1";
const ADD_LIVED: &str = "INSERT OR REPLACE INTO lived (first, last) VALUES (?1, ?2)";

const READ_VITALS: &str = "SELECT site, id, metric, state, settled_at FROM vitals";
const PUT_VITAL: &str = "INSERT OR REPLACE INTO vitals (site, id, metric, state, settled_at) \
    VALUES (?1, ?2, ?3, ?4, ?5)";
const FORGET_VITALS: &str = "DELETE FROM vitals WHERE settled_at <= ?1";

/// A row that contradicts the schema's meaning.
#[derive(Debug, thiserror::Error)]
#[error("table {table} holds a row that makes no sense: {what}")]
struct BadRow {
    table: &'static str,
    what: String,
}

/// Identity, `through`, entry, `paged`, the last series, the last group.
type StateRow = (String, Option<i64>, i64, Option<i64>, i64, i64);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn reading(source: impl Into<Failure>) -> ArchiveError {
    ArchiveError { operation: "read", source: source.into() }
}

fn writing(source: impl Into<Failure>) -> ArchiveError {
    ArchiveError { operation: "written", source: source.into() }
}

impl Archive for SqliteStore {
    fn load(&self) -> BoxFuture<'_, Result<Restored, ArchiveError>> {
        Box::pin(async move { load(self).await.map_err(reading) })
    }

    fn append_tick<'a>(&'a self, tick: &'a Tick) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move { append_tick(self, tick).await.map_err(writing) })
    }

    fn put_pages<'a>(&'a self, through: Slot, pages: &'a [StoredPage]) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move {
            pages::put(self, through, pages).await.map_err(writing)?;
            space::give_back_much(self).await;
            Ok(())
        })
    }

    fn mergeable(
        &self,
        merge: Merge,
        through: Slot,
        groups: usize,
    ) -> BoxFuture<'_, Result<Vec<StoredPage>, ArchiveError>> {
        Box::pin(async move { pages::mergeable(self, merge, through, groups).await.map_err(reading) })
    }

    fn merge<'a>(
        &'a self,
        sources: &'a [PageKey],
        merged: &'a [StoredPage],
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move { pages::merge(self, sources, merged).await.map_err(writing) })
    }

    fn scan<'a>(
        &'a self,
        groups: &'a [GroupId],
        first: Slot,
        last: Slot,
    ) -> BoxFuture<'a, Result<Scanned, ArchiveError>> {
        Box::pin(async move { pages::scan(self, groups, first, last).await.map_err(reading) })
    }

    fn overlapping(
        &self,
        group: GroupId,
        first: Slot,
        last: Slot,
    ) -> BoxFuture<'_, Result<Vec<StoredPage>, ArchiveError>> {
        Box::pin(async move { pages::overlapping(self, group, first, last).await.map_err(reading) })
    }

    fn nearest<'a>(
        &'a self,
        places: &'a [(GroupId, Slot)],
    ) -> BoxFuture<'a, Result<Vec<Option<StoredPage>>, ArchiveError>> {
        Box::pin(async move { pages::nearest(self, places).await.map_err(reading) })
    }

    fn retired<'a>(&'a self, query: &'a RetiredQuery) -> BoxFuture<'a, Result<Vec<SeriesDef>, ArchiveError>> {
        Box::pin(async move { series::retired(self, query).await.map_err(reading) })
    }

    fn metrics<'a>(&'a self, groups: &'a [GroupId]) -> BoxFuture<'a, Result<Vec<(GroupId, String)>, ArchiveError>> {
        Box::pin(async move { series::metrics(self, groups).await.map_err(reading) })
    }

    fn expire<'a>(&'a self, through: [Slot; 3]) -> BoxFuture<'a, Result<u64, ArchiveError>> {
        Box::pin(async move {
            let forgotten = pages::expire(self, through).await.map_err(writing)?;
            space::give_back(self).await.map_err(writing)?;
            Ok(forgotten)
        })
    }

    fn old_chunks(&self) -> BoxFuture<'_, Result<Vec<StoredChunk>, ArchiveError>> {
        Box::pin(async move { old::chunks(self).await.map_err(reading) })
    }

    fn convert<'a>(&'a self, block: i64, pages: &'a [StoredPage]) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move { old::convert(self, block, pages).await.map_err(writing) })
    }
}

async fn load(store: &SqliteStore) -> Result<Restored, Failure> {
    let identity = uuid::Uuid::new_v4().simple().to_string();
    sqlx::query(CREATE_STATE).bind(identity).execute(store.pool()).await?;
    old::give_groups(store).await?;
    old::give_metrics(store).await?;
    // One transaction: everything is as of one tick.
    let mut tx = store.pool().begin().await?;
    let (identity, through, entry, paged, last_series, last_group): StateRow =
        sqlx::query_as(READ_STATE).fetch_one(&mut *tx).await?;
    let bad = |what: String| BadRow { table: "archive_state", what };
    let archive = u128::from_str_radix(&identity, 16).map_err(|_| bad(format!("identity {identity:?}")))?;
    let lived: Vec<(i64, i64)> = sqlx::query_as(READ_LIVED).fetch_all(&mut *tx).await?;
    let ticks: Vec<(i64, Vec<u8>)> = sqlx::query_as(READ_TICKS).fetch_all(&mut *tx).await?;
    let restored = Restored {
        archive,
        through: through.map(Slot::new),
        entry: entry.cast_unsigned(),
        paged: paged.map(Slot::new),
        series: series::load(&mut tx).await?,
        last_series: last_series.cast_unsigned(),
        last_group: last_group.cast_unsigned(),
        ended: series::ended(&mut tx).await?,
        live: lived.into_iter().map(|(first, last)| (Slot::new(first), Slot::new(last))).collect(),
        heads: pages::heads(&mut tx).await?,
        ticks: ticks.into_iter().map(|(through, data)| (Slot::new(through), data)).collect(),
        vitals: load_vitals(&mut tx).await?,
    };
    tx.commit().await?;
    Ok(restored)
}

async fn load_vitals(connection: &mut SqliteConnection) -> Result<Vec<(VitalKey, VitalState)>, Failure> {
    type VitalRow = (String, String, String, Option<Vec<u8>>, Option<i64>);
    let rows: Vec<VitalRow> = sqlx::query_as(READ_VITALS).fetch_all(connection).await?;
    let mut out = Vec::with_capacity(rows.len());
    for (site, id, metric, state, settled_at) in rows {
        let state = match (state, settled_at) {
            (_, Some(at)) => VitalState::Settled(Timestamp::from_millis(at)),
            (Some(state), None) => VitalState::Pending(state),
            (None, None) => return Err(BadRow { table: "vitals", what: format!("{id:?} has no state") }.into()),
        };
        out.push((VitalKey { site, id, metric }, state));
    }
    Ok(out)
}

async fn append_tick(store: &SqliteStore, tick: &Tick) -> Result<(), Failure> {
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    let through = tick.through.index();
    let advanced = sqlx::query(ADVANCE).bind(through).bind(tick.entry.cast_signed()).execute(&mut *tx).await?;
    if advanced.rows_affected() == 0 {
        // Already there: the answer to an earlier attempt was lost.
        return Ok(tx.rollback().await?);
    }
    series::add(&mut tx, &tick.series).await?;
    series::retire(&mut tx, &tick.retired).await?;
    if !tick.data.is_empty() {
        sqlx::query(ADD_TICK).bind(through).bind(tick.data.as_slice()).execute(&mut *tx).await?;
    }
    append_lived(&mut tx, &tick.live).await?;
    append_vitals(&mut tx, tick).await?;
    pages::replace(&mut tx, &tick.history.sources, &tick.history.pages).await?;
    series::set_born(&mut tx, &tick.history.born).await?;
    Ok(tx.commit().await?)
}

async fn append_lived(tx: &mut Transaction<'_, Sqlite>, live: &[(Slot, Slot)]) -> Result<(), Failure> {
    for (first, last) in live {
        let extended = sqlx::query(EXTEND_LIVED).bind(first.index()).bind(last.index()).execute(&mut **tx).await?;
        if extended.rows_affected() == 0 {
            sqlx::query(ADD_LIVED).bind(first.index()).bind(last.index()).execute(&mut **tx).await?;
        }
    }
    Ok(())
}

async fn append_vitals(tx: &mut Transaction<'_, Sqlite>, tick: &Tick) -> Result<(), Failure> {
    for (key, state) in &tick.vitals {
        let (state, settled_at) = match state {
            VitalState::Pending(bytes) => (Some(bytes.as_slice()), None),
            VitalState::Settled(at) => (None, Some(at.as_millis())),
        };
        let query = sqlx::query(PUT_VITAL).bind(&key.site).bind(&key.id).bind(&key.metric);
        query.bind(state).bind(settled_at).execute(&mut **tx).await?;
    }
    sqlx::query(FORGET_VITALS).bind(tick.forget_settled_before.as_millis()).execute(&mut **tx).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
