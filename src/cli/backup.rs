//! `plimsoll backup`: one file with everything, while the service runs or when it does not.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::settings;
use crate::base::{Clock, SystemClock};
use crate::config::Flags;
use crate::store::sqlite::backup::{Backup, Done};

use super::{Outcome, complain, load, print};

/// How often progress is shown.
const EVERY: Duration = Duration::from_millis(250);

/// Arguments of `plimsoll backup`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The file to make; start the service on it to restore
    pub file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
    /// The database, sqlite://FILE [default: sqlite://plimsoll.db]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

/// Makes the backup and says what is in it.
pub fn run(file: Option<&Path>, args: &Args) -> anyhow::Result<Outcome> {
    let flags = Flags { database: args.database.clone(), allow_missing_secrets: true, ..Flags::default() };
    let Some(loaded) = load(file, &flags) else { return Ok(Outcome::Misused) };
    let backup = Backup {
        database: settings::sqlite_file(&loaded.service)?,
        journal: loaded.service.journal.dir.clone(),
        file: args.file.clone(),
        overwrite: args.force,
    };
    if !backup.journal.exists() {
        complain(&format!("there is no journal at {}: only what is archived is copied", backup.journal.display()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(with_progress(&backup))?;
    print(&report(&backup, &done))?;
    Ok(Outcome::Fine)
}

fn report(backup: &Backup, done: &Done) -> String {
    let until = done.until.map_or("it holds no data yet".to_owned(), |at| format!("data up to {at}"));
    let size = done.bytes.div_ceil(1024);
    format!("{}: {size} KiB, {until}, {} journal segments\n", backup.file.display(), done.segments)
}

async fn with_progress(backup: &Backup) -> anyhow::Result<Done> {
    let whole = std::fs::metadata(&backup.database).map_or(0, |m| m.len()).max(1);
    let run = backup.run();
    tokio::pin!(run);
    loop {
        tokio::select! {
            done = &mut run => {
                show("\r\x1b[K");
                return Ok(done?);
            }
            () = SystemClock.sleep(EVERY) => {
                let written = std::fs::metadata(backup.unfinished()).map_or(0, |m| m.len());
                show(&format!("\rcopying: {} of at most {} MiB", written >> 20, whole >> 20));
            }
        }
    }
}

/// Only to a terminal.
fn show(text: &str) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        // Progress that cannot be shown is no reason to stop.
        let _shown = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}
