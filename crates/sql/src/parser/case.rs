//! `CASE`, whose values may be lists: `CASE a WHEN 1, 2 THEN 'few' END`, which sqlparser does not know. Each value of a
//! list becomes a `WHEN` of its own, with the same result.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{CaseWhen, Expr};
use sqlparser::parser::Parser;

use super::cursor::{commas, expect_kw, is_kw, kw};
use super::error::{PResult, fail, location_of};

/// How many values a list may have: the result stands in the tree once for each.
const VALUES_MAX: usize = 1000;

/// The expression behind `CASE`.
pub(super) fn case(p: &mut Parser<'_>) -> PResult<Expr> {
    let case_token = AttachedToken(p.get_current_token().clone());
    let operand = if is_kw(p, 0, "WHEN") { None } else { Some(Box::new(p.parse_expr()?)) };
    expect_kw(p, "WHEN")?;
    let mut conditions = Vec::new();
    loop {
        conditions.extend(branch(p, operand.is_some())?);
        if !kw(p, "WHEN") {
            break;
        }
    }
    let else_result = if kw(p, "ELSE") { Some(Box::new(p.parse_expr()?)) } else { None };
    expect_kw(p, "END")?;
    let end_token = AttachedToken(p.get_current_token().clone());
    Ok(Expr::Case { case_token, end_token, operand, conditions, else_result })
}

/// `1, 2 THEN 'few'`
fn branch(p: &mut Parser<'_>, has_operand: bool) -> PResult<Vec<CaseWhen>> {
    let at = location_of(p.peek_token_ref());
    let conditions = commas(p, |p| p.parse_expr())?;
    if conditions.len() > 1 && !has_operand {
        return Err(fail("CASE without a value has a list behind WHEN", at, "Write OR between conditions."));
    }
    if conditions.len() > VALUES_MAX {
        return Err(fail(
            format!("CASE has more than {VALUES_MAX} values behind a WHEN"),
            at,
            "Write WHEN more often.",
        ));
    }
    expect_kw(p, "THEN")?;
    let result = p.parse_expr()?;
    Ok(conditions.into_iter().map(|condition| CaseWhen { condition, result: result.clone() }).collect())
}
