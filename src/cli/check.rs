//! `plimsoll check`: validates configuration and objectives, and prints what each objective compiles to.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{self, ConfigErrors, Flags, Objectives, SystemSources};
use crate::sketch::format_le;
use crate::slo::burn::{burn_tiers, nominal_length};
use crate::slo::{
    AlertRule, Budget, CalendarPeriod, CompiledObjective, Escalation, RuleKind, Window, compile, format_duration,
    format_value,
};

use super::{Outcome, complain, print};

/// Arguments of `plimsoll check`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Objectives files, instead of those that the service file names
    pub files: Vec<PathBuf>,
}

/// Checks and prints. Secrets need not be there; the service is not needed.
///
/// # Errors
/// What can't be printed.
pub fn run(file: Option<&Path>, args: &Args) -> anyhow::Result<Outcome> {
    match load(file, &args.files).and_then(|objectives| report(&objectives)) {
        Ok(text) => print(&text).map(|()| Outcome::Fine),
        Err(errors) => {
            complain(&errors.to_string());
            Ok(Outcome::Misused)
        }
    }
}

/// Files alone when they are named without a service file; escalations' channels are then not looked up.
pub(super) fn load(file: Option<&Path>, files: &[PathBuf]) -> Result<Objectives, ConfigErrors> {
    if file.is_none() && !files.is_empty() {
        return config::load_objectives(files, &SystemSources);
    }
    let objectives = files.iter().map(|f| f.display().to_string()).collect();
    let flags = Flags { objectives, allow_missing_secrets: true, ..Flags::default() };
    config::load(file, &SystemSources, &flags).map(|loaded| loaded.objectives)
}

/// Compiles what the loader has already compiled once.
pub(super) fn compiled(objectives: &Objectives) -> Vec<Arc<CompiledObjective>> {
    let compiled = objectives.objectives.iter().map(|o| compile(Arc::new(o.clone())));
    compiled.filter_map(Result::ok).map(Arc::new).collect()
}

fn report(objectives: &Objectives) -> Result<String, ConfigErrors> {
    let mut text = String::new();
    let compiled = compiled(objectives);
    for objective in &compiled {
        // Writing to a string can't fail.
        let _written = describe(&mut text, objective);
    }
    for escalation in &objectives.escalations {
        let _written = describe_escalation(&mut text, escalation);
    }
    let rules: usize = compiled.iter().map(|c| c.rules.len()).sum();
    let counts = (compiled.len(), rules, objectives.escalations.len());
    let _written = writeln!(text, "fine: {} objectives, {} alerts, {} escalations", counts.0, counts.1, counts.2);
    Ok(text)
}

fn describe(out: &mut String, compiled: &CompiledObjective) -> std::fmt::Result {
    let objective = &compiled.objective;
    writeln!(out, "{}  ({})", objective.name, objective.source)?;
    writeln!(out, "  value    {}", one_line(&compiled.value))?;
    if let Some(target) = objective.target {
        writeln!(out, "  target   {}", format_value(target, objective.unit))?;
    }
    if let Some(budget) = &objective.budget {
        describe_budget(out, budget)?;
    }
    for rule in &compiled.rules {
        describe_rule(out, objective.budget.as_ref(), rule)?;
    }
    for (metric, bound) in &compiled.thresholds {
        writeln!(out, "  exact at {metric} le=\"{}\"", format_le(*bound))?;
    }
    for remark in &compiled.remarks {
        writeln!(out, "  note     {remark}")?;
    }
    writeln!(out)
}

fn describe_budget(out: &mut String, budget: &Budget) -> std::fmt::Result {
    let window = match &budget.window {
        Window::Rolling(length) => format_duration(*length),
        Window::Calendar { period, time_zone } => {
            let period = match period {
                CalendarPeriod::Week => "week",
                CalendarPeriod::Month => "month",
                CalendarPeriod::Quarter => "quarter",
            };
            format!("the calendar {period} in {time_zone}")
        }
    };
    let minutes = nominal_length(&budget.window).as_secs_f64() / 60.0 * (1.0 - budget.objective);
    let share = format_le(crate::slo::number::tidy(budget.objective * 100.0));
    writeln!(out, "  budget   {share}% over {window}: {minutes:.1} minutes of full outage")
}

fn describe_rule(out: &mut String, budget: Option<&Budget>, rule: &AlertRule) -> std::fmt::Result {
    write!(out, "  {:<8} {}", rule.severity.as_str(), rule.alert_name)?;
    match &rule.kind {
        RuleKind::Burn { factor, long, short } => {
            let share = budget.and_then(|b| burn_tiers(b).0.into_iter().find(|tier| tier.long == *long));
            let share = share.map_or(0.0, |tier| tier.budget_share * 100.0);
            let (long, short) = (format_duration(*long), format_duration(*short));
            write!(out, ": {}x over {long} and {short}, {share:.1}% of the budget", format_le(*factor))?;
        }
        RuleKind::Level => write!(out, ": for {}", format_duration(rule.hold))?,
        RuleKind::NoData => write!(out, ": no data for {}", format_duration(rule.hold))?,
    }
    if !rule.keep_firing.is_zero() {
        write!(out, ", keeps firing for {}", format_duration(rule.keep_firing))?;
    }
    writeln!(out, "\n           {}", one_line(&rule.expr))?;
    rule.stay_expr.iter().try_for_each(|stay| writeln!(out, "           goes on while {}", one_line(stay)))
}

fn describe_escalation(out: &mut String, escalation: &Escalation) -> std::fmt::Result {
    write!(out, "escalation {}", escalation.name)?;
    for level in &escalation.levels {
        write!(out, "; after {}: {}", format_duration(level.after), level.notify.join(", "))?;
    }
    escalation.repeat.iter().try_for_each(|every| write!(out, "; again every {}", format_duration(*every)))?;
    writeln!(out)
}

fn one_line(expr: &str) -> String {
    expr.split_whitespace().collect::<Vec<_>>().join(" ")
}
