//! `plimsoll migrate`: brings the schema up to date and says what was applied.

use std::io::Write;
use std::path::Path;

use crate::app::settings;
use crate::config::Flags;
use crate::store::sqlite::SqliteStore;

use super::{Outcome, load};

/// Arguments of `plimsoll migrate`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The database, sqlite://FILE [default: sqlite://plimsoll.db]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

/// Migrates and prints.
pub fn run(file: Option<&Path>, args: &Args) -> anyhow::Result<Outcome> {
    let flags = Flags { database: args.database.clone(), allow_missing_secrets: true, ..Flags::default() };
    let Some(loaded) = load(file, &flags) else { return Ok(Outcome::Misused) };
    let path = settings::sqlite_file(&loaded.service)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (store, applied) = runtime.block_on(SqliteStore::open(&path))?;
    runtime.block_on(store.close());
    let mut out = std::io::stdout();
    for migration in &applied {
        writeln!(out, "{}: applied {:04} {}", path.display(), migration.number, migration.name)?;
    }
    if applied.is_empty() {
        writeln!(out, "{}: nothing to apply", path.display())?;
    }
    Ok(Outcome::Fine)
}
