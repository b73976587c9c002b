//! Two relations as one, and a relation with what a function gives for each of its rows.

use flott_api::expr::Expr;
use flott_api::{LogicalType, TypeKind};
use flott_graph::spec::{JoinKind, LookupRetry, TableFunction};

use super::{Column, Op, Rel, StateTtl};

/// How two inputs are joined.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Which rows come.
    pub kind: JoinKind,
    /// Which rows are pairs, over the columns of the left and then of the right; nothing if all are.
    pub condition: Option<Expr>,
    /// How long the rows of each side are kept, if a hint says so.
    pub ttl: [Option<StateTtl>; 2],
    /// Whether it may become one with the joins below it: [`MultiJoin`](super::MultiJoin).
    pub multi: Multi,
    /// That the right is a table that is looked up in for each row, and what its hint says.
    pub lookup: Option<LookupHints>,
}

impl Join {
    /// A join of two inputs of which no hint says anything.
    pub fn new(kind: JoinKind, condition: Option<Expr>) -> Self {
        Join { kind, condition, ttl: [None, None], multi: Multi::No, lookup: None }
    }
}

/// Whether a join may become one of several inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Multi {
    /// It stays what it is.
    #[default]
    No,
    /// It and joins below that are meant themselves, not with the one above, which is: as in Flink, where what a hint
    /// says comes to joins below late.
    Apart,
    /// With joins below it and above it.
    Yes,
}

impl Rel {
    /// Joins right below one that is meant, which are not meant themselves, are of several inputs, too.
    #[must_use]
    pub fn apart(mut self) -> Rel {
        if let Op::Join(join) = &mut self.op {
            if join.multi == Multi::No {
                join.multi = Multi::Apart;
            }
            self.inputs = self.inputs.into_iter().map(Rel::apart).collect();
        }
        self
    }
}

/// What the hint `LOOKUP` says of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LookupHints {
    /// Whether keys are to be asked for at once.
    pub asynchronous: Option<bool>,
    /// Whether rows may go on in another order than they came.
    pub unordered: bool,
    /// How many keys may be under way at once.
    pub in_flight_max: Option<u32>,
    /// How long an answer may take.
    pub timeout_ms: Option<u64>,
    /// How often a key without rows is asked for again.
    pub retry: Option<LookupRetry>,
    /// Whether rows of one key are to be sent to one subtask.
    pub shuffle: bool,
}

/// How each row of the left is joined with what the right was at its time.
#[derive(Clone, Debug, PartialEq)]
pub struct TemporalJoin {
    /// Inner or left.
    pub kind: JoinKind,
    /// Which rows are pairs, over the columns of the left and then of the right; nothing if all are.
    pub condition: Option<Expr>,
    /// The rowtime columns of the left and of the right.
    pub times: [usize; 2],
}

/// What is joined with each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlate {
    /// Gives rows for a row.
    pub function: TableFunction,
    /// Which of them count, over the columns of the input and then of the function; nothing if all do.
    pub condition: Option<Expr>,
    /// Whether a row for which there is none comes with nulls.
    pub outer: bool,
}

impl Rel {
    /// Joins this relation, on the left, with another one.
    #[must_use]
    pub fn join(self, right: Rel, kind: JoinKind, condition: Option<Expr>) -> Rel {
        self.joined(right, Join::new(kind, condition))
    }

    /// Joins this relation, on the left, with another one.
    #[must_use]
    pub fn joined(self, right: Rel, join: Join) -> Rel {
        let columns = joined(&self.columns, &right.columns, join.kind);
        Rel { op: Op::Join(Box::new(join)), inputs: vec![self, right], columns }
    }

    /// Joins each row of this relation, on the left, with what another one was at its time.
    #[must_use]
    pub fn temporal_join(self, right: Rel, join: TemporalJoin) -> Rel {
        let columns = joined(&self.columns, &right.columns, join.kind);
        Rel { op: Op::TemporalJoin(Box::new(join)), inputs: vec![self, right], columns }
    }

    /// Joins each row with those of a function.
    #[must_use]
    pub fn correlate(self, correlate: Correlate, function_columns: Vec<Column>) -> Rel {
        let kind = if correlate.outer { JoinKind::Left } else { JoinKind::Inner };
        let columns = joined(&self.columns, &function_columns, kind);
        Rel { op: Op::Correlate(Box::new(correlate)), inputs: vec![self], columns }
    }
}

/// The columns of a join: what may come without a pair is null then.
fn joined(left: &[Column], right: &[Column], kind: JoinKind) -> Vec<Column> {
    let side = |columns: &[Column], may_miss: bool| {
        let column = |c: &Column| {
            let ty = c.ty.clone();
            Column { ty: if may_miss { ty.with_nullable(true) } else { ty }, ..c.clone() }
        };
        columns.iter().map(column).collect::<Vec<_>>()
    };
    let mut columns = side(left, kind.keeps_right());
    if !kind.is_left_only() {
        columns.extend(side(right, kind.keeps_left()));
    }
    columns
}

/// The columns of `UNNEST`; nothing if the value is no collection. Without an alias they are called as Flink calls them.
pub fn unnested(collection: &LogicalType, with_ordinality: bool) -> Option<Vec<Column>> {
    let mut columns = match &collection.kind {
        TypeKind::Array(element) | TypeKind::Multiset(element) => match &element.kind {
            TypeKind::Row(fields) => {
                let nullable = |ty: &LogicalType| ty.clone().with_nullable(ty.nullable || element.nullable);
                fields.iter().map(|f| Column::new(&f.name, nullable(&f.ty))).collect()
            }
            _ => vec![Column::new("EXPR$0", element.as_ref().clone())],
        },
        TypeKind::Map(key, value) => {
            vec![Column::new("KEY", key.as_ref().clone()), Column::new("VALUE", value.as_ref().clone())]
        }
        _ => return None,
    };
    if with_ordinality {
        columns.push(Column::new("ORDINALITY", LogicalType::not_null(TypeKind::Int)));
    }
    Some(columns)
}
