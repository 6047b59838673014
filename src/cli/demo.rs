//! `plimsoll demo`: the service, a shop that breaks on a schedule, and someone to receive the pages.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use crate::app::{App, Options};
use crate::base::{SharedClock, SystemClock};
use crate::config::{Sources, SystemSources};
use crate::demo::stage::{self, Stage};
use crate::lifecycle::End;
use crate::telemetry::{self, LogFormat, LogSettings};

use super::Outcome;
use super::serve::{GRACE, conclude, stop_signal};

/// Arguments of `plimsoll demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where Plimsoll listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1876")]
    pub listen: String,
    /// Where the shop listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1877")]
    pub shop: String,
    /// Keep the database here instead of in a temporary folder
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// What is logged, as in RUST_LOG
    #[arg(long, value_name = "FILTER", default_value = "warn", env = "RUST_LOG")]
    pub log: String,
    /// Without headless Chromium
    #[arg(long)]
    pub no_browser: bool,
}

/// Runs the demonstration until Ctrl-C.
pub fn run(config: Option<&Path>, args: &Args) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demonstrate(config, args))
}

async fn demonstrate(config: Option<&Path>, args: &Args) -> anyhow::Result<Outcome> {
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    telemetry::logs::install(&LogSettings { filter: args.log.clone(), format: LogFormat::Text, colour }, None)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let say: stage::Say = Arc::new(|line: &str| {
        // A closed terminal is no reason to stop.
        let _closed = writeln!(std::io::stdout(), "{line}");
    });
    let stop = stop_signal()?;
    let wishes = stage::Wishes {
        listen: args.listen.clone(),
        shop: args.shop.clone(),
        database: args.database.clone(),
        config: config.map(Path::to_owned),
        browser: !args.no_browser,
        path: SystemSources.variable("PATH").unwrap_or_default(),
    };
    let mut stage = Stage::set(wishes, clock.clone(), say.clone()).await?;
    let ended = perform(&mut stage, clock, stop).await;
    stage.clear().await;
    say("The demonstration has ended; its data are gone.");
    conclude(ended?)
}

/// From the first request to the last; whatever goes wrong, the stage is cleared after it.
async fn perform(stage: &mut Stage, clock: SharedClock, stop: impl Future<Output = ()>) -> anyhow::Result<End> {
    let options = Options { allow_automated_browsers: true, ..Options::default() };
    let app = App::start(stage.take_configuration()?, options, clock).await?;
    let opened = stage.open(&app).await;
    let ended = match opened {
        Ok(()) => app.run_until(stop, GRACE).await,
        Err(_) => app.run_until(std::future::ready(()), GRACE).await,
    };
    app.close().await;
    opened.map(|()| ended)
}
