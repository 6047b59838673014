use super::*;
use crate::base::Labels;
use crate::store::migrate::migrate;
use crate::store::sqlite::MIGRATIONS;

const INSERT: &str = "INSERT INTO series (id, labels, kind, retired, grp, packed) VALUES (?1, '', 2, ?2, ?3, ?4)";

/// A database from before retired series left memory: what it lacks is filled in at the first start.
#[tokio::test]
async fn series_of_earlier_versions_are_found_by_metric() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    migrate(&pool, &MIGRATIONS[..4]).await.unwrap();
    sqlx::query(CREATE_STATE).bind("1f").execute(&pool).await.unwrap();
    for (id, retired, group, metric) in [(1, 700, 1, "a"), (2, 0, 1, "a"), (3, 900, 2, "b")] {
        let labels = series::pack(&Labels::metric(metric, [("n", id.to_string())]));
        sqlx::query(INSERT).bind(id).bind(retired).bind(group).bind(labels).execute(&pool).await.unwrap();
    }
    pool.close().await;
    for _ in 0..2 {
        let (store, _) = SqliteStore::open(&path).await.unwrap();
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.series.iter().map(|d| d.id).collect::<Vec<_>>(), [2]);
        assert_eq!((loaded.last_series, loaded.last_group, loaded.ended), (3, 2, Some(Slot::new(900))));
        let query = |metric: &str, first| {
            let (first, last) = (Slot::new(first), Slot::new(5_000));
            RetiredQuery { metrics: Some(vec![metric.to_owned()]), first, last, limit: 9 }
        };
        assert_eq!(store.retired(&query("a", 700)).await.unwrap()[0].id, 1);
        assert_eq!(store.retired(&query("a", 701)).await.unwrap(), []);
        assert_eq!(store.retired(&query("b", 0)).await.unwrap()[0].labels, Labels::metric("b", [("n", "3")]));
        assert_eq!(store.metrics(&[2]).await.unwrap(), [(2, "b".to_owned())]);
    }
}

/// The statements use the indexes that were made for them.
#[tokio::test]
async fn retired_series_are_not_searched_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = SqliteStore::open(&folder.path().join("a.db")).await.unwrap();
    let plan = async |statement: &str| -> String {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let rows = sqlx::query_as::<_, (i64, i64, i64, String)>(sqlx::AssertSqlSafe(explain));
        let rows = rows.fetch_all(store.pool()).await.unwrap();
        rows.into_iter().map(|row| row.3).collect::<Vec<_>>().join("; ")
    };
    for (statement, index) in series::PLANNED {
        let plan = plan(statement).await;
        assert!(plan.contains(index), "{statement}: {plan}");
    }
}
