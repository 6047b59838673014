//! `label_replace` and `label_join`.

use crate::base::Labels;
use crate::promql::engine::QueryError;

/// A `label_replace` with its pattern compiled.
#[derive(Debug)]
pub(in crate::promql) struct Replace {
    destination: String,
    replacement: String,
    source: String,
    pattern: regex::Regex,
}

impl Replace {
    pub(in crate::promql) fn new(
        destination: String,
        replacement: String,
        source: String,
        pattern: &str,
    ) -> Result<Self, QueryError> {
        let pattern = crate::base::pattern::anchored(pattern)
            .map_err(|_| QueryError::Execution(format!("invalid regular expression in label_replace(): {pattern}")))?;
        check_name(&destination, "destination label name", "label_replace")?;
        Ok(Self { destination, replacement, source, pattern })
    }

    /// The labels with the destination set, when the source matches.
    pub(in crate::promql) fn apply(&self, labels: &Labels) -> Labels {
        let Some(captures) = self.pattern.captures(labels.value(&self.source)) else { return labels.clone() };
        let mut value = String::new();
        captures.expand(&self.replacement, &mut value);
        labels.with(&self.destination, &value)
    }
}

/// A `label_join`.
#[derive(Debug)]
pub(in crate::promql) struct Join {
    destination: String,
    separator: String,
    sources: Vec<String>,
}

impl Join {
    pub(in crate::promql) fn new(
        destination: String,
        separator: String,
        sources: Vec<String>,
    ) -> Result<Self, QueryError> {
        check_name(&destination, "destination label name", "label_join")?;
        sources.iter().try_for_each(|source| check_name(source, "source label name", "label_join"))?;
        Ok(Self { destination, separator, sources })
    }

    pub(in crate::promql) fn apply(&self, labels: &Labels) -> Labels {
        let values: Vec<&str> = self.sources.iter().map(|s| labels.value(s)).collect();
        labels.with(&self.destination, &values.join(&self.separator))
    }
}

/// Any text names a label since Prometheus 3, as long as there is some.
fn check_name(name: &str, what: &str, function: &str) -> Result<(), QueryError> {
    match name.is_empty() {
        true => Err(QueryError::Execution(format!("invalid {what} in {function}(): {name:?}"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_with_groups_when_the_whole_value_matches() {
        let labels = Labels::metric("m", [("host", "web-12:9100")]);
        let new = |to: &str, pattern: &str| Replace::new("out".into(), to.into(), "host".into(), pattern).unwrap();
        assert_eq!(new("${1}/$2", "(.*)-(\\d+):.*").apply(&labels).value("out"), "web/12");
        assert_eq!(new("$1", "(web)").apply(&labels), labels);
        assert_eq!(new("", ".*").apply(&labels), labels);
        assert!(Replace::new(String::new(), String::new(), "a".into(), "b").is_err());
        assert!(Replace::new("a".into(), String::new(), "a".into(), "(").is_err());
    }

    #[test]
    fn joins_values_absent_ones_too() {
        let join = Join::new("out".into(), "-".into(), vec!["a".into(), "b".into(), "c".into()]).unwrap();
        assert_eq!(join.apply(&Labels::new([("a", "1"), ("c", "3")])).value("out"), "1--3");
    }
}
