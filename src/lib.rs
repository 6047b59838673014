//! Plimsoll: how deep a web application may lie in the water, and who is called when the line goes under.
//!
//! Numbers come in ([`ingest`], [`collect`]), are journalled and counted ([`series`]), judged by objectives
//! ([`slo`], [`promql`], [`alert`]), and reach people ([`notify`]) and Grafana ([`http`]). `ARCHITECTURE.md`
//! has the map, the way of one beacon and who may import whom.

#[cfg(test)]
extern crate self as plimsoll;

pub mod alert;
pub mod app;
pub mod base;
pub mod cli;
pub mod collect;
pub mod config;
pub mod demo;
pub mod egress;
pub mod export;
pub mod http;
pub mod ingest;
pub mod lifecycle;
pub mod notify;
pub mod promql;
pub mod series;
pub mod sketch;
pub mod slo;
pub mod store;
pub mod telemetry;
