//! `info()`: labels of the info metrics that describe the same target, by `instance` and `job`, are added to
//! each element, the newest sample of an info metric telling which (Prometheus 3, `info.go`).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::row::{Row, merge_equal};
use super::select::Latest;
use super::{Context, QueryError};
use crate::base::{Labels, LabelsBuilder, METRIC_NAME, Matcher, Timestamp};
use crate::promql::plan::{Info, Steps};
use crate::promql::source::SeriesSamples;
use crate::promql::value::Point;

/// The labels that say which target a series describes.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// For a target, the info metrics at one step: by name the series and the time of its sample.
type Described<'a> = HashMap<Labels, BTreeMap<&'a str, (Timestamp, &'a SeriesSamples)>>;

impl Context<'_> {
    pub(super) fn info(&self, info: &Info, steps: Steps) -> Result<Vec<Row>, QueryError> {
        let rows = self.vector(&info.argument, steps)?;
        let targets: Vec<Option<Labels>> = rows.iter().map(|row| target(row, info)).collect();
        let wanted: HashSet<&Labels> = targets.iter().flatten().collect();
        let infos = self.loaded.series(info.fetch).iter();
        let infos = infos.filter(|series| wanted.contains(&identity(&series.labels)));
        let mut walks: Vec<_> = infos.map(|series| (series, Latest::new(series, self.plan.lookback))).collect();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut enriched: Vec<Row> = Vec::new();
        for (step, time) in steps.times().enumerate() {
            let described = described_at(&mut walks, time)?;
            for (row, target) in rows.iter().zip(&targets) {
                let Some(point) = &row.cells[step] else { continue };
                let labels = match target {
                    Some(target) => with_info(&row.labels, described.get(target), info)?,
                    None => Some(row.labels.clone()),
                };
                let Some(labels) = labels else { continue };
                let place = *places.entry(labels).or_insert_with_key(|labels| {
                    enriched.push(Row { labels: labels.clone(), cells: vec![None; steps.count] });
                    enriched.len() - 1
                });
                if enriched[place].cells[step].replace(point.clone()).is_some() {
                    return Err(super::row::duplicate());
                }
            }
            self.check(enriched.len(), steps)?;
        }
        merge_equal(enriched)
    }
}

fn identity(labels: &Labels) -> Labels {
    labels.only(&IDENTIFYING)
}

/// The target to look for; `None` for info metrics, which are left as they are.
fn target(row: &Row, info: &Info) -> Option<Labels> {
    let name = row.labels.metric_name();
    let is_info = info.names.iter().all(|m| m.matches(name));
    (!is_info).then(|| identity(&row.labels))
}

fn described_at<'a>(walks: &mut [(&'a SeriesSamples, Latest<'a>)], time: i64) -> Result<Described<'a>, QueryError> {
    let fail = |text: String| Err(QueryError::Execution(text));
    let mut described: Described<'a> = HashMap::new();
    for (series, latest) in walks {
        let Some((at, point)) = latest.at(time) else { continue };
        if matches!(point, Point::Histogram(_)) {
            return fail("info sample should be float".to_owned());
        }
        let of_target = described.entry(identity(&series.labels)).or_default();
        match of_target.get(series.labels.metric_name()) {
            Some((known, _)) if *known > at => {}
            Some((known, other)) if *known == at => {
                let (time, existing, new) = (at.as_millis(), &other.labels, &series.labels);
                return fail(format!(
                    "found duplicate series for info metric: existing {existing} @ {time}, new {new} @ {time}"
                ));
            }
            _ => {
                of_target.insert(series.labels.metric_name(), (at, series));
            }
        }
    }
    Ok(described)
}

/// The labels with those of the info metrics, which do not replace what is there; `None` when there are no
/// info metrics and some label of theirs was asked for.
fn with_info(
    labels: &Labels,
    described: Option<&BTreeMap<&str, (Timestamp, &SeriesSamples)>>,
    info: &Info,
) -> Result<Option<Labels>, QueryError> {
    let Some(described) = described.filter(|_| !identity(labels).is_empty()) else {
        return Ok(info.labels.iter().all(|m| m.matches("")).then(|| labels.clone()));
    };
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for (_, series) in described.values() {
        for (name, value) in series.labels.iter().filter(|(name, _)| is_wanted(name, &info.labels)) {
            if added.insert(name, value).is_some_and(|other| other != value) {
                return Err(QueryError::Execution(format!("conflicting label: {name}")));
            }
        }
    }
    let mut builder: LabelsBuilder = labels.to_builder();
    for (name, value) in added.into_iter().filter(|(name, _)| labels.get(name).is_none()) {
        builder.set(name, value);
    }
    Ok(Some(builder.build()))
}

fn is_wanted(name: &str, wanted: &[Matcher]) -> bool {
    name != METRIC_NAME && (wanted.is_empty() || wanted.iter().any(|m| m.name == name))
}
