//! Answers as a table: a column for each label, numbers to the right.

use std::collections::BTreeSet;

use super::answer::Answer;
use crate::base::{Labels, METRIC_NAME};

/// The gap between columns.
const GAP: &str = "  ";

/// The table; without columns for labels where it would be wider than `width`.
pub(super) fn table(answer: &Answer, width: Option<usize>) -> String {
    let rows: Vec<Row<'_>> = match answer {
        Answer::Single(text) => return format!("{text}\n"),
        Answer::Vector(elements) => elements.iter().map(|(labels, value)| Row { labels, at: None, value }).collect(),
        Answer::Matrix(series) => {
            let of = |s| values(s).map(|(labels, at, value)| Row { labels, at: Some(at), value });
            series.iter().flat_map(of).collect()
        }
    };
    if rows.is_empty() {
        return "no data\n".to_owned();
    }
    let wide = render(&by_label(&rows));
    let widest = wide.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    if width.is_some_and(|width| widest > width) { render(&by_series(&rows)) } else { wide }
}

struct Row<'a> {
    labels: &'a Labels,
    at: Option<String>,
    value: &'a str,
}

fn values(series: &super::answer::Series) -> impl Iterator<Item = (&Labels, String, &str)> {
    series.values.iter().map(|(at, value)| (&series.labels, at.rfc3339().replace(".000Z", "Z"), value.as_str()))
}

/// Lines of cells, the first one the head.
type Cells = Vec<Vec<String>>;

fn by_label(rows: &[Row<'_>]) -> Cells {
    let names: BTreeSet<&str> = rows.iter().flat_map(|row| row.labels.iter().map(|(name, _)| name)).collect();
    let head = |name: &&str| if *name == METRIC_NAME { "metric".to_owned() } else { (*name).to_owned() };
    cells(rows, names.iter().map(head).collect(), |row| {
        names.iter().map(|name| row.labels.value(name).to_owned()).collect()
    })
}

fn by_series(rows: &[Row<'_>]) -> Cells {
    cells(rows, vec!["series".to_owned()], |row| vec![row.labels.to_string()])
}

fn cells(rows: &[Row<'_>], head: Vec<String>, labels: impl Fn(&Row<'_>) -> Vec<String>) -> Cells {
    let timed = rows.iter().any(|row| row.at.is_some());
    let mut all = vec![head];
    all[0].extend(timed.then(|| "time".to_owned()).into_iter().chain(["value".to_owned()]));
    all.extend(rows.iter().map(|row| {
        let own = labels(row).into_iter().map(|text| one_line(&text));
        own.chain(row.at.clone()).chain([row.value.to_owned()]).collect()
    }));
    all
}

/// A label's value may hold anything, also what would break the table or the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn render(cells: &Cells) -> String {
    let columns = cells.first().map_or(0, Vec::len);
    let widths: Vec<usize> =
        (0..columns).map(|c| cells.iter().map(|line| line[c].chars().count()).max().unwrap_or(0)).collect();
    let line = |line: &Vec<String>| {
        let padded = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column + 1 == columns { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        padded.collect::<Vec<_>>().join(GAP) + "\n"
    };
    cells.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::cli::query::answer::Series;

    fn vector() -> Answer {
        let labels = |job: &str| Labels::new([("__name__", "up"), ("job", job), ("zone", "eu")]);
        Answer::Vector(vec![(labels("api"), "1".to_owned()), (labels("checkout\n"), "0.25".to_owned())])
    }

    #[test]
    fn a_column_for_each_label() {
        let expected = "\
metric  job        zone  value
up      api        eu        1
up      checkout\u{fffd}  eu     0.25
";
        assert_eq!(table(&vector(), None), expected);
        assert_eq!(table(&vector(), Some(30)), expected);
    }

    #[test]
    fn a_narrow_terminal_has_the_series_in_one_column() {
        let narrow = table(&vector(), Some(29));
        assert!(narrow.starts_with("series ") && narrow.contains("up{job=\"api\", zone=\"eu\"}"), "{narrow}");
    }

    #[test]
    fn ranges_have_times() {
        let values = vec![(Timestamp::from_secs(0), "1".to_owned()), (Timestamp::from_millis(1500), "12".to_owned())];
        let series = Series { labels: Labels::new([("a", "b")]), values };
        let expected = "\
a  time                      value
b  1970-01-01T00:00:00Z          1
b  1970-01-01T00:00:01.500Z     12
";
        assert_eq!(table(&Answer::Matrix(vec![series]), None), expected);
    }

    #[test]
    fn little_is_said_simply() {
        assert_eq!(table(&Answer::Vector(vec![]), None), "no data\n");
        assert_eq!(table(&Answer::Single("3".to_owned()), None), "3\n");
    }
}
