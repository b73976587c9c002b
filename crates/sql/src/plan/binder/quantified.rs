//! `x < ANY (a, b)`, `x < ALL (a, b)`, and `(a - b) DAY`: an interval between two times.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, LogicalType, Result, TypeKind};
use sqlparser::ast::{BinaryOperator, Expr as Ast};

use super::expr::{ExprBinder, call, combine};
use super::refuse;

impl ExprBinder<'_> {
    /// A comparison with one or all items of a list.
    pub(super) fn quantified(
        &mut self,
        (whole, left): (&Ast, &Ast),
        op: &BinaryOperator,
        right: &Ast,
        all: bool,
    ) -> Result<Expr> {
        let items = match right {
            Ast::Subquery(_) => return Err(refuse::expression(whole)),
            Ast::Tuple(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        match (op, all) {
            (BinaryOperator::Eq, false) => return self.in_list(left, items, false),
            (BinaryOperator::NotEq, true) => return self.in_list(left, items, true),
            _ => {}
        }
        let value = self.bind(left)?;
        let name = op.to_string();
        let compared = items.iter().map(|item| call(&name, vec![value.clone(), self.bind(item)?]));
        let compared = compared.collect::<Result<_>>()?;
        combine(if all { "and" } else { "or" }, compared)
    }

    /// `(a - b) DAY`, `(a - b) DAY TO SECOND`: `words` has the first unit if there are two. A difference in days or less is
    /// exact, whatever the unit; one in months has whole months.
    pub(super) fn difference(&mut self, left: &Ast, words: &str, unit: &Ast) -> Result<Expr> {
        let (Ast::Nested(inner), Ast::Identifier(last)) = (left, unit) else {
            return Err(Error::internal("a unit behind what is no difference"));
        };
        let Ast::BinaryOp { left: later, op: BinaryOperator::Minus, right: earlier } = inner.as_ref() else {
            return Err(Error::internal("a unit behind what is no difference"));
        };
        let first = words.strip_suffix(" TO").unwrap_or(&last.value).to_ascii_uppercase();
        let (later, earlier) = (self.bind(later)?, self.bind(earlier)?);
        let exact = call("minus_dates", vec![later.clone(), earlier.clone()])?;
        if !["YEAR", "QUARTER", "MONTH"].contains(&first.as_str()) {
            return Ok(exact);
        }
        let months = call("timestampdiff", vec![super::literal::string("MONTH"), earlier, later])?;
        let one = Expr::literal(Value::Int(1), LogicalType::not_null(TypeKind::IntervalYearMonth));
        call("*", vec![months, one])
    }
}
