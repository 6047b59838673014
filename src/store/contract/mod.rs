//! What every store must do: one suite for each storage trait, run on all of its implementations.

mod archive;
mod ledger;
