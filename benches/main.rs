//! What Plimsoll costs beside its peers, in one run on one machine: `make bench`, or
//! `cargo bench --bench compare -- --help`.
//!
//! A ratio compares interleaved rounds of the same work, because absolute figures of a shared machine move. Every
//! scenario checks what it measured (each event counted once, the same values as Prometheus, everything there after
//! `kill -9`): a fast wrong answer counts for nothing and is the only thing that makes this program fail.
//! A peer that is not on the `PATH` is left out with a line that says so.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a measuring program: it reads the clock, starts threads and stops at the first surprise"
)]

mod bare;
mod common;
mod ingest;
mod page;
mod query;
mod recovery;
mod remote_write;

use std::process::ExitCode;

use clap::Parser;
use common::args::Args;
use common::table::Report;

/// A scenario: its name on the command line, what it is, and its code.
type Scenario = (&'static str, &'static str, fn(&Args, &mut Report));

const SCENARIOS: [Scenario; 5] = [
    ("ingest", "single events and batches", ingest::run),
    ("remote-write", "3,572 histograms sent by Prometheus remote write", remote_write::run),
    ("recovery", "kill -9, start, and what is still there", recovery::run),
    ("query", "what dashboards ask", query::run),
    ("page", "from a bad event to the page", page::run),
];

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(port) = args.bare_server {
        bare::serve(port);
    }
    if let Some(program) = args.plimsoll.clone() {
        common::peers::measure_instead(program);
    }
    let mut report = Report::default();
    for (name, what, run) in SCENARIOS.into_iter().filter(|(name, ..)| args.wants(name)) {
        println!("\n# {name}: {what}");
        run(&args, &mut report);
    }
    report.print_summary();
    report.exit_code()
}
