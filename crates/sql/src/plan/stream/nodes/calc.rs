//! Filters, then computes columns.

use flott_api::expr::Expr;
use flott_api::table::{ChangelogMode, DEAD_LETTER_CAUSE};
use flott_api::{Result, RowKind, TypeKind};
use flott_graph::spec::{CalcSpec, Spec};

use crate::plan::lower::meaning;
use crate::plan::print;
use crate::plan::rel::Column;
use crate::plan::stream::Node;
use crate::plan::stream::op::{Alternative, StreamOp, Text, Updates, Wired, Wiring, united};

/// More keys than this are not kept: they only serve to match a sink's.
const KEYS_MAX: usize = 8;

/// See the module. Expressions read the input.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Calc {
    /// Rows where it is not true are dropped.
    pub(in crate::plan) condition: Option<Expr>,
    /// One expression a column.
    pub(in crate::plan) exprs: Vec<Expr>,
}

impl Calc {
    /// All columns as they are.
    pub(in crate::plan) fn identity(columns: &[Column]) -> Self {
        let exprs = columns.iter().enumerate().map(|(i, c)| Expr::column(i, c.ty.clone())).collect();
        Calc { condition: None, exprs }
    }

    /// Whether a row that fails the condition may have replaced one that passed: then nobody would delete that one
    /// without its `-U`.
    fn hides_updates(&self, input: &Node) -> bool {
        let Some(condition) = &self.condition else { return false };
        // A row was never a dead letter before.
        let is_cause = |column: &usize| input.columns[*column].name == DEAD_LETTER_CAUSE;
        let columns: Vec<usize> = condition.columns().into_iter().filter(|column| !is_cause(column)).collect();
        if columns.is_empty() && !condition.columns().is_empty() {
            return false;
        }
        let by_key = input.upsert_keys.iter().any(|key| columns.iter().all(|column| key.contains(column)));
        !by_key && input.changelog.contains(RowKind::UpdateAfter)
    }
}

/// The column whose values an expression tells apart: it is that column, or a cast of it that loses nothing.
pub(in crate::plan::stream) fn carried(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column { index, .. } => Some(*index),
        Expr::Cast { input, ty, .. } if is_lossless(&input.ty().kind, &ty.kind) => carried(input),
        _ => None,
    }
}

fn is_lossless(from: &TypeKind, to: &TypeKind) -> bool {
    let bits = |kind: &TypeKind| match kind {
        TypeKind::TinyInt => Some(8),
        TypeKind::SmallInt => Some(16),
        TypeKind::Int => Some(32),
        TypeKind::BigInt => Some(64),
        _ => None,
    };
    match (from, to) {
        (TypeKind::Char(have) | TypeKind::Varchar(have), TypeKind::Varchar(room))
        | (TypeKind::Binary(have) | TypeKind::Varbinary(have), TypeKind::Varbinary(room)) => have <= room,
        (TypeKind::Float, TypeKind::Double) => true,
        _ => from == to || bits(from).zip(bits(to)).is_some_and(|(from, to)| from <= to),
    }
}

impl StreamOp for Calc {
    fn provides(&self, inputs: &[Node]) -> Result<ChangelogMode> {
        Ok(united(inputs))
    }

    fn alternatives(&self, inputs: &[Node], wanted: Updates) -> Vec<Alternative> {
        if wanted == Updates::OnlyAfter && inputs.iter().any(|input| self.hides_updates(input)) {
            return Vec::new();
        }
        vec![Alternative::asking(inputs, wanted)]
    }

    /// The keys whose columns all come through, be it in a wider type.
    fn upsert_keys(&self, inputs: &[Node]) -> Vec<Vec<usize>> {
        let position = |column: &usize| self.exprs.iter().position(|e| carried(e) == Some(*column));
        let through = |key: &Vec<usize>| key.iter().map(position).collect::<Option<Vec<usize>>>();
        inputs.iter().flat_map(|input| &input.upsert_keys).filter_map(through).take(KEYS_MAX).collect()
    }

    fn describe(&self, text: &Text<'_>) -> String {
        let filter = self.condition.as_ref().map(|c| format!(", where=[{}]", text.expr(c))).unwrap_or_default();
        format!("Calc(select=[{}]{filter})", print::select(&self.exprs, text.input(), &text.own, text.style))
    }

    fn wire(&self, wiring: &Wiring<'_>) -> Result<Wired> {
        let spec = CalcSpec {
            input: wiring.input(0),
            condition: self.condition.clone(),
            projection: self.exprs.clone(),
            output: wiring.output(),
            session_zone: wiring.session_zone(),
        };
        let columns = self.exprs.iter().map(|e| meaning::expression(e, wiring.meanings(0))).collect();
        Ok(Wired { columns, ..wiring.passing_on(spec.role()?) })
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.condition.iter().chain(&self.exprs).collect()
    }
}
