//! `plimsoll serve`: the service, until SIGTERM or SIGINT.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, Options, Read};
use crate::base::{SharedClock, SystemClock};
use crate::config::{self, Flags, Loaded, SystemSources};
use crate::lifecycle::End;
use crate::telemetry::{self, LogFormat, LogSettings, TraceSettings, Traces};

use super::{Outcome, load};

/// How long each phase of stopping may take.
pub(super) const GRACE: Duration = Duration::from_secs(15);

/// Arguments of `plimsoll serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to listen [default: 127.0.0.1:1876]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Where to listen for OTLP over gRPC, such as 127.0.0.1:4317 [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub otlp_grpc_listen: Option<String>,
    /// The database, sqlite://FILE [default: sqlite://plimsoll.db]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// How the log looks
    #[arg(long, value_enum, default_value = "text", env = "PLIMSOLL_LOG_FORMAT")]
    pub log_format: LogForm,
    /// What is logged, as in RUST_LOG
    #[arg(long, value_name = "FILTER", default_value = "info", env = "RUST_LOG")]
    pub log: String,
}

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Args {
    fn flags(&self) -> Flags {
        Flags {
            listen: self.listen.clone(),
            otlp_grpc_listen: self.otlp_grpc_listen.clone(),
            database: self.database.clone(),
            ..Flags::default()
        }
    }
}

/// Serves until told to stop.
pub fn run(file: Option<&Path>, args: &Args) -> anyhow::Result<Outcome> {
    let Some(loaded) = load(file, &args.flags()) else { return Ok(Outcome::Misused) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(file, args, loaded))
}

async fn serve(file: Option<&Path>, args: &Args, loaded: Loaded) -> anyhow::Result<Outcome> {
    let traces = start_logs(args, loaded.service.telemetry_otlp.as_deref())?;
    let clock: SharedClock = Arc::new(SystemClock);
    let (again, flags) = (file.map(Path::to_owned), args.flags());
    let read: Read = Arc::new(move || config::load(again.as_deref(), &SystemSources, &flags));
    let options = Options { read: Some(read), ..Options::default() };
    let app = App::start(loaded, options, clock).await?;
    tracing::info!(address = %app.address(), "listening; the overview is at http://{}/", app.address());
    let mut reload = signal(SignalKind::hangup())?;
    let ended = {
        let app = &app;
        let reloading = async {
            while reload.recv().await.is_some() {
                app.reload().await;
            }
        };
        let stop = stop_signal()?;
        tokio::select! {
            end = app.run_until(stop, GRACE) => end,
            () = reloading => End::Broke("the signal handler ended".to_owned()),
        }
    };
    app.close().await;
    if let Some(traces) = traces {
        traces.shutdown()?;
    }
    conclude(ended)
}

/// Logs, and traces where an endpoint is configured.
fn start_logs(args: &Args, otlp: Option<&str>) -> anyhow::Result<Option<Traces>> {
    let start = |endpoint: &str| {
        Traces::start(&TraceSettings { endpoint: endpoint.to_owned() }, tokio::runtime::Handle::current())
    };
    let traces = otlp.map(start).transpose()?;
    let format = match args.log_format {
        LogForm::Text => LogFormat::Text,
        LogForm::Json => LogFormat::Json,
    };
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    telemetry::logs::install(&LogSettings { filter: args.log.clone(), format, colour }, traces.as_ref())?;
    Ok(traces)
}

/// Ready at the first SIGTERM or SIGINT; a second one ends the process at once.
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: taking nothing new, then sending and storing what is left");
    })
}

/// What the process ends with.
pub(super) fn conclude(ended: End) -> anyhow::Result<Outcome> {
    match ended {
        End::Asked => Ok(Outcome::Fine),
        End::Broke(who) => Err(anyhow::anyhow!("stopped because a part broke: {who}")),
    }
}
