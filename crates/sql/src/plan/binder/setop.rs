//! `UNION`, `INTERSECT`, `EXCEPT` and `VALUES`: rows of several kinds under one type per column.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::{Expr as Ast, SetExpr, SetOperator, SetQuantifier, Spanned, Values};

use super::difference::Difference;
use super::expr::{coerce, common, illegal_null};
use super::{Binder, refuse, select};
use crate::plan::rel::{Column, Op, Rel};
use crate::plan::scope::{Scope, at_span};

impl Binder<'_> {
    /// `left UNION [ALL] right`, and so on.
    pub(super) fn bind_set_operation(
        &self,
        left: &SetExpr,
        op: SetOperator,
        quantifier: SetQuantifier,
        right: &SetExpr,
    ) -> Result<Rel> {
        refuse::clause(op == SetOperator::Minus, "MINUS").map_err(|e| at_span(e, right.span()))?;
        let all = match quantifier {
            SetQuantifier::All => true,
            SetQuantifier::None | SetQuantifier::Distinct => false,
            SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                return Err(at_span(Error::unsupported("UNION BY NAME"), right.span()));
            }
        };
        if op != SetOperator::Union {
            let (left, right_rel) = (self.bind_body(left)?, self.bind_body(right)?);
            let compared = if op == SetOperator::Intersect { Difference::Intersect } else { Difference::Except };
            return compared.of(left, right_rel, all).map_err(|e| at_span(e, right.span()));
        }
        let inputs = self.union_inputs(left, quantifier, right)?;
        let union = union(inputs).map_err(|e| at_span(e, right.span()))?;
        Ok(if all { union } else { select::distinct(union) })
    }

    /// Both sides, and the sides of the same unions on the left: a long chain is no deep tree.
    fn union_inputs(&self, left: &SetExpr, quantifier: SetQuantifier, right: &SetExpr) -> Result<Vec<Rel>> {
        let (mut sides, mut rest) = (vec![right], left);
        while let SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } = rest
            && *set_quantifier == quantifier
        {
            sides.push(right);
            rest = left;
        }
        sides.push(rest);
        sides.into_iter().rev().map(|side| self.bind_body(side)).collect()
    }

    /// `VALUES (..), (..)`.
    pub(super) fn bind_values(&self, values: &Values) -> Result<Rel> {
        let Values { explicit_row: _, value_keyword: _, rows } = values;
        let scope = Scope::default();
        let mut bound = Vec::with_capacity(rows.len());
        for row in rows {
            let exprs = row.content.iter().map(|ast| self.value(ast, &scope)).collect::<Result<Vec<_>>>()?;
            if bound.first().is_some_and(|first: &Vec<Expr>| first.len() != exprs.len()) {
                let error = Error::invalid("the rows of VALUES differ in their number of columns");
                return Err(at_span(error, row.opening_token.0.span));
            }
            bound.push(exprs);
        }
        let width = bound.first().map_or(0, Vec::len);
        let types = (0..width).map(|i| column_type(&bound, i)).collect::<Result<Vec<_>>>()?;
        self.rows(bound, types)
    }

    fn value(&self, ast: &Ast, scope: &Scope) -> Result<Expr> {
        if matches!(ast, Ast::Identifier(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("DEFAULT"))
        {
            return Err(at_span(Error::unsupported("DEFAULT in VALUES"), ast.span()));
        }
        self.exprs(scope, "VALUES").bind(ast)
    }

    /// Rows of constants; rows with more than constants are computed, and united.
    fn rows(&self, rows: Vec<Vec<Expr>>, types: Vec<LogicalType>) -> Result<Rel> {
        let columns: Vec<Column> =
            types.iter().enumerate().map(|(i, ty)| Column::new(format!("EXPR${i}"), ty.clone())).collect();
        let typed = rows
            .into_iter()
            .map(|row| row.into_iter().zip(&types).map(|(e, ty)| self.folded(coerce(e, ty))).collect())
            .collect::<Result<Vec<Vec<Expr>>>>()?;
        if typed.iter().flatten().all(|e| matches!(e, Expr::Literal { .. })) {
            let value = |expr| match expr {
                Expr::Literal { value, .. } => value,
                _ => Value::Null,
            };
            let rows = typed.into_iter().map(|row| row.into_iter().map(value).collect()).collect();
            return Ok(Rel::values(rows, columns));
        }
        let computed = |row: Vec<Expr>| {
            let named = row.into_iter().zip(&columns).map(|(e, c)| (e, c.name.clone())).collect();
            Rel::one_row().project(named)
        };
        union(typed.into_iter().map(computed).collect())
    }
}

fn column_type(rows: &[Vec<Expr>], column: usize) -> Result<LogicalType> {
    let types: Vec<&LogicalType> = rows.iter().map(|row| row[column].ty()).collect();
    if types.iter().all(|t| t.kind == TypeKind::Null) {
        return Err(illegal_null());
    }
    common(&types, &format!("the values of column {}", column + 1))
}

/// All rows of all inputs, with the names of the first.
pub(super) fn union(inputs: Vec<Rel>) -> Result<Rel> {
    let Some(first) = inputs.first() else { return Err(Error::internal("a union of nothing")) };
    let width = first.columns.len();
    if let Some(other) = inputs.iter().find(|rel| rel.columns.len() != width) {
        return Err(Error::invalid(format!("the queries of UNION have {width} and {} columns", other.columns.len())));
    }
    if let [_] = inputs.as_slice() {
        return inputs.into_iter().next().ok_or_else(|| Error::internal("a union of nothing"));
    }
    let columns = (0..width).map(|i| united_column(&inputs, i)).collect::<Result<Vec<_>>>()?;
    let mut flat = Vec::new();
    for input in inputs {
        let input = as_types(input, &columns);
        match input.op {
            Op::Union => flat.extend(input.inputs),
            _ => flat.push(input),
        }
    }
    Ok(Rel { op: Op::Union, inputs: flat, columns })
}

fn united_column(inputs: &[Rel], index: usize) -> Result<Column> {
    let types: Vec<&LogicalType> = inputs.iter().map(|rel| &rel.columns[index].ty).collect();
    let first = &inputs[0].columns[index];
    let ty = common(&types, &format!("column {} of UNION and its counterparts", index + 1))?;
    let mut column = Column::new(&first.name, ty);
    // Time is time only if all sides agree; a window's bounds are those of one input.
    if inputs.iter().all(|rel| rel.columns[index].time == first.time) {
        column.time = first.time;
    }
    Ok(column)
}

/// The relation with casts to these types where they differ.
fn as_types(rel: Rel, columns: &[Column]) -> Rel {
    if rel.columns.iter().zip(columns).all(|(have, want)| have.ty.same_kind(&want.ty)) {
        return rel;
    }
    let exprs = columns.iter().enumerate().map(|(i, want)| (coerce(rel.column(i), &want.ty), want.name.clone()));
    let exprs = exprs.collect();
    rel.project(exprs)
}
