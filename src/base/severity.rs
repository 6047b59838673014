//! How bad an alert is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The two severities; each channel maps them to its own words. `Critical` is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Someone should look today.
    Warning,
    /// Someone must look now.
    Critical,
}

impl Severity {
    /// The word used in labels and payloads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
