//! The one place that builds concrete things and knows who needs whom.

mod metrics;
mod readiness;
mod reload;
mod restore;
mod retention;
pub mod settings;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::alert::{Desk, Evaluator, EvaluatorStats};
use crate::base::steady::DeletionGuard;
use crate::base::{SharedClock, SteadyClock};
use crate::collect::{self, Schedule};
use crate::config::{Loaded, Service};
use crate::egress;
use crate::http::{self, Api, Edge, Ports, Reload};
use crate::ingest::{self, Intake};
use crate::lifecycle::{End, Phase, Tasks};
use crate::notify::{self, Dispatcher, Sender};
use crate::promql::{Engine, LocalEngine};
use crate::series::{self, RecorderHandle, View};
use crate::slo::{CompiledObjective, Escalation};
use crate::store::journal::FileJournal;
use crate::store::sqlite::SqliteStore;

use reload::Reloader;

pub use reload::Read;

/// What is not in the service file.
#[derive(Clone, Default)]
pub struct Options {
    /// Counts automated browsers as visitors, for the demonstration and for tests.
    pub allow_automated_browsers: bool,
    /// Reads the configuration again, for `SIGHUP` and `POST /-/reload`.
    pub read: Option<Read>,
}

/// The running service.
pub struct App {
    address: SocketAddr,
    tasks: Tasks,
    store: SqliteStore,
    reloader: Arc<Reloader>,
}

/// What a configuration comes to, checked before anything is opened.
struct Plan {
    compiled: Vec<Arc<CompiledObjective>>,
    escalations: Vec<Escalation>,
    senders: HashMap<String, Arc<dyn Sender>>,
    ingest: ingest::Settings,
    http: http::Settings,
    service: Service,
    read: Option<Read>,
}

/// What knows and decides.
struct Core {
    store: SqliteStore,
    recorder: RecorderHandle,
    view: Arc<View>,
    keeper: series::Loop,
    engine: Arc<dyn Engine>,
    desk: Arc<Desk>,
}

impl App {
    /// Builds and starts everything. The port is opened last: whoever can connect is served.
    ///
    /// # Errors
    /// An objective that does not compile, a database or journal that cannot be opened, a port in use.
    pub async fn start(loaded: Loaded, options: Options, clock: SharedClock) -> anyhow::Result<Self> {
        let steady = Arc::new(SteadyClock::new(clock));
        let clock: SharedClock = steady.clone();
        let plan = plan(loaded, &options, &clock)?;
        let (listen, grpc) = (plan.service.listen, plan.service.otlp_grpc_listen);
        let core = open(&plan, &steady).await?;
        let listener = bind(listen).await?;
        let grpc = match grpc {
            Some(grpc) => Some(bind(grpc).await?),
            None => None,
        };
        assemble(plan, core, steady)?.serve(listener, grpc)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process's tasks, for whoever adds some.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Runs until `stop` is ready, then stops phase by phase.
    pub async fn run_until(&self, stop: impl Future<Output = ()>, grace: Duration) -> End {
        self.tasks.run_until(stop, grace).await
    }

    /// Reads the configuration again and takes its objectives and escalations. The log says what came of it.
    pub async fn reload(&self) {
        // The outcome is in the log; whoever sent the signal has no other place to look.
        let _logged = self.reloader.reload().await;
    }

    /// Closes the database; call it when [`App::run_until`] has returned.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

fn plan(loaded: Loaded, options: &Options, clock: &SharedClock) -> anyhow::Result<Plan> {
    let service = loaded.service;
    let client = egress::Client::new(egress::Limits::default(), egress::Policy::Configured)?;
    let mut senders = HashMap::new();
    for channel in settings::notify(&service)?.channels {
        senders.insert(channel.name.clone(), notify::build(&channel, &client, clock)?);
    }
    let mut ingest = settings::ingest(&service)?;
    ingest.allow_automated_browsers = options.allow_automated_browsers;
    Ok(Plan {
        compiled: settings::compile(&loaded.objectives.objectives)?,
        escalations: loaded.objectives.escalations,
        senders,
        ingest,
        http: settings::http(&service)?,
        service,
        read: options.read.clone(),
    })
}

async fn open(plan: &Plan, steady: &Arc<SteadyClock>) -> anyhow::Result<Core> {
    let clock: SharedClock = steady.clone();
    let (store, applied) = SqliteStore::open(&settings::sqlite_file(&plan.service)?).await?;
    applied.iter().for_each(|m| tracing::info!(number = m.number, name = m.name, "migration applied"));
    let settings = settings::series(&plan.service);
    let mut journal = FileJournal::open(&settings.journal_dir, settings.sync)?.with_limit(settings.journal_max_bytes);
    restore::unpack(&store, &mut journal).await?;
    let catalog = settings::catalog(&plan.compiled);
    let archive = Arc::new(store.clone());
    let (recorder, view, keeper) = series::open(settings, clock.clone(), archive, Box::new(journal), catalog).await?;
    if store.release_leases().await? > 0 {
        tracing::info!("notifications that were on their way when the last process ended are sent again");
    }
    if let Some(newest) = keeper.recovery().newest {
        steady.not_before(newest);
    }
    let engine: Arc<dyn Engine> = Arc::new(LocalEngine::with_clock(view.clone(), clock.clone()));
    let alert = settings::alert(&plan.service);
    let ledger = Arc::new(store.clone());
    let (compiled, escalations) = (plan.compiled.clone(), plan.escalations.clone());
    let desk = Desk::open(alert, ledger, view.clone(), compiled, escalations, clock.now()).await?;
    Ok(Core { store, recorder, view, keeper, engine, desk })
}

/// An assembled service that does not listen yet.
struct Assembled {
    app: App,
    api: Api,
    front: http::Front,
    server: http::ServerSettings,
}

/// Wires the loops and starts them.
fn assemble(plan: Plan, core: Core, steady: Arc<SteadyClock>) -> anyhow::Result<Assembled> {
    let clock: SharedClock = steady.clone();
    let Core { store, recorder, view, keeper, engine, desk } = core;
    let recorder = Arc::new(recorder);
    let stats = Arc::new(EvaluatorStats::default());
    let evaluator = Evaluator::new(desk.clone(), engine.clone(), recorder.clone(), clock.clone(), stats.clone());

    let outbox = Arc::new(store.clone());
    let dispatcher = Dispatcher::new(outbox, plan.senders, desk.clone(), clock.clone(), desk.outgoing());
    let retention = retention::Retention {
        ledger: Arc::new(store.clone()),
        keep: plan.service.keep.audit,
        clock: clock.clone(),
        guard: DeletionGuard::new(keeper.recovery().newest),
    };
    let collectors = collect::build(settings::collect(&plan.service));
    let schedule = Schedule::new(collectors, recorder.clone(), clock.clone());
    let intake = Arc::new(Intake::with_registry(plan.ingest, recorder.clone(), view.registry().clone()));
    let queries = Arc::new(http::Queries::default());
    let own = metrics::Own {
        queries: queries.clone(),
        tally: intake.tally().clone(),
        series: view.counters().clone(),
        known: view.clone(),
        evaluator: stats.clone(),
        dispatcher: dispatcher.counters(),
        collectors: schedule.stats(),
        desk: desk.clone(),
        clock: steady.clone(),
    };
    let keeper = keeper.with_own_metrics(Arc::new(metrics::source(own)?));
    let evaluate_every = plan.service.evaluate_every;
    let objectives = desk.clone();
    let watch = readiness::Watch { view: view.clone(), objectives, evaluate_every, stats, clock: steady };
    let reloader = Arc::new(Reloader {
        read: plan.read,
        desk: desk.clone(),
        view: view.clone(),
        clock: clock.clone(),
        service: plan.service.clone(),
    });
    let mut edge = Edge::new(plan.http.clone(), intake, Arc::new(watch), clock.clone());
    edge.queries = queries;
    edge.reload = Some(reloader.clone());
    let ports = Ports {
        clock: clock.clone(),
        engine,
        known: view.clone(),
        recorder,
        on_call: desk.clone(),
        objectives: desk.clone(),
    };
    let tasks = Tasks::default();
    tasks.spawn(Phase::Store, "archive", keeper.run(tasks.token(Phase::Store)));
    tasks.spawn(Phase::Notify, "dispatcher", dispatcher.run(tasks.token(Phase::Notify)));
    tasks.spawn(Phase::Judge, "evaluator", evaluator.run(tasks.token(Phase::Judge)));
    tasks.spawn(Phase::Judge, "retention", retention.run(tasks.token(Phase::Judge)));
    tasks.spawn(Phase::Intake, "collectors", schedule.run(tasks.token(Phase::Intake)));
    let app = App { address: plan.service.listen, tasks, store, reloader };
    let api = Api::with_edge(ports, edge);
    Ok(Assembled { app, front: http::Front::new(api.clone()), api, server: plan.http.server })
}

impl Assembled {
    fn serve(self, listener: TcpListener, grpc: Option<TcpListener>) -> anyhow::Result<App> {
        let Self { mut app, api, front, server } = self;
        app.address = listener.local_addr()?;
        let stop = app.tasks.token(Phase::Intake);
        app.tasks.spawn(Phase::Intake, "listener", async move {
            if let Err(error) = http::serve(listener, front, server, stop).await {
                tracing::error!(%error, "the listener failed");
            }
        });
        if let Some(listener) = grpc {
            tracing::info!(address = %listener.local_addr()?, "listening for OTLP over gRPC");
            let stop = app.tasks.token(Phase::Intake);
            app.tasks.spawn(Phase::Intake, "otlp over grpc", async move {
                if let Err(error) = http::grpc::serve(listener, api, stop).await {
                    tracing::error!(%error, "the gRPC listener failed");
                }
            });
        }
        Ok(app)
    }
}
