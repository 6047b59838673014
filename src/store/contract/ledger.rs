//! The contract of [`Ledger`], on memory and SQLite.

use std::time::Duration;

use crate::alert::book::{Climb, Record, Subject};
use crate::alert::incident::{broadcast, page};
use crate::alert::ledger::{Change, Ledger, Void};
use crate::alert::measure::{Counting, GroupCount, Measured};
use crate::alert::state::{Reading, Timing, step};
use crate::alert::{AuditEntry, Incident, IncidentState, TimelineEntry};
use crate::base::id::{EnvelopeId, IncidentId};
use crate::base::{Labels, Severity, Timestamp};
use crate::notify::Kind;
use crate::store::memory_ledger::MemoryLedger;
use crate::store::sqlite::SqliteStore;

/// A ledger whose messages can be marked as a dispatcher would.
trait Marked: Ledger {
    async fn mark(&self, id: EnvelopeId, status: &'static str);
}

impl Marked for MemoryLedger {
    async fn mark(&self, id: EnvelopeId, status: &'static str) {
        MemoryLedger::mark(self, id, status);
    }
}

impl Marked for SqliteStore {
    async fn mark(&self, id: EnvelopeId, status: &'static str) {
        let marked = sqlx::query("UPDATE outbox SET status = ?2, attempts = attempts + 1 WHERE id = ?1")
            .bind(id.to_string())
            .bind(status)
            .execute(self.pool())
            .await
            .unwrap();
        assert_eq!(marked.rows_affected(), 1);
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_763_640_000 + seconds)
}

fn record(group: &str, started: i64) -> Record {
    let group = Labels::new([("route", group)]);
    let incident = Incident {
        id: IncidentId::new(at(started)),
        state: IncidentState::Firing,
        severity: Severity::Critical,
        objective: "api".into(),
        labels: group.with("objective", "api").with("severity", "critical"),
        summary: "api: slow".into(),
        level: 1,
        started_at: at(started),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        url: "http://plimsoll/incidents/1".into(),
        escalation: Some("on-call".into()),
        generation: 1,
        next_level_at: Some(at(started + 900)),
        annotations: [("value".to_owned(), "734 ms".to_owned())].into(),
    };
    let climb = Climb { since: at(started), told: 1, severity: Severity::Critical, escalated_at: None };
    Record { incident, group, rule: "critical".into(), climb }
}

fn resolved(record: &Record, seconds: i64) -> Record {
    let mut record = record.clone();
    record.incident.state = IncidentState::Resolved;
    record.incident.resolved_at = Some(at(seconds));
    record.incident.generation += 1;
    record
}

fn entry(seconds: i64, event: &str) -> TimelineEntry {
    TimelineEntry { at: at(seconds), actor: "ann".into(), source: "api".into(), event: event.into(), text: "t".into() }
}

fn audit(seconds: i64, action: &str) -> AuditEntry {
    AuditEntry {
        at: at(seconds),
        actor: "ann".into(),
        source: "api".into(),
        action: action.into(),
        subject: "incident 1".into(),
        before: None,
        after: Some("firing".into()),
    }
}

async fn keeps_everything(ledger: &impl Ledger) {
    let subject = Subject { objective: "api".into(), group: Labels::new([("route", "/a\"é")]) };
    let timing = Timing { hold: Duration::ZERO, keep_firing: Duration::ZERO, evidence_gap: Duration::from_secs(30) };
    let (state, _) = step(None, Reading::Seen { breach: true, stay: true }, &timing, at(0));
    let measured = Measured {
        anchor: at(0),
        minute: at(0),
        groups: vec![GroupCount { labels: subject.group.clone(), good: 3.0, total: 5.0, seen: true, seen_at: at(1) }],
    };
    let counting = Counting { sequence: 4, at: at(1), increments: vec![(Labels::metric("x", [("a", "b")]), 2.0)] };
    let live = record("/a", 0);
    let change = Change {
        alerts: vec![(subject.clone(), "critical".into(), state.clone())],
        incidents: vec![live.clone()],
        measured: vec![("api".into(), Some(measured.clone())), ("gone".into(), Some(measured.clone()))],
        counting: Some(counting.clone()),
        ..Change::default()
    };
    ledger.commit(&change).await.unwrap();
    ledger.commit(&Change { measured: vec![("gone".into(), None)], ..Change::default() }).await.unwrap();
    let loaded = ledger.load().await.unwrap();
    assert_eq!(loaded.alerts, [(subject.clone(), "critical".to_owned(), state.unwrap())]);
    assert_eq!(loaded.incidents, std::slice::from_ref(&live));
    assert_eq!(loaded.measured, [("api".to_owned(), measured)]);
    assert_eq!(loaded.counting, Some(counting), "a change without counts keeps the last ones");

    let over = resolved(&live, 60);
    let change =
        Change { alerts: vec![(subject, "critical".into(), None)], incidents: vec![over], ..Change::default() };
    ledger.commit(&change).await.unwrap();
    let loaded = ledger.load().await.unwrap();
    assert!(loaded.alerts.is_empty() && loaded.incidents.is_empty());
}

async fn a_decision_is_stored_whole_or_not_at_all(ledger: &impl Ledger) {
    let first = record("/a", 0);
    ledger.commit(&Change { incidents: vec![first.clone()], ..Change::default() }).await.unwrap();
    // A second live incident of the subject is refused, and all that came with it.
    let second = record("/a", 10);
    let change = Change {
        incidents: vec![second.clone()],
        timeline: vec![(first.incident.id, entry(10, "fired"))],
        envelopes: vec![page(&first, "slack", at(10))],
        audit: vec![audit(10, "opened")],
        ..Change::default()
    };
    assert!(ledger.commit(&change).await.is_err());
    let stored = ledger.incident(first.incident.id).await.unwrap().unwrap();
    assert!(stored.timeline.is_empty() && stored.deliveries.is_empty());
    assert!(ledger.audit(at(0), 10).await.unwrap().is_empty());
    assert!(ledger.incident(second.incident.id).await.unwrap().is_none());
    // Once the first is over, the second may be.
    let change = Change { incidents: vec![resolved(&first, 20), second.clone()], ..Change::default() };
    ledger.commit(&change).await.unwrap();
    let ids = |all| async move { ledger.incidents(all, 10).await.unwrap().iter().map(|i| i.id).collect::<Vec<_>>() };
    assert_eq!(ids(true).await, [second.incident.id, first.incident.id], "newest first");
    assert_eq!(ids(false).await, [second.incident.id]);
    assert_eq!(ledger.incidents(true, 1).await.unwrap().len(), 1);
}

async fn tells_whoever_was_told(ledger: &impl Marked) {
    let record = record("/a", 0);
    let pages: Vec<_> = ["sent", "tried", "sending", "dead", "unsent"].map(|c| page(&record, c, at(0))).into();
    let change = Change { incidents: vec![record.clone()], envelopes: pages.clone(), ..Change::default() };
    ledger.commit(&change).await.unwrap();
    for (page, status) in pages.iter().zip(["sent", "pending", "sending", "dead"]) {
        ledger.mark(page.id, status).await;
    }
    let void = Void { incident: record.incident.id, reason: "over".into(), at: at(60) };
    let over = resolved(&record, 60);
    let change = Change {
        incidents: vec![over.clone()],
        voids: vec![void],
        broadcasts: vec![broadcast(&over, Kind::Resolve, at(60))],
        ..Change::default()
    };
    ledger.commit(&change).await.unwrap();
    let stored = ledger.incident(record.incident.id).await.unwrap().unwrap();
    let seen: Vec<_> =
        stored.deliveries.iter().map(|d| (d.channel.as_str(), d.kind.as_str(), d.status.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("sent", "trigger", "sent"),
            ("tried", "trigger", "cancelled"),
            ("sending", "trigger", "sending"),
            ("dead", "trigger", "failed"),
            ("unsent", "trigger", "cancelled"),
            ("sent", "resolve", "pending"),
            ("tried", "resolve", "pending"),
            ("sending", "resolve", "pending"),
            ("dead", "resolve", "pending"),
        ]
    );
    assert_eq!(stored.deliveries[4].error.as_deref(), Some("over"));
    assert_eq!(stored.deliveries[4].finished_at, Some(at(60)));
    assert_eq!(stored.record, over);
}

async fn keeps_stories_in_order_and_forgets_old_ones(ledger: &impl Marked) {
    let (old, new) = (record("/old", 0), record("/new", 0));
    let old_page = page(&old, "slack", at(0));
    let change = Change {
        incidents: vec![resolved(&old, 10), new.clone()],
        timeline: vec![
            (old.incident.id, entry(0, "fired")),
            (new.incident.id, entry(0, "fired")),
            (new.incident.id, entry(0, "level")),
        ],
        envelopes: vec![old_page.clone()],
        audit: vec![audit(5, "second"), audit(0, "first"), audit(50, "third")],
        ..Change::default()
    };
    ledger.commit(&change).await.unwrap();
    let actions = |since| async move {
        let entries = ledger.audit(at(since), 10).await.unwrap();
        entries.into_iter().map(|e| e.action).collect::<Vec<_>>()
    };
    assert_eq!(actions(0).await, ["first", "second", "third"]);
    assert_eq!(actions(5).await, ["second", "third"]);
    assert_eq!(ledger.audit(at(0), 1).await.unwrap(), [audit(0, "first")]);
    let stored = ledger.incident(new.incident.id).await.unwrap().unwrap();
    assert_eq!(stored.timeline, [entry(0, "fired"), entry(0, "level")]);

    ledger.forget(at(40)).await.unwrap();
    assert_eq!(actions(0).await, ["third"]);
    assert!(ledger.incident(old.incident.id).await.unwrap().is_some(), "a page of it waits");
    ledger.mark(old_page.id, "sent").await;
    ledger.forget(at(40)).await.unwrap();
    assert!(ledger.incident(old.incident.id).await.unwrap().is_none());
    assert!(ledger.incident(new.incident.id).await.unwrap().is_some(), "it is not over");
}

async fn sqlite(folder: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&folder.path().join("ledger.db")).await.unwrap().0
}

macro_rules! contract {
    ($($name:ident),*) => {$(
        mod $name {
            #[tokio::test]
            async fn on_memory() {
                super::$name(&super::MemoryLedger::default()).await;
            }

            #[tokio::test]
            async fn on_sqlite() {
                let folder = tempfile::tempdir().unwrap();
                super::$name(&super::sqlite(&folder).await).await;
            }
        }
    )*};
}

contract!(
    keeps_everything,
    a_decision_is_stored_whole_or_not_at_all,
    tells_whoever_was_told,
    keeps_stories_in_order_and_forgets_old_ones
);

#[tokio::test]
async fn sqlite_gives_messages_ascending_numbers_and_the_whole_envelope() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(&folder).await;
    let record = record("/a", 0);
    let pages = ["slack", "mail", "slack"].map(|c| page(&record, c, at(0)));
    for page in &pages {
        store.commit(&Change { envelopes: vec![page.clone()], ..Change::default() }).await.unwrap();
    }
    store.close().await;
    // As another process would find it.
    let store = sqlite(&folder).await;
    let rows: Vec<(i64, String, String, u32)> =
        sqlx::query_as("SELECT sequence, envelope, ordering_key, generation FROM outbox ORDER BY sequence")
            .fetch_all(store.pool())
            .await
            .unwrap();
    let envelopes: Vec<crate::notify::Envelope> = rows.iter().map(|r| serde_json::from_str(&r.1).unwrap()).collect();
    assert_eq!(envelopes, pages);
    assert_eq!(rows.iter().map(|r| r.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(rows.iter().all(|r| r.2 == record.key() && r.3 == 1));
}
