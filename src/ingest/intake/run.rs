//! One body on its way through the stages.

use serde_json::value::RawValue;

use crate::base::{DropReason, Timestamp};

use super::{Authorize, Intake, IntakeError, Sender};
use crate::ingest::attribution::Sighting;
use crate::ingest::elements::{self, Next, Objects};
use crate::ingest::faro;
use crate::ingest::gather::{Change, Event, Gather};
use crate::ingest::legacy;
use crate::ingest::outcome::{Outcome, Reject};
use crate::ingest::tally::{Endpoint, Receipt};
use crate::ingest::templates::Cut;
use crate::ingest::timings::{self, Timing};
use crate::ingest::validate;
use crate::ingest::vitals::{self, Page, View};
use crate::series::{Batch, RecordError, Recorded};

/// After so many elements of one body other requests have their turn: a body may hold 60,000.
const AT_ONCE: usize = 512;

/// One body on its way through: `'i` is the intake's life, `'s` the request's.
pub(in crate::ingest) struct Run<'i, 's> {
    intake: &'i Intake,
    sender: Sender<'s>,
    now: Timestamp,
    pub(in crate::ingest) receipt: Receipt<'i>,
    pub(in crate::ingest) gather: Gather<'i>,
    pub(in crate::ingest) outcome: Outcome,
}

/// What a body held, ready to be recorded. It holds nothing of the request: whoever drops that before waiting for
/// the recorder lets the connection use its buffer again.
#[must_use = "nothing is recorded before `record`"]
pub struct Gathered<'i> {
    intake: &'i Intake,
    now: Timestamp,
    receipt: Receipt<'i>,
    batch: Batch,
    sightings: Vec<Sighting>,
    outcome: Outcome,
}

impl<'i, 's> Run<'i, 's> {
    pub(in crate::ingest) fn new(intake: &'i Intake, endpoint: Endpoint, sender: &Sender<'s>, now: Timestamp) -> Self {
        let receipt = intake.tally.receive(endpoint);
        let gather = Gather::new(&intake.cache, &intake.limit);
        Self { intake, sender: *sender, now, receipt, gather, outcome: Outcome::default() }
    }

    /// Timings one a line, or one over several lines.
    pub(in crate::ingest) async fn rows(&mut self, body: &[u8]) {
        for (i, (number, line)) in elements::rows(body).enumerate() {
            if i % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            match self.timing(line) {
                Ok(event) => self.taken(number, event),
                Err(error) if i == 0 && error.is_eof() => return self.elements(body),
                Err(error) => self.event(number, Err(Reject::json(&error))),
            }
        }
    }

    /// The timings of an array, all of which must be good; `false` when one is not, and nothing counts.
    pub(in crate::ingest) async fn objects(&mut self, mut objects: Objects<'_>) -> bool {
        for i in 1.. {
            match objects.next() {
                Next::Object(object) => match self.timing(object) {
                    Ok(Some(Err(_))) | Err(_) => return false,
                    Ok(event) => self.taken(i, event),
                },
                Next::End => return true,
                Next::Other => return false,
            }
            if i % AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        false
    }

    /// Forgets what was gathered.
    pub(in crate::ingest) fn start_over(&mut self) {
        self.gather = Gather::new(&self.intake.cache, &self.intake.limit);
        self.receipt.put_back();
    }

    /// The timings of a body of any form, good or not.
    pub(in crate::ingest) fn elements(&mut self, body: &[u8]) {
        for (line, timing) in timings::decode(body) {
            self.event(line, timing.and_then(|t| timings::event(t, &self.intake.settings, self.now)));
        }
    }

    /// One timing: `None` when it was known and is gathered already; an error when it is no timing at all.
    fn timing<'a>(&mut self, line: &'a [u8]) -> Result<Option<Result<Event<'a>, Reject>>, serde_json::Error>
    where
        's: 'a,
    {
        let cut = Cut::new(line, self.sender.service);
        if cut.as_ref().is_some_and(|cut| self.observe_known(cut)) {
            return Ok(None);
        }
        let timing: Timing<'a> = serde_json::from_slice(line)?;
        let cut = cut.map(|cut| (cut, timing.clone()));
        let event = timings::event(timing, &self.intake.settings, self.now).map(|e| self.of_sender(e));
        if let (Some((cut, timing)), Ok(event)) = (cut, &event)
            && matches!(event.change, Change::Observe(_))
        {
            self.intake.templates.learn(cut, &timing, || self.gather.labels(event));
        }
        Ok(Some(event))
    }

    /// Gathers an event whose line is known; `false` when it is not, or when its numbers are to be refused.
    fn observe_known(&mut self, cut: &Cut<'_>) -> bool {
        let seconds = validate::duration("duration_ms", cut.duration_ms());
        let at = validate::event_time(cut.stamp(), self.now);
        let (Ok(seconds), Ok(at)) = (seconds, at) else { return false };
        self.intake.templates.find(cut, |series| self.gather.observe(series, at, seconds)).is_some()
    }

    /// Counts what [`Run::timing`] made of a line.
    fn taken(&mut self, line: usize, event: Option<Result<Event<'_>, Reject>>) {
        match event {
            Some(event) => self.event(line, event),
            None => self.receipt.take(1),
        }
    }

    /// The event under the service that the sender's key stands for.
    fn of_sender<'e>(&self, event: Event<'e>) -> Event<'e>
    where
        's: 'e,
    {
        match self.sender.service {
            Some(service) => Event { service: service.into(), ..event },
            None => event,
        }
    }

    /// Counts and gathers one event, or notes why not.
    pub(in crate::ingest) fn event(&mut self, line: usize, event: Result<Event<'_>, Reject>) {
        self.receipt.take(1);
        match event {
            Ok(event) => {
                let event = self.of_sender(event);
                self.gather.add(&event);
            }
            Err(reject) => self.refuse(line, reject),
        }
    }

    /// The same for senders who send everything they have: what is of no use here is counted, and they are
    /// not told.
    pub(in crate::ingest) fn event_or_leave(&mut self, line: usize, event: Result<Event<'_>, Reject>) {
        match event {
            Err(reject) if reject.reason == DropReason::Unsupported => self.leave(reject.reason),
            other => self.event(line, other),
        }
    }

    /// Counts one event as left out.
    pub(in crate::ingest) fn leave(&mut self, reason: DropReason) {
        self.receipt.take(1);
        self.receipt.drop_events(reason, 1);
    }

    /// Counts and gathers web-vitals beacons.
    pub(in crate::ingest) fn beacon(&mut self, body: &[u8], authorize: Authorize<'_>) -> Result<(), IntakeError> {
        vitals::decode(body).into_iter().try_for_each(|(line, view)| self.view(line, view, authorize))
    }

    /// Counts and gathers records of older applications and web-vitals beacons.
    pub(in crate::ingest) fn mixed(&mut self, body: &[u8], authorize: Authorize<'_>) -> Result<(), IntakeError> {
        for (line, raw) in elements::decode::<&RawValue>(body) {
            match raw.map(|raw| (raw, serde_json::from_str::<legacy::Shape<'_>>(raw.get()))) {
                Ok((raw, Ok(shape))) if shape.is_vital() => {
                    let view = serde_json::from_str(raw.get()).map_err(|e| Reject::json(&e));
                    self.view(line, view, authorize)?;
                }
                Ok((raw, Ok(_))) => {
                    self.old_record(line, legacy::event(raw, &self.intake.settings, self.now), authorize)?;
                }
                Ok((_, Err(error))) => self.event(line, Err(Reject::json(&error))),
                Err(reject) => self.event(line, Err(reject)),
            }
        }
        Ok(())
    }

    /// Counts and gathers one record of an older application, which names no site itself.
    pub(in crate::ingest) fn old_record(
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
    pub(in crate::ingest) fn view(
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

    /// Counts and gathers a payload of Faro's: vitals, exceptions by type, and the rest as not taken.
    pub(in crate::ingest) fn faro(
        &mut self,
        payload: faro::Payload<'_>,
        authorize: Authorize<'_>,
    ) -> Result<(), IntakeError> {
        let site = if payload.site().is_empty() { self.sender.site } else { payload.site() };
        let service = match authorize(site) {
            Ok(service) => service,
            Err(reason) => {
                self.receipt.take(payload.events());
                return Err(self.turn_away(reason));
            }
        };
        self.leave_out(DropReason::Unsupported, payload.unsupported);
        let service = self.sender.service.or(service.as_deref());
        let page = payload.page.page(&self.sender, service, &self.intake.settings, self.now);
        for (line, kind) in payload.exceptions {
            let kind = |page: &Page<'_>| Ok(self.intake.exception_types.admit(page.service(), &kind?).to_owned());
            let event = page.as_ref().map_err(Clone::clone).and_then(|p| Ok(faro::exception(p, kind(p)?, self.now)));
            self.event(line, event);
        }
        for (line, view) in payload.views {
            self.view(line, view, authorize)?;
        }
        Ok(())
    }

    /// Counts what is well-formed and not taken; the sender is not told.
    fn leave_out(&mut self, reason: DropReason, events: u64) {
        self.receipt.take(events);
        self.receipt.drop_events(reason, events);
        self.outcome.dropped += events;
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

    pub(in crate::ingest) fn refuse(&mut self, line: usize, reject: Reject) {
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

    /// What the body held.
    pub(in crate::ingest) fn gathered(self) -> Gathered<'i> {
        let Gather { batch, sightings, .. } = self.gather;
        Gathered { intake: self.intake, now: self.now, receipt: self.receipt, batch, sightings, outcome: self.outcome }
    }

    /// Hands the batch to the recorder and settles the account by its answer.
    pub(in crate::ingest) async fn record(self) -> Result<Outcome, IntakeError> {
        self.gathered().record().await
    }
}

impl Gathered<'_> {
    /// Hands the batch to the recorder and settles the account by its answer.
    pub async fn record(mut self) -> Result<Outcome, IntakeError> {
        if !self.batch.is_empty() {
            self.receipt.hand_over();
            let answer = self.intake.recorder.record(std::mem::take(&mut self.batch)).await;
            self.receipt.arrived();
            self.settle(answer)?;
        }
        self.outcome.accepted = self.receipt.accept_rest();
        Ok(self.outcome)
    }

    fn settle(&mut self, answer: Result<Recorded, RecordError>) -> Result<(), RecordError> {
        let recorded = match answer {
            Ok(recorded) => recorded,
            Err(error) => {
                self.receipt.drop_events(error.reason(), self.receipt.open());
                return Err(error);
            }
        };
        self.intake.attributions.note(std::mem::take(&mut self.sightings), self.now);
        for (reason, events) in recorded.dropped {
            let events = events.min(self.receipt.open());
            self.receipt.drop_events(reason, events);
            self.outcome.dropped += events;
            self.outcome.dropped_by.push((reason, events));
        }
        Ok(())
    }
}

/// Whether this is no fault of the sender's: it is counted, and not complained about.
fn is_left_out(reason: DropReason) -> bool {
    matches!(reason, DropReason::Bot | DropReason::Dummy | DropReason::Sampled)
}
