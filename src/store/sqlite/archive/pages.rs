//! Pages.

use std::cmp::Reverse;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use crate::series::{
    GroupId, Merge, PageKey, SLOTS_PER_BLOCK, SLOTS_PER_DAY, SLOTS_PER_EPOCH, Scanned, Slot, StoredPage, Tier,
};

use super::{BadRow, Failure};
use crate::store::sqlite::SqliteStore;

const PUT: &str = "INSERT OR REPLACE INTO pages (grp, tier, first_slot, slots, head, body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const REMOVE: &str = "DELETE FROM pages WHERE grp = ?1 AND tier = ?2 AND first_slot = ?3 AND slots = ?4";
const REMOVE_TICKS: &str = "DELETE FROM ticks WHERE through <= ?1";
const SET_PAGED: &str = "UPDATE archive_state SET paged = ?1 WHERE one = 1 AND (paged IS NULL OR paged < ?1)";

/// A page that there is at the finest tier is newer than any at a coarser one, which are made of it.
const HEADS: &str = "SELECT p.grp, p.tier, p.first_slot, p.slots, p.head, x'' AS body \
    FROM (SELECT DISTINCT grp FROM series INDEXED BY series_live WHERE retired = 0) AS g JOIN pages AS p ON p.rowid = coalesce( \
        (SELECT rowid FROM pages WHERE grp = g.grp AND tier = 0 ORDER BY first_slot DESC LIMIT 1), \
        (SELECT rowid FROM pages WHERE grp = g.grp AND tier = 1 ORDER BY first_slot DESC LIMIT 1), \
        (SELECT rowid FROM pages WHERE grp = g.grp AND tier = 2 ORDER BY first_slot DESC LIMIT 1))";

const OLDEST: &str = "SELECT min(first_slot) FROM pages WHERE tier = ?1 AND slots = ?2";
const MERGEABLE: &str = "SELECT grp, tier, first_slot, slots, head, body FROM pages \
    WHERE tier = ?1 AND slots = ?2 AND first_slot BETWEEN ?3 AND ?4 AND grp IN ( \
        SELECT DISTINCT grp FROM pages WHERE tier = ?1 AND slots = ?2 AND first_slot BETWEEN ?3 AND ?4 \
        ORDER BY grp LIMIT ?5) \
    ORDER BY grp, first_slot";

const SCAN: &str = "SELECT p.grp, p.tier, p.first_slot, p.slots, p.head, p.body FROM json_each(?1) AS wanted \
    JOIN pages AS p ON p.grp = wanted.value AND p.tier = ?2 AND p.first_slot BETWEEN ?3 - ?4 AND ?5 \
    WHERE p.first_slot + p.slots > ?3 ORDER BY p.grp, p.first_slot";
const BEFORE: &str = "SELECT rowid, first_slot, slots FROM pages WHERE grp = ?1 AND tier = ?2 AND first_slot <= ?3 \
    ORDER BY first_slot DESC LIMIT 1";
const AFTER: &str = "SELECT rowid, first_slot, slots FROM pages WHERE grp = ?1 AND tier = ?2 AND first_slot > ?3 \
    ORDER BY first_slot LIMIT 1";
const ONE: &str = "SELECT grp, tier, first_slot, slots, head, body FROM pages WHERE rowid = ?1";

const READ_HORIZONS: &str = "SELECT tier, slot FROM horizons";
const SET_HORIZON: &str = "INSERT INTO horizons (tier, slot) VALUES (?1, ?2) \
    ON CONFLICT (tier) DO UPDATE SET slot = max(slot, excluded.slot)";
const EXPIRE: &str = "DELETE FROM pages WHERE tier = ?1 AND slots = ?2 AND first_slot <= ?3 - ?2 + 1";
const FORGET_SERIES: &str = "DELETE FROM series WHERE retired > 0 AND retired <= ?1 AND ended <= ?1 AND NOT EXISTS \
    (SELECT 1 FROM pages WHERE pages.grp = series.grp AND pages.first_slot <= series.retired)";
const REMOVE_LIVED: &str = "DELETE FROM lived WHERE last <= ?1";

/// The longest page of each tier.
const LONGEST: [i64; 3] = [SLOTS_PER_BLOCK, SLOTS_PER_DAY, SLOTS_PER_EPOCH];

pub(super) async fn put(store: &SqliteStore, through: Slot, pages: &[StoredPage]) -> Result<(), Failure> {
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    add(&mut tx, pages).await?;
    sqlx::query(SET_PAGED).bind(through.index()).execute(&mut *tx).await?;
    sqlx::query(REMOVE_TICKS).bind(through.index()).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

pub(super) async fn add(tx: &mut Transaction<'_, Sqlite>, pages: &[StoredPage]) -> Result<(), Failure> {
    for page in pages {
        let key = &page.key;
        let query = sqlx::query(PUT).bind(key.group.cast_signed()).bind(i64::from(key.tier.number()));
        let query = query.bind(key.first.index()).bind(key.slots);
        query.bind(page.head.as_slice()).bind(page.body.as_slice()).execute(&mut **tx).await?;
    }
    Ok(())
}

pub(super) async fn heads(connection: &mut SqliteConnection) -> Result<Vec<StoredPage>, Failure> {
    sqlx::query(HEADS).fetch_all(connection).await?.iter().map(page).collect()
}

pub(super) async fn mergeable(
    store: &SqliteStore,
    merge: Merge,
    through: Slot,
    groups: usize,
) -> Result<Vec<StoredPage>, Failure> {
    let tier = i64::from(merge.tier.number());
    let oldest: Option<i64> = sqlx::query_scalar(OLDEST).bind(tier).bind(merge.slots).fetch_one(store.pool()).await?;
    let Some(oldest) = oldest.map(Slot::new) else { return Ok(Vec::new()) };
    let (first, last) = (oldest.first_of_window(merge.into), oldest.last_of_window(merge.into));
    if last > through {
        return Ok(Vec::new());
    }
    let query = sqlx::query(MERGEABLE).bind(tier).bind(merge.slots).bind(first.index()).bind(last.index());
    query.bind(i64::try_from(groups)?).fetch_all(store.pool()).await?.iter().map(page).collect()
}

pub(super) async fn merge(store: &SqliteStore, sources: &[PageKey], merged: &[StoredPage]) -> Result<(), Failure> {
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    replace(&mut tx, sources, merged).await?;
    Ok(tx.commit().await?)
}

/// Removes pages, then adds others.
pub(super) async fn replace(
    tx: &mut Transaction<'_, Sqlite>,
    sources: &[PageKey],
    pages: &[StoredPage],
) -> Result<(), Failure> {
    for key in sources {
        let query = sqlx::query(REMOVE).bind(key.group.cast_signed()).bind(i64::from(key.tier.number()));
        query.bind(key.first.index()).bind(key.slots).execute(&mut **tx).await?;
    }
    add(tx, pages).await
}

/// All pages of a group that reach into a range, of all tiers.
pub(super) async fn overlapping(
    store: &SqliteStore,
    group: GroupId,
    first: Slot,
    last: Slot,
) -> Result<Vec<StoredPage>, Failure> {
    let wanted = serde_json::to_string(&[group])?;
    let mut tx = store.pool().begin().await?;
    let mut pages = Vec::new();
    for (tier, longest) in Tier::ALL.into_iter().zip(LONGEST) {
        let query = sqlx::query(SCAN).bind(&wanted).bind(i64::from(tier.number()));
        let query = query.bind(first.index()).bind(longest).bind(last.index());
        for row in query.fetch_all(&mut *tx).await? {
            pages.push(page(&row)?);
        }
    }
    tx.commit().await?;
    Ok(pages)
}

/// Of each tier only what no finer one has.
pub(super) async fn scan(store: &SqliteStore, groups: &[GroupId], first: Slot, last: Slot) -> Result<Scanned, Failure> {
    let wanted = serde_json::to_string(groups)?;
    // One transaction: no page is merged or removed between two reads.
    let mut tx = store.pool().begin().await?;
    let horizons = horizons(&mut tx).await?;
    let mut pages = Vec::new();
    let mut last = last;
    for (tier, (horizon, longest)) in Tier::ALL.into_iter().zip(horizons.into_iter().zip(LONGEST)) {
        let query = sqlx::query(SCAN).bind(&wanted).bind(i64::from(tier.number()));
        let query = query.bind(first.max(horizon.plus(1)).index()).bind(longest).bind(last.index());
        for row in query.fetch_all(&mut *tx).await? {
            pages.push(page(&row)?);
        }
        last = last.min(horizon);
        if last < first {
            break;
        }
    }
    tx.commit().await?;
    pages.sort_by_key(|p| p.key);
    Ok(Scanned { pages, horizons })
}

async fn horizons(connection: &mut SqliteConnection) -> Result<[Slot; 3], Failure> {
    let mut out = [Slot::NONE; 3];
    let rows: Vec<(i64, i64)> = sqlx::query_as(READ_HORIZONS).fetch_all(connection).await?;
    for (tier, slot) in rows {
        if let Some(horizon) = usize::try_from(tier).ok().and_then(|t| out.get_mut(t)) {
            *horizon = Slot::new(slot);
        }
    }
    Ok(out)
}

pub(super) async fn nearest(
    store: &SqliteStore,
    places: &[(GroupId, Slot)],
) -> Result<Vec<Option<StoredPage>>, Failure> {
    let mut tx = store.pool().begin().await?;
    let horizons = horizons(&mut tx).await?;
    let mut out = Vec::with_capacity(places.len());
    for (group, slot) in places {
        let before = of_all_tiers(&mut tx, BEFORE, *group, *slot).await?;
        let reach = |found: &Found| (found.first + found.slots - 1).min(slot.index());
        let found = match before.into_iter().max_by_key(|f| (reach(f), Reverse(f.tier.rank(*slot, horizons)))) {
            Some(found) => Some(found),
            None => of_all_tiers(&mut tx, AFTER, *group, *slot).await?.into_iter().min_by_key(|f| f.first),
        };
        out.push(match found {
            Some(Found { rowid, .. }) => Some(page(&sqlx::query(ONE).bind(rowid).fetch_one(&mut *tx).await?)?),
            None => None,
        });
    }
    tx.commit().await?;
    Ok(out)
}

/// A page that was found.
struct Found {
    tier: Tier,
    rowid: i64,
    first: i64,
    slots: i64,
}

/// What a statement finds in each tier, the finest first.
async fn of_all_tiers(
    connection: &mut SqliteConnection,
    statement: &'static str,
    group: GroupId,
    slot: Slot,
) -> Result<Vec<Found>, Failure> {
    let mut out = Vec::new();
    for tier in Tier::ALL {
        let query =
            sqlx::query_as::<_, (i64, i64, i64)>(statement).bind(group.cast_signed()).bind(i64::from(tier.number()));
        let found = query.bind(slot.index()).fetch_optional(&mut *connection).await?;
        out.extend(found.map(|(rowid, first, slots)| Found { tier, rowid, first, slots }));
    }
    Ok(out)
}

pub(super) async fn expire(store: &SqliteStore, through: [Slot; 3]) -> Result<u64, Failure> {
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    for (tier, slot) in Tier::ALL.into_iter().zip(through) {
        let tier = i64::from(tier.number());
        for slots in LONGEST {
            sqlx::query(EXPIRE).bind(tier).bind(slots).bind(slot.index()).execute(&mut *tx).await?;
        }
        sqlx::query(SET_HORIZON).bind(tier).bind(slot.index()).execute(&mut *tx).await?;
    }
    let oldest = through.into_iter().min().unwrap_or(Slot::NONE).index();
    sqlx::query(REMOVE_LIVED).bind(oldest).execute(&mut *tx).await?;
    let forgotten = sqlx::query(FORGET_SERIES).bind(oldest).execute(&mut *tx).await?.rows_affected();
    tx.commit().await?;
    Ok(forgotten)
}

/// Says up to where a tier had expired before its first page.
pub(super) async fn set_horizon(tx: &mut Transaction<'_, Sqlite>, tier: Tier, slot: Slot) -> Result<(), Failure> {
    sqlx::query(SET_HORIZON).bind(i64::from(tier.number())).bind(slot.index()).execute(&mut **tx).await?;
    Ok(())
}

fn page(row: &SqliteRow) -> Result<StoredPage, Failure> {
    let tier: i64 = row.try_get("tier")?;
    let key = PageKey {
        group: row.try_get::<i64, _>("grp")?.cast_unsigned(),
        tier: Tier::from_number(tier).ok_or_else(|| BadRow { table: "pages", what: format!("tier {tier}") })?,
        first: Slot::new(row.try_get("first_slot")?),
        slots: row.try_get("slots")?,
    };
    Ok(StoredPage { key, head: row.try_get("head")?, body: row.try_get("body")? })
}
