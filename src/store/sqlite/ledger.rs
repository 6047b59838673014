//! The ledger in SQLite: a decision is one transaction, begun with the right to write.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{SqliteConnection, SqlitePool};

use crate::alert::book::{Record, Subject};
use crate::alert::incident::state_word;
use crate::alert::ledger::{Broadcast, Change, Ledger, LedgerError, Loaded, StoredIncident, Void};
use crate::alert::measure::{Counting, Measured};
use crate::alert::state::AlertState;
use crate::alert::{AlertPhase, AuditEntry, Delivery, Incident, TimelineEntry};
use crate::base::Timestamp;
use crate::base::clock::BoxFuture;
use crate::base::id::IncidentId;
use crate::notify::Envelope;

use super::SqliteStore;

type Outcome<T> = Result<T, LedgerError>;

impl Ledger for SqliteStore {
    fn load(&self) -> BoxFuture<'_, Outcome<Loaded>> {
        Box::pin(load(self.pool()))
    }

    fn commit<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Outcome<()>> {
        Box::pin(commit(self.pool(), change))
    }

    fn incidents(&self, all: bool, limit: u32) -> BoxFuture<'_, Outcome<Vec<Incident>>> {
        Box::pin(incidents(self.pool(), all, limit))
    }

    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Outcome<Option<StoredIncident>>> {
        Box::pin(incident(self.pool(), id))
    }

    fn audit(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Outcome<Vec<AuditEntry>>> {
        Box::pin(audit(self.pool(), since, limit))
    }

    fn forget(&self, before: Timestamp) -> BoxFuture<'_, Outcome<()>> {
        Box::pin(forget(self.pool(), before))
    }
}

fn reading(source: sqlx::Error) -> LedgerError {
    LedgerError::Store { operation: "read", source: Box::new(source) }
}

fn writing(source: sqlx::Error) -> LedgerError {
    LedgerError::Store { operation: "written", source: Box::new(source) }
}

fn from_json<T: DeserializeOwned>(text: &str, what: &'static str) -> Outcome<T> {
    serde_json::from_str(text).map_err(|source| LedgerError::Corrupt { what, source: Box::new(source) })
}

fn to_json<T: Serialize>(value: &T) -> Outcome<String> {
    serde_json::to_string(value).map_err(|e| LedgerError::Store { operation: "written", source: Box::new(e) })
}

const LOAD_ALERTS: &str = "SELECT objective, group_labels, rule, body FROM alerts";
const LOAD_LIVE: &str = "SELECT body FROM incidents WHERE state <> 'resolved' ORDER BY started_at";
const LOAD_MEASURED: &str = "SELECT objective, body FROM measured";
const LOAD_COUNTING: &str = "SELECT body FROM counting WHERE id = 1";

async fn load(pool: &SqlitePool) -> Outcome<Loaded> {
    // One transaction, so that all parts are of the same moment.
    let mut transaction = pool.begin().await.map_err(reading)?;
    let connection = &mut *transaction;
    let mut loaded = Loaded::default();
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as(LOAD_ALERTS).fetch_all(&mut *connection).await.map_err(reading)?;
    for (objective, group, rule, body) in rows {
        let subject = Subject { objective, group: from_json(&group, "labels")? };
        loaded.alerts.push((subject, rule, from_json(&body, "an alert")?));
    }
    let rows: Vec<String> = sqlx::query_scalar(LOAD_LIVE).fetch_all(&mut *connection).await.map_err(reading)?;
    loaded.incidents = rows.iter().map(|body| from_json(body, "an incident")).collect::<Outcome<_>>()?;
    let rows: Vec<(String, String)> =
        sqlx::query_as(LOAD_MEASURED).fetch_all(&mut *connection).await.map_err(reading)?;
    for (objective, body) in rows {
        loaded.measured.push((objective, from_json(&body, "a measurement")?));
    }
    let row: Option<String> = sqlx::query_scalar(LOAD_COUNTING).fetch_optional(connection).await.map_err(reading)?;
    loaded.counting = row.map(|body| from_json(&body, "counts")).transpose()?;
    Ok(loaded)
}

async fn commit(pool: &SqlitePool, change: &Change) -> Outcome<()> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(writing)?;
    let connection = &mut *transaction;
    for (subject, rule, state) in &change.alerts {
        put_alert(connection, subject, rule, state.as_ref()).await?;
    }
    for record in &change.incidents {
        put_incident(connection, record).await?;
    }
    for (id, entry) in &change.timeline {
        put_timeline(connection, *id, entry).await?;
    }
    for void in &change.voids {
        cancel(connection, void).await?;
    }
    for broadcast in &change.broadcasts {
        tell_the_told(connection, broadcast).await?;
    }
    for envelope in &change.envelopes {
        put_envelope(connection, envelope).await?;
    }
    for entry in &change.audit {
        put_audit(connection, entry).await?;
    }
    for (objective, measured) in &change.measured {
        put_measured(connection, objective, measured.as_ref()).await?;
    }
    if let Some(counting) = &change.counting {
        put_counting(connection, counting).await?;
    }
    transaction.commit().await.map_err(writing)
}

const PUT_ALERT: &str = "INSERT INTO alerts (objective, rule, group_labels, phase, body) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT (objective, rule, group_labels) DO UPDATE SET phase = excluded.phase, body = excluded.body";
const DELETE_ALERT: &str = "DELETE FROM alerts WHERE objective = ?1 AND rule = ?2 AND group_labels = ?3";

async fn put_alert(
    connection: &mut SqliteConnection,
    subject: &Subject,
    rule: &str,
    state: Option<&AlertState>,
) -> Outcome<()> {
    let group = to_json(&subject.group)?;
    let statement = sqlx::query(if state.is_some() { PUT_ALERT } else { DELETE_ALERT });
    let mut statement = statement.bind(&subject.objective).bind(rule).bind(group);
    if let Some(state) = state {
        statement = statement.bind(phase_word(state.phase)).bind(to_json(state)?);
    }
    statement.execute(connection).await.map_err(writing).map(drop)
}

const fn phase_word(phase: AlertPhase) -> &'static str {
    match phase {
        AlertPhase::Inactive => "inactive",
        AlertPhase::Pending => "pending",
        AlertPhase::Firing => "firing",
        AlertPhase::Resolved => "resolved",
    }
}

const PUT_INCIDENT: &str = "INSERT INTO incidents \
    (id, objective, group_labels, state, severity, generation, started_at, resolved_at, body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, severity = excluded.severity, \
    generation = excluded.generation, resolved_at = excluded.resolved_at, body = excluded.body";

async fn put_incident(connection: &mut SqliteConnection, record: &Record) -> Outcome<()> {
    let incident = &record.incident;
    sqlx::query(PUT_INCIDENT)
        .bind(incident.id.to_string())
        .bind(&incident.objective)
        .bind(to_json(&record.group)?)
        .bind(state_word(incident.state))
        .bind(incident.severity.as_str())
        .bind(incident.generation)
        .bind(incident.started_at.as_millis())
        .bind(incident.resolved_at.map(Timestamp::as_millis))
        .bind(to_json(record)?)
        .execute(connection)
        .await
        .map_err(writing)
        .map(drop)
}

const PUT_TIMELINE: &str =
    "INSERT INTO timeline (incident, at, actor, source, event, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

async fn put_timeline(connection: &mut SqliteConnection, id: IncidentId, entry: &TimelineEntry) -> Outcome<()> {
    sqlx::query(PUT_TIMELINE)
        .bind(id.to_string())
        .bind(entry.at.as_millis())
        .bind(&entry.actor)
        .bind(&entry.source)
        .bind(&entry.event)
        .bind(&entry.text)
        .execute(connection)
        .await
        .map_err(writing)
        .map(drop)
}

const CANCEL: &str = "UPDATE outbox SET status = 'cancelled', error = ?2, finished_at = ?3, lease_until = NULL \
    WHERE incident = ?1 AND kind IN ('trigger', 'acknowledge') AND status = 'pending'";

async fn cancel(connection: &mut SqliteConnection, void: &Void) -> Outcome<()> {
    sqlx::query(CANCEL)
        .bind(void.incident.to_string())
        .bind(&void.reason)
        .bind(void.at.as_millis())
        .execute(connection)
        .await
        .map_err(writing)
        .map(drop)
}

/// A channel was told when a trigger was tried there even once, or is in the dispatcher's hands: whether
/// it arrived may not be known.
const TOLD: &str = "SELECT channel FROM outbox WHERE incident = ?1 AND kind = 'trigger' \
    AND (attempts > 0 OR status IN ('sending', 'sent', 'dead')) GROUP BY channel ORDER BY MIN(sequence)";

async fn tell_the_told(connection: &mut SqliteConnection, broadcast: &Broadcast) -> Outcome<()> {
    let id = broadcast.notice.incident.to_string();
    let channels: Vec<String> = sqlx::query_scalar(TOLD).bind(id).fetch_all(&mut *connection).await.map_err(writing)?;
    for channel in channels {
        put_envelope(&mut *connection, &broadcast.envelope(channel)).await?;
    }
    Ok(())
}

async fn put_envelope(connection: &mut SqliteConnection, envelope: &Envelope) -> Outcome<()> {
    // Whom it reaches is known to the dispatcher, which fills it in.
    super::outbox::put(connection, envelope, "").await.map_err(writing)
}

const PUT_AUDIT: &str = "INSERT INTO audit (at, actor, source, action, subject, before, after) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

async fn put_audit(connection: &mut SqliteConnection, entry: &AuditEntry) -> Outcome<()> {
    sqlx::query(PUT_AUDIT)
        .bind(entry.at.as_millis())
        .bind(&entry.actor)
        .bind(&entry.source)
        .bind(&entry.action)
        .bind(&entry.subject)
        .bind(&entry.before)
        .bind(&entry.after)
        .execute(connection)
        .await
        .map_err(writing)
        .map(drop)
}

const PUT_MEASURED: &str = "INSERT INTO measured (objective, body) VALUES (?1, ?2) \
    ON CONFLICT (objective) DO UPDATE SET body = excluded.body";
const DELETE_MEASURED: &str = "DELETE FROM measured WHERE objective = ?1";

async fn put_measured(connection: &mut SqliteConnection, objective: &str, measured: Option<&Measured>) -> Outcome<()> {
    let mut statement = sqlx::query(if measured.is_some() { PUT_MEASURED } else { DELETE_MEASURED }).bind(objective);
    if let Some(measured) = measured {
        statement = statement.bind(to_json(measured)?);
    }
    statement.execute(connection).await.map_err(writing).map(drop)
}

const PUT_COUNTING: &str =
    "INSERT INTO counting (id, body) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET body = excluded.body";

async fn put_counting(connection: &mut SqliteConnection, counting: &Counting) -> Outcome<()> {
    sqlx::query(PUT_COUNTING).bind(to_json(counting)?).execute(connection).await.map_err(writing).map(drop)
}

const LIVE_INCIDENTS: &str =
    "SELECT body FROM incidents WHERE state <> 'resolved' ORDER BY started_at DESC, id DESC LIMIT ?1";
const ALL_INCIDENTS: &str = "SELECT body FROM incidents ORDER BY started_at DESC, id DESC LIMIT ?1";

async fn incidents(pool: &SqlitePool, all: bool, limit: u32) -> Outcome<Vec<Incident>> {
    let statement = if all { ALL_INCIDENTS } else { LIVE_INCIDENTS };
    let rows: Vec<String> = sqlx::query_scalar(statement).bind(limit).fetch_all(pool).await.map_err(reading)?;
    let record = |body: &String| from_json::<Record>(body, "an incident").map(|r| r.incident);
    rows.iter().map(record).collect()
}

const ONE_INCIDENT: &str = "SELECT body FROM incidents WHERE id = ?1";

async fn incident(pool: &SqlitePool, id: IncidentId) -> Outcome<Option<StoredIncident>> {
    let mut transaction = pool.begin().await.map_err(reading)?;
    let connection = &mut *transaction;
    let id = id.to_string();
    let body: Option<String> =
        sqlx::query_scalar(ONE_INCIDENT).bind(&id).fetch_optional(&mut *connection).await.map_err(reading)?;
    let Some(body) = body else { return Ok(None) };
    let timeline = timeline(&mut *connection, &id).await?;
    let deliveries = deliveries(connection, &id).await?;
    Ok(Some(StoredIncident { record: from_json(&body, "an incident")?, timeline, deliveries }))
}

const TIMELINE: &str = "SELECT at, actor, source, event, text FROM timeline WHERE incident = ?1 ORDER BY sequence";

async fn timeline(connection: &mut SqliteConnection, id: &str) -> Outcome<Vec<TimelineEntry>> {
    let rows: Vec<(i64, String, String, String, String)> =
        sqlx::query_as(TIMELINE).bind(id).fetch_all(connection).await.map_err(reading)?;
    let entry =
        |(at, actor, source, event, text)| TimelineEntry { at: Timestamp::from_millis(at), actor, source, event, text };
    Ok(rows.into_iter().map(entry).collect())
}

const DELIVERIES: &str = "SELECT channel, target, kind, level, status, attempts, provider_id, error, created_at, \
    finished_at FROM outbox WHERE incident = ?1 ORDER BY sequence";

type DeliveryRow = (String, String, String, u32, String, u32, Option<String>, Option<String>, i64, Option<i64>);

async fn deliveries(connection: &mut SqliteConnection, id: &str) -> Outcome<Vec<Delivery>> {
    let rows: Vec<DeliveryRow> = sqlx::query_as(DELIVERIES).bind(id).fetch_all(connection).await.map_err(reading)?;
    Ok(rows.into_iter().map(delivery).collect())
}

fn delivery(row: DeliveryRow) -> Delivery {
    let (channel, target, kind, level, status, attempts, provider_id, error, created_at, finished_at) = row;
    // What the dispatcher gave up for good has failed, to whoever waited for it.
    let status = if status == "dead" { "failed".to_owned() } else { status };
    let created_at = Timestamp::from_millis(created_at);
    let finished_at = finished_at.map(Timestamp::from_millis);
    Delivery { channel, target, kind, level, status, attempts, provider_id, error, created_at, finished_at }
}

const AUDIT: &str = "SELECT at, actor, source, action, subject, before, after FROM audit WHERE at >= ?1 \
    ORDER BY at, sequence LIMIT ?2";

type AuditRow = (i64, String, String, String, String, Option<String>, Option<String>);

async fn audit(pool: &SqlitePool, since: Timestamp, limit: u32) -> Outcome<Vec<AuditEntry>> {
    let rows: Vec<AuditRow> =
        sqlx::query_as(AUDIT).bind(since.as_millis()).bind(limit).fetch_all(pool).await.map_err(reading)?;
    let entry = |(at, actor, source, action, subject, before, after): AuditRow| AuditEntry {
        at: Timestamp::from_millis(at),
        actor,
        source,
        action,
        subject,
        before,
        after,
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// Messages that are still to be sent keep their incident.
const FORGET: [&str; 4] = [
    "DELETE FROM audit WHERE at < ?1",
    "DELETE FROM incidents WHERE state = 'resolved' AND resolved_at < ?1 AND id NOT IN \
        (SELECT incident FROM outbox WHERE status IN ('pending', 'sending'))",
    "DELETE FROM timeline WHERE at < ?1 AND incident NOT IN (SELECT id FROM incidents)",
    "DELETE FROM outbox WHERE created_at < ?1 AND status NOT IN ('pending', 'sending') \
        AND incident NOT IN (SELECT id FROM incidents)",
];

async fn forget(pool: &SqlitePool, before: Timestamp) -> Outcome<()> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(writing)?;
    for statement in FORGET {
        sqlx::query(statement).bind(before.as_millis()).execute(&mut *transaction).await.map_err(writing)?;
    }
    transaction.commit().await.map_err(writing)
}
