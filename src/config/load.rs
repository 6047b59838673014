//! Reads the service file and the objectives files, and says everything that is wrong with them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, ConfigErrors};
use super::glob;
use super::objectives::{Gathered, Mention, Objectives};
use super::overrides::{Flags, apply};
use super::reader::{At, Problems};
use super::secrets::Context;
use super::sections::read_service;
use super::service::Service;
use super::sources::Sources;
use super::yaml::{self, Node, Place, Value, YamlError};

/// The service file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "plimsoll.yaml";

/// What holds when no objectives are named.
const BUILT_IN: [(&str, &str); 2] = [
    ("built-in default.yaml", include_str!("../../alert-rules/default.yaml")),
    ("built-in plimsoll.yaml", include_str!("../../alert-rules/plimsoll.yaml")),
];

/// A complete, checked configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The service file with its overrides.
    pub service: Service,
    /// All objectives and escalations; the built-in ones when none are named.
    pub objectives: Objectives,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// Reads everything: `path`, else `PLIMSOLL_CONFIG`, else `plimsoll.yaml` if it is there, else the defaults.
///
/// Patterns in the file are relative to its folder; those of the environment and of flags to the working
/// directory.
///
/// # Errors
/// Everything that is wrong, each with file, line, column and path.
pub fn load(path: Option<&Path>, sources: &dyn Sources, flags: &Flags) -> Result<Loaded, ConfigErrors> {
    let problems = Problems::default();
    let (file, tree) = read_service_file(path, sources).map_err(ConfigErrors::from)?;
    let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let tree = apply(tree, sources, flags);
    let context = Context { sources, folder: &folder, allow_missing_secrets: flags.allow_missing_secrets };
    let service = read_service(&tree, context, &problems);
    let mut gathered = Gathered::default();
    let mut files: Vec<PathBuf> = file.into_iter().collect();
    match objective_files(&tree, &folder, sources, &problems) {
        Some(found) => {
            read_files(&found, sources, &mut gathered, &problems);
            files.extend(found.into_iter().map(|(file, _)| file));
        }
        None => BUILT_IN.iter().for_each(|(name, text)| read_text(name, text, &mut gathered, &problems)),
    }
    let channels: BTreeSet<&str> = service.channels.iter().map(|c| c.name.as_str()).collect();
    check_channels(&gathered.wanted_channels, &channels, &problems);
    let objectives = finish(gathered, &problems);
    conclude(problems, Loaded { service, objectives, files })
}

/// Reads objectives files alone, without a service file: channels that escalations name are not looked up.
///
/// # Errors
/// Everything that is wrong, each with file, line, column and path.
pub fn load_objectives(paths: &[PathBuf], sources: &dyn Sources) -> Result<Objectives, ConfigErrors> {
    let problems = Problems::default();
    let mut gathered = Gathered::default();
    let place = Place { source: "command line".into(), line: 0, column: 0 };
    let found: Vec<(PathBuf, Place)> = paths.iter().map(|path| (path.clone(), place.clone())).collect();
    read_files(&found, sources, &mut gathered, &problems);
    let objectives = finish(gathered, &problems);
    conclude(problems, objectives)
}

/// Reads objectives from text, for tests and for what is built in.
///
/// # Errors
/// Everything that is wrong, each with `source`, line, column and path.
pub fn parse_objectives(source: &str, text: &str) -> Result<Objectives, ConfigErrors> {
    let problems = Problems::default();
    let mut gathered = Gathered::default();
    read_text(source, text, &mut gathered, &problems);
    let objectives = finish(gathered, &problems);
    conclude(problems, objectives)
}

/// The objectives that hold when none are named.
///
/// # Errors
/// None: a test loads them.
pub fn built_in_objectives() -> Result<Objectives, ConfigErrors> {
    let (problems, mut gathered) = (Problems::default(), Gathered::default());
    BUILT_IN.iter().for_each(|(name, text)| read_text(name, text, &mut gathered, &problems));
    let objectives = finish(gathered, &problems);
    conclude(problems, objectives)
}

fn conclude<T>(problems: Problems, result: T) -> Result<T, ConfigErrors> {
    let problems = problems.into_vec();
    if problems.is_empty() { Ok(result) } else { Err(ConfigErrors(problems)) }
}

fn read_service_file(path: Option<&Path>, sources: &dyn Sources) -> Result<(Option<PathBuf>, Node), ConfigError> {
    let named = path.map(Path::to_owned).or_else(|| sources.variable("PLIMSOLL_CONFIG").map(PathBuf::from));
    let file = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let name = file.display().to_string();
    match sources.read(&file) {
        Ok(text) => Ok((Some(file), as_mapping(yaml::parse(&name, &text)?))),
        Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => {
            let place = Place { source: "built-in defaults".into(), line: 0, column: 0 };
            Ok((None, Node { place, value: Value::Map(Vec::new()) }))
        }
        Err(e) => Err(unreadable(&file, &Place { source: name.as_str().into(), line: 0, column: 0 }, &e)),
    }
}

/// An empty file says nothing, which is fine.
fn as_mapping(mut node: Node) -> Node {
    if node.value == Value::Null {
        node.value = Value::Map(Vec::new());
    }
    node
}

fn unreadable(file: &Path, place: &Place, error: &std::io::Error) -> ConfigError {
    let message = format!("{} can't be read: {error}", file.display());
    ConfigError { place: place.clone(), path: String::new(), message }
}

/// The objectives files with the place that names each; `None` when the configuration names none.
fn objective_files(
    tree: &Node,
    folder: &Path,
    sources: &dyn Sources,
    problems: &Problems,
) -> Option<Vec<(PathBuf, Place)>> {
    let at = At::top(tree, problems).fields()?.get("objectives")?;
    let items = if matches!(at.node.value, Value::List(_)) { at.list()? } else { vec![at] };
    let mut files: Vec<(PathBuf, Place)> = Vec::new();
    for item in items {
        let Some(pattern) = item.name() else { continue };
        let overridden = item.node.place.line == 0;
        let full = if overridden { PathBuf::from(&pattern) } else { folder.join(&pattern) };
        match glob::expand(&full, sources) {
            Ok(found) if found.is_empty() => {
                item.fail(format!("no file matches {}", full.display())).unwrap_or_default()
            }
            Ok(found) => {
                let fresh = found.into_iter().filter(|f| files.iter().all(|(known, _)| known != f)).collect::<Vec<_>>();
                files.extend(fresh.into_iter().map(|file| (file, item.node.place.clone())));
            }
            Err(e) => item.fail(format!("{} can't be searched: {e}", full.display())).unwrap_or_default(),
        }
    }
    Some(files)
}

fn read_files(files: &[(PathBuf, Place)], sources: &dyn Sources, gathered: &mut Gathered, problems: &Problems) {
    for (file, named_at) in files {
        match sources.read(file) {
            Ok(text) => read_text(&file.display().to_string(), &text, gathered, problems),
            Err(e) => {
                let error = unreadable(file, named_at, &e);
                problems.add(&error.place, "objectives", error.message);
            }
        }
    }
}

fn read_text(source: &str, text: &str, gathered: &mut Gathered, problems: &Problems) {
    match yaml::parse(source, text) {
        Ok(node) => gathered.read(&node, problems),
        Err(YamlError { place, message }) => problems.add(&place, "", message),
    }
}

/// Checks what has to agree between files.
fn finish(gathered: Gathered, problems: &Problems) -> Objectives {
    let known: BTreeSet<&str> = gathered.objectives.escalations.iter().map(|e| e.name.as_str()).collect();
    for Mention { name, place, path } in &gathered.wanted_escalations {
        if !known.contains(name.as_str()) {
            problems.add(place, path, format!("there is no escalation named {name:?}{}", listed(&known)));
        }
    }
    gathered.objectives
}

fn check_channels(wanted: &[Mention], known: &BTreeSet<&str>, problems: &Problems) {
    for Mention { name, place, path } in wanted.iter().filter(|m| !known.contains(m.name.as_str())) {
        problems.add(place, path, format!("there is no channel named {name:?}{}", listed(known)));
    }
}

fn listed(known: &BTreeSet<&str>) -> String {
    if known.is_empty() {
        return "; none is configured".to_owned();
    }
    format!("; known are {}", known.iter().copied().collect::<Vec<_>>().join(", "))
}

impl From<YamlError> for ConfigError {
    fn from(error: YamlError) -> Self {
        Self { place: error.place, path: String::new(), message: error.message }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}
