//! What is printed: Markdown tables, the same as in docs/performance.md.

use std::process::ExitCode;

/// What has been reached, and what was wrong.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    wrong: Vec<String>,
}

/// Where a ratio should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// At most so much: `(aim, stretch)`.
    Below(f64, f64),
    /// At least so much: `(aim, stretch)`.
    Above(f64, f64),
    /// No aim has been set for this size.
    None,
}

impl Aim {
    fn columns(self, ratio: f64) -> (String, String, &'static str) {
        let (sign, aim, stretch, reached) = match self {
            Self::Below(aim, stretch) => ("≤", aim, stretch, (ratio <= aim, ratio <= stretch)),
            Self::Above(aim, stretch) => ("≥", aim, stretch, (ratio >= aim, ratio >= stretch)),
            Self::None => return ("–".to_owned(), "–".to_owned(), "–"),
        };
        let verdict = match reached {
            (_, true) => "stretch",
            (true, _) => "yes",
            _ => "no",
        };
        (format!("{sign} {aim}"), format!("{sign} {stretch}"), verdict)
    }
}

const COLUMNS: [&str; 6] = ["what", "absolute", "ratio", "aim", "stretch", "reached"];

impl Report {
    /// One line of the result: what is compared, our absolute figure, and its ratio to the peer's.
    pub(crate) fn ratio(&mut self, what: &str, absolute: &str, ratio: f64, aim: Aim) {
        let (aim, stretch, reached) = aim.columns(ratio);
        self.lines.push(row(&[what, absolute, &figure(ratio), &aim, &stretch, reached]));
    }

    /// An answer of ours that is wrong.
    pub(crate) fn wrong(&mut self, what: String) {
        println!("WRONG: {what}");
        self.wrong.push(what);
    }

    /// Checks that a count is exact.
    pub(crate) fn expect_equal(&mut self, what: &str, found: f64, expected: f64) {
        if found != expected {
            self.wrong(format!("{what}: {found}, expected {expected}"));
        }
    }

    pub(crate) fn print_summary(&self) {
        println!("\n# Result\n");
        print_head(&COLUMNS);
        self.lines.iter().for_each(|line| println!("{line}"));
        self.wrong.iter().for_each(|w| println!("\nWRONG: {w}"));
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The heading of a table.
pub(crate) fn print_head(columns: &[&str]) {
    println!("{}\n{}", row(columns), row(&vec!["---"; columns.len()]));
}

/// A line of a table.
pub(crate) fn row(cells: &[&str]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// Three significant digits.
pub(crate) fn figure(value: f64) -> String {
    let digits = if value.abs() >= 100.0 || value == 0.0 { 0 } else { (2 - value.abs().log10().floor() as i32).max(0) };
    format!("{value:.*}", digits as usize)
}

/// A number of bytes in MiB.
pub(crate) fn mebibytes(bytes: f64) -> String {
    figure(bytes / f64::from(1 << 20))
}

/// The middle one; the mean of the two in the middle of an even number.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The median of the ratios of interleaved rounds.
pub(crate) fn median_ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(&ours.iter().zip(theirs).map(|(a, b)| a / b).collect::<Vec<_>>())
}
