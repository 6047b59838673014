//! Tests against the real binary and real peers, which they start themselves on free loopback ports.

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    unreachable_pub,
    dead_code
)]

mod support;

mod alerting;
mod architecture;
mod bad_input;
mod collectors;
mod dashboards;
mod durability;
mod exports;
mod mail;
mod pages;
mod prometheus_api;
mod receivers;
mod service;
mod side_by_side;
