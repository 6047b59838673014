//! The desk: the one owner of the book. The evaluator and people decide here, one after the other, so
//! that an acknowledgement and an evaluation cannot overtake each other.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{Mutex, watch};

use crate::base::bounded::cut;
use crate::base::clock::BoxFuture;
use crate::base::id::IncidentId;
use crate::base::{Severity, Timestamp};
use crate::notify::{Decision, Envelope, Gate};
use crate::promql::SourceError;
use crate::series::Known;
use crate::slo::{BudgetReport, CompiledObjective, Escalation, Window};

use super::book::{Book, Draft, Who};
use super::budget;
use super::escalation::{self, Escalations};
use super::incident::Policy;
use super::ledger::{Ledger, LedgerError, Loaded};
use super::model::{
    ActError, Action, AuditEntry, Incident, IncidentDetail, IncidentState, ObjectiveStatus, Objectives, OnCall,
};
use super::plan;
use super::settings::Settings;
use super::status;
use super::why::why;

/// The most incidents that one question is answered with.
const MAX_INCIDENTS: u32 = 1000;

/// The longest name of a person or source, in bytes.
const MAX_NAME: usize = 200;

/// What is evaluated and who is told.
#[derive(Debug, Clone, Default)]
pub struct Configured {
    /// In the order of the files.
    pub objectives: Vec<Arc<CompiledObjective>>,
    /// Who is told.
    pub escalations: Escalations,
}

struct Live {
    book: Book,
    /// A commit failed, so what is stored may differ: look before deciding again.
    doubtful: bool,
    /// The time jumped ahead by so much, which the next decision moves the timers by.
    jumped: Duration,
}

impl Live {
    fn next_level_at(&self) -> Option<Timestamp> {
        self.book.next_level_at().map(|at| at + self.jumped)
    }
}

/// Incidents and objectives, for the evaluator and for people.
pub struct Desk {
    settings: Settings,
    ledger: Arc<dyn Ledger>,
    known: Arc<dyn Known>,
    live: Mutex<Live>,
    configured: RwLock<Arc<Configured>>,
    statuses: RwLock<Vec<ObjectiveStatus>>,
    evaluated_at: RwLock<Option<Timestamp>>,
    open: RwLock<Vec<Severity>>,
    outgoing: watch::Sender<()>,
    timers: watch::Sender<()>,
}

impl Desk {
    /// Takes up what is stored and ends what the configuration no longer has.
    pub async fn open(
        settings: Settings,
        ledger: Arc<dyn Ledger>,
        known: Arc<dyn Known>,
        objectives: Vec<Arc<CompiledObjective>>,
        escalations: Vec<Escalation>,
        now: Timestamp,
    ) -> Result<Arc<Self>, LedgerError> {
        let book = Book::from_loaded(&ledger.load().await?);
        let desk = Self {
            settings,
            ledger,
            known,
            live: Mutex::new(Live { book, doubtful: false, jumped: Duration::ZERO }),
            configured: RwLock::default(),
            statuses: RwLock::default(),
            evaluated_at: RwLock::default(),
            open: RwLock::default(),
            outgoing: watch::channel(()).0,
            timers: watch::channel(()).0,
        };
        desk.reload(objectives, escalations, now).await?;
        Ok(Arc::new(desk))
    }

    /// Takes a new configuration: objectives and rules of the same name keep their state, incidents of
    /// those that are gone are resolved with the reason. On an error the old configuration stays.
    pub async fn reload(
        &self,
        objectives: Vec<Arc<CompiledObjective>>,
        escalations: Vec<Escalation>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut live = self.live.lock().await;
        let mut draft = self.draft(&mut live).await?;
        plan::prune(&mut draft, &objectives, now);
        self.commit(&mut live, draft).await?;
        let old = std::mem::take(&mut *self.statuses.write());
        let kept = |c: &Arc<CompiledObjective>| {
            old.iter().find(|s| s.name == c.objective.name).cloned().unwrap_or_else(|| status::unknown(c))
        };
        *self.statuses.write() = objectives.iter().map(kept).collect();
        *self.configured.write() = Arc::new(Configured { objectives, escalations: Escalations::new(escalations) });
        Ok(())
    }

    /// The settings that it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is evaluated now.
    pub fn configured(&self) -> Arc<Configured> {
        Arc::clone(&self.configured.read())
    }

    /// The severity of each incident that is not over.
    pub fn open_incidents(&self) -> Vec<Severity> {
        self.open.read().clone()
    }

    /// Changes whenever something was put into the outbox: the dispatcher waits on it.
    pub fn outgoing(&self) -> watch::Receiver<()> {
        self.outgoing.subscribe()
    }

    /// Changes whenever a person did something: timers may be due earlier.
    pub(super) fn timers(&self) -> watch::Receiver<()> {
        self.timers.subscribe()
    }

    pub(super) fn known(&self) -> &Arc<dyn Known> {
        &self.known
    }

    pub(super) async fn load(&self) -> Result<Loaded, LedgerError> {
        self.ledger.load().await
    }

    /// A copy of what is live.
    pub async fn book(&self) -> Book {
        self.live.lock().await.book.clone()
    }

    /// When the next level is due.
    pub(super) async fn next_level_at(&self) -> Option<Timestamp> {
        self.live.lock().await.next_level_at()
    }

    /// The time jumped ahead without passing: whatever is decided next finds the timers moved by as much.
    pub(super) async fn jumped(&self, by: Duration) {
        self.live.lock().await.jumped += by;
    }

    /// Makes a decision and stores it, or leaves everything as it was.
    pub(super) async fn decide(
        &self,
        decide: impl FnOnce(&mut Draft, &Configured, Policy<'_>),
    ) -> Result<(), LedgerError> {
        let mut live = self.live.lock().await;
        let mut draft = self.draft(&mut live).await?;
        let configured = self.configured();
        decide(&mut draft, &configured, self.policy(&configured));
        self.commit(&mut live, draft).await
    }

    /// Tells the levels that are due.
    pub(super) async fn climb(&self, now: Timestamp) -> Result<(), LedgerError> {
        self.decide(|draft, configured, _| escalation::climb_all(draft, &configured.escalations, now)).await
    }

    fn policy<'a>(&'a self, configured: &'a Configured) -> Policy<'a> {
        Policy { escalations: &configured.escalations, public_url: self.settings.base_url() }
    }

    async fn draft(&self, live: &mut Live) -> Result<Draft, LedgerError> {
        if live.doubtful {
            let stored = Book::from_loaded(&self.ledger.load().await?);
            if stored.incidents != live.book.incidents {
                // What failed was stored after all, its timers moved.
                live.jumped = Duration::ZERO;
            }
            (live.book, live.doubtful) = (stored, false);
        }
        let mut draft = Draft::of(&live.book);
        if !live.jumped.is_zero() {
            escalation::postpone_all(&mut draft, live.jumped);
        }
        Ok(draft)
    }

    async fn commit(&self, live: &mut Live, draft: Draft) -> Result<(), LedgerError> {
        if !draft.change.is_empty() {
            // Also when this future is dropped on the way, what is stored is not known.
            live.doubtful = true;
            self.ledger.commit(&draft.change).await?;
            live.doubtful = false;
        }
        (live.book, live.jumped) = (draft.book, Duration::ZERO);
        *self.open.write() = live.book.incidents.values().map(|r| r.incident.severity).collect();
        if draft.change.has_messages() {
            self.outgoing.send_replace(());
        }
        Ok(())
    }

    pub(super) fn show(&self, statuses: Vec<ObjectiveStatus>) {
        let mut shown = self.statuses.write();
        for status in statuses {
            // Objectives that a new configuration removed meanwhile are not shown again.
            if let Some(old) = shown.iter_mut().find(|old| old.name == status.name) {
                *old = status;
            }
        }
    }

    pub(super) fn began(&self, now: Timestamp) {
        *self.evaluated_at.write() = Some(now);
    }

    async fn do_act(
        &self,
        id: IncidentId,
        action: Action,
        who: Who<'_>,
        note: Option<&str>,
        now: Timestamp,
    ) -> Result<Incident, ActError> {
        let mut live = self.live.lock().await;
        let mut draft = self.draft(&mut live).await.map_err(unstored)?;
        let Some(record) = draft.book.by_id(id).cloned() else {
            let known = self.ledger.incident(id).await.map_err(unstored)?;
            return Err(if known.is_some() { ActError::Resolved(id) } else { ActError::NotFound(id) });
        };
        let configured = self.configured();
        let unchanged = record.incident.clone();
        super::act::act(&mut draft, record, action, who, note, &configured.escalations, now);
        let changed = draft.change.incidents.iter().find(|r| r.incident.id == id);
        let incident = changed.map_or(unchanged, |r| r.incident.clone());
        self.commit(&mut live, draft).await.map_err(unstored)?;
        self.timers.send_replace(());
        Ok(incident)
    }

    async fn detail(&self, id: IncidentId) -> Result<Option<IncidentDetail>, ActError> {
        let Some(stored) = self.ledger.incident(id).await.map_err(unstored)? else { return Ok(None) };
        let configured = self.configured();
        let escalation = configured.escalations.find(stored.record.incident.escalation.as_deref());
        let why = why(&stored, escalation);
        Ok(Some(IncidentDetail {
            incident: stored.record.incident,
            timeline: stored.timeline,
            deliveries: stored.deliveries,
            why,
        }))
    }
}

fn unstored(error: LedgerError) -> ActError {
    ActError::Store(Box::new(error))
}

impl OnCall for Desk {
    fn incidents(&self, all: bool) -> BoxFuture<'_, Result<Vec<Incident>, ActError>> {
        Box::pin(async move { self.ledger.incidents(all, MAX_INCIDENTS).await.map_err(unstored) })
    }

    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Result<Option<IncidentDetail>, ActError>> {
        Box::pin(self.detail(id))
    }

    fn act<'a>(
        &'a self,
        id: IncidentId,
        action: Action,
        by: &'a str,
        source: &'a str,
        note: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Incident, ActError>> {
        let by = cut(by.trim(), MAX_NAME);
        let who = Who { actor: if by.is_empty() { "someone" } else { by }, source: cut(source, MAX_NAME) };
        Box::pin(self.do_act(id, action, who, note, now))
    }

    fn audit(&self, since: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, ActError>> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Box::pin(async move { self.ledger.audit(since, limit).await.map_err(unstored) })
    }
}

impl Gate for Desk {
    /// Void when the incident has moved on since the page was decided.
    fn verdict<'a>(&'a self, envelope: &'a Envelope, _now: Timestamp) -> BoxFuture<'a, Decision> {
        Box::pin(async move {
            let id = envelope.notice.incident;
            let live = self.live.lock().await.book.by_id(id).map(|r| r.incident.clone());
            match live {
                Some(incident) => still_wanted(&incident, envelope.generation),
                // Over, or not one of ours (a drill); when the ledger cannot tell, it is sent.
                None => match self.ledger.incident(id).await {
                    Ok(Some(stored)) => still_wanted(&stored.record.incident, envelope.generation),
                    Ok(None) | Err(_) => Decision::Send,
                },
            }
        })
    }
}

fn still_wanted(incident: &Incident, generation: u32) -> Decision {
    if incident.generation == generation {
        return Decision::Send;
    }
    Decision::Cancel(match (incident.state, &incident.acknowledged_by) {
        (IncidentState::Resolved, _) => "resolved before it was sent".to_owned(),
        (IncidentState::Acknowledged, Some(by)) => format!("acknowledged by {by} before it was sent"),
        _ => "superseded by a newer page before it was sent".to_owned(),
    })
}

impl Objectives for Desk {
    fn statuses(&self) -> Vec<ObjectiveStatus> {
        self.statuses.read().clone()
    }

    fn compiled(&self, name: &str) -> Option<Arc<CompiledObjective>> {
        self.configured.read().objectives.iter().find(|c| c.objective.name == name).cloned()
    }

    fn budget<'a>(
        &'a self,
        name: &'a str,
        window: Option<Window>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<BudgetReport>, SourceError>> {
        Box::pin(async move {
            let Some(compiled) = self.compiled(name) else { return Ok(None) };
            budget::report(&*self.known, &compiled, window, now).await
        })
    }

    fn last_evaluation(&self) -> Option<Timestamp> {
        *self.evaluated_at.read()
    }

    fn evaluate_every(&self) -> Duration {
        self.settings.evaluate_every
    }
}

#[cfg(test)]
mod tests;
