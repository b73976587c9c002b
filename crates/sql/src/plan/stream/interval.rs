//! Recognises joins whose condition bounds the times of both sides against each other.
//!
//! Flink counterpart: `IntervalJoinUtil`. Two comparisons between a time attribute of the left and one of the right, of the
//! same clock, each with constants added or subtracted, bound the time of the left from below and from above; or one
//! equality does both. Anything else is a regular join. Months are no fixed time: the bound is as wide as they may be, and
//! the comparison stays in the condition (Flink takes a month for 31 days).

use flott_api::expr::{Expr, Value};
use flott_api::{Error, Result, TypeKind};
use flott_graph::spec::JoinKind;

use super::nodes::Interval;
use crate::plan::TimeAttribute;
use crate::plan::rel::Column;

const DAY_MS: i64 = 86_400_000;
/// The least and the most days of a month.
const MONTH_DAYS: (i64, i64) = (28, 31);

/// The interval of a join's condition, and the other parts of it; nothing if it does not bound the times.
pub(super) fn of_join(
    kind: JoinKind,
    parts: &[Expr],
    [left, right]: [&[Column]; 2],
) -> Result<Option<(Interval, Vec<Expr>)>> {
    if kind.is_left_only() {
        return Ok(None);
    }
    let (mut comparisons, mut rest) = (Vec::new(), Vec::new());
    for part in parts {
        match Comparison::of(part, left, right) {
            Some(comparison) => {
                if comparison.offset.months != 0 {
                    rest.push(part.clone());
                }
                comparisons.push(comparison);
            }
            None => rest.push(part.clone()),
        }
    }
    let Some(interval) = interval(&comparisons) else { return Ok(None) };
    check_times(&interval, left, right)?;
    Ok(Some((interval, rest)))
}

/// Two bounds, or an equality alone.
fn interval(comparisons: &[Comparison]) -> Option<Interval> {
    let (lower_ms, upper_ms) = match comparisons {
        [one] if one.is_equal() && one.offset.months == 0 => (one.offset.ms, one.offset.ms),
        // Bounds of other times are an interval of neither.
        [a, b] if a.times != b.times || a.clock != b.clock => return None,
        [a, b] => match (a.bound()?, b.bound()?) {
            (Bound::Lower(lower), Bound::Upper(upper)) | (Bound::Upper(upper), Bound::Lower(lower)) => (lower, upper),
            _ => return None,
        },
        _ => return None,
    };
    let Comparison { clock, times, .. } = comparisons.first()?;
    Some(Interval { is_rowtime: *clock == TimeAttribute::Rowtime, lower_ms, upper_ms, times: *times })
}

fn check_times(interval: &Interval, left: &[Column], right: &[Column]) -> Result<()> {
    let [left_time, right_time] = [(left, 0), (right, 1)].map(|(columns, side)| &columns[interval.times[side]]);
    if interval.is_rowtime {
        let is_local = |column: &Column| matches!(column.ty.kind, TypeKind::TimestampLtz(_));
        if is_local(left_time) != is_local(right_time) {
            return Err(Error::invalid(format!(
                "an interval join compares times of types {} and {}",
                left_time.type_text(),
                right_time.type_text()
            ))
            .with_detail("Interval join with rowtime attribute requires same rowtime types."));
        }
        return Ok(());
    }
    let mut columns = left.iter().chain(right);
    match columns.find(|column| column.time == Some(TimeAttribute::Rowtime)) {
        Some(column) => {
            Err(Error::invalid(format!("an interval join by processing time has the rowtime column '{}'", column.name))
                .with_detail(
                    "Interval join with proctime attribute requires no event-time attributes are in the join inputs.",
                )
                .with_hint("CAST the column to TIMESTAMP(3) below the join, or leave it out."))
        }
        None => Ok(()),
    }
}

/// A comparison of a time of the left with one of the right.
#[derive(Debug)]
struct Comparison {
    clock: TimeAttribute,
    /// The columns.
    times: [usize; 2],
    /// `left OPERATOR right + offset`
    operator: &'static str,
    offset: Offset,
}

enum Bound {
    Lower(i64),
    Upper(i64),
}

/// What is added to a time.
#[derive(Clone, Copy, Debug, Default)]
struct Offset {
    ms: i64,
    months: i64,
}

impl Offset {
    fn plus(self, other: Offset, sign: i64) -> Option<Offset> {
        let add = |a: i64, b: i64| a.checked_add(b.checked_mul(sign)?);
        Some(Offset { ms: add(self.ms, other.ms)?, months: add(self.months, other.months)? })
    }

    /// The least and the most milliseconds that it may be.
    fn range(self) -> Option<(i64, i64)> {
        let days = |each: i64| self.months.checked_mul(each)?.checked_mul(DAY_MS)?.checked_add(self.ms);
        let (a, b) = (days(MONTH_DAYS.0)?, days(MONTH_DAYS.1)?);
        Some((a.min(b), a.max(b)))
    }
}

impl Comparison {
    fn of(part: &Expr, left: &[Column], right: &[Column]) -> Option<Self> {
        let Expr::Call { function, args, .. } = part else { return None };
        let [a, b] = args.as_slice() else { return None };
        let operator = ["=", "<", "<=", ">", ">="].into_iter().find(|o| *o == function.name)?;
        let ((a, a_offset), (b, b_offset)) = (time_plus(a)?, time_plus(b)?);
        let (a_is_left, b_is_left) = (a < left.len(), b < left.len());
        if a_is_left == b_is_left {
            return None;
        }
        let turned = if a_is_left { operator } else { turned(operator) };
        let (own, other) = if a_is_left { (a, b) } else { (b, a) };
        let (own_offset, other_offset) = if a_is_left { (a_offset, b_offset) } else { (b_offset, a_offset) };
        let times = [own, other - left.len()];
        let clock = left[times[0]].time?;
        if right[times[1]].time? != clock {
            return None;
        }
        Some(Comparison { clock, times, operator: turned, offset: other_offset.plus(own_offset, -1)? })
    }

    fn is_equal(&self) -> bool {
        self.operator == "="
    }

    /// What it says of the left's time less the right's.
    fn bound(&self) -> Option<Bound> {
        let (least, most) = self.offset.range()?;
        Some(match self.operator {
            ">=" => Bound::Lower(least),
            ">" => Bound::Lower(least.checked_add(1)?),
            "<=" => Bound::Upper(most),
            "<" => Bound::Upper(most.checked_sub(1)?),
            _ => return None,
        })
    }
}

/// The same comparison with its sides exchanged.
fn turned(operator: &'static str) -> &'static str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

/// A column to and from which constants are added and subtracted.
fn time_plus(expr: &Expr) -> Option<(usize, Offset)> {
    match expr {
        Expr::Column { index, .. } => Some((*index, Offset::default())),
        // Time attributes have no more than milliseconds: such a cast loses nothing.
        Expr::Cast { input, ty, .. } if is_moment(&input.ty().kind, &ty.kind) => time_plus(input),
        Expr::Call { function, args, .. } => {
            let [a, b] = args.as_slice() else { return None };
            let ((column, offset), constant, sign) = match (function.name.as_str(), constant(a), constant(b)) {
                ("+", None, Some(constant)) => (time_plus(a)?, constant, 1),
                ("+", Some(constant), None) => (time_plus(b)?, constant, 1),
                ("-", None, Some(constant)) => (time_plus(a)?, constant, -1),
                _ => return None,
            };
            Some((column, offset.plus(constant, sign)?))
        }
        _ => None,
    }
}

/// Also between the two kinds of timestamps, so that a join of both is refused and not taken for a regular one.
fn is_moment(from: &TypeKind, to: &TypeKind) -> bool {
    let is_timestamp = |kind: &TypeKind| matches!(kind, TypeKind::Timestamp(_) | TypeKind::TimestampLtz(_));
    is_timestamp(from) && matches!(to, TypeKind::Timestamp(3..) | TypeKind::TimestampLtz(3..))
}

fn constant(expr: &Expr) -> Option<Offset> {
    let Expr::Literal { value: Value::Int(value), ty } = expr else { return None };
    match ty.kind {
        TypeKind::IntervalDayTime => Some(Offset { ms: *value, months: 0 }),
        TypeKind::IntervalYearMonth => Some(Offset { ms: 0, months: *value }),
        _ => None,
    }
}
