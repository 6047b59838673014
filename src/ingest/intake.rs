//! The pipeline: decode, validate, route, limit, record; and every event accounted for.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::base::{DropReason, Timestamp};
use crate::series::{Item, RecordError, Recorder};

use super::elements;
use super::gather::{Event, Gather, SeriesCache};
use super::legacy;
use super::outcome::{Outcome, Reject};
use super::routes::RouteLimit;
use super::settings::Settings;
use super::tally::{Endpoint, Receipt, Tally};
use super::timings;
use super::vitals::{self, View};

/// What the transport knows of the sender.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sender<'a> {
    /// `User-Agent`; empty when absent.
    pub user_agent: &'a str,
    /// `Sec-CH-UA-Mobile`
    pub mobile: Option<bool>,
    /// The site named beside the body; empty when there is none.
    pub site: &'a str,
    /// The service that the sender's key stands for: nothing else is written under this key.
    pub service: Option<&'a str>,
}

/// Whether a site named in a beacon may send, and the service that it stands for (`None`: the site
/// itself).
pub type Authorize<'a> = &'a (dyn Fn(&str) -> Result<Option<String>, DropReason> + Sync);

/// Why nothing of a body was recorded.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The site named in the beacon may not send.
    #[error("the beacon's site may not send here")]
    Refused(DropReason),
    /// The recorder did not take it; try again later.
    #[error("the batch was not recorded")]
    Record(#[from] RecordError),
}

/// Takes bodies in.
pub struct Intake {
    settings: Settings,
    recorder: Arc<dyn Recorder>,
    tally: Arc<Tally>,
    cache: SeriesCache,
    limit: RouteLimit,
}

impl Intake {
    /// An intake in front of a recorder.
    pub fn new(settings: Settings, recorder: Arc<dyn Recorder>) -> Self {
        let cache = SeriesCache::new(settings.cached_series);
        let limit = RouteLimit::new(settings.routes_per_service);
        Self { settings, recorder, tally: Arc::default(), cache, limit }
    }

    /// The count of what arrived here.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// `POST /ingest/timings`
    pub async fn timings(&self, body: &[u8], sender: &Sender<'_>, now: Timestamp) -> Result<Outcome, IntakeError> {
        let mut run = Run::new(self, Endpoint::Timings, sender, now);
        for (line, timing) in timings::decode(body) {
            run.event(line, timing.and_then(|t| timings::event(t, &self.settings, now)));
        }
        run.record().await
    }

    /// `POST /ingest/vitals`
    pub async fn vitals(
        &self,
        body: &[u8],
        sender: &Sender<'_>,
        authorize: Authorize<'_>,
        now: Timestamp,
    ) -> Result<Outcome, IntakeError> {
        let mut run = Run::new(self, Endpoint::Vitals, sender, now);
        for (line, view) in vitals::decode(body) {
            run.view(line, view, authorize)?;
        }
        run.record().await
    }

    /// Samples that a decoder has made of a snapshot, and what it left out: `POST /ingest/redis`,
    /// `POST /ingest/postgres`.
    pub async fn samples(
        &self,
        endpoint: Endpoint,
        items: Vec<Item>,
        dropped: &[(DropReason, u64)],
    ) -> Result<Outcome, IntakeError> {
        let mut run = Run::new(self, endpoint, &Sender::default(), Timestamp::default());
        for (reason, count) in dropped {
            run.receipt.take(*count);
            run.receipt.drop_events(*reason, *count);
            run.outcome.dropped += count;
        }
        run.receipt.take(items.len() as u64);
        run.gather.batch.items = items;
        run.record().await
    }

    /// `POST /api/performance/metrics`: records of older applications and web-vitals beacons, mixed.
    pub async fn performance(
        &self,
        body: &[u8],
        sender: &Sender<'_>,
        authorize: Authorize<'_>,
        now: Timestamp,
    ) -> Result<Outcome, IntakeError> {
        let mut run = Run::new(self, Endpoint::Performance, sender, now);
        for (line, raw) in elements::decode::<&RawValue>(body) {
            match raw.map(|raw| (raw, serde_json::from_str::<legacy::Shape<'_>>(raw.get()))) {
                Ok((raw, Ok(shape))) if shape.is_vital() => {
                    let view = serde_json::from_str(raw.get()).map_err(|e| Reject::json(&e));
                    run.view(line, view, authorize)?;
                }
                Ok((raw, Ok(_))) => run.old_record(line, legacy::event(raw, &self.settings, now), authorize)?,
                Ok((_, Err(error))) => run.event(line, Err(Reject::json(&error))),
                Err(reject) => run.event(line, Err(reject)),
            }
        }
        run.record().await
    }
}

/// One body on its way through.
struct Run<'i> {
    intake: &'i Intake,
    sender: Sender<'i>,
    now: Timestamp,
    receipt: Receipt<'i>,
    gather: Gather<'i>,
    outcome: Outcome,
}

impl<'i> Run<'i> {
    fn new(intake: &'i Intake, endpoint: Endpoint, sender: &Sender<'i>, now: Timestamp) -> Self {
        let receipt = intake.tally.receive(endpoint);
        let gather = Gather::new(&intake.cache, &intake.limit);
        Self { intake, sender: *sender, now, receipt, gather, outcome: Outcome::default() }
    }

    /// Counts and gathers one event, or notes why not.
    fn event(&mut self, line: usize, event: Result<Event<'_>, Reject>) {
        self.receipt.take(1);
        match event {
            Ok(mut event) => {
                if let Some(service) = self.sender.service {
                    event.service = service.into();
                }
                self.gather.add(&event);
            }
            Err(reject) => self.refuse(line, reject),
        }
    }

    /// Counts and gathers one record of an older application, which names no site itself.
    fn old_record(
        &mut self,
        line: usize,
        event: Result<Event<'_>, Reject>,
        authorize: Authorize<'_>,
    ) -> Result<(), IntakeError> {
        let service = match authorize(self.sender.site) {
            Ok(service) => service,
            Err(reason) => {
                self.receipt.take(1);
                return Err(self.turn_away(reason));
            }
        };
        let of_service = event.map(|e| match service {
            Some(service) => Event { service: service.into(), ..e },
            None => e,
        });
        self.event(line, of_service);
        Ok(())
    }

    /// Counts and gathers the metrics of one view. Positions are those of its metrics when the body is
    /// one view, else those of the views.
    fn view(
        &mut self,
        line: usize,
        view: Result<View<'_>, Reject>,
        authorize: Authorize<'_>,
    ) -> Result<(), IntakeError> {
        let mut view = match view {
            Ok(view) => view,
            Err(reject) => {
                self.event(line, Err(reject));
                return Ok(());
            }
        };
        let metrics = view.take_metrics();
        self.receipt.take(metrics.len() as u64);
        let service = match authorize(if view.site().is_empty() { self.sender.site } else { view.site() }) {
            Ok(service) => service,
            Err(reason) => return Err(self.turn_away(reason)),
        };
        let service = self.sender.service.or(service.as_deref());
        match view.page(&self.sender, service, &self.intake.settings, self.now) {
            Ok(page) => {
                for (i, metric) in metrics {
                    match metric.and_then(|m| vitals::report(&page, m, &mut self.gather)) {
                        Ok(report) => self.gather.batch.vitals.push(report),
                        Err(reject) => self.refuse(line.max(i), reject),
                    }
                }
            }
            Err(reject) => self.refuse_view(line, metrics.len(), reject),
        }
        Ok(())
    }

    /// The whole view has the same fault; it is told once.
    fn refuse_view(&mut self, line: usize, metrics: usize, reject: Reject) {
        if metrics == 0 {
            self.receipt.take(1);
        }
        let others = (metrics as u64).saturating_sub(1);
        self.receipt.drop_events(reject.reason, others);
        if is_left_out(reject.reason) {
            self.outcome.dropped += others;
        }
        self.refuse(line, reject);
    }

    fn refuse(&mut self, line: usize, reject: Reject) {
        self.receipt.drop_events(reject.reason, 1);
        if is_left_out(reject.reason) {
            self.outcome.dropped += 1;
        } else {
            self.outcome.reject(line, reject);
        }
    }

    /// The sender may not send: nothing of the body counts.
    fn turn_away(&mut self, reason: DropReason) -> IntakeError {
        self.receipt.drop_events(reason, self.receipt.open());
        IntakeError::Refused(reason)
    }

    /// Hands the batch to the recorder and settles the account by its answer.
    async fn record(mut self) -> Result<Outcome, IntakeError> {
        if !self.gather.batch.is_empty() {
            self.receipt.hand_over();
            let answer = self.intake.recorder.record(std::mem::take(&mut self.gather.batch)).await;
            self.receipt.arrived();
            let recorded = match answer {
                Ok(recorded) => recorded,
                Err(error) => {
                    self.receipt.drop_events(DropReason::Overloaded, self.receipt.open());
                    return Err(error.into());
                }
            };
            for (reason, events) in recorded.dropped {
                let events = events.min(self.receipt.open());
                self.receipt.drop_events(reason, events);
                self.outcome.dropped += events;
            }
        }
        self.outcome.accepted = self.receipt.accept_rest();
        Ok(self.outcome)
    }
}

/// Whether this is no fault of the sender's: it is counted, and not complained about.
fn is_left_out(reason: DropReason) -> bool {
    matches!(reason, DropReason::Bot | DropReason::Dummy | DropReason::Sampled)
}

#[cfg(test)]
mod tests;
