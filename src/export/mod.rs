//! The objectives and what watches them, for other people's tools: Prometheus rules, Alertmanager routes,
//! Grafana dashboards. Pure text: nothing here reads or asks anything.
//!
//! Absent on purpose: secrets. Exported Alertmanager configuration names files that hold them.

pub mod alertmanager;
pub mod grafana;
pub mod rules;
mod text;
mod yaml;

pub use alertmanager::{Receiver, ReceiverKind, alertmanager_yaml};
pub use grafana::dashboards;
pub use rules::{prometheus_rule_yaml, rules_yaml};
