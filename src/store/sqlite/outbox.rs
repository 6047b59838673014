//! The outbox on SQLite, table `outbox`.
//!
//! Every method is one statement: SQLite takes the write lock before an `UPDATE` reads, so two leasers never
//! get the same message, without a transaction of our own.

use std::time::Duration;

use sqlx::SqliteConnection;

use crate::base::Timestamp;
use crate::base::clock::BoxFuture;
use crate::base::time::millis;
use crate::notify::{Attempt, Envelope, Limits, Outbox, OutboxError, Verdict};

use super::SqliteStore;

const PUT: &str = "\
    INSERT INTO outbox (id, incident, channel, target, kind, ordering_key, level, generation, envelope, due_at, \
        created_at, sequence) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM outbox))";

/// Puts a message in, on the connection (and in the transaction) of its cause. `target` says whom it is to
/// reach, where that is known; never a secret.
pub async fn put(connection: &mut SqliteConnection, envelope: &Envelope, target: &str) -> Result<(), sqlx::Error> {
    let text = serde_json::to_string(envelope).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
    sqlx::query(PUT)
        .bind(envelope.id.to_string())
        .bind(envelope.notice.incident.to_string())
        .bind(&envelope.channel)
        .bind(target)
        .bind(envelope.kind.as_str())
        .bind(&envelope.key)
        .bind(envelope.notice.level)
        .bind(envelope.generation)
        .bind(text)
        .bind(envelope.due_at.as_millis())
        .bind(envelope.created_at.as_millis())
        .execute(connection)
        .await?;
    Ok(())
}

/// `channels`: those with something unfinished, each found by one step in an index. `ready`: of each channel
/// the first few that are due, not leased, and the oldest of their key, with their turn within the channel
/// (after those that are leased). ?1 now, ?2 end of lease, ?3 limit in total, ?4 limit per channel.
const LEASE: &str = "\
    WITH RECURSIVE channels (channel) AS ( \
        SELECT MIN(channel) FROM outbox WHERE status IN ('pending', 'sending') \
        UNION ALL \
        SELECT (SELECT MIN(channel) FROM outbox \
            WHERE status IN ('pending', 'sending') AND channel > channels.channel) \
        FROM channels WHERE channel IS NOT NULL \
    ), ready AS ( \
        SELECT o.id, o.due_at, o.sequence, \
            (SELECT COUNT(*) FROM outbox AS busy \
                WHERE busy.status = 'sending' AND busy.channel = o.channel AND busy.lease_until > ?1) \
            + ROW_NUMBER() OVER (PARTITION BY o.channel ORDER BY o.due_at, o.sequence) AS turn \
        FROM channels JOIN outbox AS o ON o.id IN ( \
            SELECT due.id FROM outbox AS due \
            WHERE due.status IN ('pending', 'sending') AND due.channel = channels.channel AND due.due_at <= ?1 \
                AND (due.lease_until IS NULL OR due.lease_until <= ?1) \
                AND NOT EXISTS ( \
                    SELECT 1 FROM outbox AS older WHERE older.status IN ('pending', 'sending') \
                    AND older.channel = due.channel AND older.ordering_key = due.ordering_key \
                    AND older.sequence < due.sequence) \
            ORDER BY due.due_at, due.sequence LIMIT ?4) \
    ) \
    UPDATE outbox SET status = 'sending', attempts = attempts + 1, lease_until = ?2 \
    WHERE id IN (SELECT id FROM ready WHERE turn <= ?4 ORDER BY turn, due_at, sequence LIMIT ?3) \
    RETURNING sequence, id, attempts, envelope";

/// A row that cannot be read will not get better; it must not hold up the others.
const BURY: &str = "\
    UPDATE outbox SET status = 'dead', lease_until = NULL, error = ?2, finished_at = ?3 WHERE id = ?1";

const FINISH: &str = "\
    UPDATE outbox SET status = ?3, due_at = COALESCE(?4, due_at), lease_until = NULL, \
        provider_id = COALESCE(?5, provider_id), error = ?6, finished_at = ?7, \
        attempts = attempts - (?3 = 'cancelled'), \
        target = CASE WHEN ?8 = '' THEN target ELSE ?8 END \
    WHERE id = ?1 AND (?3 = 'sent' OR (status = 'sending' AND attempts = ?2))";

const NEXT_DUE: &str = "\
    SELECT MIN(MAX(o.due_at, COALESCE(o.lease_until, o.due_at))) FROM outbox AS o \
    WHERE o.status IN ('pending', 'sending') AND NOT EXISTS ( \
        SELECT 1 FROM outbox AS older WHERE older.status IN ('pending', 'sending') \
        AND older.channel = o.channel AND older.ordering_key = o.ordering_key AND older.sequence < o.sequence)";

const RELEASE: &str = "UPDATE outbox SET status = 'pending', lease_until = NULL WHERE status = 'sending'";

impl SqliteStore {
    /// Takes back the leases of a process that is gone, so that what it was sending when it was killed does not
    /// wait for them to end; it may go out a second time, under the same key. Only whoever holds the journal may
    /// call this: nobody else sends from this database.
    ///
    /// # Errors
    /// The database could not be written.
    pub async fn release_leases(&self) -> Result<u64, OutboxError> {
        let done = sqlx::query(RELEASE).execute(self.pool()).await.map_err(written)?;
        Ok(done.rows_affected())
    }
}

/// Sequence, id, attempts, envelope.
type Leased = (i64, String, u32, String);

impl Outbox for SqliteStore {
    fn lease(
        &self,
        now: Timestamp,
        lease: Duration,
        limits: Limits,
    ) -> BoxFuture<'_, Result<Vec<Attempt>, OutboxError>> {
        Box::pin(async move {
            let mut rows: Vec<Leased> = sqlx::query_as(LEASE)
                .bind(now.as_millis())
                .bind(now.as_millis().saturating_add(millis(lease)))
                .bind(limits.total)
                .bind(limits.per_channel)
                .fetch_all(self.pool())
                .await
                .map_err(written)?;
            rows.sort_by_key(|(sequence, ..)| *sequence);
            let mut attempts = Vec::with_capacity(rows.len());
            for (_, id, number, text) in rows {
                match serde_json::from_str(&text) {
                    Ok(envelope) => attempts.push(Attempt { envelope, number }),
                    Err(error) => self.bury(&id, &error, now).await.map_err(written)?,
                }
            }
            Ok(attempts)
        })
    }

    fn finish<'a>(
        &'a self,
        attempt: &'a Attempt,
        verdict: &'a Verdict,
        target: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        Box::pin(async move {
            let (status, due_at, provider_id, error) = columns(verdict);
            sqlx::query(FINISH)
                .bind(attempt.envelope.id.to_string())
                .bind(attempt.number)
                .bind(status)
                .bind(due_at.map(Timestamp::as_millis))
                .bind(provider_id)
                .bind(error)
                .bind(now.as_millis())
                .bind(target)
                .execute(self.pool())
                .await
                .map_err(written)?;
            Ok(())
        })
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, OutboxError>> {
        Box::pin(async move {
            let due: Option<i64> = sqlx::query_scalar(NEXT_DUE)
                .fetch_one(self.pool())
                .await
                .map_err(|e| OutboxError { operation: "read", source: Box::new(e) })?;
            Ok(due.map(Timestamp::from_millis))
        })
    }
}

impl SqliteStore {
    async fn bury(&self, id: &str, error: &serde_json::Error, now: Timestamp) -> Result<(), sqlx::Error> {
        tracing::error!(id, %error, "an outgoing message in the database cannot be read and is given up");
        let reason = format!("the stored message cannot be read: {error}");
        sqlx::query(BURY).bind(id).bind(reason).bind(now.as_millis()).execute(self.pool()).await?;
        Ok(())
    }
}

/// Status, due time, provider's id and error of a verdict.
fn columns(verdict: &Verdict) -> (&'static str, Option<Timestamp>, Option<&str>, Option<&str>) {
    match verdict {
        Verdict::Sent { provider_id } => ("sent", None, provider_id.as_deref(), None),
        Verdict::Retry { at, error } => ("pending", Some(*at), None, Some(error)),
        Verdict::Dead { error } => ("dead", None, None, Some(error)),
        Verdict::Cancelled { reason } => ("cancelled", None, None, Some(reason)),
    }
}

fn written(error: sqlx::Error) -> OutboxError {
    OutboxError { operation: "written", source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::EnvelopeId;
    use crate::notify::envelope::testing::envelope;
    use crate::store::outbox_contract::{Bench, outbox_contract};

    struct Sqlite {
        store: SqliteStore,
        _folder: tempfile::TempDir,
    }

    impl Bench for Sqlite {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (store, _) = SqliteStore::open(&folder.path().join("plimsoll.db")).await.unwrap();
            Self { store, _folder: folder }
        }

        fn outbox(&self) -> &dyn Outbox {
            &self.store
        }

        async fn put(&self, envelope: &Envelope) {
            let mut transaction = self.store.pool().begin_with("BEGIN IMMEDIATE").await.unwrap();
            put(&mut transaction, envelope, "").await.unwrap();
            transaction.commit().await.unwrap();
        }

        async fn cancel(&self, id: EnvelopeId) {
            let sql = "UPDATE outbox SET status = 'cancelled' WHERE id = ?1";
            sqlx::query(sql).bind(id.to_string()).execute(self.store.pool()).await.unwrap();
        }

        async fn row(&self, id: EnvelopeId) -> (String, u32, Option<String>, Option<String>, String) {
            let sql = "SELECT status, attempts, provider_id, error, target FROM outbox WHERE id = ?1";
            sqlx::query_as(sql).bind(id.to_string()).fetch_one(self.store.pool()).await.unwrap()
        }
    }

    outbox_contract!(Sqlite);

    #[tokio::test]
    async fn an_unreadable_row_does_not_hold_up_the_others() {
        let bench = Sqlite::new().await;
        let (bad, good) = (envelope("slack", "a"), envelope("slack", "b"));
        bench.put(&bad).await;
        bench.put(&good).await;
        let sql = "UPDATE outbox SET envelope = '{}' WHERE id = ?1";
        sqlx::query(sql).bind(bad.id.to_string()).execute(bench.store.pool()).await.unwrap();
        let limits = Limits { total: 10, per_channel: 10 };
        let leased = bench.store.lease(good.due_at, Duration::from_secs(60), limits).await.unwrap();
        assert_eq!(leased.iter().map(|a| a.envelope.id).collect::<Vec<_>>(), [good.id]);
        let (status, _, _, error, _) = bench.row(bad.id).await;
        assert_eq!(status, "dead");
        assert!(error.unwrap().contains("cannot be read"));
    }

    #[tokio::test]
    async fn what_a_dead_process_was_sending_is_due_at_once() {
        let bench = Sqlite::new().await;
        let page = envelope("a", "hook");
        bench.put(&page).await;
        let (limits, lease) = (Limits { total: 10, per_channel: 10 }, Duration::from_secs(120));
        let lease = || bench.store.lease(page.due_at, lease, limits);
        assert_eq!(lease().await.unwrap().len(), 1);
        assert_eq!(lease().await.unwrap().len(), 0);
        assert_eq!(bench.store.release_leases().await.unwrap(), 1);
        assert_eq!(lease().await.unwrap().iter().map(|a| a.number).collect::<Vec<_>>(), [2]);
    }

    #[tokio::test]
    async fn leasing_reads_a_few_rows_however_many_wait() {
        let bench = Sqlite::new().await;
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {LEASE}"));
        let mut query = sqlx::query_as::<_, (i64, i64, i64, String)>(explain);
        for _ in 0..4 {
            query = query.bind(1);
        }
        let plan = query.fetch_all(bench.store.pool()).await.unwrap();
        let steps: Vec<&str> = plan.iter().map(|(_, _, _, step)| step.as_str()).collect();
        for search in [
            "SEARCH outbox USING INDEX outbox_channel (channel>?)",
            "SEARCH due USING INDEX outbox_channel (channel=? AND due_at<?)",
            "SEARCH older USING INDEX outbox_order (channel=? AND ordering_key=? AND sequence<?)",
            "SEARCH busy USING INDEX outbox_leased (channel=? AND lease_until>?)",
        ] {
            assert!(steps.iter().any(|s| s.replace("COVERING ", "") == search), "{search} is not in {steps:#?}");
        }
    }
}
