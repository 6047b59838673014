//! The command line.

/// Measures Plimsoll beside its peers.
#[derive(Debug, clap::Parser)]
#[command(name = "compare")]
pub(crate) struct Args {
    /// Interleaved rounds of a scenario [default: each scenario's own]
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Small sizes: whether everything works, not what it costs
    #[arg(long)]
    pub(crate) quick: bool,
    /// Also what takes long: 30 days of data in `query`, two hours in `recovery`
    #[arg(long)]
    pub(crate) long: bool,
    /// Only this scenario (ingest, remote-write, recovery, query, page), or one case of it (ingest/batch)
    #[arg(long, value_name = "SCENARIO[/CASE]")]
    pub(crate) only: Option<String>,
    /// Events of a round of `ingest`; batches send ten times as many
    #[arg(long)]
    pub(crate) events: Option<usize>,
    /// Samples of each series in `remote-write` and `recovery`
    #[arg(long)]
    pub(crate) steps: Option<usize>,
    /// Measure this binary instead of the one of this build
    #[arg(long, value_name = "FILE")]
    pub(crate) plimsoll: Option<std::path::PathBuf>,
    /// Internal: be the bare server on this port
    #[arg(long, hide = true, value_name = "PORT")]
    pub(crate) bare_server: Option<u16>,
    /// Cargo says this to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Args {
    /// Whether this scenario is to run.
    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only.split('/').next() == Some(scenario))
    }

    /// Whether this case of a scenario that runs is to run.
    pub(crate) fn wants_case(&self, case: &str) -> bool {
        self.only.as_deref().and_then(|only| only.split_once('/')).is_none_or(|(_, wanted)| wanted == case)
    }

    /// The rounds to do, given a scenario's own.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { usual }).max(1)
    }

    /// How long servers have to settle: not long with `--quick`.
    pub(crate) fn settle(&self, usual: std::time::Duration) -> std::time::Duration {
        if self.quick { std::time::Duration::from_secs(2) } else { usual }
    }

    /// `usual`, or `small` with `--quick`.
    pub(crate) fn size(&self, given: Option<usize>, usual: usize, small: usize) -> usize {
        given.unwrap_or(if self.quick { small } else { usual })
    }
}
