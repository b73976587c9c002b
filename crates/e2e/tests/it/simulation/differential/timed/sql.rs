//! Queries by event time as SQL.

use super::super::expr::Condition;
use super::super::model::{Kind, column};
use super::super::sql::{group_by, named, ordered, side_by_side};
use super::{Frame, Stream, TIME, Timed, WIDTH, Window};

/// A time as the number that stands for it.
fn seconds(time: &str) -> String {
    format!("CAST(TIMESTAMPDIFF(SECOND, TIMESTAMP '2024-01-01 00:00:00', {time}) AS BIGINT)")
}

fn interval(seconds: i64) -> String {
    format!("INTERVAL '{seconds}' SECOND")
}

/// The numbers of a row of this table, and its time as a number.
fn row_of(alias: &str) -> Vec<String> {
    let numbers = (0..WIDTH).map(|i| format!("{alias}.c{i}"));
    numbers.chain([seconds(&format!("{alias}.c{TIME}"))]).collect()
}

fn started(alias: &str) -> Vec<String> {
    let numbers = (0..WIDTH).map(|i| format!("{alias}.c{i}"));
    numbers.chain([seconds(&format!("{alias}.window_start"))]).collect()
}

fn by(partition: &[usize]) -> String {
    let columns: Vec<String> = partition.iter().map(|p| column(*p)).collect();
    if columns.is_empty() { String::new() } else { format!("PARTITION BY {} ", columns.join(", ")) }
}

impl Stream {
    fn sql(&self) -> String {
        let filter = self.filter.as_ref().map_or(String::new(), |filter| format!(" WHERE {}", filter.sql(&column)));
        format!("(SELECT * FROM t{}{filter})", self.table)
    }

    /// What a window function takes.
    fn argument(&self) -> String {
        if self.filter.is_none() { format!("TABLE t{}", self.table) } else { self.sql() }
    }
}

impl Window {
    fn sql(self, stream: &Stream, keys: &[usize]) -> String {
        let rows = stream.argument();
        let with = |name: &str, lengths: &[i64], offset: i64| {
            let mut all: Vec<String> = lengths.iter().map(|length| interval(*length)).collect();
            all.extend((offset != 0).then(|| interval(offset)));
            format!("TABLE({name}({rows}, DESCRIPTOR(c{TIME}), {}))", all.join(", "))
        };
        match self {
            Window::Tumble { size, offset } => with("TUMBLE", &[size], offset),
            Window::Hop { slide, size, offset } => with("HOP", &[slide, size], offset),
            Window::Cumulate { step, size, offset } => with("CUMULATE", &[step, size], offset),
            Window::Session { gap } => {
                let keys: Vec<String> = keys.iter().map(|k| column(*k)).collect();
                let by = if keys.is_empty() { String::new() } else { format!(" PARTITION BY ({})", keys.join(", ")) };
                format!("TABLE(SESSION({rows}{by}, DESCRIPTOR(c{TIME}), {}))", interval(gap))
            }
        }
    }
}

impl Timed {
    pub(in super::super) fn sql(&self) -> String {
        match self {
            Timed::Aggregate { .. } | Timed::Join { .. } => self.windows_sql(),
            Timed::Top { stream, window, partition, order, limit } => {
                let mut columns = vec!["window_start".to_owned(), "window_end".to_owned()];
                columns.extend(partition.iter().map(|p| column(*p)));
                let order: Vec<(usize, bool)> = order.iter().copied().chain([(TIME, false)]).collect();
                format!(
                    "SELECT {} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) AS rn FROM {}) AS a WHERE rn <= {limit}",
                    named(started("a")),
                    columns.join(", "),
                    ordered(&order),
                    window.sql(stream, &[])
                )
            }
            Timed::Over { stream, partition, frame, calls } => over_sql(stream, partition, *frame, calls),
            Timed::Deduplicate { stream, partition, last } => format!(
                "SELECT {} FROM (SELECT *, ROW_NUMBER() OVER ({}ORDER BY c{TIME}{}) AS rn FROM {} AS s) AS a WHERE rn = 1",
                named(row_of("a")),
                by(partition),
                if *last { " DESC" } else { "" },
                stream.sql()
            ),
            Timed::Interval { kind, streams, equal, before, behind } => {
                let on: Vec<String> = equals(equal).collect();
                format!(
                    "SELECT {} FROM {} AS a {} {} AS b ON {} AND b.c{TIME} BETWEEN a.c{TIME} - {} AND a.c{TIME} + {}",
                    named([row_of("a"), row_of("b")].concat()),
                    streams[0].sql(),
                    kind.word().unwrap(),
                    streams[1].sql(),
                    on.join(" AND "),
                    interval(*before),
                    interval(*behind)
                )
            }
            Timed::AsOf { stream, table, key, outer, more } => {
                let more = more.as_ref().map_or(String::new(), |more| format!(" AND {}", on_both(more)));
                format!(
                    "SELECT {} FROM {} AS a {}JOIN v{table} FOR SYSTEM_TIME AS OF a.c{TIME} AS b ON a.c{key} = b.c0{more}",
                    named([row_of("a"), row_of("b")].concat()),
                    stream.sql(),
                    if *outer { "LEFT " } else { "" }
                )
            }
            Timed::Match { .. } => self.match_sql(),
        }
    }

    /// Aggregates over windows, and joins of them.
    fn windows_sql(&self) -> String {
        match self {
            Timed::Aggregate { stream, window, keys, calls, sets } => {
                let keyed = keys.iter().map(|k| column(*k)).chain(calls.iter().map(|call| call.sql("")));
                let bounds = [seconds("window_start"), seconds("window_end")].into_iter();
                let columns: Vec<String> = keys.iter().map(|k| column(*k)).collect();
                let window = window.sql(stream, keys);
                let Some(sets) = sets else {
                    let mut by = vec!["window_start".to_owned(), "window_end".to_owned()];
                    by.extend(columns);
                    return format!("SELECT {} FROM {window} GROUP BY {}", named(bounds.chain(keyed)), by.join(", "));
                };
                let (sets, id) = group_by(&columns, Some(sets));
                let sets = sets.trim_start_matches(" GROUP BY");
                let items = named(bounds.chain(keyed).chain(id));
                format!("SELECT {items} FROM {window} GROUP BY window_start, window_end,{sets}")
            }
            Timed::Join { kind, streams, window, equal, more } => {
                let [a, b] = [0, 1].map(|side| format!("(SELECT * FROM {})", window.sql(&streams[side], &[])));
                let mut on =
                    vec!["a.window_start = b.window_start".to_owned(), "a.window_end = b.window_end".to_owned()];
                on.extend(equals(equal));
                on.extend(more.as_ref().map(on_both));
                match kind.word() {
                    Some(word) => format!(
                        "SELECT {} FROM {a} AS a {word} {b} AS b ON {}",
                        named([started("a"), started("b")].concat()),
                        on.join(" AND ")
                    ),
                    None => format!(
                        "SELECT {} FROM {a} AS a WHERE {}EXISTS (SELECT * FROM {b} AS b WHERE {})",
                        named(started("a")),
                        if *kind == Kind::Anti { "NOT " } else { "" },
                        on.join(" AND ")
                    ),
                }
            }
            _ => unreachable!("a query of another kind"),
        }
    }

    fn match_sql(&self) -> String {
        let Timed::Match { stream, partition, first, middle, times, skip_past, measures: [a, b, c] } = self else {
            unreachable!("only a pattern is matched")
        };
        let quantifier = match times {
            (0, None) => "*".to_owned(),
            (1, None) => "+".to_owned(),
            (1, Some(1)) => String::new(),
            (0, Some(1)) => "?".to_owned(),
            (least, most) => format!("{{{least},{}}}", most.map_or(String::new(), |most| most.to_string())),
        };
        let middle = middle.sql(&|i| format!("B.c{i}"));
        format!(
            "SELECT c{partition} AS c0, m0 AS c1, m1 AS c2, m2 AS c3 FROM {} MATCH_RECOGNIZE (PARTITION BY c{partition} \
             ORDER BY c{TIME} MEASURES A.c{a} AS m0, LAST(B.c{b}) AS m1, C.c{c} AS m2 ONE ROW PER MATCH AFTER MATCH SKIP {} \
             PATTERN (A B{quantifier} C) DEFINE A AS {}, B AS {middle}, C AS ({}) IS NOT TRUE) AS m",
            stream.sql(),
            if *skip_past { "PAST LAST ROW" } else { "TO NEXT ROW" },
            first.sql(&|i| format!("A.c{i}")),
            middle.replace("B.c", "C.c")
        )
    }
}

fn equals(equal: &[[usize; 2]]) -> impl Iterator<Item = String> {
    equal.iter().map(|[x, y]| format!("a.c{x} = b.c{y}"))
}

/// A condition over the numbers of both sides.
fn on_both(more: &Condition) -> String {
    more.sql(&side_by_side(WIDTH))
}

fn over_sql(stream: &Stream, partition: &[usize], frame: Frame, calls: &[super::Call]) -> String {
    let (frame, calls) = match frame {
        Frame::Lag { column, rows } => (String::new(), vec![format!("LAG(c{column}, {rows}) OVER w")]),
        Frame::Rows(before) => {
            let before = before.map_or("UNBOUNDED".to_owned(), |rows| rows.to_string());
            (format!(" ROWS BETWEEN {before} PRECEDING AND CURRENT ROW"), over_window(calls))
        }
        Frame::Range(before) => {
            let before = before.map_or("UNBOUNDED".to_owned(), interval);
            (format!(" RANGE BETWEEN {before} PRECEDING AND CURRENT ROW"), over_window(calls))
        }
    };
    let items = ["c0".to_owned(), seconds(&format!("c{TIME}"))].into_iter().chain(calls);
    let by = by(partition);
    format!("SELECT {} FROM {} AS a WINDOW w AS ({by}ORDER BY c{TIME}{frame})", named(items), stream.sql())
}

fn over_window(calls: &[super::Call]) -> Vec<String> {
    calls.iter().map(|call| call.sql(" OVER w")).collect()
}
