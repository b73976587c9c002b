//! Joins of several inputs, through batches, restarts and rescales; and against a join of the tables that the changes
//! make. Pieces are of a few combinations here.

use std::collections::BTreeMap;

use flott_api::testing::{InputsCase, check_inputs};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{JoinInput, JoinSide, MultiJoinStep};

use super::*;

/// Columns `k` and `v`.
fn side(at: usize, rows: JoinInput) -> JoinSide {
    let field = |name: &str| Field::new(format!("{name}{at}"), LogicalType::new(TypeKind::BigInt));
    JoinSide { input: Schema::new(vec![field("k"), field("v")]), keys: vec![0], rows, state_ttl_ms: 0 }
}

/// A join of each input with the one before it.
fn spec(kinds: &[JoinKind]) -> MultiJoinSpec {
    let step = |(at, kind): (usize, &JoinKind)| MultiJoinStep { kind: *kind, needs: vec![at], conditions: Vec::new() };
    let inputs: Vec<JoinSide> = (0..=kinds.len()).map(|at| side(at, JoinInput::NotUnique)).collect();
    MultiJoinSpec {
        steps: kinds.iter().enumerate().map(step).collect(),
        output: Schema::new(inputs.iter().flat_map(|side| side.input.fields.clone()).collect()),
        inputs,
        session_zone: "UTC".to_owned(),
    }
}

fn compare(operator: &str, left: usize, right: usize) -> Expr {
    let value = |input: usize| Expr::column(2 * input + 1, LogicalType::new(TypeKind::BigInt));
    Expr::call(operator, vec![value(left), value(right)], LogicalType::new(TypeKind::Boolean))
}

/// With `rescaled` the output's key is that of the first input, of all rows.
fn run(spec: &MultiJoinSpec, script: &str, rescaled: bool) -> String {
    let inputs: Vec<&Schema> = spec.inputs.iter().map(|side| &side.input).collect();
    let case = InputsCase { inputs: &inputs, event_time: EventTime::Indifferent, script };
    let keys: Vec<&[usize]> = spec.inputs.iter().map(|_| [0].as_slice()).collect();
    let keys = rescaled.then_some((keys.as_slice(), [0].as_slice()));
    check_inputs(&case, keys, || MultiJoin::from_spec(spec.clone()).unwrap())
}

use JoinKind::{Inner, Left};

#[test]
fn a_row_comes_with_all_that_its_key_has_in_the_other_inputs() {
    let script = "
        #0 +I | 1 | 10
        #0 +I | 1 | 10
        #1 +I | 1 | 20
        wm 1
        #2 +I | 1 | 30
        #2 +I | 2 | 31
        #2 +U | 1 | 32
        wm 2
        #1 +I | NULL | 21
        #0 +I | NULL | 11
        #0 -U | 1 | 10
        #1 -D | 1 | 20
        #1 -D | 1 | 20";
    let expected = "wm 1\n+I | 1 | 10 | 1 | 20 | 1 | 30\n+I | 1 | 10 | 1 | 20 | 1 | 30\n\
        +U | 1 | 10 | 1 | 20 | 1 | 32\n+U | 1 | 10 | 1 | 20 | 1 | 32\nwm 2\n-U | 1 | 10 | 1 | 20 | 1 | 30\n\
        -U | 1 | 10 | 1 | 20 | 1 | 32\n-D | 1 | 10 | 1 | 20 | 1 | 30\n-D | 1 | 10 | 1 | 20 | 1 | 32\n\
        -D | 1 | 10 | 1 | 20 | 1 | 30\n-D | 1 | 10 | 1 | 20 | 1 | 32";
    assert_eq!(run(&spec(&[Inner, Inner]), script, true), expected);
}

#[test]
fn what_is_missing_comes_as_nulls_and_what_is_compared_with_it_too() {
    let script = "
        #0 +I | 1 | 10
        #2 +I | 1 | 30
        wm 1
        #1 +I | 1 | 20
        #1 +I | 1 | 21
        wm 2
        #1 -D | 1 | 20
        #1 -D | 1 | 21
        #0 +I | NULL | 11
        #0 -D | NULL | 11";
    let expected = "+I | 1 | 10 | NULL | NULL | NULL | NULL\nwm 1\n-D | 1 | 10 | NULL | NULL | NULL | NULL\n\
        +I | 1 | 10 | 1 | 20 | 1 | 30\n+I | 1 | 10 | 1 | 21 | 1 | 30\nwm 2\n-D | 1 | 10 | 1 | 20 | 1 | 30\n\
        -D | 1 | 10 | 1 | 21 | 1 | 30\n+I | 1 | 10 | NULL | NULL | NULL | NULL\n\
        +I | NULL | 11 | NULL | NULL | NULL | NULL\n-D | NULL | 11 | NULL | NULL | NULL | NULL";
    assert_eq!(run(&spec(&[Left, Left]), script, true), expected);
}

#[test]
fn an_inner_join_behind_a_left_one_takes_away_what_has_nulls_in_its_key() {
    let script = "
        #0 +I | 1 | 10
        #2 +I | 1 | 30
        #1 +I | 1 | 20
        #1 -D | 1 | 20";
    let expected = "+I | 1 | 10 | 1 | 20 | 1 | 30\n-D | 1 | 10 | 1 | 20 | 1 | 30";
    assert_eq!(run(&spec(&[Left, Inner]), script, true), expected);
    // The same compared with the first input keeps it.
    let mut of_first = spec(&[Left, Inner]);
    of_first.steps[1].needs = vec![0];
    let expected = "+I | 1 | 10 | NULL | NULL | 1 | 30\n-D | 1 | 10 | NULL | NULL | 1 | 30\n\
        +I | 1 | 10 | 1 | 20 | 1 | 30\n-D | 1 | 10 | 1 | 20 | 1 | 30\n+I | 1 | 10 | NULL | NULL | 1 | 30";
    assert_eq!(run(&of_first, script, true), expected);
}

#[test]
fn a_condition_decides_which_rows_of_a_key_belong_together() {
    let mut spec = spec(&[Left, Left]);
    spec.steps[0].conditions = vec![compare("<", 0, 1)];
    spec.steps[1].conditions = vec![compare("<", 1, 2), compare("<", 0, 2)];
    let script = "
        #0 +I | 1 | 10
        #0 +I | 1 | 20
        #1 +I | 1 | 15
        #1 +I | 1 | 5
        wm 1
        #2 +I | 1 | 17
        #2 +I | 1 | 11
        wm 2
        #1 -D | 1 | 15
        #1 -D | 1 | 5";
    let expected = "+I | 1 | 10 | NULL | NULL | NULL | NULL\n+I | 1 | 20 | NULL | NULL | NULL | NULL\n\
        -D | 1 | 10 | NULL | NULL | NULL | NULL\n+I | 1 | 10 | 1 | 15 | NULL | NULL\nwm 1\n\
        -D | 1 | 10 | 1 | 15 | NULL | NULL\n+I | 1 | 10 | 1 | 15 | 1 | 17\nwm 2\n-D | 1 | 10 | 1 | 15 | 1 | 17\n\
        +I | 1 | 10 | NULL | NULL | NULL | NULL";
    assert_eq!(run(&spec, script, true), expected);
}

#[test]
fn an_update_without_its_old_row_takes_the_place_of_it() {
    let mut spec = spec(&[Left, Inner]);
    spec.steps[1].needs = vec![0];
    spec.inputs[1].rows = JoinInput::UniqueByJoinKey;
    let script = "
        #0 +I | 1 | 10
        #2 +I | 1 | 30
        #1 +I | 1 | 20
        #1 +U | 1 | 21
        #1 +U | 1 | 22
        #0 +I | 1 | 11
        #1 -D | 1 | 22";
    let expected = "+I | 1 | 10 | NULL | NULL | 1 | 30\n-D | 1 | 10 | NULL | NULL | 1 | 30\n\
        +I | 1 | 10 | 1 | 20 | 1 | 30\n+U | 1 | 10 | 1 | 21 | 1 | 30\n+U | 1 | 10 | 1 | 22 | 1 | 30\n\
        +I | 1 | 11 | 1 | 22 | 1 | 30\n-D | 1 | 10 | 1 | 22 | 1 | 30\n+I | 1 | 10 | NULL | NULL | 1 | 30\n\
        -D | 1 | 11 | 1 | 22 | 1 | 30\n+I | 1 | 11 | NULL | NULL | 1 | 30";
    assert_eq!(run(&spec, script, true), expected);
}

#[test]
fn without_a_key_all_rows_meet() {
    let mut spec = spec(&[Inner]);
    spec.inputs.iter_mut().for_each(|side| side.keys.clear());
    (spec.steps[0].needs, spec.steps[0].conditions) = (Vec::new(), vec![compare("<", 0, 1)]);
    let script = "#0 +I | 1 | 10\n#1 +I | 2 | 20\n#1 +I | NULL | 5\n#0 +I | NULL | 3";
    let expected = "+I | 1 | 10 | 2 | 20\n+I | NULL | 3 | 2 | 20\n+I | NULL | 3 | NULL | 5";
    assert_eq!(run(&spec, script, false), expected);
}

#[test]
fn rows_of_a_key_expire_together() {
    let mut spec = spec(&[Inner, Inner]);
    spec.inputs[0].state_ttl_ms = 100;
    let script = "time 1000\n#0 +I | 1 | 10\n#1 +I | 1 | 20\ntime 1090\n#0 +I | 1 | 11\ntime 1150\n#2 +I | 1 | 30\n\
        time 1200\n#2 +I | 1 | 31\n#0 +I | 1 | 12";
    let expected = "+I | 1 | 10 | 1 | 20 | 1 | 30\n+I | 1 | 11 | 1 | 20 | 1 | 30\n+I | 1 | 12 | 1 | 20 | 1 | 30\n\
        +I | 1 | 12 | 1 | 20 | 1 | 31";
    assert_eq!(run(&spec, script, true), expected);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let message = |change: &dyn Fn(&mut MultiJoinSpec)| {
        let mut spec = spec(&[Inner, Left]);
        change(&mut spec);
        MultiJoin::from_spec(spec).err().unwrap().message().to_owned()
    };
    assert!(message(&|s| s.steps.truncate(1)).ends_with("with another number of steps"));
    assert!(message(&|s| s.inputs[1].keys.clear()).ends_with("compares other numbers of columns"));
    assert!(message(&|s| s.output.fields.truncate(1)).ends_with("gives other columns"));
    assert!(message(&|s| s.steps[0].conditions = vec![compare("<", 0, 2)]).ends_with("reads what comes later"));
    assert!(message(&|s| s.steps[0].needs = vec![1]).ends_with("reads what comes later"));
    assert!(message(&|s| s.steps[0].kind = JoinKind::Full).ends_with("neither inner nor left"));
    assert!(message(&|s| s.inputs[1].keys = vec![7]).ends_with("has no such column"));
}

/// A small generator of numbers, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

type Row = (Option<i64>, i64);

/// Changes of all inputs in which each row that is taken back was there, and the tables that they make.
fn changes(numbers: &mut Numbers, count: usize, inputs: usize) -> (String, Vec<Vec<Row>>) {
    let (mut script, mut tables) = (String::new(), vec![Vec::<Row>::new(); inputs]);
    for _ in 0..count {
        let at = numbers.below(inputs as u64) as usize;
        for _ in 0..=numbers.below(2) {
            let table = &mut tables[at];
            let (kind, row) = if !table.is_empty() && numbers.below(5) < 2 {
                ("-D", table.swap_remove(numbers.below(table.len() as u64) as usize))
            } else {
                let key = Some(numbers.below(3) as i64).filter(|k| *k > 0);
                let row = (key, numbers.below(4) as i64);
                table.push(row);
                ("+I", row)
            };
            let key = row.0.map_or("NULL".to_owned(), |k| k.to_string());
            script.push_str(&format!("#{at} {kind} | {key} | {}\n", row.1));
        }
    }
    (script, tables)
}

/// How often each row comes more than it goes.
fn folded(changes: &str) -> BTreeMap<String, i64> {
    let mut rows = BTreeMap::new();
    for line in changes.lines() {
        let (kind, row) = line.split_once(" | ").unwrap();
        *rows.entry(row.to_owned()).or_default() += if kind.starts_with('+') { 1 } else { -1 };
    }
    rows.retain(|_, count| *count != 0);
    rows
}

/// What the tests compare besides keys: operator, left, right.
type Comparison = (&'static str, usize, usize);

/// The join of tables, by its meaning.
fn joined(spec: &MultiJoinSpec, tables: &[Vec<Row>], compared: &[Vec<Comparison>]) -> BTreeMap<String, i64> {
    let mut all: Vec<Vec<Option<Row>>> = tables[0].iter().map(|row| vec![Some(*row)]).collect();
    for (at, step) in spec.steps.iter().enumerate() {
        let mut longer = Vec::new();
        for before in all {
            let belongs = |row: &&Row| {
                let with = |at: usize| if at < before.len() { before[at] } else { Some(**row) };
                let keys = step
                    .needs
                    .iter()
                    .all(|needed| before[*needed].is_some_and(|other| other.0.is_some() && other.0 == row.0));
                keys && compared[at].iter().all(|(operator, left, right)| match (with(*left), with(*right)) {
                    (Some(l), Some(r)) => {
                        if *operator == "<" {
                            l.1 < r.1
                        } else {
                            l.1 == r.1
                        }
                    }
                    _ => false,
                })
            };
            let found: Vec<&Row> = tables[at + 1].iter().filter(belongs).collect();
            let with = |row: Option<Row>| before.iter().copied().chain([row]).collect::<Vec<_>>();
            longer.extend(found.iter().map(|row| with(Some(**row))));
            if found.is_empty() && step.kind == Left {
                longer.push(with(None));
            }
        }
        all = longer;
    }
    let text = |row: &Option<Row>| match row {
        Some((key, value)) => format!("{} | {value}", key.map_or("NULL".to_owned(), |k| k.to_string())),
        None => "NULL | NULL".to_owned(),
    };
    let mut rows = BTreeMap::new();
    for combination in all {
        *rows.entry(combination.iter().map(text).collect::<Vec<_>>().join(" | ")).or_default() += 1;
    }
    rows
}

#[test]
fn whatever_comes_the_rows_that_remain_are_the_join_of_the_tables() {
    let kinds: [&[JoinKind]; 8] = [
        &[Left],
        &[Inner, Inner],
        &[Inner, Left],
        &[Left, Inner],
        &[Left, Left],
        &[Left, Left, Inner],
        &[Inner, Left, Left],
        &[Left, Left, Left],
    ];
    let mut numbers = Numbers(11);
    for round in 0..3 {
        for kinds in kinds.into_iter().skip(round).step_by(2) {
            let mut spec = spec(kinds);
            let mut compared = vec![Vec::new(); kinds.len()];
            for (at, step) in spec.steps.iter_mut().enumerate() {
                let other = numbers.below(at as u64 + 1) as usize;
                step.needs = vec![numbers.below(at as u64 + 1) as usize];
                if round > 0 && numbers.below(3) > 0 {
                    let operator = if numbers.below(2) == 0 { "<" } else { "=" };
                    compared[at].push((operator, other, at + 1));
                    step.conditions.push(compare(operator, other, at + 1));
                }
                if round > 1 && at > 0 {
                    compared[at].push(("<", 0, at));
                    step.conditions.push(compare("<", 0, at));
                }
            }
            let (script, tables) = changes(&mut numbers, 4 * kinds.len() + 6, kinds.len() + 1);
            let rows = run(&spec, &script, false);
            assert_eq!(folded(&rows), joined(&spec, &tables, &compared), "{kinds:?} of\n{script}gives\n{rows}");
        }
    }
}
