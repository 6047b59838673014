//! Definitions of series. One row each; labels as pairs of length-prefixed strings, which are read three times
//! as fast as JSON.

use futures::TryStreamExt;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, Transaction};

use crate::base::Labels;
use crate::series::{GroupId, Retired, RetiredQuery, SeriesDef, SeriesKind, Slot};

use super::{BadRow, Failure};
use crate::store::sqlite::SqliteStore;

const READ_LIVE: &str = "SELECT id, grp, kind, born, retired, ended, packed, CASE WHEN packed IS NULL THEN labels END \
    FROM series INDEXED BY series_live WHERE retired = 0 ORDER BY id";
const READ_ALL: &str = "SELECT id, grp, kind, born, retired, ended, packed, CASE WHEN packed IS NULL THEN labels END \
    FROM series ORDER BY id";
const READ_RETIRED: &str = "SELECT id, grp, kind, born, retired, ended, packed, \
    CASE WHEN packed IS NULL THEN labels END FROM series INDEXED BY series_ended \
    WHERE retired > 0 AND ended >= ?1 AND born <= ?2 LIMIT ?3";
const READ_RETIRED_OF: &str = "SELECT id, grp, kind, born, retired, ended, packed, \
    CASE WHEN packed IS NULL THEN labels END FROM (SELECT value AS name FROM json_each(?4)) \
    CROSS JOIN series INDEXED BY series_metric ON metric = name \
    WHERE retired > 0 AND ended >= ?1 AND born <= ?2 LIMIT ?3";
const NEWEST_ENDED: &str = "SELECT max(ended) FROM series INDEXED BY series_ended WHERE retired > 0";
const METRICS: &str = "SELECT DISTINCT grp, metric FROM (SELECT value AS wanted FROM json_each(?1)) \
    CROSS JOIN series INDEXED BY series_group ON grp = wanted";

const ADD: &str = "INSERT INTO series (id, grp, kind, born, labels, packed, metric) ";
const ADD_ONCE: &str = " ON CONFLICT DO NOTHING";
const SET_LAST: &str = "UPDATE archive_state SET last_series = max(last_series, ?1), last_group = max(last_group, ?2) \
    WHERE one = 1";
const RETIRED: &str = "WITH gone (id, listed, ended) AS (";
const RETIRE: &str = ") UPDATE series SET retired = max(gone.listed, 1), ended = max(gone.ended, 1) FROM gone \
    WHERE series.id = gone.id";

const SET_BORN: &str = "UPDATE series SET born = ?2 WHERE id = ?1 AND born > ?2";

/// Statements, and how they are to find their rows.
#[cfg(test)]
pub(super) const PLANNED: [(&str, &str); 4] = [
    (READ_LIVE, "USING INDEX series_live"),
    (READ_RETIRED, "SEARCH series USING INDEX series_ended (ended>?)"),
    (READ_RETIRED_OF, "SEARCH series USING INDEX series_metric (metric=? AND ended>?)"),
    (METRICS, "SEARCH series USING INDEX series_group (grp=?)"),
];

/// Rows that one statement writes.
const ROWS: usize = 500;

/// Id, group, kind, `born`, `retired`, `ended`, packed labels, labels as JSON.
pub(super) type SeriesRow = (i64, i64, i64, i64, i64, i64, Option<Vec<u8>>, Option<String>);

/// The series that live, ascending by id.
pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Vec<SeriesDef>, Failure> {
    let rows = sqlx::query_as(READ_LIVE).fetch(connection).err_into();
    rows.and_then(async |row| definition(row)).try_collect().await
}

/// All series, ascending by id.
pub(super) async fn load_all(connection: &mut SqliteConnection) -> Result<Vec<SeriesDef>, Failure> {
    let rows = sqlx::query_as(READ_ALL).fetch(connection).err_into();
    rows.and_then(async |row| definition(row)).try_collect().await
}

/// Retired series.
pub(super) async fn retired(store: &SqliteStore, query: &RetiredQuery) -> Result<Vec<SeriesDef>, Failure> {
    let statement = if query.metrics.is_some() { READ_RETIRED_OF } else { READ_RETIRED };
    let mut select = sqlx::query_as(statement).bind(query.first.index()).bind(query.last.index());
    select = select.bind(i64::try_from(query.limit)?);
    if let Some(metrics) = &query.metrics {
        select = select.bind(serde_json::to_string(metrics)?);
    }
    let rows = select.fetch(store.pool()).err_into();
    rows.and_then(async |row| definition(row)).try_collect().await
}

/// The last slot in which any retired series may have something.
pub(super) async fn ended(connection: &mut SqliteConnection) -> Result<Option<Slot>, Failure> {
    let newest: Option<i64> = sqlx::query_scalar(NEWEST_ENDED).fetch_one(connection).await?;
    Ok(newest.map(Slot::new))
}

/// The metrics of groups.
pub(super) async fn metrics(store: &SqliteStore, groups: &[GroupId]) -> Result<Vec<(GroupId, String)>, Failure> {
    let wanted = serde_json::to_string(groups)?;
    let rows: Vec<(i64, String)> = sqlx::query_as(METRICS).bind(wanted).fetch_all(store.pool()).await?;
    Ok(rows.into_iter().map(|(group, metric)| (group.cast_unsigned(), metric)).collect())
}

pub(super) fn definition(row: SeriesRow) -> Result<SeriesDef, Failure> {
    let (id, group, kind, born, retired, ended, packed, json) = row;
    let known = u8::try_from(kind).ok().and_then(SeriesKind::from_number);
    let bad = |what: String| BadRow { table: "series", what };
    let labels = match (packed, json) {
        (Some(packed), _) => unpack(&packed).ok_or_else(|| bad(format!("labels of series {id}")))?,
        (None, json) => serde_json::from_str(&json.unwrap_or_default())?,
    };
    Ok(SeriesDef {
        id: id.cast_unsigned(),
        group: group.cast_unsigned(),
        labels,
        kind: known.ok_or_else(|| bad(format!("kind {kind} of series {id}")))?,
        born: Slot::new(born),
        retired: (retired != 0).then_some(Retired { listed: Slot::new(retired), ended: Slot::new(ended) }),
    })
}

/// Series that have something earlier than was known.
pub(super) async fn set_born(tx: &mut Transaction<'_, Sqlite>, born: &[(u64, Slot)]) -> Result<(), Failure> {
    for (id, slot) in born {
        sqlx::query(SET_BORN).bind(id.cast_signed()).bind(slot.index()).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Adds what is new.
pub(super) async fn add(tx: &mut Transaction<'_, Sqlite>, series: &[SeriesDef]) -> Result<(), Failure> {
    for some in series.chunks(ROWS) {
        let mut statement = QueryBuilder::<Sqlite>::new(ADD);
        statement.push_values(some, |mut row, def| {
            row.push_bind(def.id.cast_signed()).push_bind(def.group.cast_signed());
            row.push_bind(i64::from(def.kind.number())).push_bind(def.born.index()).push("''");
            row.push_bind(pack(&def.labels)).push_bind(def.labels.metric_name());
        });
        statement.push(ADD_ONCE).build().execute(&mut **tx).await?;
    }
    let last = (series.iter().map(|d| d.id).max(), series.iter().map(|d| d.group).max());
    if let (Some(series), Some(group)) = last {
        sqlx::query(SET_LAST).bind(series.cast_signed()).bind(group.cast_signed()).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Marks as retired.
pub(super) async fn retire(tx: &mut Transaction<'_, Sqlite>, gone: &[(u64, Retired)]) -> Result<(), Failure> {
    for some in gone.chunks(ROWS) {
        let mut statement = QueryBuilder::<Sqlite>::new(RETIRED);
        statement.push_values(some, |mut row, (id, retired)| {
            row.push_bind(id.cast_signed()).push_bind(retired.listed.index()).push_bind(retired.ended.index());
        });
        statement.push(RETIRE).build().execute(&mut **tx).await?;
    }
    Ok(())
}

pub(super) fn pack(labels: &Labels) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in labels.iter() {
        for text in [name, value] {
            put_length(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// LEB128.
fn put_length(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn unpack(mut bytes: &[u8]) -> Option<Labels> {
    let mut pairs = Vec::with_capacity(8);
    while !bytes.is_empty() {
        pairs.push((text(&mut bytes)?, text(&mut bytes)?));
    }
    Some(Labels::new(pairs))
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (mut n, mut shift) = (0usize, 0u32);
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= usize::from(first & 0x7f).checked_shl(shift)?;
        shift += 7;
        if first & 0x80 == 0 {
            break;
        }
    }
    let (text, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back() {
        let long = "ä".repeat(200);
        let labels = Labels::metric("x", [("route", "/\"a\""), ("long", &long)]);
        let packed = pack(&labels);
        assert_eq!(unpack(&packed), Some(labels));
        assert_eq!(unpack(&packed[..packed.len() - 1]), None);
        assert_eq!(unpack(&[]), Some(Labels::default()));
    }
}
