//! Lookups in tables of the tests: kinds of joins, caches, retries, failures, in batches of every size.

use std::sync::Arc;

use arrow_array::Int32Array;
use flott_api::expr::{Expr, Value};
use flott_api::lookup::{LookupCache, LookupSpec, PartialCache};
use flott_api::options::Options;
use flott_api::table::SourceSpec;
use flott_api::testing::{
    Case, Emitted, FakeTimers, FakeWorld, LookupTest, RecordedOutput, check, lines, open_context, ready,
};
use flott_api::{ErrorKind, LogicalType, Schema, TypeKind, Watermark};
use flott_graph::spec::{JoinKind, LookupRetry};

use super::*;

fn int() -> LogicalType {
    LogicalType::new(TypeKind::Int)
}

fn field(name: &str, ty: LogicalType) -> flott_api::Field {
    flott_api::Field::new(name, ty)
}

const ROWS: &str = "1,10,one;2,20,two;2,21,two again;,30,nobody;4,,";

/// `SELECT a, b, v, t FROM l [LEFT] JOIN r ON l.a = r.k`, over `r(k, v, t)`.
fn spec(kind: JoinKind, options: &[(&str, &str)]) -> LookupJoinSpec {
    let mut all = vec![("rows", ROWS)];
    all.extend_from_slice(options);
    let schema = Schema::new(vec![field("k", int()), field("v", int()), field("t", LogicalType::string())]);
    let input = Schema::new(vec![field("a", int()), field("b", int())]);
    let output = Schema::new([input.fields.clone(), schema.fields[1..].to_vec()].concat());
    let table = SourceSpec {
        connector: "lookup-test".to_owned(),
        table: "c.d.r".to_owned(),
        options: Options(all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
        schema,
        projection: vec![0, 1, 2],
        read_fields: Vec::new(),
        metadata: Vec::new(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        session_zone: "UTC".to_owned(),
    };
    LookupJoinSpec {
        kind,
        input,
        table: LookupSpec { table, keys: vec![0], in_flight_max: None, cache: LookupCache::None },
        keys: vec![Expr::column(0, int())],
        filter: None,
        projection: vec![Expr::column(1, int()), Expr::column(2, LogicalType::string())],
        condition: None,
        retry: None,
        timeout_ms: None,
        output,
        session_zone: "UTC".to_owned(),
    }
}

fn run(spec: &LookupJoinSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Indifferent, script };
    check(&case, || Box::new(LookupJoin::from_spec(spec.clone()).unwrap()))
}

const SCRIPT: &str = "
    +I | 1 | 5
    wm 5
    -U | 2 | 6
    +U | NULL | 7
    wm 6
    +I | 3 | 8
    -D | 4 | 9
    wm 7";

#[test]
fn rows_are_joined_with_those_of_their_key() {
    let inner = "+I | 1 | 5 | 10 | one\nwm 5\n-U | 2 | 6 | 20 | two\n-U | 2 | 6 | 21 | two again\nwm 6\n\
        -D | 4 | 9 | NULL | NULL\nwm 7";
    assert_eq!(run(&spec(JoinKind::Inner, &[]), SCRIPT), inner);
    let left = "+I | 1 | 5 | 10 | one\nwm 5\n-U | 2 | 6 | 20 | two\n-U | 2 | 6 | 21 | two again\n\
        +U | NULL | 7 | NULL | NULL\nwm 6\n+I | 3 | 8 | NULL | NULL\n-D | 4 | 9 | NULL | NULL\nwm 7";
    assert_eq!(run(&spec(JoinKind::Left, &[]), SCRIPT), left);
    assert_eq!(run(&spec(JoinKind::Left, &[]), "wm 3"), "wm 3");
}

fn compared(name: &str, column: usize, with: Expr) -> Expr {
    Expr::call(name, vec![Expr::column(column, int()), with], LogicalType::new(TypeKind::Boolean))
}

#[test]
fn a_row_whose_finds_do_not_pass_comes_with_nulls() {
    let mut filtered = spec(JoinKind::Left, &[]);
    filtered.filter = Some(compared(">", 1, Expr::literal(Value::Int(20), int())));
    let expected = "+I | 1 | 5 | NULL | NULL\nwm 5\n-U | 2 | 6 | 21 | two again\n+U | NULL | 7 | NULL | NULL\nwm 6\n\
        +I | 3 | 8 | NULL | NULL\n-D | 4 | 9 | NULL | NULL\nwm 7";
    assert_eq!(run(&filtered, SCRIPT), expected);
    let mut paired = spec(JoinKind::Left, &[]);
    // v - b > 14
    let difference = Expr::call("-", vec![Expr::column(2, int()), Expr::column(1, int())], int());
    paired.condition = Some(Expr::call(
        ">",
        vec![difference, Expr::literal(Value::Int(14), int())],
        LogicalType::new(TypeKind::Boolean),
    ));
    assert_eq!(run(&paired, SCRIPT), expected);
    paired.kind = JoinKind::Inner;
    assert_eq!(run(&paired, SCRIPT), "wm 5\n-U | 2 | 6 | 21 | two again\nwm 7");
}

fn partial(missing_keys: bool) -> PartialCache {
    PartialCache { keys_max: None, after_access_ms: None, after_write_ms: None, missing_keys }
}

#[test]
fn a_kept_miss_stays_and_one_that_is_not_kept_is_asked_again() {
    let mut cached = spec(JoinKind::Left, &[("misses", "1")]);
    let script = "+I | 1 | 1\n+I | 2 | 2\n+I | 1 | 3\n+I | 1 | 4\ntime 5\n+I | 1 | 5";
    cached.table.cache = LookupCache::Partial(partial(true));
    let nothing: Vec<String> =
        [(1, 1), (2, 2), (1, 3), (1, 4), (1, 5)].iter().map(|(a, b)| format!("+I | {a} | {b} | NULL | NULL")).collect();
    assert_eq!(run(&cached, script), nothing.join("\n"));
    cached.table.cache = LookupCache::Partial(partial(false));
    let found = "+I | 1 | 1 | NULL | NULL\n+I | 2 | 2 | NULL | NULL\n+I | 1 | 3 | 10 | one\n+I | 1 | 4 | 10 | one\n\
        +I | 1 | 5 | 10 | one";
    assert_eq!(run(&cached, script), found);
}

/// An operator with its table, driven by hand.
struct Driven {
    operator: LookupJoin,
    table: LookupTest,
    world: Arc<FakeWorld>,
    output: RecordedOutput,
}

impl Driven {
    fn of(spec: LookupJoinSpec) -> Self {
        let (world, table) = (FakeWorld::at(0), LookupTest::default());
        let mut operator = LookupJoin::from_spec(spec).unwrap();
        let mut cx = open_context(&world, flott_api::ids::Subtask { index: 0, parallelism: 1 }, 16);
        cx.connectors = Arc::new(table.clone());
        operator.open(&cx).unwrap();
        Driven { operator, table, world, output: RecordedOutput::default() }
    }

    fn take(&mut self, keys: &[Option<i32>], now_ms: i64) -> Result<Vec<String>> {
        let columns: [(&str, ArrayRef); 2] = [
            ("a", Arc::new(Int32Array::from(keys.to_vec()))),
            ("b", Arc::new(Int32Array::from_iter_values(0..keys.len() as i32))),
        ];
        let rows = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, c)| (name, c, true))).unwrap();
        let (mut timers, metrics) = (FakeTimers::default(), flott_api::metrics::OperatorMetrics::default());
        let mut cx = OperatorContext {
            output: &mut self.output,
            timers: &mut timers,
            processing_time_ms: now_ms,
            watermark: Watermark::MIN,
            metrics: &metrics,
        };
        ready(self.operator.process_batch(0, ChangeBatch::inserts(rows), &mut cx))?;
        let emitted = std::mem::take(&mut self.output.emitted);
        Ok(emitted
            .iter()
            .flat_map(|e| match e {
                Emitted::Batch(batch) => lines(batch),
                Emitted::Watermark(_) => Vec::new(),
            })
            .collect())
    }
}

#[test]
fn keys_of_a_batch_are_asked_for_together_and_kept_ones_not_again() {
    let mut plain = Driven::of(spec(JoinKind::Left, &[]));
    plain.take(&[Some(1), None, Some(1), Some(7)], 0).unwrap();
    assert_eq!(plain.table.asked(), (1, 3, 1));
    let mut options = partial(true);
    (options.after_write_ms, options.after_access_ms) = (Some(100), Some(30));
    let mut cached = spec(JoinKind::Left, &[]);
    cached.table.cache = LookupCache::Partial(options);
    let mut cached = Driven::of(cached);
    let first = cached.take(&[Some(1), None, Some(1), Some(7), Some(2)], 0).unwrap();
    assert_eq!(cached.table.asked(), (1, 3, 1));
    assert_eq!(cached.take(&[Some(1), None, Some(1), Some(7), Some(2)], 20).unwrap(), first);
    assert_eq!(cached.table.asked(), (1, 3, 1), "all is kept");
    cached.take(&[Some(1)], 40).unwrap();
    assert_eq!(cached.table.asked(), (1, 3, 1), "it was asked for 20 ms ago");
    cached.take(&[Some(2)], 50).unwrap();
    assert_eq!(cached.table.asked(), (2, 4, 1), "nobody has asked for it for 30 ms");
    (60..=90).step_by(10).for_each(|now| drop(cached.take(&[Some(1)], now).unwrap()));
    assert_eq!(cached.table.asked(), (2, 4, 1));
    cached.take(&[Some(1)], 100).unwrap();
    assert_eq!(cached.table.asked(), (3, 5, 1), "it was found 100 ms ago");
}

#[test]
fn no_more_keys_are_kept_than_allowed() {
    let mut options = partial(true);
    options.keys_max = Some(2);
    let mut cached = spec(JoinKind::Left, &[]);
    cached.table.cache = LookupCache::Partial(options.clone());
    let mut cached = Driven::of(cached);
    cached.take(&[Some(1), Some(2)], 0).unwrap();
    cached.take(&[Some(1)], 0).unwrap();
    cached.take(&[Some(4)], 0).unwrap();
    assert_eq!(cached.table.asked().1, 3);
    cached.take(&[Some(1)], 0).unwrap();
    assert_eq!(cached.table.asked().1, 3, "it was used, the other one went");
    let rows = cached.take(&[Some(2), Some(1), Some(2)], 0).unwrap();
    assert_eq!(cached.table.asked().1, 4);
    assert_eq!(rows.len(), 5);
    options.keys_max = Some(0);
    let mut none = spec(JoinKind::Inner, &[]);
    none.table.cache = LookupCache::Partial(options);
    let mut none = Driven::of(none);
    none.take(&[Some(1)], 0).unwrap();
    none.take(&[Some(1)], 0).unwrap();
    assert_eq!(none.table.asked().1, 2);
}

#[test]
fn misses_are_asked_for_again_as_often_as_the_hint_says() {
    let retried = |attempts_max| {
        let mut spec = spec(JoinKind::Left, &[("misses", "2")]);
        spec.retry = Some(LookupRetry { delay_ms: 10, attempts_max });
        let mut driven = Driven::of(spec);
        let rows = driven.take(&[Some(2), None, Some(1)], 0).unwrap();
        (rows, driven.table.asked().0, driven.world.environment().clock.now_ms())
    };
    let nothing = ["+I | 2 | 0 | NULL | NULL", "+I | NULL | 1 | NULL | NULL", "+I | 1 | 2 | NULL | NULL"];
    assert_eq!(retried(1), (nothing.map(str::to_owned).to_vec(), 2, 10));
    let found = [
        "+I | 2 | 0 | 20 | two",
        "+I | 2 | 0 | 21 | two again",
        "+I | NULL | 1 | NULL | NULL",
        "+I | 1 | 2 | 10 | one",
    ];
    assert_eq!(retried(5), (found.map(str::to_owned).to_vec(), 3, 20));
}

#[test]
fn keys_under_way_at_once_are_bounded_and_a_failure_is_told() {
    let mut wide = spec(JoinKind::Inner, &[("async", "true")]);
    (wide.table.in_flight_max, wide.timeout_ms) = (Some(3), Some(1000));
    let mut wide = Driven::of(wide);
    assert_eq!(wide.take(&[Some(2), Some(1), Some(3), Some(4), Some(1)], 0).unwrap().len(), 5);
    assert!(wide.table.asked().2 <= 3);
    let mut failing = Driven::of(spec(JoinKind::Inner, &[("failures", "1")]));
    let error = failing.take(&[Some(1)], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::External { retry: true });
    assert_eq!(failing.take(&[Some(1)], 0).unwrap(), ["+I | 1 | 0 | 10 | one"]);
}

#[test]
fn many_finds_are_joined_in_pieces_that_keep_rows_together() {
    let keys = |counts: &[usize]| -> Vec<u32> {
        counts.iter().enumerate().flat_map(|(row, n)| std::iter::repeat_n(row as u32, *n)).collect()
    };
    assert_eq!(format!("{:?}", pieces(&keys(&[1, 0, 2]), 3)), "[0..3]");
    assert_eq!(format!("{:?}", pieces(&[], 0)), "[0..0]");
    assert_eq!(pieces(&keys(&[PAIRS_MAX, 1]), 3), [0..1, 1..3]);
    assert_eq!(pieces(&keys(&[1, PAIRS_MAX + 7, 0, 1]), 4), [0..1, 1..2, 2..4]);
}
