//! Frames of `OVER`: `ROWS BETWEEN 1 PRECEDING AND CURRENT ROW`.

use flott_api::expr::{Expr, Value};
use flott_api::{Error, Result, TypeKind};
use flott_graph::spec::{Frame, FrameBound, FrameUnit, SortField};
use sqlparser::ast::{Expr as Ast, Spanned, WindowFrame, WindowFrameBound, WindowFrameUnits};

use super::super::expr::ExprBinder;
use crate::plan::scope::at_span;

impl ExprBinder<'_> {
    /// The frame of a call that has one.
    pub(super) fn frame(&mut self, order: &[(Expr, SortField)], frame: &WindowFrame) -> Result<Frame> {
        let WindowFrame { units, start_bound, end_bound } = frame;
        let end_bound = end_bound.as_ref().unwrap_or(&WindowFrameBound::CurrentRow);
        check_sides(start_bound, end_bound)?;
        let unit = match units {
            WindowFrameUnits::Rows => FrameUnit::Rows,
            WindowFrameUnits::Range => FrameUnit::Range,
            WindowFrameUnits::Groups => return Err(Error::unsupported("GROUPS")),
        };
        if !self.overs()?.bounded {
            check_of_stream(start_bound, end_bound)?;
        }
        let mut bound = |written: &WindowFrameBound| self.bound(unit, order, written);
        Ok(Frame { unit, start: bound(start_bound)?, end: bound(end_bound)? })
    }

    fn bound(
        &mut self,
        unit: FrameUnit,
        order: &[(Expr, SortField)],
        written: &WindowFrameBound,
    ) -> Result<FrameBound> {
        let (ast, is_behind) = match written {
            WindowFrameBound::CurrentRow => return Ok(FrameBound::Current),
            WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => return Ok(FrameBound::Unbounded),
            WindowFrameBound::Preceding(Some(ast)) => (ast, false),
            WindowFrameBound::Following(Some(ast)) => (ast, true),
        };
        let (value, ty) = match flott_functions::fold_constants(self.bind(ast)?, "UTC")? {
            Expr::Literal { value, ty } => (value, ty.kind),
            _ => return Err(no_number(unit, ast)),
        };
        let (steps, scale) = match (unit, value) {
            (FrameUnit::Rows, Value::Int(rows)) if rows >= 0 && ty.is_integer() => (rows, 0),
            (FrameUnit::Range, value) if self.overs()?.bounded => distance(&value, &ty, order, ast)?,
            (FrameUnit::Range, Value::Int(ms)) if ty == TypeKind::IntervalDayTime && ms >= 0 => (ms, 0),
            _ => return Err(no_number(unit, ast)),
        };
        Ok(FrameBound::Distance { steps: if is_behind { steps } else { -steps }, scale })
    }
}

/// A distance between values of the order, which is one column then.
fn distance(value: &Value, ty: &TypeKind, order: &[(Expr, SortField)], ast: &Ast) -> Result<(i64, u8)> {
    let at = |error: Error| at_span(error, ast.span());
    let [(key, _)] = order else {
        return Err(at(Error::invalid("a frame of RANGE with a distance needs an order by one column")));
    };
    let by = &key.ty().kind;
    if *ty == TypeKind::IntervalYearMonth {
        return Err(at(
            Error::unsupported("a frame of RANGE by months or years").with_hint("Write days: INTERVAL '30' DAY.")
        ));
    }
    if !by.is_datetime() && !by.is_numeric() {
        return Err(at(Error::invalid(format!("a frame of RANGE with a distance over an order by {by}"))));
    }
    let fits = if by.is_datetime() { *ty == TypeKind::IntervalDayTime } else { ty.is_exact() };
    if !fits {
        return Err(at(Error::invalid(format!("a frame of RANGE with a distance of type {ty} over an order by {by}"))
            .with_hint("Numbers have a number as their distance, dates and times an interval.")));
    }
    let too_far = || at(Error::unsupported("so large a distance in a frame of RANGE"));
    // Kept within what can be turned around.
    let kept = |steps: i64| if steps == i64::MIN { Err(too_far()) } else { Ok(steps) };
    match (value, ty) {
        // Whole days of a date: what is over counts for nothing, as in Flink.
        (Value::Int(ms), _) if *by == TypeKind::Date => Ok((kept(*ms)? / 86_400_000, 0)),
        (Value::Int(steps), _) => Ok((kept(*steps)?, 0)),
        (Value::Decimal(steps), TypeKind::Decimal { scale, .. }) => {
            let steps = i64::try_from(*steps).map_err(|_| too_far())?;
            Ok((kept(steps)?, *scale))
        }
        _ => Err(no_number(FrameUnit::Range, ast)),
    }
}

/// Refuses frames that end before they could begin.
fn check_sides(start: &WindowFrameBound, end: &WindowFrameBound) -> Result<()> {
    use WindowFrameBound::{CurrentRow, Following, Preceding};
    match (start, end) {
        (Following(None), _) => Err(Error::invalid("a frame that begins with UNBOUNDED FOLLOWING")),
        (_, Preceding(None)) => Err(Error::invalid("a frame that ends with UNBOUNDED PRECEDING")),
        (CurrentRow | Following(_), Preceding(_)) | (Following(_), CurrentRow) => {
            Err(Error::invalid("a frame that ends before it begins"))
        }
        _ => Ok(()),
    }
}

fn check_of_stream(start: &WindowFrameBound, end: &WindowFrameBound) -> Result<()> {
    if !matches!(end, WindowFrameBound::CurrentRow) {
        return Err(Error::unsupported("a frame that does not end with the current row"));
    }
    match start {
        WindowFrameBound::Preceding(_) => Ok(()),
        _ => Err(Error::unsupported("a frame that begins with the current row or behind it")
            .with_hint("Write ROWS BETWEEN 0 PRECEDING AND CURRENT ROW.")),
    }
}

fn no_number(unit: FrameUnit, ast: &Ast) -> Error {
    let error = match unit {
        FrameUnit::Rows => Error::invalid("the rows before a row are no whole number that is not negative"),
        FrameUnit::Range => Error::invalid("the frame of RANGE is no interval of days to seconds")
            .with_hint("Write RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW, or ROWS."),
    };
    at_span(error, ast.span())
}
