//! Secrets: `NAME_env`, `NAME_file` or, discouraged, `NAME`.

use std::path::Path;

use super::reader::{At, Fields};
use super::sources::Sources;
use crate::base::Secret;

/// What reading a service file needs besides its text.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) sources: &'a dyn Sources,
    /// Paths in the file are relative to its folder.
    pub(super) folder: &'a Path,
    /// For `check`, which runs where the secrets are not.
    pub(super) allow_missing_secrets: bool,
}

/// The three spellings of one secret: plain, environment, file.
pub(super) type Spellings = [&'static str; 3];

impl Context<'_> {
    /// A secret, in whichever spelling it is given.
    pub(super) fn secret(&self, fields: &mut Fields<'_>, spellings: Spellings) -> Option<Secret> {
        let given = spellings.map(|name| fields.get(name));
        match &given {
            [Some(plain), None, None] => plain.name().map(Secret::new),
            [None, Some(variable), None] => self.in_variable(variable),
            [None, None, Some(file)] => self.in_file(file),
            [None, None, None] => None,
            _ => fields.at.fail(format!("more than one of {}", spellings.join(", "))),
        }
    }

    /// A secret that has to be given.
    pub(super) fn required_secret(&self, fields: &mut Fields<'_>, spellings: Spellings) -> Option<Secret> {
        let secret = self.secret(fields, spellings);
        if spellings.iter().all(|name| fields.peek(name).is_none()) {
            let [plain, variable, file] = spellings;
            return fields.at.fail(format!("`{variable}` is missing (or `{file}`, or, discouraged, `{plain}`)"));
        }
        secret
    }

    fn in_variable(&self, at: &At<'_>) -> Option<Secret> {
        let name = at.name()?;
        match self.sources.variable(&name).filter(|value| !value.trim().is_empty()) {
            Some(value) => Some(Secret::new(value)),
            None if self.allow_missing_secrets => Some(Secret::new("")),
            None => at.fail(format!("the environment variable {name} is not set")),
        }
    }

    fn in_file(&self, at: &At<'_>) -> Option<Secret> {
        let path = self.folder.join(at.name()?);
        match self.sources.read(&path) {
            Ok(text) if !text.trim().is_empty() => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
            _ if self.allow_missing_secrets => Some(Secret::new("")),
            Ok(_) => at.fail(format!("the file {} is empty", path.display())),
            Err(e) => at.fail(format!("the file {} can't be read: {e}", path.display())),
        }
    }
}
