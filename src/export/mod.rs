//! Prometheus rules, Grafana dashboards, Alertmanager configuration, from the same definitions. Pure text:
//! nothing here reads or asks anything.
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
