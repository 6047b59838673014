//! Definitions of series. One row each; labels as pairs of length-prefixed strings, which are read three times
//! as fast as JSON.

use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::base::Labels;
use crate::series::{Groups, SeriesDef, SeriesKind, Slot};

use super::{BadRow, Failure};
use crate::store::sqlite::SqliteStore;

const READ: &str = "SELECT id, grp, kind, retired, packed, CASE WHEN packed IS NULL THEN labels END FROM series \
    ORDER BY id";
const ADD: &str = "INSERT INTO series (id, grp, kind, labels, packed) VALUES (?1, ?2, ?3, '', ?4) \
    ON CONFLICT DO NOTHING";
const RETIRE: &str = "UPDATE series SET retired = max(?2, 1) WHERE id = ?1";
const HAS_UNGROUPED: &str = "SELECT EXISTS (SELECT 1 FROM series WHERE grp = 0)";
const GROUP: &str = "UPDATE series SET grp = ?2 WHERE id = ?1";

type SeriesRow = (i64, i64, i64, i64, Option<Vec<u8>>, Option<String>);

/// All series, ascending by id.
pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Vec<SeriesDef>, Failure> {
    let rows: Vec<SeriesRow> = sqlx::query_as(READ).fetch_all(connection).await?;
    rows.into_iter().map(definition).collect()
}

fn definition((id, group, kind, retired, packed, json): SeriesRow) -> Result<SeriesDef, Failure> {
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
        retired: (retired != 0).then_some(Slot::new(retired)),
    })
}

/// Adds what is new.
pub(super) async fn add(tx: &mut Transaction<'_, Sqlite>, series: &[SeriesDef]) -> Result<(), Failure> {
    for def in series {
        let query = sqlx::query(ADD).bind(def.id.cast_signed()).bind(def.group.cast_signed());
        query.bind(i64::from(def.kind.number())).bind(pack(&def.labels)).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Marks as retired.
pub(super) async fn retire(tx: &mut Transaction<'_, Sqlite>, retired: &[(u64, Slot)]) -> Result<(), Failure> {
    for (id, listed) in retired {
        sqlx::query(RETIRE).bind(id.cast_signed()).bind(listed.index()).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Gives a group to what version 0.1 left without one.
pub(super) async fn give_groups(store: &SqliteStore) -> Result<(), Failure> {
    if !sqlx::query_scalar::<_, bool>(HAS_UNGROUPED).fetch_one(store.pool()).await? {
        return Ok(());
    }
    let mut tx = store.pool().begin_with("BEGIN IMMEDIATE").await?;
    let all = load(&mut tx).await?;
    let mut groups = Groups::default();
    for def in all.iter().filter(|d| d.group != 0) {
        groups.enter(def.labels.metric_name(), def.kind, def.group);
    }
    for def in all.iter().filter(|d| d.group == 0) {
        let group = groups.assign(def.labels.metric_name(), def.kind);
        sqlx::query(GROUP).bind(def.id.cast_signed()).bind(group.cast_signed()).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

fn pack(labels: &Labels) -> Vec<u8> {
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
