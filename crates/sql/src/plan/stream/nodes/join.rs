//! A join by equal keys and a condition, of any changes.

use flott_api::expr::Expr;
use flott_api::table::ChangelogMode;
use flott_api::{Result, RowKind};
use flott_graph::spec::{JoinInput, JoinKind, JoinSide, JoinSpec, Spec};

use super::Distribution;
use crate::plan::print;
use crate::plan::print::Style;
use crate::plan::rel::{self, StateTtl};
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// More keys than this are not kept.
const KEYS_MAX: usize = 8;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Join {
    /// Which rows come.
    pub(in crate::plan) kind: JoinKind,
    /// The columns that are equal, of the left and of the right.
    pub(in crate::plan) keys: [Vec<usize>; 2],
    /// For each whether nulls are equal to each other.
    nulls_meet: Vec<bool>,
    /// What must hold besides, over both sides.
    condition: Option<Expr>,
    /// All that must hold.
    whole: Option<Expr>,
    /// How long the rows of each side are kept, if a hint says so.
    ttl: [Option<StateTtl>; 2],
}

impl Join {
    /// The join of inputs with so many columns on the left; the rest of its condition is a conjunction of `parts`.
    pub(in crate::plan) fn new(join: rel::Join, parts: Vec<Expr>, left_width: usize) -> Result<Self> {
        let Pairing { keys, nulls_meet, condition } = Pairing::of(parts, left_width)?;
        Ok(Join { kind: join.kind, keys, nulls_meet, condition, whole: join.condition, ttl: join.ttl })
    }

    /// Whether an update of an input always has the partners of the row that it replaces: its key, and all that the
    /// condition reads of it, are of a key of the input.
    fn updates_keep_partners(&self, input: usize, inputs: &[Node]) -> bool {
        let width = |at: usize| inputs.get(at).map_or(0, |node| node.columns.len());
        let first = if input == 0 { 0 } else { width(0) };
        let own = first..first + width(input);
        let read = self.condition.iter().flat_map(Expr::columns).filter(|c| own.contains(c)).map(|c| c - first);
        let read: Vec<usize> = read.chain(self.keys[input].iter().copied()).collect();
        inputs[input].upsert_keys.iter().any(|key| read.iter().all(|column| key.contains(column)))
    }

    /// Whether the equal keys are all that must hold.
    pub(in crate::plan::stream) fn is_by_keys_only(&self) -> bool {
        self.condition.is_none()
    }

    /// How rows of an input are told apart.
    fn rows(&self, input: usize, node: &Node) -> JoinInput {
        rows_known_by(&self.keys[input], node)
    }

    /// `, stateTtlHints=[..]`, where a hint says how long rows are kept; the plan as it runs does not show it.
    fn ttl_text(&self, style: Style) -> String {
        let side = |(name, ttl): (&str, &Option<StateTtl>)| Some(format!("{name}={}", ttl.as_ref()?.text));
        let sides: Vec<String> = ["LEFT", "RIGHT"].into_iter().zip(&self.ttl).filter_map(side).collect();
        match sides.is_empty() || style != Style::Prefix {
            true => String::new(),
            false => format!(", stateTtlHints=[[[STATE_TTL options:{{{}}}]]]", sides.join(", ")),
        }
    }

    fn side(&self, input: usize, wiring: &Wiring<'_>) -> JoinSide {
        JoinSide {
            input: wiring.input(input),
            keys: self.keys[input].clone(),
            rows: self.rows(input, &wiring.node.inputs[input]),
            state_ttl_ms: self.ttl[input].as_ref().map_or(wiring.settings.state_ttl_ms, |ttl| ttl.ms),
        }
    }
}

/// How rows of an input are told apart that are joined by these columns.
pub(super) fn rows_known_by(joined_by: &[usize], node: &Node) -> JoinInput {
    let is_part = |key: &Vec<usize>| key.iter().all(|k| joined_by.contains(k));
    if node.upsert_keys.iter().any(is_part) {
        return JoinInput::UniqueByJoinKey;
    }
    match node.upsert_keys.iter().min_by_key(|key| key.len()) {
        Some(key) => JoinInput::Unique(key.clone()),
        None if node.changelog.is_insert_only() => JoinInput::InsertOnly,
        None => JoinInput::NotUnique,
    }
}

/// Which rows are pairs.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Pairing {
    /// The columns that are equal, of the left and of the right.
    pub(in crate::plan) keys: [Vec<usize>; 2],
    /// For each whether nulls are equal to each other.
    pub(in crate::plan) nulls_meet: Vec<bool>,
    /// What must hold besides, over both sides.
    pub(in crate::plan) condition: Option<Expr>,
}

impl Pairing {
    /// By a conjunction of `parts` over inputs with so many columns on the left.
    pub(in crate::plan) fn of(parts: Vec<Expr>, left_width: usize) -> Result<Self> {
        let (mut keys, mut nulls_meet, mut rest) = ([Vec::new(), Vec::new()], Vec::new(), Vec::new());
        for part in parts {
            match equality(&part, left_width) {
                Some((left, right, meet)) => {
                    keys[0].push(left);
                    keys[1].push(right);
                    nulls_meet.push(meet);
                }
                None => rest.push(part),
            }
        }
        let condition = if rest.is_empty() { None } else { Some(crate::plan::binder::combine("and", rest)?) };
        Ok(Pairing { keys, nulls_meet, condition })
    }
}

/// How many columns one side of a join has, and which of them name a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyed<'a>(pub(super) usize, pub(super) &'a [Vec<usize>]);

impl<'a> Keyed<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        Keyed(node.columns.len(), &node.upsert_keys)
    }

    /// Both sides of a join.
    pub(super) fn both(inputs: &'a [Node]) -> [Self; 2] {
        [0, 1].map(|at| inputs.get(at).map_or(Keyed(0, &[]), Keyed::of))
    }
}

/// A pair is known by a key of each side; by that of one side if a row of it has one partner at most.
pub(super) fn keys_of_pairs(
    kind: JoinKind,
    joined_by: &[Vec<usize>; 2],
    [left, right]: [Keyed<'_>; 2],
) -> Vec<Vec<usize>> {
    if kind.is_left_only() {
        return left.1.to_vec();
    }
    let shifted = |key: &Vec<usize>| key.iter().map(|k| k + left.0).collect::<Vec<_>>();
    let has_one = |at: usize, side: Keyed<'_>| side.1.iter().any(|key| key.iter().all(|k| joined_by[at].contains(k)));
    let mut keys: Vec<Vec<usize>> = Vec::new();
    if has_one(1, right) && !kind.keeps_right() {
        keys.extend(left.1.iter().cloned());
    }
    if has_one(0, left) && !kind.keeps_left() {
        keys.extend(right.1.iter().map(shifted));
    }
    for own in left.1 {
        keys.extend(right.1.iter().map(|other| [own.clone(), shifted(other)].concat()));
    }
    keys.truncate(KEYS_MAX);
    keys
}

/// `InnerJoin`
pub(super) fn kind_text(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Inner => "InnerJoin",
        JoinKind::Left => "LeftOuterJoin",
        JoinKind::Right => "RightOuterJoin",
        JoinKind::Full => "FullOuterJoin",
        JoinKind::Semi => "LeftSemiJoin",
        JoinKind::Anti => "LeftAntiJoin",
    }
}

/// What a join asks of pairs, over the names of both sides.
pub(super) fn where_text(condition: Option<&Expr>, text: &Text<'_>) -> String {
    let names = print::unique(text.inputs.iter().flatten());
    condition.map_or("true".to_owned(), |c| print::expr(c, &names, text.style))
}

/// Two columns that must be equal, that of the left first, and whether nulls are.
pub(super) fn equality(part: &Expr, left_width: usize) -> Option<(usize, usize, bool)> {
    let Expr::Call { function, args, .. } = part else { return None };
    let nulls_meet = match function.name.as_str() {
        "=" => false,
        "is not distinct from" => true,
        _ => return None,
    };
    let [Expr::Column { index: a, .. }, Expr::Column { index: b, .. }] = args.as_slice() else { return None };
    match (a < &left_width, b < &left_width) {
        (true, false) => Some((*a, b - left_width, nulls_meet)),
        (false, true) => Some((*b, a - left_width, nulls_meet)),
        _ => None,
    }
}

impl StreamOp for Join {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        let only_pairs = matches!(self.kind, JoinKind::Inner | JoinKind::Semi);
        Ok(if only_pairs { united(inputs) } else { ChangelogMode::ALL })
    }

    /// A row that is replaced without its `-U` must have the same partners as the new one. (Flink looks at the join key only,
    /// and leaves pairs behind that no longer pass the rest of the condition.)
    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        let replaces = |(at, input): (usize, &Node)| {
            let has_updates = input.changelog.contains(RowKind::UpdateAfter);
            !has_updates || self.updates_keep_partners(at, inputs)
        };
        if wanted == Updates::OnlyAfter && !inputs.iter().enumerate().all(replaces) {
            return Vec::new();
        }
        vec![Alternative::asking(inputs, wanted)]
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        keys_of_pairs(self.kind, &self.keys, Keyed::both(inputs))
    }

    fn distribution(&self) -> Vec<Distribution> {
        self.keys.iter().map(|keys| Distribution::by(keys)).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let kind = kind_text(self.kind);
        let condition = where_text(self.whole.as_ref(), text);
        let input = |at: usize| match self.rows(at, &text.node.inputs[at]) {
            JoinInput::UniqueByJoinKey => "JoinKeyContainsUniqueKey",
            JoinInput::Unique(_) => "HasUniqueKey",
            JoinInput::NotUnique | JoinInput::InsertOnly => "NoUniqueKey",
        };
        format!(
            "Join(joinType=[{kind}], where=[{condition}], select=[{}], leftInputSpec=[{}], rightInputSpec=[{}]{})",
            text.own.join(", "),
            input(0),
            input(1),
            self.ttl_text(text.style)
        )
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = JoinSpec {
            kind: self.kind,
            left: self.side(0, wiring),
            right: self.side(1, wiring),
            nulls_meet: self.nulls_meet.clone(),
            condition: self.condition.clone(),
            output: wiring.output(),
            session_zone: wiring.session_zone(),
            best: None,
        };
        let keys = |at: usize| wiring.keys_meaning(at, &self.keys[at]);
        let columns = wiring.meanings(0).iter().chain(wiring.meanings(1)).cloned();
        let columns = columns.take(wiring.node.columns.len()).collect();
        let meaning = format!("{} = {}", keys(0), keys(1));
        Ok(Wired { role: spec.role()?, stateful: true, meaning, columns })
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.condition.iter().collect()
    }
}
