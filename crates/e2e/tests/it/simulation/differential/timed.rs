//! Queries by event time, over tables whose fourth column is a time: each second once, and no row late.

mod generate;
mod sql;

use super::expr::{Call, Condition};
use super::model::{Kind, Row, WIDTH, grouped, grouped_by_set, joined, partitions, sorted};

/// Where the time lies in a row: seconds behind 2024-01-01.
pub(super) const TIME: usize = WIDTH;
/// 2024-01-01, in seconds of the Unix time.
const ZERO: i64 = 1_704_067_200;

/// A table that has a time, or what passes of it.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) table: usize,
    pub(super) filter: Option<Condition>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Window {
    Tumble { size: i64, offset: i64 },
    Hop { slide: i64, size: i64, offset: i64 },
    Cumulate { step: i64, size: i64, offset: i64 },
    Session { gap: i64 },
}

/// Which rows before the current one an OVER aggregate takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    Rows(Option<usize>),
    /// So many seconds.
    Range(Option<i64>),
    /// The value of a column so many rows before, and no aggregate.
    Lag {
        column: usize,
        rows: usize,
    },
}

#[derive(Clone, Debug)]
pub(super) enum Timed {
    /// Start and end of the window, keys, aggregates.
    Aggregate {
        stream: Stream,
        window: Window,
        keys: Vec<usize>,
        calls: Vec<Call>,
        sets: Option<Vec<Vec<usize>>>,
    },
    /// Columns and the window's start of both sides.
    Join {
        kind: Kind,
        streams: [Stream; 2],
        window: Window,
        equal: Vec<[usize; 2]>,
        more: Option<Condition>,
    },
    /// The first rows of each window and partition, then by time.
    Top {
        stream: Stream,
        window: Window,
        partition: Vec<usize>,
        order: Vec<(usize, bool)>,
        limit: usize,
    },
    Over {
        stream: Stream,
        partition: Vec<usize>,
        frame: Frame,
        calls: Vec<Call>,
    },
    /// The first or last row of each partition.
    Deduplicate {
        stream: Stream,
        partition: Vec<usize>,
        last: bool,
    },
    /// Pairs whose right row is at most so many seconds before, and behind, the left one.
    Interval {
        kind: Kind,
        streams: [Stream; 2],
        equal: Vec<[usize; 2]>,
        before: i64,
        behind: i64,
    },
    /// Each row with the row that was the last one of its key then, by the first column of the other table.
    AsOf {
        stream: Stream,
        table: usize,
        key: usize,
        outer: bool,
        more: Option<Condition>,
    },
    /// `A B.. C` in each partition, where C is what is not B.
    Match {
        stream: Stream,
        partition: usize,
        first: Condition,
        middle: Condition,
        /// How many times the middle may be there.
        times: (usize, Option<usize>),
        skip_past: bool,
        measures: [usize; 3],
    },
}

impl Stream {
    fn rows(&self, tables: &[Vec<Row>]) -> Vec<Row> {
        let passes = |row: &&Row| self.filter.as_ref().is_none_or(|filter| filter.holds(row) == Some(true));
        tables[self.table].iter().filter(passes).cloned().collect()
    }
}

fn time(row: &Row) -> i64 {
    row[TIME].unwrap()
}

/// Row, start and end: a row once for each of its windows.
fn windowed(window: Window, rows: Vec<Row>, keys: &[usize]) -> Vec<Row> {
    if let Window::Session { gap } = window {
        return partitions(rows, keys).into_values().flat_map(|rows| sessions(gap, rows)).collect();
    }
    let of = |row: Row| {
        let windows = window.of(time(&row)).into_iter();
        windows.map(|(start, end)| row.iter().copied().chain([Some(start), Some(end)]).collect()).collect::<Vec<Row>>()
    };
    rows.into_iter().flat_map(of).collect()
}

fn sessions(gap: i64, rows: Vec<Row>) -> Vec<Row> {
    let mut sessions: Vec<Vec<Row>> = Vec::new();
    for row in sorted(rows, &[(TIME, false)]) {
        match sessions.last_mut() {
            Some(session) if time(&row) - time(&session[session.len() - 1]) <= gap => session.push(row),
            _ => sessions.push(vec![row]),
        }
    }
    let bounds = |session: Vec<Row>| {
        let (start, end) = (time(&session[0]), time(&session[session.len() - 1]) + gap);
        session.into_iter().map(move |row| row.into_iter().chain([Some(start), Some(end)]).collect())
    };
    sessions.into_iter().flat_map(bounds).collect()
}

impl Window {
    /// Start and end of the windows that a time lies in.
    fn of(self, time: i64) -> Vec<(i64, i64)> {
        // Windows are counted from 1970 on.
        let last = |step: i64, offset: i64| (time + ZERO - offset).div_euclid(step) * step + offset - ZERO;
        match self {
            Window::Tumble { size, offset } => vec![(last(size, offset), last(size, offset) + size)],
            Window::Hop { slide, size, offset } => {
                let starts = (0..).map(|n| last(slide, offset) - n * slide);
                starts.take_while(|start| start + size > time).map(|start| (start, start + size)).collect()
            }
            Window::Cumulate { step, size, offset } => {
                let start = last(size, offset);
                let ends = (1..=size / step).map(|n| start + n * step);
                ends.filter(|end| *end > time).map(|end| (start, end)).collect()
            }
            Window::Session { .. } => unreachable!("a session depends on other rows"),
        }
    }
}

impl Timed {
    pub(super) fn width(&self) -> usize {
        match self {
            Timed::Aggregate { keys, calls, sets, .. } => 2 + keys.len() + calls.len() + usize::from(sets.is_some()),
            Timed::Join { kind: Kind::Semi | Kind::Anti, .. } => WIDTH + 1,
            Timed::Join { .. } => 2 * (WIDTH + 1),
            Timed::Top { .. } | Timed::Deduplicate { .. } => WIDTH + 1,
            Timed::Over { frame: Frame::Lag { .. }, .. } => 3,
            Timed::Over { calls, .. } => 2 + calls.len(),
            Timed::Interval { .. } | Timed::AsOf { .. } => 2 * (WIDTH + 1),
            Timed::Match { .. } => 4,
        }
    }

    fn streams_mut(&mut self) -> Vec<&mut Stream> {
        match self {
            Timed::Join { streams, .. } | Timed::Interval { streams, .. } => streams.iter_mut().collect(),
            Timed::Aggregate { stream, .. } | Timed::Top { stream, .. } | Timed::Over { stream, .. } => vec![stream],
            Timed::Deduplicate { stream, .. } | Timed::AsOf { stream, .. } | Timed::Match { stream, .. } => {
                vec![stream]
            }
        }
    }

    /// What it reads.
    pub(super) fn tables(&self) -> Vec<usize> {
        let mut own = self.clone();
        let mut all: Vec<usize> = own.streams_mut().iter().map(|stream| stream.table).collect();
        if let Timed::AsOf { table, .. } = self {
            all.push(*table);
        }
        all
    }

    /// Queries that are smaller by one step.
    pub(super) fn smaller(&self) -> Vec<Timed> {
        let mut all = Vec::new();
        for at in 0..self.clone().streams_mut().len() {
            let mut less = self.clone();
            if less.streams_mut()[at].filter.take().is_some() {
                all.push(less);
            }
        }
        let mut less = self.clone();
        if let Timed::Join { more, .. } | Timed::AsOf { more, .. } = &mut less
            && more.take().is_some()
        {
            all.push(less);
        }
        all
    }

    /// The rows that it gives.
    pub(super) fn rows(&self, tables: &[Vec<Row>]) -> Vec<Row> {
        match self {
            Timed::Aggregate { .. } | Timed::Join { .. } | Timed::Top { .. } => self.windows_rows(tables),
            Timed::Over { stream, partition, frame, calls } => {
                let groups = partitions(stream.rows(tables), partition).into_values();
                groups.flat_map(|group| over(&sorted(group, &[(TIME, false)]), *frame, calls)).collect()
            }
            Timed::Deduplicate { stream, partition, last } => {
                let groups = partitions(stream.rows(tables), partition).into_values();
                groups.flat_map(|group| sorted(group, &[(TIME, *last)]).into_iter().next()).collect()
            }
            Timed::Interval { kind, streams, equal, before, behind } => {
                let meet =
                    |a: &Row, b: &Row| (-before..=*behind).contains(&(time(b) - time(a))) && are_equal(a, b, equal);
                joined(*kind, [streams[0].rows(tables), streams[1].rows(tables)], [WIDTH + 1; 2], meet)
            }
            Timed::AsOf { stream, table, key, outer, more } => {
                let right = &tables[*table];
                let versioned = |a: Row| {
                    let known = |b: &&Row| a[*key].is_some() && b[0] == a[*key] && time(b) <= time(&a);
                    let version = right.iter().filter(known).max_by_key(|b| time(b));
                    match version.filter(|b| holds_for(more.as_ref(), &a, b)) {
                        Some(b) => Some(a.iter().chain(b).copied().collect()),
                        None => outer.then(|| a.iter().copied().chain([None; WIDTH + 1]).collect()),
                    }
                };
                stream.rows(tables).into_iter().filter_map(versioned).collect()
            }
            Timed::Match { stream, partition, .. } => {
                let groups = partitions(stream.rows(tables), &[*partition]).into_values();
                groups.flat_map(|group| self.matches(&sorted(group, &[(TIME, false)]))).collect()
            }
        }
    }

    /// Aggregates over windows, joins and first rows of them.
    fn windows_rows(&self, tables: &[Vec<Row>]) -> Vec<Row> {
        match self {
            Timed::Aggregate { stream, window, keys, calls, sets } => {
                aggregated(windowed(*window, stream.rows(tables), keys), keys, calls, sets.as_deref())
            }
            Timed::Join { kind, streams, window, equal, more } => {
                let side = |stream: &Stream| windowed(*window, stream.rows(tables), &[]);
                let meet = |a: &Row, b: &Row| {
                    a[TIME + 1..] == b[TIME + 1..] && are_equal(a, b, equal) && holds_for(more.as_ref(), a, b)
                };
                let side_width = TIME + 3;
                let rows = joined(*kind, [side(&streams[0]), side(&streams[1])], [side_width; 2], meet);
                let kept = |i: usize| i % side_width != TIME && i % side_width != TIME + 2;
                rows.into_iter().map(|row| only(row, kept)).collect()
            }
            Timed::Top { stream, window, partition, order, limit } => {
                let by: Vec<usize> = partition.iter().copied().chain([TIME + 1, TIME + 2]).collect();
                let order: Vec<(usize, bool)> = order.iter().copied().chain([(TIME, false)]).collect();
                let groups = partitions(windowed(*window, stream.rows(tables), &[]), &by).into_values();
                let first = groups.flat_map(|group| sorted(group, &order).into_iter().take(*limit));
                first.map(|row| only(row, |i| i < TIME || i == TIME + 1)).collect()
            }
            _ => unreachable!("a query of another kind"),
        }
    }

    fn matches(&self, rows: &[Row]) -> Vec<Row> {
        let Timed::Match { partition, first, middle, times, skip_past, measures: [a, b, c], .. } = self else {
            unreachable!("only a pattern is matched")
        };
        let (mut found, mut start) = (Vec::new(), 0);
        while start < rows.len() {
            let between = rows[start + 1..].iter().take_while(|row| middle.holds(row) == Some(true)).count();
            let end = start + 1 + between;
            let matches = first.holds(&rows[start]) == Some(true)
                && end < rows.len()
                && between >= times.0
                && times.1.is_none_or(|most| between <= most);
            if !matches {
                start += 1;
                continue;
            }
            let last = if between == 0 { None } else { rows[end - 1][*b] };
            found.push(vec![rows[start][*partition], rows[start][*a], last, rows[end][*c]]);
            start = if *skip_past { end + 1 } else { start + 1 };
        }
        found
    }
}

fn are_equal(a: &Row, b: &Row, equal: &[[usize; 2]]) -> bool {
    equal.iter().all(|[x, y]| a[*x].is_some() && a[*x] == b[*y])
}

/// A condition over the numbers of two rows.
fn holds_for(more: Option<&Condition>, a: &Row, b: &Row) -> bool {
    let both: Row = a[..WIDTH].iter().chain(&b[..WIDTH]).copied().collect();
    more.is_none_or(|more| more.holds(&both) == Some(true))
}

fn only(row: Row, kept: impl Fn(usize) -> bool) -> Row {
    row.into_iter().enumerate().filter(|(i, _)| kept(*i)).map(|(_, value)| value).collect()
}

/// Of rows with their windows.
fn aggregated(rows: Vec<Row>, keys: &[usize], calls: &[Call], sets: Option<&[Vec<usize>]>) -> Vec<Row> {
    let windows = partitions(rows, &[TIME + 1, TIME + 2]);
    let of_window = |(window, rows): (Row, Vec<Row>)| {
        let rows = match sets {
            None => grouped(rows, keys, calls),
            Some(sets) => sets.iter().flat_map(|set| grouped_by_set(&rows, keys, calls, set)).collect(),
        };
        rows.into_iter().map(move |row| window.iter().copied().chain(row).collect())
    };
    windows.into_iter().flat_map(of_window).collect()
}

/// The first column, the time, and the aggregates over the frame of each row.
fn over(rows: &[Row], frame: Frame, calls: &[Call]) -> Vec<Row> {
    let of = |at: usize| {
        let row = &rows[at];
        let begin = match frame {
            Frame::Rows(before) => before.map_or(0, |before| at.saturating_sub(before)),
            Frame::Range(before) => {
                let is_near = |other: &Row| before.is_none_or(|before| time(row) - time(other) <= before);
                rows.iter().position(is_near).unwrap()
            }
            Frame::Lag { column, rows: back } => {
                let lag = at.checked_sub(back).and_then(|at| rows[at][column]);
                return vec![row[0], row[TIME], lag];
            }
        };
        [row[0], row[TIME]].into_iter().chain(calls.iter().map(|call| call.value(&rows[begin..=at]))).collect()
    };
    (0..rows.len()).map(of).collect()
}
