//! A join of several inputs by a key that all of them share, of any changes.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Result, RowKind};
use flott_graph::spec::{JoinInput, JoinKind, JoinSide, MultiJoinSpec, MultiJoinStep, Spec};

use super::Distribution;
use super::join::{Keyed, keys_of_pairs, rows_known_by};
use crate::plan::optimize::conjuncts;
use crate::plan::print::{self, Style};
use crate::plan::rel::{self, StateTtl, equality};
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct MultiJoin {
    /// The columns of each input that all share.
    keys: Vec<Vec<usize>>,
    steps: Vec<Step>,
    /// How long the rows of each input are kept, if a hint says so.
    ttl: Vec<Option<StateTtl>>,
}

/// How an input is joined with those before it.
#[derive(Clone, Debug)]
struct Step {
    kind: JoinKind,
    /// All that must hold.
    whole: Option<Expr>,
    /// The columns that are equal: of all inputs before it, and of it.
    equal: [Vec<usize>; 2],
    /// The inputs before it whose shared key must be there.
    needs: Vec<usize>,
    /// What must hold besides.
    conditions: Vec<Expr>,
}

impl MultiJoin {
    /// The join of inputs with so many columns.
    pub(in crate::plan) fn new(join: rel::MultiJoin, widths: &[usize]) -> Self {
        let keys = join.keys(widths);
        let first = join.steps.first().and_then(|step| step.ttl[0].clone());
        let ttl = std::iter::once(first).chain(join.steps.iter().map(|step| step.ttl[1].clone())).collect();
        let step = |(at, step): (usize, rel::Join)| Step::new(step, at + 1, (widths, &keys));
        let steps = join.steps.into_iter().enumerate().map(step).collect();
        MultiJoin { keys, steps, ttl }
    }

    /// Whether an update of an input always belongs to what the row that it replaces belonged to: its key, and all that
    /// conditions read of it, are of a key of the input.
    fn updates_stay(&self, input: usize, inputs: &[Node]) -> bool {
        let first: usize = inputs.iter().take(input).map(|node| node.columns.len()).sum();
        let own = first..first + inputs[input].columns.len();
        let conditions = self.steps.iter().flat_map(|step| &step.conditions);
        let read = conditions.flat_map(Expr::columns).filter(|c| own.contains(c)).map(|c| c - first);
        let read: Vec<usize> = read.chain(self.keys[input].iter().copied()).collect();
        inputs[input].upsert_keys.iter().any(|key| read.iter().all(|column| key.contains(column)))
    }

    fn side(&self, input: usize, wiring: &Wiring<'_>) -> JoinSide {
        let keys = self.keys[input].clone();
        JoinSide {
            input: wiring.input(input),
            rows: wiring.node.inputs.get(input).map_or(JoinInput::NotUnique, |node| rows_known_by(&keys, node)),
            keys,
            state_ttl_ms: self.ttl[input].as_ref().map_or(wiring.settings.state_ttl_ms, |ttl| ttl.ms),
        }
    }

    /// `stateTtlHints=[..], `; an input of which no hint speaks has `0s`.
    fn ttl_text(&self, style: Style) -> String {
        if style != Style::Prefix || self.ttl.iter().all(Option::is_none) {
            return String::new();
        }
        let times = self.ttl.iter().map(|ttl| ttl.as_ref().map_or("0s", |ttl| ttl.text.as_str()));
        format!("stateTtlHints=[[[STATE_TTL options:[{}]]]], ", times.collect::<Vec<_>>().join(", "))
    }

    fn is_inner(&self) -> bool {
        self.steps.iter().all(|step| step.kind == JoinKind::Inner)
    }
}

impl Step {
    fn new(join: rel::Join, own: usize, (widths, keys): (&[usize], &[Vec<usize>])) -> Self {
        let (mut equal, mut needs, mut conditions) = ([Vec::new(), Vec::new()], Vec::new(), Vec::new());
        for part in join.condition.iter().cloned().flat_map(conjuncts) {
            let Some([left, right]) = equality(&part, widths) else {
                conditions.push(part);
                continue;
            };
            if right.0 == own {
                equal[0].push(widths[..left.0].iter().sum::<usize>() + left.1);
                equal[1].push(right.1);
            }
            let shared = |(input, column): (usize, usize)| keys[input].iter().position(|key| *key == column);
            if shared(left).is_some() && shared(left) == shared(right) {
                needs.extend([left.0, right.0].into_iter().filter(|input| *input < own));
            } else {
                conditions.push(part);
            }
        }
        needs.sort_unstable();
        needs.dedup();
        Step { kind: join.kind, whole: join.condition, equal, needs, conditions }
    }

    /// `LEFT`
    fn kind_text(&self) -> &'static str {
        if self.kind == JoinKind::Left { "LEFT" } else { "INNER" }
    }
}

impl StreamOp for MultiJoin {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(if self.is_inner() { united(inputs) } else { ChangelogMode::ALL })
    }

    /// A row that is replaced without its `-U` must belong to what the new one belongs to. (Flink looks at the key only.)
    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        let stays = |at: usize| !inputs[at].changelog.contains(RowKind::UpdateAfter) || self.updates_stay(at, inputs);
        if wanted == Updates::OnlyAfter && !(0..inputs.len()).all(stays) {
            return Vec::new();
        }
        vec![Alternative::asking(inputs, wanted)]
    }

    /// Those of pairs, step by step.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        let Some((first, others)) = inputs.split_first() else { return Vec::new() };
        let mut left = (first.columns.len(), first.upsert_keys.clone());
        for (step, right) in self.steps.iter().zip(others) {
            let keys = keys_of_pairs(step.kind, &step.equal, [Keyed(left.0, &left.1), Keyed::of(right)]);
            left = (left.0 + right.columns.len(), keys);
        }
        left.1
    }

    fn distribution(&self) -> Vec<Distribution> {
        self.keys.iter().map(|keys| Distribution::by(keys)).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let names = print::unique(text.inputs.iter().flatten());
        let condition =
            |step: &Step| step.whole.as_ref().map_or("true".to_owned(), |c| print::expr(c, &names, text.style));
        let conditions: Vec<String> = self.steps.iter().map(condition).collect();
        let kinds: Vec<&str> = self.steps.iter().map(Step::kind_text).collect();
        let key = match self.keys.first() {
            Some(keys) if !keys.is_empty() => text.picked(keys),
            _ => "noCommonJoinKey".to_owned(),
        };
        let known_by = text.node.inputs.iter().zip(&text.inputs).map(|(node, names)| {
            let keys = node.upsert_keys.iter().map(|key| format!("({})", print::picked(key, names).join(", ")));
            let keys: Vec<String> = keys.collect();
            if keys.is_empty() { "noUniqueKey".to_owned() } else { keys.join(", ") }
        });
        format!(
            "MultiJoin(commonJoinKey=[{key}], joinTypes=[{}], inputUniqueKeys=[{}], {}joinConditions=[{}], select=[{}], rowType=[{}])",
            kinds.join(", "),
            known_by.collect::<Vec<_>>().join(", "),
            self.ttl_text(text.style),
            conditions.join(", "),
            text.own.join(","),
            print::record(&text.node.columns)
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let step = |step: &Step| MultiJoinStep {
            kind: step.kind,
            needs: step.needs.clone(),
            conditions: step.conditions.clone(),
        };
        let inputs = 0..self.keys.len();
        let spec = MultiJoinSpec {
            inputs: inputs.clone().map(|input| self.side(input, wiring)).collect(),
            steps: self.steps.iter().map(step).collect(),
            output: wiring.output(),
            session_zone: wiring.session_zone(),
        };
        let keys: Vec<String> = inputs.clone().map(|input| wiring.keys_meaning(input, &self.keys[input])).collect();
        let columns = inputs.flat_map(|input| wiring.meanings(input).iter().cloned()).collect();
        Ok(Wired { role: spec.role()?, stateful: true, meaning: keys.join(" = "), columns })
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.steps.iter().flat_map(|step| &step.conditions).collect()
    }
}
