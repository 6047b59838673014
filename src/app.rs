//! The one place that builds concrete things and knows who needs whom.

mod metrics;
mod readiness;
pub mod settings;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::alert::{Desk, Evaluator, EvaluatorStats};
use crate::base::{SharedClock, Timestamp};
use crate::collect::{self, Schedule};
use crate::config::Loaded;
use crate::egress;
use crate::http::{self, Api, Edge, Ports};
use crate::ingest::Intake;
use crate::lifecycle::{End, Phase, Tasks};
use crate::notify::{self, Dispatcher, Sender};
use crate::promql::{Engine, LocalEngine};
use crate::series::{self, RecorderHandle, View};
use crate::store::journal::FileJournal;
use crate::store::sqlite::SqliteStore;

/// What is not in the service file.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Counts automated browsers as visitors, for the demonstration and for tests.
    pub allow_automated_browsers: bool,
}

/// The running service.
pub struct App {
    address: SocketAddr,
    tasks: Tasks,
    store: SqliteStore,
    desk: Arc<Desk>,
    recorder: RecorderHandle,
    clock: SharedClock,
}

impl App {
    /// Builds and starts everything. The port is opened last: whoever can connect is served.
    ///
    /// # Errors
    /// An objective that does not compile, a database or journal that cannot be opened, a port in use.
    pub async fn start(loaded: Loaded, options: Options, clock: SharedClock) -> anyhow::Result<Self> {
        let service = &loaded.service;
        let compiled = settings::compile(&loaded.objectives.objectives)?;
        let notify = settings::notify(service)?;
        let ingest = ingest::Settings {
            allow_automated_browsers: options.allow_automated_browsers,
            ..settings::ingest(service)?
        };
        let http_settings = settings::http(service)?;
        let path = settings::sqlite_file(service)?;

        let tasks = Tasks::default();
        let (store, applied) = SqliteStore::open(&path).await?;
        applied.iter().for_each(|m| tracing::info!(number = m.number, name = m.name, "migration applied"));
        let series_settings = settings::series(service);
        let journal = FileJournal::open(&series_settings.journal_dir, series_settings.sync)?;
        let catalog = settings::catalog(&compiled);
        let archive = Arc::new(store.archive());
        let (recorder, view, keeper) =
            series::open(series_settings, clock.clone(), archive, Box::new(journal), catalog).await?;

        let engine: Arc<dyn Engine> = Arc::new(LocalEngine::with_clock(view.clone(), clock.clone()));
        let stats = Arc::new(EvaluatorStats::default());
        let escalations = loaded.objectives.escalations.clone();
        let alert = settings::alert(service);
        let evaluate_every = alert.evaluate_every;
        let desk =
            Desk::open(alert, Arc::new(store.ledger()), view.clone(), compiled, escalations, clock.now()).await?;
        let evaluator =
            Evaluator::new(desk.clone(), engine.clone(), Arc::new(recorder.clone()), clock.clone(), stats.clone());
        let dispatcher = dispatcher(&notify, &store, &desk, &clock)?;

        let intake = Arc::new(Intake::new(ingest, Arc::new(recorder.clone())));
        let schedule =
            Schedule::new(collect::build(settings::collect(service)), Arc::new(recorder.clone()), clock.clone());
        let own = metrics::Own {
            tally: intake.tally().clone(),
            series: view.counters(),
            evaluator: stats,
            dispatcher: dispatcher.counters(),
            collectors: schedule.stats(),
            desk: desk.clone(),
        };
        let keeper = keeper.with_own_metrics(metrics::source(own));
        let watch = readiness::Watch { view: view.clone(), objectives: desk.clone(), evaluate_every };
        let edge = Edge::new(http_settings.clone(), intake, Arc::new(watch), clock.clone());
        let ports = Ports {
            clock: clock.clone(),
            engine,
            known: view.clone(),
            recorder: Arc::new(recorder.clone()),
            on_call: desk.clone(),
            objectives: desk.clone(),
        };
        let router = http::router(Api::with_edge(ports, edge));
        let listener = TcpListener::bind(service.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", service.listen))?;
        let address = listener.local_addr()?;

        tasks.spawn(Phase::Store, "archive", keeper.run(tasks.token(Phase::Store)));
        tasks.spawn(Phase::Notify, "dispatcher", dispatcher.run(tasks.token(Phase::Notify)));
        tasks.spawn(Phase::Judge, "evaluator", evaluator.run(tasks.token(Phase::Judge)));
        tasks.spawn(Phase::Intake, "collectors", schedule.run(tasks.token(Phase::Intake)));
        let stop = tasks.token(Phase::Intake);
        let server = http_settings.server;
        tasks.spawn(Phase::Intake, "listener", async move {
            if let Err(error) = http::serve(listener, router, server, stop).await {
                tracing::error!(%error, "the listener failed");
            }
        });
        Ok(Self { address, tasks, store, desk, recorder, clock })
    }
}
