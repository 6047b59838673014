//! Who sends: a resource becomes the labels `job`, `instance` and `service_name`, and `target_info`.
//!
//! `job` is `service.namespace/service.name`, or the name alone; `instance` is `service.instance.id`
//! (compatibility specification, "Resource Attributes"). `service_name` stands beside them because limits,
//! objectives and keys speak of it. Of the other attributes only [`PROMOTED`] become labels of every metric;
//! all of them are labels of `target_info`, which PromQL can join. `service.version` is not promoted: with it
//! each release would begin every series anew.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;

use crate::base::{DropReason, Labels, LabelsBuilder};
use crate::ingest::outcome::Reject;
use crate::ingest::validate;

use super::attributes;
use super::names;

/// The longest value of a label that an attribute gives, in bytes.
pub(super) const VALUE_BYTES: usize = 1024;
/// The most attributes of a point or a resource that become labels.
pub(super) const ATTRIBUTES: usize = 64;

/// Attributes of the resource that become labels of every metric: `(label, attribute and its older name)`.
const PROMOTED: [(&str, [&str; 2]); 1] =
    [("deployment_environment_name", ["deployment.environment.name", "deployment.environment"])];

const IDENTITY: [&str; 3] = ["service.name", "service.namespace", "service.instance.id"];

/// A resource as labels.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// `job`, `instance`, `service_name` and what is promoted.
    pub(super) labels: Vec<(&'static str, Arc<str>)>,
    /// `target_info`; `None` when the resource says nothing beyond who it is, or not who it is.
    pub(super) info: Option<Labels>,
    /// Attributes that are too long or too many for `target_info`.
    pub(super) left_out: Vec<(DropReason, u64)>,
}

impl Target {
    /// The labels of a resource. `service` is whom the sender's key stands for; it overrides what is said.
    pub(super) fn of(attributes: &[KeyValue], service: Option<&str>) -> Result<Self, Reject> {
        let said = |name: &str| attributes::find_text(attributes, &[name]).unwrap_or_default();
        let name = service.map_or_else(|| said("service.name"), Cow::Borrowed);
        validate::text("service.name", &name, validate::SERVICE_BYTES)?;
        let namespace = if service.is_some() { Cow::Borrowed("") } else { said("service.namespace") };
        let job = if namespace.is_empty() { name.to_string() } else { format!("{namespace}/{name}") };
        validate::text("service.namespace", &job, VALUE_BYTES)?;
        let instance = said("service.instance.id");
        validate::text("service.instance.id", &instance, VALUE_BYTES)?;
        let mut target = Self::default();
        for (label, value) in [("job", job.as_str()), ("instance", &instance), ("service_name", &name)] {
            target.push(label, value);
        }
        for (label, names) in PROMOTED {
            let value = attributes::find_text(attributes, &names).unwrap_or_default();
            validate::text(names[0], &value, VALUE_BYTES)?;
            target.push(label, &value);
        }
        target.info = target.describe(attributes);
        Ok(target)
    }

    fn push(&mut self, label: &'static str, value: &str) {
        if !value.is_empty() {
            self.labels.push((label, Arc::from(value)));
        }
    }

    /// `target_info` with `job`, `instance` and every other attribute.
    fn describe(&mut self, attributes: &[KeyValue]) -> Option<Labels> {
        let others = attributes.iter().filter(|a| !IDENTITY.contains(&a.key.as_str()));
        let mut pairs: Vec<(&str, Cow<'_, str>)> =
            others.map(|a| (a.key.as_str(), attributes::text_of(a.value.as_ref()))).collect();
        let before = pairs.len();
        pairs.retain(|(key, value)| value.len() <= VALUE_BYTES && key.len() <= validate::NAME_BYTES);
        self.leave_out(DropReason::TooLong, before - pairs.len());
        self.leave_out(DropReason::TooManyLabels, pairs.len().saturating_sub(ATTRIBUTES));
        pairs.truncate(ATTRIBUTES);
        if pairs.is_empty() || self.labels.is_empty() {
            return None;
        }
        let mut builder = LabelsBuilder::default();
        join(pairs, &mut builder, &mut LabelNames::default());
        for (label, value) in self.labels.iter().filter(|(label, _)| matches!(*label, "job" | "instance")) {
            builder.set(*label, Arc::clone(value));
        }
        builder.set(crate::base::METRIC_NAME, "target_info");
        Some(builder.build())
    }

    fn leave_out(&mut self, reason: DropReason, attributes: usize) {
        if attributes > 0 {
            self.left_out.push((reason, attributes as u64));
        }
    }
}

/// Labels of attributes, made once for each request.
#[derive(Debug, Default)]
pub(super) struct LabelNames<'a>(HashMap<&'a str, Option<Arc<str>>>);

impl<'a> LabelNames<'a> {
    fn get(&mut self, key: &'a str) -> Option<Arc<str>> {
        self.0.entry(key).or_insert_with(|| names::label(key).map(Arc::from)).clone()
    }
}

/// Sets a label for each attribute. Where two come to one label, their values stand side by side in the
/// order of the attributes' names, as the specification has it.
pub(super) fn join<'a>(
    mut pairs: Vec<(&'a str, Cow<'a, str>)>,
    builder: &mut LabelsBuilder,
    names: &mut LabelNames<'a>,
) {
    pairs.sort_by(|a, b| a.0.cmp(b.0));
    pairs.dedup_by(|later, first| later.0 == first.0);
    let mut labels: Vec<(Arc<str>, Cow<'a, str>)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let Some(label) = names.get(key) else { continue };
        match labels.iter_mut().find(|(l, _)| *l == label) {
            Some((_, values)) => *values = Cow::Owned(format!("{values};{value}")),
            None => labels.push((label, value)),
        }
    }
    for (label, value) in labels {
        builder.set(label, value.as_ref());
    }
}

/// The labels of a point's attributes, checked.
pub(super) fn of_point<'a>(attributes: &'a [KeyValue], names: &mut LabelNames<'a>) -> Result<LabelsBuilder, Reject> {
    if attributes.len() > ATTRIBUTES {
        let error = format!("{} attributes; at most {ATTRIBUTES} are taken", attributes.len());
        return Err(Reject::new(DropReason::TooManyLabels, error));
    }
    let mut pairs = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        validate::text("an attribute's name", &attribute.key, validate::NAME_BYTES)?;
        let value = attributes::text_of(attribute.value.as_ref());
        validate::text(&attribute.key, &value, VALUE_BYTES)?;
        pairs.push((attribute.key.as_str(), value));
    }
    let mut builder = LabelsBuilder::default();
    join(pairs, &mut builder, names);
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
        let value = |v: &str| Some(AnyValue { value: Some(Value::StringValue(v.to_owned())) });
        pairs.iter().map(|(k, v)| KeyValue { key: (*k).to_owned(), value: value(v), ..Default::default() }).collect()
    }

    fn labels(target: &Target) -> Vec<(&str, &str)> {
        target.labels.iter().map(|(n, v)| (*n, v.as_ref())).collect()
    }

    #[test]
    fn a_resource_is_job_and_instance() {
        let resource = pairs(&[
            ("service.name", "api"),
            ("service.namespace", "shop"),
            ("service.instance.id", "a-1"),
            ("deployment.environment", "prod"),
            ("service.version", "1.2"),
        ]);
        let target = Target::of(&resource, None).unwrap();
        let expected = [
            ("job", "shop/api"),
            ("instance", "a-1"),
            ("service_name", "api"),
            ("deployment_environment_name", "prod"),
        ];
        assert_eq!(labels(&target), expected);
        let info =
            [("job", "shop/api"), ("instance", "a-1"), ("service_version", "1.2"), ("deployment_environment", "prod")];
        assert_eq!(target.info, Some(Labels::metric("target_info", info)));
    }

    #[test]
    fn a_key_for_one_service_writes_for_no_other() {
        let resource = pairs(&[("service.name", "api"), ("service.namespace", "shop")]);
        let target = Target::of(&resource, Some("web")).unwrap();
        assert_eq!(labels(&target), [("job", "web"), ("service_name", "web")]);
    }

    #[test]
    fn there_is_no_target_info_without_a_target_or_anything_to_tell() {
        assert_eq!(Target::of(&pairs(&[("service.name", "a")]), None).unwrap().info, None);
        assert_eq!(Target::of(&pairs(&[("host.name", "h")]), None).unwrap().info, None);
        assert_eq!(Target::of(&[], None).unwrap().labels, []);
    }

    #[test]
    fn what_is_too_long_for_target_info_is_left_out_and_told() {
        let long = "x".repeat(VALUE_BYTES + 1);
        let mut resource = pairs(&[("service.name", "a"), ("process.command_line", &long)]);
        resource.extend(pairs(&[("k", "v"); 70]));
        let target = Target::of(&resource, None).unwrap();
        assert_eq!(target.left_out, [(DropReason::TooLong, 1), (DropReason::TooManyLabels, 6)]);
        assert_eq!(target.info, Some(Labels::metric("target_info", [("job", "a"), ("k", "v")])));
        let long = pairs(&[("service.name", &long)]);
        assert_eq!(Target::of(&long, None).unwrap_err().reason, DropReason::TooLong);
    }

    #[test]
    fn attributes_that_come_to_one_label_stand_side_by_side() {
        let attributes = pairs(&[("a_b", "2"), ("a.b", "1"), ("c", "3"), ("a-b", "0")]);
        let labels = of_point(&attributes, &mut LabelNames::default()).unwrap().build();
        assert_eq!(labels, Labels::new([("a_b", "0;1;2"), ("c", "3")]));
    }
}
