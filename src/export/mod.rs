//! Prometheus rules, Grafana dashboards, Alertmanager configuration, from the same definitions.

pub mod grafana;
