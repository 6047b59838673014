//! What is wrong with a configuration: all of it at once, each with its place.

use std::fmt;

use super::yaml::Place;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigError {
    /// Where it stands.
    pub place: Place,
    /// The field's path, such as `objectives[2].critical.above`; empty for the whole file.
    pub path: String,
    /// What was found, what was expected, what to do.
    pub message: String,
}

/// `file:line:column: path: message`
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong; never empty. The service must not start on it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One error a line.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if i > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}
