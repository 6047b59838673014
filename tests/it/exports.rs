//! Exported rules and dashboards, read by the real programs.
