//! A small shop, really served and really loaded, with faults on a schedule.

pub mod receiver;
