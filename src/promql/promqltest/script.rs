//! From text to commands. A command is its line and those up to the next empty one or comment.

use std::time::Duration;

use super::expect::Expectation;
use crate::promql::parse::parse_duration;

/// A command and where it stands.
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) command: Command,
}

pub(super) enum Command {
    Clear,
    Load { interval: Duration, series: Vec<String>, as_native: bool },
    Eval(Box<Eval>),
}

pub(super) struct Eval {
    pub(super) expression: String,
    pub(super) when: When,
    pub(super) expected: Vec<Expectation>,
}

/// When an expression is evaluated, from the epoch on.
#[derive(Clone, Copy)]
pub(super) enum When {
    At(Duration),
    Range { start: Duration, end: Duration, step: Duration },
}

/// Reads a whole file; panics with the line on what it does not know.
pub(super) fn parse(text: &str) -> Vec<Step> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_empty = |line: &&str| line.is_empty() || line.starts_with('#');
    let mut steps = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if is_empty(&lines[at]) {
            at += 1;
            continue;
        }
        let more = lines[at + 1..].iter().take_while(|line| !is_empty(line)).copied().collect::<Vec<_>>();
        let (used, command) = command(lines[at], &more).unwrap_or_else(|| panic!("line {}: {:?}", at + 1, lines[at]));
        steps.push(Step { line: at + 1, command });
        at += 1 + used;
    }
    steps
}

/// How many further lines belong to the command, and the command.
fn command(line: &str, more: &[&str]) -> Option<(usize, Command)> {
    if line == "clear" {
        return Some((0, Command::Clear));
    }
    if let Some(rest) = line.strip_prefix("load") {
        let as_native = rest.starts_with("_with_nhcb");
        let interval = parse_duration(rest.trim_start_matches("_with_nhcb").trim())?;
        let series = more.iter().map(|line| (*line).to_owned()).collect();
        return Some((more.len(), Command::Load { interval, series, as_native }));
    }
    let (head, rest) = line.strip_prefix("eval")?.split_once(char::is_whitespace)?;
    let (when, expression) = match rest.trim_start().split_once(char::is_whitespace)? {
        ("instant", rest) => instant(rest)?,
        ("range", rest) => range(rest)?,
        _ => return None,
    };
    let mut expected: Vec<Expectation> = Expectation::of_command(head).into_iter().collect();
    expected.extend(more.iter().map(|line| Expectation::parse(line)));
    Some((more.len(), Command::Eval(Box::new(Eval { expression, when, expected }))))
}

/// A time or interval: zero may have a unit.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let zero = text.trim_end_matches(char::is_alphabetic).parse() == Ok(0u64);
    if zero { Some(Duration::ZERO) } else { parse_duration(text) }
}

fn instant(rest: &str) -> Option<(When, String)> {
    let (time, expression) = rest.trim().strip_prefix("at ")?.trim_start().split_once(char::is_whitespace)?;
    Some((When::At(duration(time)?), expression.trim().to_owned()))
}

fn range(rest: &str) -> Option<(When, String)> {
    let mut rest = rest.trim();
    let mut times = [Duration::ZERO; 3];
    for (time, word) in times.iter_mut().zip(["from", "to", "step"]) {
        let (text, after) = rest.strip_prefix(word)?.trim_start().split_once(char::is_whitespace)?;
        *time = duration(text)?;
        rest = after.trim_start();
    }
    let [start, end, step] = times;
    Some((When::Range { start, end, step }, rest.to_owned()))
}
