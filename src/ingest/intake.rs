//! The pipeline: decode, validate, route, limit, record; and every event accounted for.

mod run;

use std::sync::Arc;

use crate::base::{DropReason, Timestamp};
use crate::series::{Item, MetadataRegistry, RecordError, Recorder};

use super::attribution::Attributions;
use super::elements::{Element, Objects};
use super::faro;
use super::gather::SeriesCache;
use super::otlp::Running;
use super::outcome::Outcome;
use super::remote_write;
use super::routes::RouteLimit;
use super::settings::Settings;
use super::tally::{Endpoint, Tally};
use super::templates::Templates;
use super::vitals::View;
pub use run::Gathered;
pub(super) use run::Run;

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
    /// The visitor asks not to be looked at more closely than needed (`Sec-GPC: 1`).
    pub private: bool,
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

/// What pages send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageForm {
    /// `POST /ingest/vitals`: web-vitals beacons.
    Beacon,
    /// `POST /collect`: payloads of Faro's.
    Faro,
    /// `POST /api/performance/metrics`: records of older applications and web-vitals beacons, mixed.
    Mixed,
}

impl PageForm {
    /// Where it arrives.
    pub const fn endpoint(self) -> Endpoint {
        match self {
            Self::Beacon => Endpoint::Vitals,
            Self::Faro => Endpoint::Collect,
            Self::Mixed => Endpoint::Performance,
        }
    }
}

/// Distinct types of exceptions for each service; further ones become `__other__`.
const EXCEPTION_TYPES: usize = 50;

/// Takes bodies in.
pub struct Intake {
    pub(super) settings: Settings,
    recorder: Arc<dyn Recorder>,
    tally: Arc<Tally>,
    cache: SeriesCache,
    templates: Templates,
    limit: RouteLimit,
    exception_types: RouteLimit,
    attributions: Attributions,
    remote_write: remote_write::Receiver,
    pub(super) running: Running,
    pub(super) registry: Arc<MetadataRegistry>,
}

impl Intake {
    /// An intake in front of a recorder.
    pub fn new(settings: Settings, recorder: Arc<dyn Recorder>) -> Self {
        Self::with_registry(settings, recorder, Arc::default())
    }

    /// The same; what senders say of their metrics goes to `registry`.
    pub fn with_registry(settings: Settings, recorder: Arc<dyn Recorder>, registry: Arc<MetadataRegistry>) -> Self {
        let cache = SeriesCache::new(settings.cached_series);
        let templates = Templates::new(settings.cached_series);
        let limit = RouteLimit::new(settings.routes_per_service);
        let exception_types = RouteLimit::new(EXCEPTION_TYPES);
        let attributions = Attributions::default();
        let tally = Arc::<Tally>::default();
        let remote_write =
            remote_write::Receiver::new(recorder.clone(), tally.clone(), registry.clone(), settings.labels);
        let running = Running::default();
        Self {
            settings,
            recorder,
            tally,
            cache,
            templates,
            limit,
            exception_types,
            attributions,
            remote_write,
            running,
            registry,
        }
    }

    /// What reports say of the elements of their pages.
    pub fn attributions(&self) -> &Attributions {
        &self.attributions
    }

    /// `POST /api/v1/write`
    pub fn remote_write(&self) -> &remote_write::Receiver {
        &self.remote_write
    }

    /// The count of what arrived here.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// The lines that are known.
    #[cfg(test)]
    pub(super) fn templates(&self) -> &Templates {
        &self.templates
    }

    /// `POST /ingest/timings`
    pub async fn timings(&self, body: &[u8], sender: &Sender<'_>, now: Timestamp) -> Gathered<'_> {
        let mut run = Run::new(self, Endpoint::Timings, sender, now);
        let body = body.trim_ascii();
        match Objects::of(body) {
            Some(objects) => {
                if !run.objects(objects).await {
                    run.start_over();
                    run.elements(body);
                }
            }
            None if body.is_empty() => run.elements(body),
            None => run.rows(body).await,
        }
        run.gathered()
    }

    /// What a page sends, in one of its forms.
    pub fn page(
        &self,
        form: PageForm,
        body: &[u8],
        sender: &Sender<'_>,
        authorize: Authorize<'_>,
        now: Timestamp,
    ) -> Result<Gathered<'_>, IntakeError> {
        let mut run = Run::new(self, form.endpoint(), sender, now);
        match form {
            PageForm::Beacon => run.beacon(body, authorize)?,
            PageForm::Faro => match faro::decode(body) {
                Ok(payload) => run.faro(payload, authorize)?,
                Err(reject) => run.event(1, Err(reject)),
            },
            PageForm::Mixed => run.mixed(body, authorize)?,
        }
        Ok(run.gathered())
    }

    /// Views that a decoder has made of records of another form, each with its position.
    pub async fn views(
        &self,
        endpoint: Endpoint,
        views: Vec<Element<View<'_>>>,
        sender: &Sender<'_>,
        authorize: Authorize<'_>,
        now: Timestamp,
    ) -> Result<Outcome, IntakeError> {
        let mut run = Run::new(self, endpoint, sender, now);
        for (line, view) in views {
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
}

#[cfg(test)]
mod tests;
