//! The windows that rows lie in, as properties of columns.

use flott_api::expr::Expr;
use flott_api::{LogicalType, TypeKind};
use flott_graph::spec::{WindowKind, WindowProperty};

use super::{Column, Op, Rel, TimeAttribute};

/// A column that is a property of the row's window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowColumn {
    /// Start, end or time.
    pub property: WindowProperty,
    /// The windows that it belongs to.
    pub window: WindowKind,
    /// What the keys of sessions are called where they are cut.
    pub keys: Vec<String>,
    /// The clock they are cut on.
    pub time: TimeAttribute,
    /// Whether they are cut in the session's zone: the clock is a `TIMESTAMP_LTZ`.
    pub is_local: bool,
    /// Whether they are of the older syntax: `GROUP BY TUMBLE(..)`.
    pub of_group: bool,
}

impl WindowColumn {
    /// Whether rows of equal bounds lie in one window. The keys of sessions are columns, which may be elsewhere.
    pub fn is_alike(&self, other: &WindowColumn) -> bool {
        let same = match (&self.window, &other.window) {
            (WindowKind::Session { gap_ms: a, keys: x }, WindowKind::Session { gap_ms: b, keys: y }) => {
                a == b && x.len() == y.len()
            }
            (a, b) => a == b,
        };
        same && self.time == other.time && self.is_local == other.is_local
    }
}

impl Rel {
    /// Appends the columns of a window; `of_group` says that it is of the older syntax.
    #[must_use]
    pub fn windowed(self, time: usize, window: WindowKind, of_group: bool) -> Rel {
        let clock = self.columns[time].time.unwrap_or(TimeAttribute::Rowtime);
        let is_local = matches!(self.columns[time].ty.kind, TypeKind::TimestampLtz(_));
        let keys: Vec<String> = window.keys().iter().map(|key| self.columns[*key].name.clone()).collect();
        // A row has one window at a time: the columns of an earlier one are ordinary from here on.
        let mut columns: Vec<Column> = self.columns.iter().map(|c| Column { window: None, ..c.clone() }).collect();
        for property in [WindowProperty::Start, WindowProperty::End, WindowProperty::Time] {
            let is_time = property == WindowProperty::Time;
            let kind = if is_time && is_local { TypeKind::TimestampLtz(3) } else { TypeKind::Timestamp(3) };
            let may_be_null = is_time && of_group && clock == TimeAttribute::Rowtime;
            columns.push(Column {
                name: free_name(property_name(property), &columns),
                ty: LogicalType::not_null(kind).with_nullable(may_be_null),
                time: is_time.then_some(clock),
                window: Some(WindowColumn {
                    property,
                    window: window.clone(),
                    keys: keys.clone(),
                    time: clock,
                    is_local,
                    of_group,
                }),
            });
        }
        Rel { op: Op::Window { time, window }, inputs: vec![self], columns }
    }
}

/// What the column of a window property is called.
pub fn property_name(property: WindowProperty) -> &'static str {
    match property {
        WindowProperty::Start => "window_start",
        WindowProperty::End => "window_end",
        WindowProperty::Time => "window_time",
    }
}

/// The name, or the first of `name0`, `name1`, .. that no column has.
pub(super) fn free_name(name: &str, columns: &[Column]) -> String {
    let taken = |name: &str| columns.iter().any(|c| c.name == name);
    if !taken(name) {
        return name.to_owned();
    }
    (0..=columns.len()).map(|i| format!("{name}{i}")).find(|n| !taken(n)).unwrap_or_default()
}

/// The bounds of rows' windows among columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowBounds {
    /// The column with the start.
    pub start: usize,
    /// The column with the end.
    pub end: usize,
    /// The windows.
    pub window: WindowColumn,
}

/// The window whose start and end are among these columns.
pub fn window_bounds(columns: &[Column], among: &[usize]) -> Option<WindowBounds> {
    let of = |&c: &usize, property| columns[c].window.as_ref().filter(|w| w.property == property);
    let (start, window) = among.iter().find_map(|c| Some((*c, of(c, WindowProperty::Start)?)))?;
    let is_its_end = |c: &&usize| of(c, WindowProperty::End).is_some_and(|end| end.is_alike(window));
    let end = *among.iter().find(is_its_end)?;
    Some(WindowBounds { start, end, window: window.clone() })
}

/// The window that these keys group by: they hold its start and its end.
pub fn groups_by_window(columns: &[Column], keys: &[usize]) -> Option<WindowColumn> {
    window_bounds(columns, keys).map(|bounds| bounds.window)
}

/// The windows of both sides of a join, and what else must hold of its pairs; nothing if it is no join of windows, which
/// asks for equal starts and equal ends.
pub fn window_join(parts: &[Expr], left: &[Column], right: &[Column]) -> Option<([WindowBounds; 2], Vec<Expr>)> {
    let (mut pairs, mut rest) = (Vec::new(), Vec::new());
    for part in parts {
        match equal_bounds(part, left, right) {
            Some(pair) => pairs.push(pair),
            None => rest.push(part.clone()),
        }
    }
    let pair_of = |property| {
        let is_of = |c: usize| left[c].window.as_ref().is_some_and(|w| w.property == property);
        pairs.iter().copied().find(|[l, _]| is_of(*l))
    };
    let (starts, ends) = (pair_of(WindowProperty::Start)?, pair_of(WindowProperty::End)?);
    let sides = [window_bounds(left, &[starts[0], ends[0]])?, window_bounds(right, &[starts[1], ends[1]])?];
    sides[0].window.is_alike(&sides[1].window).then_some((sides, rest))
}

/// The columns, if a part of a condition says that a bound of the left's window is that of the right's.
fn equal_bounds(part: &Expr, left: &[Column], right: &[Column]) -> Option<[usize; 2]> {
    let Expr::Call { function, args, .. } = part else { return None };
    let [Expr::Column { index: a, .. }, Expr::Column { index: b, .. }] = args.as_slice() else { return None };
    let (a, b) = (*a.min(b), *a.max(b));
    let (of_left, of_right) = (left.get(a)?.window.as_ref()?, right.get(b.checked_sub(left.len())?)?.window.as_ref()?);
    let bounds = of_left.property == of_right.property && of_left.property != WindowProperty::Time;
    (function.name == "=" && bounds).then_some([a, b - left.len()])
}
