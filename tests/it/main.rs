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
mod backup;
mod bad_input;
mod clock;
mod collectors;
mod dashboards;
mod durability;
mod exports;
mod faro;
mod full_disk;
mod mail;
mod otlp;
mod otlp_grpc;
mod pages;
mod prometheus_api;
mod prometheus_http;
mod prometheus_rules;
mod receivers;
mod remote_write;
mod service;
mod side_by_side;
mod vitals;
