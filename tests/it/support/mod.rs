//! Real peers for the tests: each is started on a free port in a temporary folder and killed on drop.

pub mod chromium;
pub mod disk;
#[path = "../../../src/http/ingest/testkit.rs"]
pub mod fakes;
pub mod pages;
pub mod plimsoll;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod receiver;
pub mod redis;
pub mod smtp;
pub mod wait;
