//! The archive in SQLite.

use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use crate::base::clock::BoxFuture;
use crate::base::{Labels, Timestamp};
use crate::series::{
    Archive, ArchiveError, Restored, SLOTS_PER_BLOCK, SeriesDef, SeriesKind, Slot, StoredChunk, Tick, Tier, VitalKey,
    VitalState,
};

use super::SqliteStore;

const CREATE_STATE: &str = "INSERT INTO archive_state (one, identity) VALUES (1, ?1) ON CONFLICT DO NOTHING";
const READ_STATE: &str = "SELECT identity, through, entry, compacted FROM archive_state WHERE one = 1";
const ADVANCE: &str = "UPDATE archive_state SET through = ?1, entry = ?2 \
    WHERE one = 1 AND (through IS NULL OR through < ?1)";
const SET_COMPACTED: &str = "UPDATE archive_state SET compacted = ?1 \
    WHERE one = 1 AND (compacted IS NULL OR compacted < ?1)";

const READ_SERIES: &str = "SELECT id, labels, kind, retired FROM series ORDER BY id";
const ADD_SERIES: &str = "INSERT INTO series (id, labels, kind) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
const RETIRE_SERIES: &str = "UPDATE series SET retired = 1 WHERE id = ?1";
const FORGET_SERIES: &str = "DELETE FROM series WHERE retired = 1 \
    AND NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.series = series.id) RETURNING id";

const READ_TICKS: &str = "SELECT data FROM ticks ORDER BY through";
const ADD_TICK: &str = "INSERT INTO ticks (through, data) VALUES (?1, ?2)";
const REMOVE_TICKS: &str = "DELETE FROM ticks WHERE through <= ?1";

const READ_LIVED: &str = "SELECT first, last FROM lived ORDER BY first";
const EXTEND_LIVED: &str = "UPDATE lived SET last = ?2 WHERE last = ?1 - 1";
const ADD_LIVED: &str = "INSERT OR REPLACE INTO lived (first, last) VALUES (?1, ?2)";
const REMOVE_LIVED: &str = "DELETE FROM lived WHERE last < ?1";

const PUT_CHUNK: &str = "INSERT OR REPLACE INTO chunks (series, block, tier, bytes) VALUES (?1, ?2, ?3, ?4)";
const BLOCK_CHUNKS: &str = "SELECT series, block, tier, bytes FROM chunks WHERE tier = 0 AND block = ?1";
const SCAN_CHUNKS: &str = "SELECT c.series, c.block, c.tier, c.bytes FROM json_each(?1) AS wanted \
    JOIN chunks AS c ON c.series = wanted.value AND c.block BETWEEN ?2 AND ?3 \
    WHERE c.tier = (SELECT min(f.tier) FROM chunks AS f WHERE f.series = c.series AND f.block = c.block) \
    ORDER BY c.series, c.block";
const NEAREST_CHUNK: &str = "SELECT series, block, tier, bytes FROM chunks WHERE series = ?1 AND block <= ?2 \
    ORDER BY block DESC, tier LIMIT 1";
const NEXT_CHUNK: &str = "SELECT series, block, tier, bytes FROM chunks WHERE series = ?1 AND block > ?2 \
    ORDER BY block, tier LIMIT 1";
const REMOVE_CHUNKS: &str = "DELETE FROM chunks WHERE tier = ?1 AND block < ?2";

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

    fn put_chunks<'a>(&'a self, chunks: &'a [StoredChunk]) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(async move { put_chunks(self, chunks).await.map_err(writing) })
    }

    fn finish_block(&self, block: i64) -> BoxFuture<'_, Result<(), ArchiveError>> {
        Box::pin(async move { finish_block(self, block).await.map_err(writing) })
    }

    fn scan<'a>(
        &'a self,
        series: &'a [u64],
        first: i64,
        last: i64,
    ) -> BoxFuture<'a, Result<Vec<StoredChunk>, ArchiveError>> {
        Box::pin(async move { scan(self, series, first, last).await.map_err(reading) })
    }

    fn nearest<'a>(&'a self, series: &'a [u64], block: i64) -> BoxFuture<'a, Result<Vec<StoredChunk>, ArchiveError>> {
        Box::pin(async move { nearest(self, series, block).await.map_err(reading) })
    }

    fn expire<'a>(&'a self, before: &'a [(Tier, i64)]) -> BoxFuture<'a, Result<Vec<u64>, ArchiveError>> {
        Box::pin(async move { expire(self, before).await.map_err(writing) })
    }
}

async fn load(store: &SqliteStore) -> Result<Restored, Failure> {
    let identity = uuid::Uuid::new_v4().simple().to_string();
    sqlx::query(CREATE_STATE).bind(identity).execute(store.pool()).await?;
    // One transaction: everything is as of one tick.
    let mut tx = store.pool().begin().await?;
    let (identity, through, entry, compacted): (String, Option<i64>, i64, Option<i64>) =
        sqlx::query_as(READ_STATE).fetch_one(&mut *tx).await?;
    let bad = |what: String| BadRow { table: "archive_state", what };
    let archive = u128::from_str_radix(&identity, 16).map_err(|_| bad(format!("identity {identity:?}")))?;
    let chunks = match compacted {
        Some(block) => sqlx::query(BLOCK_CHUNKS).bind(block).fetch_all(&mut *tx).await?,
        None => Vec::new(),
    };
    let lived: Vec<(i64, i64)> = sqlx::query_as(READ_LIVED).fetch_all(&mut *tx).await?;
    let restored = Restored {
        archive,
        through: through.map(Slot::new),
        entry: entry.cast_unsigned(),
        compacted,
        series: load_series(&mut tx).await?,
        live: lived.into_iter().map(|(first, last)| (Slot::new(first), Slot::new(last))).collect(),
        chunks: chunks.iter().map(chunk).collect::<Result<_, _>>()?,
        ticks: sqlx::query_scalar(READ_TICKS).fetch_all(&mut *tx).await?,
        vitals: load_vitals(&mut tx).await?,
    };
    tx.commit().await?;
    Ok(restored)
}

async fn load_series(connection: &mut SqliteConnection) -> Result<Vec<SeriesDef>, Failure> {
    let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(READ_SERIES).fetch_all(connection).await?;
    let mut out = Vec::with_capacity(rows.len());
    for (id, labels, kind, retired) in rows {
        let labels: Labels = serde_json::from_str(&labels)?;
        let known = u8::try_from(kind).ok().and_then(SeriesKind::from_number);
        let kind = known.ok_or_else(|| BadRow { table: "series", what: format!("kind {kind} of series {id}") })?;
        out.push(SeriesDef { id: id.cast_unsigned(), labels, kind, retired: retired != 0 });
    }
    Ok(out)
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
    for def in &tick.series {
        let labels = serde_json::to_string(&def.labels)?;
        let query = sqlx::query(ADD_SERIES).bind(def.id.cast_signed()).bind(labels);
        query.bind(i64::from(def.kind.number())).execute(&mut *tx).await?;
    }
    for id in &tick.retired {
        sqlx::query(RETIRE_SERIES).bind(id.cast_signed()).execute(&mut *tx).await?;
    }
    if !tick.data.is_empty() {
        sqlx::query(ADD_TICK).bind(through).bind(tick.data.as_slice()).execute(&mut *tx).await?;
    }
    append_lived(&mut tx, &tick.live).await?;
    append_vitals(&mut tx, tick).await?;
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

async fn put_chunks(store: &SqliteStore, chunks: &[StoredChunk]) -> Result<(), Failure> {
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    for chunk in chunks {
        let query = sqlx::query(PUT_CHUNK).bind(chunk.series.cast_signed()).bind(chunk.block);
        query.bind(i64::from(chunk.tier.number())).bind(chunk.bytes.as_slice()).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

async fn finish_block(store: &SqliteStore, block: i64) -> Result<(), Failure> {
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(SET_COMPACTED).bind(block).execute(&mut *tx).await?;
    sqlx::query(REMOVE_TICKS).bind(Slot::last_of_block(block).index()).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

async fn scan(store: &SqliteStore, series: &[u64], first: i64, last: i64) -> Result<Vec<StoredChunk>, Failure> {
    let query = sqlx::query(SCAN_CHUNKS).bind(serde_json::to_string(series)?).bind(first).bind(last);
    query.fetch_all(store.pool()).await?.iter().map(chunk).collect()
}

async fn nearest(store: &SqliteStore, series: &[u64], block: i64) -> Result<Vec<StoredChunk>, Failure> {
    let mut connection = store.pool().acquire().await?;
    let mut out = Vec::with_capacity(series.len());
    for id in series {
        for statement in [NEAREST_CHUNK, NEXT_CHUNK] {
            let query = sqlx::query(statement).bind(id.cast_signed()).bind(block);
            if let Some(row) = query.fetch_optional(&mut *connection).await? {
                out.push(chunk(&row)?);
                break;
            }
        }
    }
    out.sort_unstable_by_key(|c| c.series);
    Ok(out)
}

async fn expire(store: &SqliteStore, before: &[(Tier, i64)]) -> Result<Vec<u64>, Failure> {
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    for (tier, block) in before {
        sqlx::query(REMOVE_CHUNKS).bind(i64::from(tier.number())).bind(block).execute(&mut *tx).await?;
    }
    if let Some(oldest) = before.iter().map(|(_, block)| *block).min() {
        sqlx::query(REMOVE_LIVED).bind(oldest.saturating_mul(SLOTS_PER_BLOCK)).execute(&mut *tx).await?;
    }
    let forgotten: Vec<i64> = sqlx::query_scalar(FORGET_SERIES).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    Ok(forgotten.into_iter().map(i64::cast_unsigned).collect())
}

fn chunk(row: &sqlx::sqlite::SqliteRow) -> Result<StoredChunk, Failure> {
    let tier: i64 = row.try_get("tier")?;
    Ok(StoredChunk {
        series: row.try_get::<i64, _>("series")?.cast_unsigned(),
        block: row.try_get("block")?,
        tier: Tier::from_number(tier).ok_or_else(|| BadRow { table: "chunks", what: format!("tier {tier}") })?,
        bytes: row.try_get("bytes")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
        crate::store::memory::contract(&store).await;
    }
}
