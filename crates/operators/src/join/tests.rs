//! Joins of every kind, through batches, restarts and rescales; and against a join of the tables that the changes make.

use std::collections::BTreeMap;

use flott_api::expr::Expr;
use flott_api::testing::{JoinCase, check_join};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{JoinInput, JoinSide};

use super::*;

fn side(name: &str, rows: JoinInput) -> JoinSide {
    let field = |name: String, kind: TypeKind| Field::new(&name, LogicalType::new(kind));
    let input =
        Schema::new(vec![field(format!("{name}k"), TypeKind::BigInt), field(format!("{name}v"), TypeKind::BigInt)]);
    JoinSide { input, keys: vec![0], rows, state_ttl_ms: 0 }
}

fn spec(kind: JoinKind, rows: [JoinInput; 2]) -> JoinSpec {
    let [left, right] = rows;
    let (left, right) = (side("l", left), side("r", right));
    let mut output = left.input.clone();
    if !kind.is_left_only() {
        output.fields.extend(right.input.fields.clone());
    }
    JoinSpec {
        kind,
        left,
        right,
        nulls_meet: vec![false],
        condition: None,
        output,
        session_zone: "UTC".to_owned(),
        best: None,
    }
}

/// The values of the left are smaller.
fn smaller() -> Expr {
    let value = |column| Expr::column(column, LogicalType::new(TypeKind::BigInt));
    Expr::call("<", vec![value(1), value(3)], LogicalType::new(TypeKind::Boolean))
}

fn run(spec: &JoinSpec, script: &str) -> String {
    let inputs = [&spec.left.input, &spec.right.input];
    let case = JoinCase { inputs, event_time: EventTime::Indifferent, script };
    check_join(&case, Some(([&[0], &[0]], &[0])), || Join::from_spec(spec.clone()).unwrap())
}

/// Of a single subtask: a key of the right is no column of rows that come without a partner.
fn run_here(spec: &JoinSpec, script: &str) -> String {
    let inputs = [&spec.left.input, &spec.right.input];
    let case = JoinCase { inputs, event_time: EventTime::Indifferent, script };
    check_join(&case, None, || Join::from_spec(spec.clone()).unwrap())
}

const NOT_UNIQUE: [JoinInput; 2] = [JoinInput::NotUnique, JoinInput::NotUnique];

const SCRIPT: &str = "
    L +I | 1 | 10
    L +I | 1 | 10
    R +I | 2 | 20
    wm 1
    R +I | 1 | 30
    R +U | 1 | 5
    L -U | 1 | 10
    L +I | NULL | 7
    R +I | NULL | 8
    wm 2
    R -D | 1 | 30
    R -D | 1 | 5
    L -D | 1 | 10
    L -D | NULL | 7
    wm 3";

#[test]
fn an_inner_join_gives_pairs_with_the_kind_of_the_row_that_came() {
    let expected = "wm 1\n+I | 1 | 10 | 1 | 30\n+I | 1 | 10 | 1 | 30\n+U | 1 | 10 | 1 | 5\n+U | 1 | 10 | 1 | 5\n\
        -U | 1 | 10 | 1 | 30\n-U | 1 | 10 | 1 | 5\nwm 2\n-D | 1 | 10 | 1 | 30\n-D | 1 | 10 | 1 | 5\nwm 3";
    assert_eq!(run(&spec(JoinKind::Inner, NOT_UNIQUE), SCRIPT), expected);
}

#[test]
fn a_left_join_fills_with_nulls_while_there_is_no_partner() {
    let expected = "+I | 1 | 10 | NULL | NULL\n+I | 1 | 10 | NULL | NULL\nwm 1\n-D | 1 | 10 | NULL | NULL\n\
        -D | 1 | 10 | NULL | NULL\n+I | 1 | 10 | 1 | 30\n+I | 1 | 10 | 1 | 30\n+I | 1 | 10 | 1 | 5\n\
        +I | 1 | 10 | 1 | 5\n-D | 1 | 10 | 1 | 30\n-D | 1 | 10 | 1 | 5\n+I | NULL | 7 | NULL | NULL\nwm 2\n\
        -D | 1 | 10 | 1 | 30\n-D | 1 | 10 | 1 | 5\n+I | 1 | 10 | NULL | NULL\n-D | 1 | 10 | NULL | NULL\n\
        -D | NULL | 7 | NULL | NULL\nwm 3";
    assert_eq!(run(&spec(JoinKind::Left, NOT_UNIQUE), SCRIPT), expected);
}

#[test]
fn a_semi_join_gives_a_row_once_and_an_anti_join_the_others() {
    let semi = "wm 1\n+I | 1 | 10\n+I | 1 | 10\n-U | 1 | 10\nwm 2\n-D | 1 | 10\nwm 3";
    assert_eq!(run(&spec(JoinKind::Semi, NOT_UNIQUE), SCRIPT), semi);
    let anti = "+I | 1 | 10\n+I | 1 | 10\nwm 1\n-D | 1 | 10\n-D | 1 | 10\n+I | NULL | 7\nwm 2\n+I | 1 | 10\n-D | 1 | 10\n\
        -D | NULL | 7\nwm 3";
    assert_eq!(run(&spec(JoinKind::Anti, NOT_UNIQUE), SCRIPT), anti);
}

#[test]
fn nulls_meet_where_they_are_equal() {
    let nulls_meet = JoinSpec { nulls_meet: vec![true], ..spec(JoinKind::Inner, NOT_UNIQUE) };
    let script = "L +I | NULL | 1\nR +I | NULL | 2\nL -D | NULL | 1";
    assert_eq!(run(&nulls_meet, script), "+I | NULL | 1 | NULL | 2\n-D | NULL | 1 | NULL | 2");
}

#[test]
fn an_update_without_its_old_row_takes_the_place_of_it() {
    let unique = [JoinInput::NotUnique, JoinInput::UniqueByJoinKey];
    let script = "
        L +I | 1 | 10
        R +I | 1 | 20
        R +U | 1 | 21
        L +I | 1 | 11
        R -D | 1 | 21";
    let left = "+I | 1 | 10 | NULL | NULL\n-D | 1 | 10 | NULL | NULL\n+I | 1 | 10 | 1 | 20\n+I | 1 | 10 | 1 | 21\n\
        +I | 1 | 11 | 1 | 21\n-D | 1 | 10 | 1 | 21\n-D | 1 | 11 | 1 | 21\n+I | 1 | 10 | NULL | NULL\n\
        +I | 1 | 11 | NULL | NULL";
    assert_eq!(run_here(&spec(JoinKind::Left, unique.clone()), script), left);
    let semi = "+I | 1 | 10\n+I | 1 | 11\n-D | 1 | 10\n-D | 1 | 11";
    assert_eq!(run(&spec(JoinKind::Semi, unique), script), semi);
}

#[test]
fn partners_expire_by_themselves() {
    let mut spec = spec(JoinKind::Inner, [JoinInput::InsertOnly, JoinInput::InsertOnly]);
    (spec.left.state_ttl_ms, spec.right.state_ttl_ms) = (100, 0);
    let script = "time 1000\nL +I | 1 | 10\ntime 1050\nL +I | 1 | 11\nR +I | 1 | 1\ntime 1100\nR +I | 1 | 2\n\
        time 1150\nR +I | 1 | 3\nL +I | 1 | 12";
    let expected = "+I | 1 | 10 | 1 | 1\n+I | 1 | 11 | 1 | 1\n+I | 1 | 11 | 1 | 2\n+I | 1 | 12 | 1 | 1\n\
        +I | 1 | 12 | 1 | 2\n+I | 1 | 12 | 1 | 3";
    assert_eq!(run(&spec, script), expected);
}

/// A small generator of numbers, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// The rows of both sides: key and value.
type Tables = [Vec<(Option<i64>, i64)>; 2];

/// Changes of both sides in which each row that is taken back was there, and the tables that they make.
fn changes(numbers: &mut Numbers, count: usize) -> (String, Tables) {
    let (mut script, mut tables): (String, Tables) = (String::new(), [Vec::new(), Vec::new()]);
    for _ in 0..count {
        let at = numbers.below(2) as usize;
        let table: &mut Vec<(Option<i64>, i64)> = &mut tables[at];
        let takes_back = !table.is_empty() && numbers.below(5) < 2;
        let (kind, row) = if takes_back {
            ("-D", table.swap_remove(numbers.below(table.len() as u64) as usize))
        } else {
            let key = Some(numbers.below(4) as i64).filter(|k| *k > 0);
            let row = (key, numbers.below(3) as i64);
            table.push(row);
            ("+I", row)
        };
        let key = row.0.map_or("NULL".to_owned(), |k| k.to_string());
        script.push_str(&format!("{} {kind} | {key} | {}\n", ["L", "R"][at], row.1));
    }
    (script, tables)
}

type Counts = BTreeMap<String, i64>;

/// The rows that remain of changes.
fn folded(changes: &str) -> Counts {
    let mut rows = Counts::new();
    for line in changes.lines() {
        let (kind, row) = line.split_once(" | ").unwrap();
        *rows.entry(row.to_owned()).or_default() += if kind.starts_with('+') { 1 } else { -1 };
    }
    rows.retain(|_, count| *count != 0);
    rows
}

/// The join of two tables, by its meaning.
fn joined(kind: JoinKind, [left, right]: &Tables, smaller: bool) -> Counts {
    let mut rows = Counts::new();
    let text = |row: Option<&(Option<i64>, i64)>| match row {
        Some((key, value)) => format!("{} | {value}", key.map_or("NULL".to_owned(), |k| k.to_string())),
        None => "NULL | NULL".to_owned(),
    };
    let mut add = |row: String| *rows.entry(row).or_default() += 1;
    let meet = |l: &(Option<i64>, i64), r: &(Option<i64>, i64)| l.0.is_some() && l.0 == r.0 && (!smaller || l.1 < r.1);
    for l in left {
        let partners: Vec<_> = right.iter().filter(|r| meet(l, r)).collect();
        match kind {
            JoinKind::Semi if !partners.is_empty() => add(text(Some(l))),
            JoinKind::Anti if partners.is_empty() => add(text(Some(l))),
            JoinKind::Semi | JoinKind::Anti => {}
            _ => partners.iter().for_each(|r| add(format!("{} | {}", text(Some(l)), text(Some(r))))),
        }
        if partners.is_empty() && kind.keeps_left() {
            add(format!("{} | {}", text(Some(l)), text(None)));
        }
    }
    for r in right.iter().filter(|r| kind.keeps_right() && !left.iter().any(|l| meet(l, r))) {
        add(format!("{} | {}", text(None), text(Some(r))));
    }
    rows
}

#[test]
fn whatever_comes_the_rows_that_remain_are_the_join_of_the_tables() {
    let kinds = [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full, JoinKind::Semi, JoinKind::Anti];
    let mut numbers = Numbers(7);
    for round in 0..2 {
        for kind in kinds {
            let (script, tables) = changes(&mut numbers, 18);
            let with_condition = round % 2 == 1;
            let spec = JoinSpec { condition: with_condition.then(smaller), ..spec(kind, NOT_UNIQUE) };
            let rows = run_here(&spec, &script);
            assert_eq!(folded(&rows), joined(kind, &tables, with_condition), "{kind:?} of\n{script}gives\n{rows}");
        }
    }
}
