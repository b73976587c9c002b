//! Queries as SQL.

use std::fmt::Write as _;

use super::expr::{Condition, Scalar};
use super::model::{Kind, Op, Query, column};

fn columns(width: usize) -> String {
    (0..width).map(column).collect::<Vec<_>>().join(", ")
}

/// A column of two tables side by side, of which the first has so many.
pub(super) fn side_by_side(width: usize) -> impl Fn(usize) -> String {
    move |index| if index < width { format!("a.c{index}") } else { format!("b.c{}", index - width) }
}

/// `e AS c0, f AS c1, ..`
pub(super) fn named(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().enumerate().map(|(i, e)| format!("{e} AS c{i}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn ordered(order: &[(usize, bool)]) -> String {
    let item = |(c, down): &(usize, bool)| format!("c{c}{}", if *down { " DESC" } else { "" });
    order.iter().map(item).collect::<Vec<_>>().join(", ")
}

impl Query {
    pub(super) fn sql(&self) -> String {
        let own = columns(self.width());
        match self {
            Query::Table(table) => format!("SELECT {own} FROM t{table}"),
            Query::Timed(timed) => timed.sql(),
            Query::Where(rows, condition) => {
                format!("SELECT {own} FROM ({}) AS a WHERE {}", rows.sql(), condition.sql(&column))
            }
            Query::Select(rows, items) => {
                format!("SELECT {} FROM ({}) AS a", named(items.iter().map(Scalar::sql)), rows.sql())
            }
            Query::Join { kind, sides, equal, more } => join_sql(*kind, sides, equal, more.as_ref()),
            Query::Group { rows, keys, calls, sets } => {
                let items = keys.iter().map(|k| column(*k)).chain(calls.iter().map(|call| call.sql("")));
                let keys: Vec<String> = keys.iter().map(|k| column(*k)).collect();
                let (by, id) = group_by(&keys, sets.as_deref());
                format!("SELECT {} FROM ({}) AS a{by}", named(items.chain(id)), rows.sql())
            }
            Query::Distinct(rows) => format!("SELECT DISTINCT {own} FROM ({}) AS a", rows.sql()),
            Query::Set { op, all, sides } => {
                let op = match op {
                    Op::Union => "UNION",
                    Op::Intersect => "INTERSECT",
                    Op::Except => "EXCEPT",
                };
                let all = if *all { " ALL" } else { "" };
                let [a, b] = [sides[0].sql(), sides[1].sql()];
                format!("SELECT {own} FROM (SELECT {own} FROM ({a}) AS a {op}{all} SELECT {own} FROM ({b}) AS b) AS c")
            }
            Query::In { sides, columns: [of, among], negated, or } => {
                let not = if *negated { "NOT " } else { "" };
                let or = or.as_ref().map_or(String::new(), |c| format!(" OR {}", c.sql(&|i| format!("a.c{i}"))));
                let [a, b] = [sides[0].sql(), sides[1].sql()];
                format!("SELECT {own} FROM ({a}) AS a WHERE a.c{of} {not}IN (SELECT c{among} FROM ({b}) AS b){or}")
            }
            Query::Top { .. } | Query::Sorted { .. } | Query::Unnest { .. } | Query::Collected { .. } => {
                self.dealt_sql()
            }
            Query::Against { sides, column, compare, call } => {
                let ([a, b], call) = ([sides[0].sql(), sides[1].sql()], call.sql(""));
                let compare = compare.sql();
                format!("SELECT {own} FROM ({a}) AS a WHERE a.c{column} {compare} (SELECT {call} FROM ({b}) AS b)")
            }
            Query::Beside { sides, equal: [x, y], call } => {
                let ([a, b], call) = ([sides[0].sql(), sides[1].sql()], call.sql(""));
                let own = (0..sides[0].width()).map(|i| format!("a.c{i}"));
                let beside = format!("(SELECT {call} FROM ({b}) AS b WHERE b.c{y} = a.c{x})");
                format!("SELECT {} FROM ({a}) AS a", named(own.chain([beside])))
            }
        }
    }

    /// The first rows, and rows from what lies in others.
    fn dealt_sql(&self) -> String {
        let own = columns(self.width());
        match self {
            Query::Top { rows, partition, order, limit, numbered } => {
                let partition: Vec<String> = partition.iter().map(|p| column(*p)).collect();
                let number = format!("PARTITION BY {} ORDER BY {}", partition.join(", "), ordered(order));
                let own = columns(rows.width());
                let rank = if *numbered { format!(", rn AS c{}", rows.width()) } else { String::new() };
                format!(
                    "SELECT {own}{rank} FROM (SELECT {own}, ROW_NUMBER() OVER ({number}) AS rn FROM ({}) AS a) AS b WHERE rn <= {limit}",
                    rows.sql()
                )
            }
            Query::Sorted { rows, order, limit, offset } => {
                let offset = if *offset == 0 { String::new() } else { format!(" OFFSET {offset}") };
                format!(
                    "SELECT {own} FROM (SELECT {own} FROM ({}) AS a ORDER BY {} LIMIT {limit}{offset}) AS b",
                    rows.sql(),
                    ordered(order)
                )
            }
            Query::Unnest { rows, elements, ordinality } => {
                let elements: Vec<String> = elements.iter().map(|e| format!("a.c{e}")).collect();
                let (with, names, more) = if *ordinality {
                    (" WITH ORDINALITY", "e, o", vec!["CAST(u.o AS BIGINT)".to_owned()])
                } else {
                    ("", "e", Vec::new())
                };
                let items = (0..rows.width()).map(|i| format!("a.c{i}")).chain(["u.e".to_owned()]).chain(more);
                format!(
                    "SELECT {} FROM ({}) AS a CROSS JOIN UNNEST(ARRAY[{}]){with} AS u({names})",
                    named(items),
                    rows.sql(),
                    elements.join(", ")
                )
            }
            Query::Collected { rows, key, column } => format!(
                "SELECT k AS c0, e AS c1 FROM (SELECT c{key} AS k, COLLECT(c{column}) AS m FROM ({}) AS a GROUP BY c{key}) AS b \
                 CROSS JOIN UNNEST(m) AS u(e)",
                rows.sql()
            ),
            _ => unreachable!("a query of another kind"),
        }
    }
}

/// ` GROUP BY ..`, and what tells the set of a row.
pub(super) fn group_by(keys: &[String], sets: Option<&[Vec<usize>]>) -> (String, Option<String>) {
    let Some(sets) = sets else {
        let by = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
        return (by, None);
    };
    let set = |set: &Vec<usize>| format!("({})", set.iter().map(|k| keys[*k].clone()).collect::<Vec<_>>().join(", "));
    let sets = sets.iter().map(set).collect::<Vec<_>>().join(", ");
    (format!(" GROUP BY GROUPING SETS ({sets})"), Some(format!("CAST(GROUPING_ID({}) AS BIGINT)", keys.join(", "))))
}

fn join_sql(kind: Kind, sides: &[Query; 2], equal: &[[usize; 2]], more: Option<&Condition>) -> String {
    let width = sides[0].width();
    let mut on: Vec<String> = equal.iter().map(|[a, b]| format!("a.c{a} = b.c{b}")).collect();
    on.extend(more.map(|more| more.sql(&side_by_side(width))));
    let (on, [a, b]) = (on.join(" AND "), [sides[0].sql(), sides[1].sql()]);
    let own = named((0..width).map(|i| format!("a.c{i}")));
    let Some(word) = kind.word() else {
        let not = if kind == Kind::Anti { "NOT " } else { "" };
        return format!("SELECT {own} FROM ({a}) AS a WHERE {not}EXISTS (SELECT 1 FROM ({b}) AS b WHERE {on})");
    };
    let mut items = own;
    for i in 0..sides[1].width() {
        write!(items, ", b.c{i} AS c{}", width + i).unwrap();
    }
    format!("SELECT {items} FROM ({a}) AS a {word} ({b}) AS b ON {on}")
}
