//! The story's incidents, and what people did about them.

use super::*;

#[derive(Default)]
pub(super) struct FakeOnCall {
    pub(super) incidents: Mutex<Vec<IncidentDetail>>,
    pub(super) acts: Mutex<Vec<Act>>,
    pub(super) failing: AtomicBool,
}

impl FakeOnCall {
    fn check(&self) -> Result<(), ActError> {
        match self.failing.load(Ordering::Relaxed) {
            true => Err(ActError::Store("the disk is full".into())),
            false => Ok(()),
        }
    }

    fn apply(&self, id: IncidentId, action: Action, by: &str, now: Timestamp) -> Result<Incident, ActError> {
        let mut incidents = self.incidents.lock();
        let found = incidents.iter_mut().find(|d| d.incident.id == id).ok_or(ActError::NotFound(id))?;
        let incident = &mut found.incident;
        if incident.state == IncidentState::Resolved {
            return Err(ActError::Resolved(id));
        }
        match action {
            Action::Acknowledge if incident.acknowledged_at.is_none() => {
                incident.state = IncidentState::Acknowledged;
                (incident.acknowledged_at, incident.acknowledged_by) = (Some(now), Some(by.to_owned()));
            }
            Action::Unacknowledge => {
                incident.state = IncidentState::Firing;
                (incident.acknowledged_at, incident.acknowledged_by) = (None, None);
            }
            Action::Resolve => {
                incident.state = IncidentState::Resolved;
                incident.resolved_at = Some(now);
            }
            Action::Escalate => incident.level += 1,
            Action::Acknowledge | Action::Note => {}
        }
        Ok(incident.clone())
    }
}

impl OnCall for FakeOnCall {
    fn incidents(&self, all: bool) -> BoxFuture<'_, Result<Vec<Incident>, ActError>> {
        let list = self.incidents.lock().iter().map(|d| d.incident.clone()).collect::<Vec<_>>();
        let kept = list.into_iter().filter(|i| all || i.state != IncidentState::Resolved).collect();
        Box::pin(async move { self.check().map(|()| kept) })
    }

    fn incident(&self, id: IncidentId) -> BoxFuture<'_, Result<Option<IncidentDetail>, ActError>> {
        let found = self.incidents.lock().iter().find(|d| d.incident.id == id).cloned();
        Box::pin(async move { self.check().map(|()| found) })
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
        self.acts.lock().push((action, by.into(), source.into(), note.map(Into::into)));
        let outcome = self.check().and_then(|()| self.apply(id, action, by, now));
        Box::pin(async move { outcome })
    }

    fn audit(&self, since: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<AuditEntry>, ActError>> {
        let entry = |at, action: &str| AuditEntry {
            at,
            actor: "evaluator".into(),
            source: "engine".into(),
            action: action.into(),
            subject: "api-latency".into(),
            before: None,
            after: Some("firing".into()),
        };
        let all = [entry(minutes_ago(26 * 60), "fired"), entry(minutes_ago(18), "fired")];
        let kept = all.into_iter().filter(|e| e.at >= since).take(limit).collect();
        Box::pin(async move { self.check().map(|()| kept) })
    }
}

pub(super) fn incident_id(number: u32) -> IncidentId {
    IncidentId::parse(&format!("0199d5f0-0000-7000-8000-00000000000{number:x}")).filter(|_| number > 0).unwrap()
}

pub(super) fn incident(number: u32, objective: &str, severity: Severity, summary: &str, started: u64) -> Incident {
    Incident {
        id: incident_id(number),
        state: IncidentState::Firing,
        severity,
        objective: objective.into(),
        labels: Labels::new([
            ("objective", objective),
            ("severity", severity.as_str()),
            ("http_route", "/products/:id"),
        ]),
        summary: summary.into(),
        level: 1,
        started_at: minutes_ago(started),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        url: format!("http://127.0.0.1:1876/incidents/{}", incident_id(number)),
        escalation: Some("on-call".into()),
        generation: 1,
        next_level_at: Some(now() + Duration::from_secs(124)),
        annotations: BTreeMap::from([
            ("runbook".into(), "https://wiki.example/runbooks/api-latency".into()),
            ("dashboard".into(), "javascript:alert(1)".into()),
            ("description".into(), "The 95th percentile of /products/:id is 620 ms; the line is at 200 ms.".into()),
        ]),
    }
}

pub(super) fn incidents() -> Vec<IncidentDetail> {
    let slow = incident(
        1,
        "api-latency",
        Severity::Critical,
        "API answers fast: p95 is 620 ms on /products/:id, over 500 ms",
        18,
    );
    let mut burning = incident(
        2,
        "api-availability",
        Severity::Warning,
        "API answers without errors: budget burns 5.4 times too fast",
        47,
    );
    burning.state = IncidentState::Acknowledged;
    (burning.acknowledged_at, burning.acknowledged_by) = (Some(minutes_ago(41)), Some("ada".into()));
    burning.next_level_at = None;
    let mut over =
        incident(3, "redis-memory", Severity::Warning, "<script>alert('memory')</script> Redis ran short", 1500);
    over.state = IncidentState::Resolved;
    over.resolved_at = Some(minutes_ago(1440));
    let event = |minutes, event: &str, actor: &str, text: &str| TimelineEntry {
        at: minutes_ago(minutes),
        actor: actor.into(),
        source: "engine".into(),
        event: event.into(),
        text: text.into(),
    };
    let delivery = |channel: &str, target: &str, status: &str, error: Option<&str>| Delivery {
        channel: channel.into(),
        target: target.into(),
        kind: "trigger".into(),
        level: 1,
        status: status.into(),
        attempts: if error.is_some() { 3 } else { 1 },
        provider_id: error.is_none().then(|| "PD-1".into()),
        error: error.map(Into::into),
        created_at: minutes_ago(18),
        finished_at: Some(minutes_ago(18)),
    };
    let story = |incident: Incident| IncidentDetail {
        timeline: vec![
            event(18, "fired", "evaluator", "p95 of /products/:id is 620 ms, above 500 ms for 5 min"),
            event(18, "level", "escalation", "level 1 of on-call: pagerduty, slack"),
        ],
        deliveries: vec![
            delivery("pagerduty", "shop-oncall", "sent", None),
            delivery("slack", "#shop-alerts", "failed", Some("503 Service Unavailable: upstream connect error")),
        ],
        why: vec![
            "pagerduty was told at level 1 because the incident fired.".into(),
            "email-senior is told at 03:14 unless someone acknowledges first.".into(),
        ],
        incident,
    };
    vec![story(slow), story(burning), story(over)]
}
