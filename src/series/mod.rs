//! What is known: open slots in memory, closed ones in the archive, and how one becomes the other.
//!
//! # Exactly once
//! A batch of increments is journalled, then counted in the head; only then does its sender hear 2xx.
//! Time is cut into slots of [`TICK`]. Our own counters and histograms are kept as increments per slot;
//! readers see them as cumulative samples at the end of each slot, as Prometheus would have scraped
//! them, and the open slot as a sample stamped now. An event enters its own slot for two minutes after the
//! slot's end; after that it counts on arrival, and as late.
//!
//! ```text
//! batch -> plan (slots, limits) -> journal entry, synced -> head -> 2xx
//!                                                            | every tick, in order
//!                                      slots that are over -> archive (one commit) -> journal trimmed
//!                                                            | every ten minutes
//!                     a page a group with news, in one commit <- ticks removed, data leaves memory
//!                                                            | every two hours, day, 32 days
//!                            longer pages, and of the first also coarser ones <- pages removed
//! ```
//! One thread ([`writer`]) does everything that changes the head, in one order, so a slot never closes between
//! the decision that an event belongs to it and the counting. Each journal entry has a number and each change
//! in it a slot; each tick in the archive says up to which slot and which entry it reaches. [`recover`] states
//! the rule that follows, and why nothing is counted twice or not at all wherever the process dies.
//!
//! # What lies where
//! [`plan`] decides, [`entry`] writes it down, [`head`] and [`data`] count, [`tick`] and [`page`] are the
//! stored forms ([`chunk`] and [`old`] read those of 0.1), [`groups`] says which series share a page, [`pages`]
//! which pages are to be made and merged, [`retire`] who leaves memory, [`history`] takes
//! samples of the past, [`live`] knows when the process lived (so that idle series have samples and downtime has
//! none), [`ledger`] keeps web vitals until they settle, [`view`] reads, [`cycle`] turns the wheel.
//!
//! Absent on purpose: samples of the last hour that are older than what has closed of their series, native histograms of
//! the past, exemplars, deletion of single series, and more than one writer.

mod archive;
pub mod batch;
mod carry;
pub mod catalog;
mod census;
mod chunk;
mod codec;
mod counters;
mod cycle;
mod data;
mod entry;
mod groups;
mod head;
mod history;
mod index;
mod journal;
pub mod known;
mod lane;
mod ledger;
mod limits;
mod live;
mod metadata;
mod native;
mod number;
mod old;
mod open;
mod page;
mod pages;
mod plan;
mod recorder;
mod recover;
mod retire;
mod seal;
mod settings;
mod slot;
mod stream;
mod tick;
mod total;
mod view;
pub mod vitals;
mod writer;

pub use crate::promql::source::is_stale;
pub use archive::{
    Archive, ArchiveError, GroupId, Merge, PageKey, Restored, Retired, RetiredQuery, Rewrite, Scanned, SeriesDef,
    StoredChunk, StoredPage, Tick, Tier, VitalState,
};
pub use batch::{Batch, Delta, Item, Observation, RecordError, Recorded, Recorder};
pub use carry::{EntryHead, entry_head, rebind_entry};
pub use catalog::MetricCatalog;
pub use codec::Corrupt;
pub use counters::{Counters, Number};
pub use cycle::{Loop, OwnMetrics};
pub use groups::Groups;
pub use journal::{Damage, Journal, JournalError, Replayed, SegmentId};
pub use known::{Exposed, ExposedValue, Known, MetricType, PendingVital, SeriesStats};
pub use limits::LimitUse;
pub use metadata::{Metadata, MetadataRegistry};
pub use open::open;
pub use recorder::RecorderHandle;
pub use recover::{OpenError, Recovery};
pub use settings::{JournalSync, Keep, Limits, Settings};
pub use slot::{SLOTS_PER_BLOCK, SLOTS_PER_DAY, SLOTS_PER_EPOCH, SLOTS_PER_PAGE, Slot};
pub use total::SeriesKind;
pub use view::View;
pub use vitals::{VitalKey, VitalReport};

/// The length of a slot.
pub const TICK: std::time::Duration = std::time::Duration::from_secs(10);

#[cfg(test)]
mod tests;
