//! A join of each row with what a table outside has for its key at that moment. The table is no input: what is filtered and
//! computed of its rows is part of the node.

use flott_api::expr::{Expr, Value};
use flott_api::lookup::{LookupDescription, LookupSpec};
use flott_api::table::ChangelogMode;
use flott_api::{Error, Result, RowKind};
use flott_graph::spec::{JoinKind, LookupJoinSpec, Spec};

use super::Distribution;
use super::join::{equality, kind_text};
use super::source::spec_of;
use crate::plan::lower::meaning;
use crate::plan::optimize::conjuncts;
use crate::plan::print;
use crate::plan::rel::{self, LookupHints, Scan};
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring};
use crate::plan::stream::{Calc, Node, Op};

/// `table.exec.async-lookup.buffer-capacity` as it is by default.
const IN_FLIGHT: u32 = 100;
/// `table.exec.async-lookup.timeout` as it is by default.
const TIMEOUT_MS: u64 = 180_000;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::plan) struct LookupJoin {
    kind: JoinKind,
    hints: LookupHints,
    /// The table, with the columns that are read.
    scan: Box<Scan>,
    /// What they are called.
    names: Vec<String>,
    /// Of each column of the key, a column of the table, the value.
    keys: Vec<(usize, Key)>,
    /// What is filtered and computed of its rows, and what that is called; nothing if they are joined as they are.
    calc: Option<(Calc, Vec<String>)>,
    /// What must hold besides, over the columns of the left and then of the right.
    condition: Option<Expr>,
    asynchronous: Option<Async>,
    /// Whether rows of one key are sent to one subtask.
    shuffle: bool,
}

/// The value of a column of the key.
#[derive(Clone, Debug)]
enum Key {
    Constant(Expr),
    /// A column of the left.
    Column(usize),
}

/// How keys are asked for at once.
#[derive(Clone, Copy, Debug)]
struct Async {
    ordered: bool,
    timeout_ms: u64,
    in_flight_max: u32,
}

impl LookupJoin {
    /// The join of a left with a table; nothing if the right has become something else.
    pub(in crate::plan) fn of(join: &rel::Join, left: &Node, right: &Node) -> Result<Option<Self>> {
        let Some(hints) = join.lookup.clone() else { return Ok(None) };
        let (calc, source) = match (&right.op, right.inputs.as_slice()) {
            (Op::Calc(calc), [source]) => (Some((calc.clone(), print::names(&right.columns))), source),
            _ => (None, right),
        };
        let scan = match &source.op {
            Op::Source(scan) => scan.clone(),
            // Nothing can pass a filter of the table.
            Op::Values(_) => return Ok(None),
            _ => return Err(Error::unsupported("this use of a table that is looked up in")),
        };
        let Some(description) = scan.lookup.clone() else {
            return Err(Error::internal("a table that cannot be looked up in was bound so"));
        };
        let (keys, condition) = keys(join, (left, right), (calc.as_ref().map(|c| &c.0), source))?;
        if keys.is_empty() {
            return Err(Error::invalid(format!("a lookup join without a key of table '{}'", scan.path))
                .with_detail("Temporal table join requires an equality condition on fields of the table.")
                .with_hint("Compare a column of the table, as it is, with a value of the left."));
        }
        let inserts = left.changelog.is_insert_only();
        let asynchronous = asynchronous(&hints, &description, inserts);
        let shuffle = hints.shuffle && inserts && keys.iter().any(|(_, key)| matches!(key, Key::Column(_)));
        let names = print::names(&source.columns);
        let kind = join.kind;
        Ok(Some(LookupJoin { kind, hints, scan, names, keys, calc, condition, asynchronous, shuffle }))
    }

    /// The connector of the table.
    pub(in crate::plan) fn connector(&self) -> &str {
        &self.scan.connector
    }

    /// Whether a row of the left has one row of the table at most.
    fn by_primary_key(&self) -> bool {
        let is_key = |column: &usize| self.keys.iter().any(|(key, _)| self.scan.projection.get(*key) == Some(column));
        !self.scan.primary_key.is_empty() && self.scan.primary_key.iter().all(is_key)
    }

    /// The columns of the left that decide what is found for a row, and whether it counts.
    fn read_of_left(&self, left_width: usize) -> Vec<usize> {
        let keys = self.keys.iter().filter_map(|(_, key)| match key {
            Key::Column(column) => Some(*column),
            Key::Constant(_) => None,
        });
        let condition = self.condition.iter().flat_map(Expr::columns).filter(|c| *c < left_width);
        keys.chain(condition).collect()
    }

    fn keys_text(&self, text: &Text<'_>) -> String {
        let key = |(column, key): &(usize, Key)| match key {
            Key::Constant(value) => format!("{}={}", self.names[*column], print::expr(value, &[], text.style)),
            Key::Column(left) => format!("{}={}", self.names[*column], text.input()[*left]),
        };
        self.keys.iter().map(key).collect::<Vec<_>>().join(", ")
    }

    fn filter(&self) -> Option<&Expr> {
        self.calc.as_ref().and_then(|(calc, _)| calc.condition.as_ref())
    }

    /// What is joined of a row of the table.
    fn projection(&self, columns: &[rel::Column]) -> Vec<Expr> {
        match &self.calc {
            Some((calc, _)) => calc.exprs.clone(),
            None => columns.iter().enumerate().map(|(i, c)| Expr::column(i, c.ty.clone())).collect(),
        }
    }
}

/// The columns of a key with their values.
type Keys = Vec<(usize, Key)>;

/// The columns of the key with their values, constants first, and what else must hold.
fn keys(
    join: &rel::Join,
    (left, right): (&Node, &Node),
    (calc, source): (Option<&Calc>, &Node),
) -> Result<(Keys, Option<Expr>)> {
    let width = left.columns.len();
    let of_table = |column: usize| match calc.map(|calc| &calc.exprs[column]) {
        None => Some(column),
        Some(Expr::Column { index, .. }) => Some(*index),
        Some(_) => None,
    };
    let mut keys: Keys = Vec::new();
    for part in calc.and_then(|calc| calc.condition.clone()).into_iter().flat_map(conjuncts) {
        if let Some((column, value)) = constant(&part)
            && value.ty().arrow() == source.columns[column].ty.arrow()
            && keys.iter().all(|(key, _)| *key != column)
        {
            keys.push((column, Key::Constant(value)));
        }
    }
    let mut rest = Vec::new();
    for part in join.condition.iter().cloned().flat_map(conjuncts) {
        // Nulls meet nobody where one side has none.
        let meets_nulls =
            |of_left: usize, of_right: usize| left.columns[of_left].ty.nullable && right.columns[of_right].ty.nullable;
        let key = equality(&part, width).filter(|(l, r, nulls_meet)| !(*nulls_meet && meets_nulls(*l, *r)));
        let key = key.and_then(|(of_left, of_right, _)| {
            let same = left.columns[of_left].ty.arrow() == right.columns[of_right].ty.arrow();
            of_table(of_right).filter(|_| same).map(|column| (column, of_left))
        });
        match key {
            Some((column, of_left)) if keys.iter().all(|(key, _)| *key != column) => {
                keys.push((column, Key::Column(of_left)));
            }
            _ => rest.push(part),
        }
    }
    let condition = if rest.is_empty() { None } else { Some(crate::plan::binder::combine("and", rest)?) };
    Ok((keys, condition))
}

/// A column and the constant that it equals.
fn constant(part: &Expr) -> Option<(usize, Expr)> {
    let Expr::Call { function, args, .. } = part else { return None };
    match (function.name.as_str(), args.as_slice()) {
        ("=", [Expr::Column { index, .. }, value @ Expr::Literal { value: constant, .. }])
        | ("=", [value @ Expr::Literal { value: constant, .. }, Expr::Column { index, .. }])
            if *constant != Value::Null =>
        {
            Some((*index, value.clone()))
        }
        _ => None,
    }
}

/// How keys are asked for at once, if they are: as the hint says, where the table can both.
fn asynchronous(hints: &LookupHints, table: &LookupDescription, inserts: bool) -> Option<Async> {
    let wanted = table.asynchronous && (!table.sync || hints.asynchronous != Some(false));
    wanted.then(|| Async {
        ordered: !hints.unordered || !inserts,
        timeout_ms: hints.timeout_ms.unwrap_or(TIMEOUT_MS),
        in_flight_max: hints.in_flight_max.unwrap_or(IN_FLIGHT),
    })
}

impl StreamOp for LookupJoin {
    /// Each row of the left comes with its kind.
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(inputs.first().map_or(ChangelogMode::INSERT_ONLY, |left| left.changelog))
    }

    /// A new row that has no partner does not replace the old one, which must be taken back. (Flink looks only at what
    /// comes, and leaves such rows behind.)
    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        let loses_partners = |left: &Node| {
            let read = self.read_of_left(left.columns.len());
            let keeps = left.upsert_keys.iter().any(|key| read.iter().all(|column| key.contains(column)));
            left.changelog.contains(RowKind::UpdateAfter) && !self.kind.keeps_left() && !keeps
        };
        if wanted == Updates::OnlyAfter && inputs.iter().any(loses_partners) {
            return Vec::new();
        }
        vec![Alternative::asking(inputs, wanted)]
    }

    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        let left = inputs.first().filter(|_| self.by_primary_key());
        left.map(|left| left.upsert_keys.clone()).unwrap_or_default()
    }

    fn distribution(&self) -> Vec<Distribution> {
        if !self.shuffle {
            return Vec::new();
        }
        let columns = self.keys.iter().filter_map(|(_, key)| match key {
            Key::Column(column) => Some(*column),
            Key::Constant(_) => None,
        });
        vec![Distribution::Hash(columns.collect())]
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let mut items = vec![
            format!("table=[{}]", self.scan.path),
            format!("joinType=[{}]", kind_text(self.kind)),
            format!("lookup=[{}]", self.keys_text(text)),
        ];
        items.extend(self.filter().map(|f| format!("where=[{}]", print::expr(f, &self.names, text.style))));
        let condition = self.condition.as_ref();
        items.extend(condition.map(|c| format!("joinCondition=[{}]", print::expr(c, &text.own, text.style))));
        let select = match &self.calc {
            Some((calc, own)) => {
                let of_table = print::select(&calc.exprs, &self.names, own, text.style);
                format!("{}, {of_table}", text.input().join(", "))
            }
            None => text.own.join(", "),
        };
        items.push(format!("select=[{select}]"));
        items.extend(self.asynchronous.map(|a| {
            let mode = if a.ordered { "ORDERED" } else { "UNORDERED" };
            format!("async=[{mode}, KEY_ORDERED: false, {}ms, {}]", a.timeout_ms, a.in_flight_max)
        }));
        items.extend(
            self.hints
                .retry
                .map(|retry| format!("retry=[lookup_miss, FIXED_DELAY, {}ms, {}]", retry.delay_ms, retry.attempts_max)),
        );
        items.extend(self.shuffle.then(|| "shuffle=[true]".to_owned()));
        items.extend(text.node.inputs.first().and_then(upsert_key_text));
        format!("LookupJoin({})", items.join(", "))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let input = wiring.input(0);
        let lookup = self.scan.lookup.as_ref();
        let cache = lookup.map(|lookup| lookup.cache.clone()).unwrap_or_default();
        let right = &wiring.node.columns[input.len()..];
        let projection = self.projection(right);
        let value = |key: &Key| match key {
            Key::Constant(value) => value.clone(),
            Key::Column(column) => Expr::column(*column, input.fields[*column].ty.clone()),
        };
        let spec = LookupJoinSpec {
            kind: self.kind,
            keys: self.keys.iter().map(|(_, key)| value(key)).collect(),
            table: LookupSpec {
                table: spec_of(&self.scan, wiring.session_zone()),
                keys: self.keys.iter().map(|(column, _)| *column).collect(),
                in_flight_max: self.asynchronous.map(|a| a.in_flight_max),
                cache,
            },
            filter: self.filter().cloned(),
            projection,
            condition: self.condition.clone(),
            retry: self.hints.retry,
            timeout_ms: self.asynchronous.map(|a| a.timeout_ms),
            input,
            output: wiring.output(),
            session_zone: wiring.session_zone(),
        };
        let of_table = meaning::of_scan(&self.scan);
        let right = spec.projection.iter().map(|e| meaning::expression(e, &of_table));
        let columns = wiring.meanings(0).iter().cloned().chain(right).collect();
        Ok(Wired { columns, ..wiring.passing_on(spec.role()?) })
    }

    fn expressions(&self) -> Vec<&Expr> {
        let of_table = self.calc.iter().flat_map(|(calc, _)| calc.condition.iter().chain(&calc.exprs));
        self.condition.iter().chain(of_table).collect()
    }
}

/// `upsertKey=[[0]]`: how changes of the left are told apart.
fn upsert_key_text(left: &Node) -> Option<String> {
    let key = left.upsert_keys.iter().min_by_key(|key| key.len()).filter(|_| !left.changelog.is_insert_only())?;
    let columns: Vec<String> = key.iter().map(ToString::to_string).collect();
    Some(format!("upsertKey=[[{}]]", columns.join(", ")))
}
