//! Sets the stage: a folder, private servers, the receiver of pages, the configuration; then the shop and
//! its customers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::base::SharedClock;
use crate::config::{self, Flags, Loaded, MemorySources};
use crate::lifecycle::Phase;

use super::faults;
use super::http::Http;
use super::load::Load;
use super::peers::{self, Peer, PeerError};
use super::receiver::{Addresses, Reaction, Receiver};
use super::shop::{self, Catalogue, OrderBook, Shared, SharedCache, Shop, Timings};
use super::visitors::{Visitors, find_program};

/// How often a private server is tried, a tenth of a second apart.
const CONNECT_TRIES: usize = 30;

/// Tells the person at the terminal.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// Where Plimsoll listens.
    pub listen: String,
    /// Where the shop listens.
    pub shop: String,
    /// A database that stays.
    pub database: Option<String>,
    /// Objectives and channels of the user's own instead of the demonstration's.
    pub config: Option<PathBuf>,
    /// Whether Chromium visits the shop.
    pub browser: bool,
    /// Where programs are looked for, as in `PATH`.
    pub path: String,
}

/// The demonstration's world around the service.
pub struct Stage {
    wishes: Wishes,
    folder: PathBuf,
    clock: SharedClock,
    say: Say,
    receiver: Option<Receiver>,
    peers: Vec<Peer>,
    configuration: Option<Loaded>,
}

impl Stage {
    /// Makes the folder and starts what the service will watch and call.
    pub async fn set(wishes: Wishes, clock: SharedClock, say: Say) -> anyhow::Result<Self> {
        let name = format!("plimsoll-demo-{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut stage = Self { wishes, folder, clock, say, receiver: None, peers: Vec::new(), configuration: None };
        match stage.prepare().await {
            Ok(()) => Ok(stage),
            Err(error) => {
                stage.clear().await;
                Err(error)
            }
        }
    }

    async fn prepare(&mut self) -> anyhow::Result<()> {
        let receiver = receiver(&self.clock, &self.say).await?;
        let redis = self.start_redis();
        let postgres = self.start_postgres().await;
        let text =
            service_file(&self.folder, &self.wishes, &receiver.addresses()?, redis.as_deref(), postgres.as_deref());
        self.receiver = Some(receiver);
        self.configuration = Some(self.configure(&text)?);
        Ok(())
    }

    /// The configuration, once.
    pub fn take_configuration(&mut self) -> anyhow::Result<Loaded> {
        self.configuration.take().context("the configuration was taken already")
    }

    fn configure(&self, text: &str) -> anyhow::Result<Loaded> {
        if let Some(file) = &self.wishes.config {
            let flags = Flags { listen: Some(self.wishes.listen.clone()), ..Flags::default() };
            return config::load(Some(file), &config::SystemSources, &flags).map_err(|e| anyhow::anyhow!("{e}"));
        }
        let sources = MemorySources::default()
            .with_file("demo.yaml", text)
            .with_file("objectives.yaml", include_str!("objectives.yaml"));
        config::load(Some(Path::new("demo.yaml")), &sources, &Flags::default()).map_err(|e| anyhow::anyhow!("{e}"))
    }

    fn start_redis(&mut self) -> Option<String> {
        let started = free_port().map_err(|source| PeerError::Start { name: "redis-server", source });
        let started = started.and_then(|port| peers::redis(&self.wishes.path, &self.folder, port));
        self.keep("Redis", started)
    }

    async fn start_postgres(&mut self) -> Option<String> {
        let port = free_port().map_err(|source| PeerError::Start { name: "postgresql", source });
        let started = match port {
            Ok(port) => peers::postgres(&self.wishes.path, &self.folder, port).await,
            Err(error) => Err(error),
        };
        self.keep("PostgreSQL", started)
    }

    fn keep(&mut self, name: &str, started: Result<Peer, PeerError>) -> Option<String> {
        match started {
            Ok(peer) => {
                (self.say)(&format!("{name}: a private one is watched at {}", peer.url));
                let url = peer.url.clone();
                self.peers.push(peer);
                Some(url)
            }
            Err(error) => {
                (self.say)(&format!("{name}: not watched, {error}"));
                None
            }
        }
    }

    /// Opens the shop and lets the customers in.
    pub async fn open(&mut self, app: &App) -> anyhow::Result<()> {
        let http = Http::new(self.clock.clone())?;
        let plimsoll = format!("http://{}", app.address());
        let listener = TcpListener::bind(&self.wishes.shop).await;
        let listener = listener.with_context(|| format!("the shop cannot listen on {}", self.wishes.shop))?;
        let shop_url = format!("http://{}", listener.local_addr()?);
        let ingest = format!("{plimsoll}/ingest/timings");
        let (timings, reporter) = Timings::new(ingest, http.clone(), self.clock.clone());
        let catalogue = Catalogue::create(&self.folder).await?;
        let shared = self.shared().await;
        let shop = Shop::open(catalogue, shared, timings, self.clock.clone(), plimsoll.clone());
        let tasks = app.tasks();
        let stop = tasks.token(Phase::Intake);
        if let Some(receiver) = self.receiver.take() {
            tasks.spawn(Phase::Store, "receiver", receiver.run(tasks.token(Phase::Store)));
        }
        tasks.spawn(Phase::Intake, "shop", serve(listener, shop.clone(), stop.clone()));
        tasks.spawn(Phase::Intake, "shop's timings", reporter.run(stop.clone()));
        let load = Load { shop: shop_url.clone(), http: http.clone(), clock: self.clock.clone() };
        tasks.spawn(Phase::Intake, "customers", load.run(stop.clone()));
        if let Some(visitors) = self.visitors(&shop_url, http)? {
            tasks.spawn(Phase::Intake, "visitors", visitors.run(stop.clone()));
        }
        tasks.spawn(Phase::Intake, "faults", announce(shop, self.clock.clone(), self.say.clone(), stop));
        self.greet(&plimsoll, &shop_url);
        Ok(())
    }

    /// Connects the shop to the private servers; they may still be starting.
    async fn shared(&self) -> Shared {
        let mut shared = Shared::default();
        for _ in 0..CONNECT_TRIES {
            for peer in &self.peers {
                if peer.url.starts_with("redis") && shared.cache.is_none() {
                    shared.cache = SharedCache::connect(&peer.url).await.ok();
                } else if peer.url.starts_with("postgres") && shared.orders.is_none() {
                    shared.orders = OrderBook::connect(&peer.url).await.ok();
                }
            }
            let connected = usize::from(shared.cache.is_some()) + usize::from(shared.orders.is_some());
            if connected == self.peers.len() {
                break;
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
        shared
    }

    fn visitors(&self, shop: &str, http: Http) -> anyhow::Result<Option<Visitors>> {
        let path = &self.wishes.path;
        let found = find_program(path, &["chromium", "chromium-browser", "google-chrome"]).is_some();
        let driver = find_program(path, &["chromedriver"]).filter(|_| found && self.wishes.browser);
        let Some(driver) = driver else {
            (self.say)("Chromium: no web vitals, chromium and chromedriver are not both installed (or --no-browser)");
            return Ok(None);
        };
        (self.say)("Chromium: visits the shop headless; its web vitals are measured");
        let folder = self.folder.join("chromium");
        let (shop, clock) = (shop.to_owned(), self.clock.clone());
        Ok(Some(Visitors { driver, port: free_port()?, folder, shop, http, clock }))
    }

    fn greet(&self, plimsoll: &str, shop: &str) {
        (self.say)(&format!(
            "\n  Overview   {plimsoll}/\n  Incidents  {plimsoll}/incidents\n  Vitals     {plimsoll}/vitals\n  \
             Shop       {shop}/\n  Grafana    add a Prometheus data source with the URL {plimsoll}\n\n\
             The first fault comes within ten seconds, its page soon after. Ctrl-C ends everything.\n"
        ));
    }

    /// Ends the private servers and removes the folder.
    pub async fn clear(self) {
        futures::future::join_all(self.peers.into_iter().map(|peer| peer.end(&self.clock))).await;
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "the demonstration's folder stays");
        }
    }
}

/// A port that is free just now.
fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Prints each page as it arrives.
async fn receiver(clock: &SharedClock, say: &Say) -> anyhow::Result<Receiver> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (hook_clock, say) = (clock.clone(), say.clone());
    let hook = Arc::new(move |arrival: &super::receiver::Arrival| {
        say(&format!("{}  PAGE  {arrival}", hook_clock.now()));
        Reaction::Usual
    });
    Receiver::bind(any, any, None, clock.clone(), hook).await.context("the receiver of pages cannot listen")
}

async fn serve(listener: TcpListener, shop: Arc<Shop>, stop: CancellationToken) {
    let stopped = stop.clone().cancelled_owned();
    let served = axum::serve(listener, shop::router(shop)).with_graceful_shutdown(stopped);
    tokio::select! {
        ended = served.into_future() => if let Err(error) = ended { tracing::error!(%error, "the shop failed") },
        () = stop.cancelled() => {}
    }
}

/// Says what breaks and what is whole again.
async fn announce(shop: Arc<Shop>, clock: SharedClock, say: Say, stop: CancellationToken) {
    let mut before = Vec::new();
    while !stop.is_cancelled() {
        let present: Vec<faults::Fault> = faults::at(shop.open_for()).collect();
        for fault in present.iter().filter(|f| !before.contains(*f)) {
            say(&format!("{}  FAULT {}", clock.now(), fault.describe()));
        }
        for fault in before.iter().filter(|f| !present.contains(*f)) {
            say(&format!("{}  OVER  {}", clock.now(), fault.describe()));
        }
        before = present;
        tokio::select! {
            () = stop.cancelled() => {}
            () = clock.sleep(Duration::from_millis(500)) => {}
        }
    }
}

/// The service file of the demonstration.
fn service_file(folder: &Path, wishes: &Wishes, to: &Addresses, redis: Option<&str>, postgres: Option<&str>) -> String {
    let folder = folder.display();
    let database = wishes.database.clone().unwrap_or_else(|| format!("sqlite://{folder}/plimsoll.db"));
    let target = |kind: &str, url: Option<&str>| {
        url.map(|url| format!("  {kind}: [{{name: demo, url: '{url}', every: 2s}}]\n")).unwrap_or_default()
    };
    format!(
        "listen: {listen}\n\
         database: '{database}'\n\
         journal: {{dir: '{folder}/journal'}}\n\
         objectives: [objectives.yaml]\n\
         evaluate_every: 1s\n\
         vitals: {{settle: 5s}}\n\
         routes: [{{match: '/product/*', as: '/product/:id'}}]\n\
         collect:\n  host: true\n{redis}{postgres}\
         channels:\n\
         \x20 - {{name: pagerduty, pagerduty: {{routing_key: demodemodemodemodemodemodemodemo, url: '{pagerduty}'}}}}\n\
         \x20 - {{name: slack, slack: {{webhook: '{slack}'}}}}\n\
         \x20 - {{name: email, email: {{smtp: '{smtp}', from: plimsoll@example.com, to: [on-call@example.com], tls: none}}}}\n",
        listen = wishes.listen,
        redis = target("redis", redis),
        postgres = target("postgres", postgres),
        pagerduty = to.pagerduty,
        slack = to.slack,
        smtp = to.smtp,
    )
}
