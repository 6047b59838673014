//! Arithmetic and comparison between two vectors. Who matches whom is found once for all steps; only
//! where several series share a signature does a step have to look which of them has a value.

use std::collections::HashMap;

use super::row::{Row, merge_equal, project};
use super::{Context, QueryError};
use crate::base::{Labels, LabelsBuilder, METRIC_NAME};
use crate::promql::plan::{Binary, Cardinality, LabelSet, Operator, Steps};

/// The "one" side's rows with the same signature.
struct Candidates {
    rows: Vec<usize>,
    /// For each step the row that has a value; only filled when there are several rows.
    present: Vec<Option<usize>>,
    /// One-to-one: at which steps an element has been matched.
    matched: Vec<bool>,
}

/// A matching with its sides turned so that several of `many` may match one of `one`.
struct Sides<'a> {
    binary: &'a Binary,
    /// Whether `many` is the right operand.
    turned: bool,
    include: &'a [String],
    many: Vec<Row>,
    one: Vec<Row>,
}

impl Context<'_> {
    pub(super) fn match_vectors(
        &self,
        binary: &Binary,
        left: Vec<Row>,
        right: Vec<Row>,
        steps: Steps,
    ) -> Result<Vec<Row>, QueryError> {
        let sides = match &binary.cardinality {
            Cardinality::OneToOne => Sides { binary, turned: false, include: &[], many: left, one: right },
            Cardinality::ManyToOne(include) => Sides { binary, turned: false, include, many: left, one: right },
            Cardinality::OneToMany(include) => Sides { binary, turned: true, include, many: right, one: left },
        };
        let mut candidates = sides.candidates(steps)?;
        let mut output = Output::default();
        for many in &sides.many {
            let Some(found) = candidates.get_mut(&project(&many.labels, &binary.matching)) else { continue };
            self.check(output.rows.len() + 1, steps)?;
            self.match_row(&sides, many, found, &mut output, steps)?;
        }
        merge_equal(output.rows)
    }

    fn match_row(
        &self,
        sides: &Sides<'_>,
        many: &Row,
        found: &mut Candidates,
        output: &mut Output,
        steps: Steps,
    ) -> Result<(), QueryError> {
        let exclusive = sides.binary.cardinality == Cardinality::OneToOne;
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (step, cell) in many.cells.iter().enumerate() {
            let Some(element) = cell else { continue };
            let Some(one) = found.at(step) else { continue };
            let Some(partner) = &sides.one[one].cells[step] else { continue };
            let (a, b) = if sides.turned { (partner, element) } else { (element, partner) };
            // A comparison keeps the left operand's value, on whichever side the many are.
            let Some(point) = self.element(sides.binary, a, b, a) else { continue };
            // Also where the comparison does not hold: whether it is an error must not depend on values.
            if exclusive && std::mem::replace(&mut found.matched[step], true) {
                return Err(many_to_one());
            }
            let place = match places.iter().find(|(o, _)| *o == one) {
                Some((_, place)) => *place,
                None => {
                    let place = output.place(sides.result_labels(many, &sides.one[one]), steps);
                    places.push((one, place));
                    place
                }
            };
            if std::mem::replace(&mut output.claimed[place][step], true) {
                return Err(not_unique());
            }
            output.rows[place].cells[step] = point;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Output {
    rows: Vec<Row>,
    /// For each row the steps that an element came to, also when a comparison left it out.
    claimed: Vec<Vec<bool>>,
    places: HashMap<Labels, usize>,
}

impl Output {
    fn place(&mut self, labels: Labels, steps: Steps) -> usize {
        let (rows, claimed) = (&mut self.rows, &mut self.claimed);
        *self.places.entry(labels).or_insert_with_key(|labels| {
            rows.push(Row { labels: labels.clone(), cells: vec![None; steps.count] });
            claimed.push(vec![false; steps.count]);
            rows.len() - 1
        })
    }
}

impl Candidates {
    fn at(&self, step: usize) -> Option<usize> {
        match self.rows.as_slice() {
            [only] => Some(*only),
            _ => self.present[step],
        }
    }
}

impl Sides<'_> {
    fn candidates(&self, steps: Steps) -> Result<HashMap<Labels, Candidates>, QueryError> {
        let mut by_signature: HashMap<Labels, Candidates> = HashMap::with_capacity(self.one.len());
        for (i, row) in self.one.iter().enumerate() {
            let signature = project(&row.labels, &self.binary.matching);
            let new = || Candidates { rows: Vec::new(), present: Vec::new(), matched: vec![false; steps.count] };
            by_signature.entry(signature).or_insert_with(new).rows.push(i);
        }
        if by_signature.len() < self.one.len() {
            let asked = self.asked_steps(steps);
            for (signature, found) in by_signature.iter_mut().filter(|(_, c)| c.rows.len() > 1) {
                found.present = self.present(&found.rows, &asked, signature)?;
            }
        }
        Ok(by_signature)
    }

    /// The steps at which the many side has anything: duplicates on the other side only matter there.
    fn asked_steps(&self, steps: Steps) -> Vec<bool> {
        (0..steps.count).map(|step| self.many.iter().any(|row| row.cells[step].is_some())).collect()
    }

    fn present(&self, rows: &[usize], asked: &[bool], signature: &Labels) -> Result<Vec<Option<usize>>, QueryError> {
        let at = |(step, asked): (usize, &bool)| {
            let mut present = rows.iter().copied().filter(|i| self.one[*i].cells[step].is_some());
            match (present.next(), present.next()) {
                (Some(first), Some(second)) if *asked => Err(self.duplicate(signature, first, second)),
                (found, _) => Ok(found),
            }
        };
        asked.iter().enumerate().map(at).collect()
    }

    fn duplicate(&self, signature: &Labels, first: usize, second: usize) -> QueryError {
        let side = if self.turned { "left" } else { "right" };
        QueryError::Execution(format!(
            "found duplicate series for the match group {signature} on the {side} hand-side of the operation: \
             [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            self.one[second].labels, self.one[first].labels
        ))
    }

    fn result_labels(&self, many: &Row, one: &Row) -> Labels {
        let binary = self.binary;
        let mut labels: LabelsBuilder = many.labels.to_builder();
        if !matches!(binary.op, Operator::Compare(_)) || binary.return_bool {
            labels.remove(METRIC_NAME);
        }
        if binary.cardinality == Cardinality::OneToOne {
            let kept = labels.build();
            labels = match &binary.matching {
                LabelSet::Only(names) => kept.filter(|name| names.iter().any(|n| n == name)),
                LabelSet::Without(names) => kept.filter(|name| !names.iter().any(|n| n == name)),
            }
            .to_builder();
        }
        for name in self.include {
            labels.set(name.as_str(), one.labels.value(name));
        }
        labels.build()
    }
}

fn many_to_one() -> QueryError {
    QueryError::Execution(
        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)".to_owned(),
    )
}

fn not_unique() -> QueryError {
    QueryError::Execution("multiple matches for labels: grouping labels must ensure unique matches".to_owned())
}
