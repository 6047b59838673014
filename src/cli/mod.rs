//! The command line: one file a command.
//!
//! Exit status: 0 fine, 1 the check found something, 2 bad usage or bad configuration.

pub mod backup;
pub mod check;
pub mod client;
pub mod demo;
pub mod export;
pub mod migrate;
pub mod on_call;
pub mod query;
pub mod serve;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Flags, Loaded, SystemSources};

/// Performance budgets, SLOs and paging for web applications.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, about, propagate_version = true)]
pub struct Cli {
    /// The service file [default: plimsoll.yaml if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "PLIMSOLL_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service
    Serve(serve::Args),
    /// Run the service with a small shop that is really served and loaded, and that breaks on a schedule
    Demo(demo::Args),
    /// Validate configuration and objectives, and print what each objective compiles to
    Check(check::Args),
    /// Write Prometheus rules, Grafana dashboards, Alertmanager configuration
    Export(export::Args),
    /// Evaluate PromQL on a running server
    Query(query::Args),
    /// List incidents
    Incidents(on_call::IncidentsArgs),
    /// Acknowledge an incident
    Ack(on_call::AckArgs),
    /// Show every objective's state
    Status(on_call::StatusArgs),
    /// Copy the database and what is in the journal into one file, while the service runs
    Backup(backup::Args),
    /// Bring the database's schema up to date and print what was applied
    Migrate(migrate::Args),
}

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit status 0.
    Fine,
    /// Exit status 1: the check found something, or the work failed.
    Found,
    /// Exit status 2: bad usage or bad configuration.
    Misused,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Found => 1,
            Outcome::Misused => 2,
        })
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            complain(&format!("plimsoll: {error:#}"));
            Outcome::Found.into()
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<Outcome> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Serve(args) => serve::run(config, &args),
        Command::Demo(args) => demo::run(config, &args),
        Command::Check(args) => check::run(config, &args),
        Command::Export(args) => export::run(config, &args),
        Command::Query(args) => query::run(&args),
        Command::Incidents(args) => on_call::incidents(&args),
        Command::Ack(args) => on_call::ack(&args),
        Command::Status(args) => on_call::status(&args),
        Command::Backup(args) => backup::run(config, &args),
        Command::Migrate(args) => migrate::run(config, &args),
    }
}

/// The configuration; `None` when it is wrong, which has been said.
fn load(file: Option<&Path>, flags: &Flags) -> Option<Loaded> {
    config::load(file, &SystemSources, flags).map_err(|errors| complain(&errors.to_string())).ok()
}

/// Says something to whoever sits at the terminal.
#[expect(clippy::print_stderr, reason = "the one place that writes to standard error")]
pub(crate) fn complain(text: &str) {
    eprintln!("{text}");
}

/// Writes to standard output; a reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}
