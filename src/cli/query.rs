//! `plimsoll query`: PromQL on a running server, as a table, a plot or JSON.

mod answer;
mod axis;
mod canvas;
mod plot;
mod table;
mod when;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, bail};

use self::answer::Answer;
use self::plot::{Look, plot};
use self::when::{auto_step, read_time};
use super::client::ServerArgs;
use super::{Outcome, complain, print};
use crate::base::{Clock, SystemClock, Timestamp};
use crate::promql::parse_duration;
use crate::slo::Unit;

const EXAMPLES: &str = "\
Examples:
  plimsoll query 'sum by (job) (up)'
  plimsoll query 'redis_memory_used_bytes' --at -10m
  plimsoll query 'rate(http_server_request_duration_seconds_count[5m])' --start -1h
  plimsoll query 'histogram_quantile(0.95, sum by (le) (rate(web_vitals_lcp_seconds_bucket[1h])))' \\
      --start -1d --step 5m --unit seconds
  plimsoll query 'up' --format json --server https://plimsoll.example

Times are RFC 3339 (2026-11-21T12:00:00Z), Unix seconds, `now`, or relative to now (-90s, -1h30m, now-7d).";

/// Arguments of `plimsoll query`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The expression
    #[arg(value_name = "EXPR")]
    pub expression: String,
    /// Evaluate at this time instead of now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with_all = ["start", "end", "step"])]
    pub at: Option<String>,
    /// Evaluate from here …
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub start: Option<String>,
    /// … to here [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, requires = "start")]
    pub end: Option<String>,
    /// … each so often [default: what gives about a hundred points]
    #[arg(long, value_name = "DURATION", requires = "start")]
    pub step: Option<String>,
    /// How to print the answer [default: a plot of a range in a terminal, else a table]
    #[arg(long, value_enum, alias = "output")]
    pub format: Option<Format>,
    /// What the values measure, for the axis of a plot [default: what the metric's name says]
    #[arg(long, value_enum)]
    pub unit: Option<UnitArg>,
    /// Columns to use [default: the terminal's, else 100]
    #[arg(long, value_name = "N", env = "COLUMNS")]
    pub width: Option<usize>,
    /// Print without colours
    #[arg(long, env = "NO_COLOR", num_args = 0..=1, require_equals = true, default_missing_value = "1", value_name = "ANY")]
    pub no_color: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A row for each value
    Table,
    /// As the server answered
    Json,
    /// Curves over time
    Plot,
}

/// What values measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum UnitArg {
    /// Seconds
    Seconds,
    /// Bytes
    Bytes,
    /// A ratio, printed in percent
    Ratio,
    /// Something each second
    PerSecond,
    /// A plain number
    None,
}

impl From<UnitArg> for Unit {
    fn from(unit: UnitArg) -> Self {
        match unit {
            UnitArg::Seconds => Self::Seconds,
            UnitArg::Bytes => Self::Bytes,
            UnitArg::Ratio => Self::Ratio,
            UnitArg::PerSecond => Self::PerSecond,
            UnitArg::None => Self::None,
        }
    }
}

/// A range of time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    start: Timestamp,
    end: Timestamp,
    step: Duration,
}

/// Asks and prints.
///
/// # Errors
/// What cannot be read of the arguments, and what the server refuses.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let now = SystemClock.now();
    let (range, format) = match read(args, now) {
        Ok(read) => read,
        Err(error) => {
            complain(&format!("plimsoll query: {error:#}"));
            return Ok(Outcome::Misused);
        }
    };
    let reply = match range {
        Some(range) => ask_range(args, range)?,
        None => ask_instant(args, now)?,
    };
    notes(&reply);
    print(&shown(args, format, range, &reply)?)?;
    Ok(Outcome::Fine)
}

fn read(args: &Args, now: Timestamp) -> anyhow::Result<(Option<Range>, Format)> {
    let range = read_range(args, now)?;
    args.at.as_deref().map(|at| read_time("--at", at, now)).transpose()?;
    let default = if range.is_some() && std::io::stdout().is_terminal() { Format::Plot } else { Format::Table };
    let format = args.format.unwrap_or(default);
    if format == Format::Plot && range.is_none() {
        bail!("a plot needs a range of time: add --start, such as --start -1h");
    }
    Ok((range, format))
}

fn read_range(args: &Args, now: Timestamp) -> anyhow::Result<Option<Range>> {
    let Some(start) = &args.start else { return Ok(None) };
    let start = read_time("--start", start, now)?;
    let end = args.end.as_deref().map_or(Ok(now), |end| read_time("--end", end, now))?;
    if end < start {
        bail!("--end ({end}) is before --start ({start})");
    }
    let step = match &args.step {
        None => auto_step(end.since(start)),
        Some(text) => parse_duration(text)
            .filter(|step| !step.is_zero())
            .with_context(|| format!("--step {text:?} is not a duration such as 15s or 5m"))?,
    };
    Ok(Some(Range { start, end, step }))
}

fn ask_range(args: &Args, range: Range) -> anyhow::Result<serde_json::Value> {
    let (start, end) = (range.start.as_secs_f64().to_string(), range.end.as_secs_f64().to_string());
    let step = range.step.as_secs_f64().to_string();
    let query = [("query", args.expression.as_str()), ("start", &start), ("end", &end), ("step", &step)];
    args.server.get("/api/v1/query_range", &query)
}

fn ask_instant(args: &Args, now: Timestamp) -> anyhow::Result<serde_json::Value> {
    let at = args.at.as_deref().map(|at| read_time("--at", at, now)).transpose()?;
    let at = at.map(|at| at.as_secs_f64().to_string());
    let mut query = vec![("query", args.expression.as_str())];
    query.extend(at.as_deref().map(|at| ("time", at)));
    args.server.get("/api/v1/query", &query)
}

/// What the server remarked goes where it does not disturb a pipe.
fn notes(reply: &serde_json::Value) {
    for (field, word) in [("warnings", "warning"), ("infos", "info")] {
        for note in reply[field].as_array().into_iter().flatten().filter_map(|n| n.as_str()) {
            complain(&format!("{word}: {note}"));
        }
    }
}

fn shown(args: &Args, format: Format, range: Option<Range>, reply: &serde_json::Value) -> anyhow::Result<String> {
    if format == Format::Json {
        return Ok(format!("{reply:#}\n"));
    }
    let Some(answer) = Answer::read(reply) else {
        bail!("the server's answer is not that of a Prometheus API (--format json shows it): is this Plimsoll?");
    };
    match (format, range) {
        (Format::Plot, Some(range)) => {
            let unit = args.unit.map_or_else(|| answer.unit(&args.expression), Unit::from);
            Ok(plot(&answer, range.start, range.end, range.step, &look(args, unit)))
        }
        _ => Ok(table::table(&answer, width(args))),
    }
}

fn look(args: &Args, unit: Unit) -> Look {
    let plain = args.no_color.as_deref().is_some_and(|set| !set.is_empty());
    Look { width: width(args).unwrap_or(100), height: 16, color: !plain && std::io::stdout().is_terminal(), unit }
}

/// The columns that there are; a file has as many as it takes.
fn width(args: &Args) -> Option<usize> {
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    args.width.or_else(|| std::io::stdout().is_terminal().then(terminal).flatten())
}
