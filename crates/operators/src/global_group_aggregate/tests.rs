//! Both phases as one operator: what they give is what `GroupAggregate` gives for the same mini-batches.

use flott_api::aggregate::Change;
use flott_api::expr::FunctionId;
use flott_api::table::ChangelogMode;
use flott_api::testing::{Case, Emitted, RecordedOutput, check, check_restorable};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, GroupAggregateSpec, LocalGroupAggregateSpec};
use flott_state::hot::{GroupEntries, Values};

use super::*;
use crate::aggregate::groups::Rows;
use crate::group_aggregate::GroupAggregate;
use crate::local_group_aggregate::LocalGroupAggregate;

/// The first phase feeds the second; in between lies no network.
struct Phases {
    local: LocalGroupAggregate,
    global: GlobalGroupAggregate,
}

impl Phases {
    async fn pass(&mut self, from: RecordedOutput, cx: &mut OperatorContext<'_>) -> Result<()> {
        for emitted in from.emitted {
            match emitted {
                Emitted::Batch(batch) => self.global.process_batch(0, batch, cx).await?,
                Emitted::Watermark(watermark) => self.global.process_watermark(watermark, cx).await?,
            }
        }
        Ok(())
    }
}

/// The context of the first phase.
fn local<'a>(between: &'a mut RecordedOutput, cx: &'a mut OperatorContext<'_>) -> OperatorContext<'a> {
    OperatorContext { output: between, timers: &mut *cx.timers, ..*cx }
}

impl Stateful for Phases {
    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.global.containers()
    }
}

#[async_trait]
impl Operator for Phases {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.global.open(cx)
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.local.process_batch(input, batch, &mut local(&mut between, cx)).await?;
        self.pass(between, cx).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.local.process_watermark(watermark, &mut local(&mut between, cx)).await?;
        self.pass(between, cx).await
    }

    async fn before_checkpoint(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.local.before_checkpoint(&mut local(&mut between, cx)).await?;
        self.pass(between, cx).await?;
        self.global.before_checkpoint(cx).await
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.local.finish(&mut local(&mut between, cx)).await?;
        self.pass(between, cx).await?;
        self.global.finish(cx).await
    }
}

fn typed(kind: TypeKind) -> LogicalType {
    LogicalType::new(kind)
}

/// Columns `k STRING, x INT, s STRING, f BOOLEAN`.
fn input() -> Schema {
    let field = |name: &str, kind: TypeKind| Field::new(name, typed(kind));
    let text = TypeKind::Varchar(9);
    Schema::new(vec![
        field("k", text.clone()),
        field("x", TypeKind::Int),
        field("s", text),
        field("f", TypeKind::Boolean),
    ])
}

/// `sum(x)`, `count(distinct x)`, `min(s) filter`.
fn call(text: &str) -> AggregateCall {
    let (function, rest) = text.split_once('(').unwrap();
    let column = if rest.contains('s') && !rest.contains('x') { 2 } else { 1 };
    let element = || Box::new(input().fields[column].ty.clone());
    let ty = match function {
        "count" => typed(TypeKind::BigInt),
        "array_agg" => typed(TypeKind::Array(element())),
        "collect" => typed(TypeKind::Multiset(element())),
        "listagg" => LogicalType::string(),
        _ => *element(),
    };
    AggregateCall {
        function: FunctionId::new(function),
        args: if rest.starts_with('*') { Vec::new() } else { vec![column] },
        filter: rest.contains("filter").then_some(3),
        distinct: rest.contains("distinct"),
        ty,
    }
}

fn whole(keys: &[usize], calls: &[&str], changelog: ChangelogMode) -> GroupAggregateSpec {
    let aggregates: Vec<AggregateCall> = calls.iter().map(|c| call(c)).collect();
    let mut output = input().project(keys);
    output.fields.extend(aggregates.iter().map(|a| Field::new("a", a.ty.clone())));
    GroupAggregateSpec {
        input: input(),
        keys: keys.to_vec(),
        aggregates,
        input_changelog: changelog,
        emit_update_before: true,
        state_ttl_ms: 0,
        mini_batch_rows_max: Some(1000),
        output,
    }
}

/// Two phases that do the same.
fn phases(whole: &GroupAggregateSpec) -> Phases {
    let mini_batch_rows_max = whole.mini_batch_rows_max.unwrap();
    let mut between = whole.input.project(&whole.keys);
    between.fields.push(Field::new("bytes", LogicalType::bytes()));
    let local = LocalGroupAggregateSpec {
        input: whole.input.clone(),
        keys: whole.keys.clone(),
        aggregates: whole.aggregates.clone(),
        input_changelog: whole.input_changelog,
        mini_batch_rows_max,
        output: between,
    };
    let global = GlobalGroupAggregateSpec {
        rows: whole.input.clone(),
        keys: whole.keys.clone(),
        aggregates: whole.aggregates.clone(),
        rows_changelog: whole.input_changelog,
        mini_batch_rows_max,
        emit_update_before: whole.emit_update_before,
        state_ttl_ms: whole.state_ttl_ms,
        output: whole.output.clone(),
    };
    let (local, global) = (LocalGroupAggregate::from_spec(local), GlobalGroupAggregate::from_spec(global));
    Phases { local: local.unwrap(), global: global.unwrap() }
}

fn check_both(spec: &GroupAggregateSpec, script: &str) -> String {
    let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
    let one = check(&case, || Box::new(GroupAggregate::from_spec(spec.clone()).unwrap()));
    let two = check(&case, || Box::new(phases(spec)));
    assert_eq!(two, one, "in two phases (left) and in one");
    two
}

/// A watermark behind every row: mini-batches of one row, wherever a checkpoint comes.
fn check_single_rows(spec: &GroupAggregateSpec, script: &str) -> String {
    let rows: Vec<&str> = script.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("wm")).collect();
    let marked: Vec<String> = rows.iter().enumerate().map(|(i, row)| format!("{row}\nwm {i}")).collect();
    let script = marked.join("\n");
    let case = Case { input: &spec.input, event_time: EventTime::Sliced, script: &script };
    let output_keys: Vec<usize> = (0..spec.keys.len()).collect();
    let keys = Some((&spec.keys[..], &output_keys[..]));
    let one = check(&case, || Box::new(GroupAggregate::from_spec(spec.clone()).unwrap()));
    let two = check_restorable(&case, keys, || phases(spec));
    assert_eq!(two, one, "in two phases (left) and in one");
    two
}

const INSERTS: &str = "
    +I | a | 1 | p | true
    +I | a | 1 | q | false
    +I | b | 5 | NULL | true
    wm 1
    +I | a | NULL | p | NULL
    +I | NULL | 7 | r | true
    wm 2
    +I | b | -20 | NULL | false
    +I | a | 2 | q | true
    +I | b | 5 | t | true
    +I | b | 6 | t | true
    wm 3
    +I | c | NULL | NULL | NULL";

const CHANGES: &str = "
    +I | a | 5 | p | true
    +I | b | 7 | q | true
    wm 1
    +I | a | NULL | NULL | true
    -U | a | 5 | p | true
    +U | a | 9 | q | true
    +I | c | 1 | p | true
    -D | c | 1 | p | true
    wm 2
    -D | b | 7 | q | true
    +I | a | 3 | r | false
    +I | a | 3 | r | true
    wm 3
    -D | a | NULL | NULL | true
    -D | a | 3 | r | false
    +I | b | 7 | q | false
    -D | a | 3 | r | true
    wm 4
    +I | a | 3 | s | false
    -D | a | 9 | q | true
    -D | a | 3 | s | false
    -D | b | 7 | q | false
    +I | b | 8 | NULL | NULL";

#[test]
fn a_group_gives_one_change_a_mini_batch() {
    let spec = whole(&[0], &["count(*)", "sum(x)"], ChangelogMode::INSERT_ONLY);
    let expected = "+I | a | 2 | 2\n+I | b | 1 | 5\nwm 1\n-U | a | 2 | 2\n+U | a | 3 | 2\n+I | NULL | 1 | 7\nwm 2\n\
        -U | b | 1 | 5\n+U | b | 4 | -4\n-U | a | 3 | 2\n+U | a | 4 | 4\nwm 3\n+I | c | 1 | NULL";
    assert_eq!(check_both(&spec, INSERTS), expected);
}

#[test]
fn a_group_that_comes_and_goes_within_a_mini_batch_was_never_there() {
    let spec = whole(&[0], &["count(*)", "sum(x)"], ChangelogMode::ALL);
    let expected = "+I | a | 1 | 5\n+I | b | 1 | 7\nwm 1\n-U | a | 1 | 5\n+U | a | 2 | 9\nwm 2\n-D | b | 1 | 7\n\
        -U | a | 2 | 9\n+U | a | 4 | 15\nwm 3\n-U | a | 4 | 15\n+U | a | 1 | 9\n+I | b | 1 | 7\nwm 4\n-D | a | 1 | 9\n\
        -U | b | 1 | 7\n+U | b | 1 | 8";
    assert_eq!(check_both(&spec, CHANGES), expected);
}

#[test]
fn a_change_that_is_none_is_not_emitted() {
    let mut spec = whole(&[0], &["max(x)"], ChangelogMode::ALL);
    spec.emit_update_before = false;
    let script =
        "+I | a | 1 | p | true\nwm 1\n+I | a | 5 | p | true\n-D | a | 5 | p | true\nwm 2\n+I | a | 2 | p | true";
    assert_eq!(check_both(&spec, script), "+I | a | 1\nwm 2\n+U | a | 2");
}

#[test]
fn retractions_before_the_first_row_of_a_group_do_nothing() {
    let spec = whole(&[0], &["count(*)", "sum(x)"], ChangelogMode::ALL);
    let case = |script| Case { input: &spec.input, event_time: EventTime::Sliced, script };
    let one = |script| check(&case(script), || Box::new(GroupAggregate::from_spec(spec.clone()).unwrap()));
    let rows = "-D | a | 5 | p | true\n-D | a | 6 | p | true\n+I | a | 7 | p | true";
    assert_eq!(one(rows), "+I | a | 1 | 7");
    // Behind it they count, as in Flink, which adds and takes back without a look at the number of rows.
    assert_eq!(one("+I | a | 7 | p | true\n-D | a | 7 | p | true\n-D | a | 6 | p | true\n+I | a | 1 | p | true"), "");
    let two = check(&case(rows), || Box::new(phases(&spec)));
    assert_eq!(two, "+I | a | -1 | -4");
}

/// All whose values do not depend on the order in which values under `DISTINCT` are put together.
const CALLS: [&str; 13] = [
    "count(*)",
    "count(x)",
    "sum(x)",
    "$sum0(x)",
    "avg(x)",
    "min(x)",
    "max(s)",
    "min(s) filter",
    "listagg(s)",
    "array_agg(x)",
    "collect(s)",
    "count(distinct x)",
    "sum(distinct x) filter",
];

#[test]
fn every_function_is_put_together_as_if_it_were_aggregated_at_once() {
    for call in CALLS {
        check_both(&whole(&[0], &[call], ChangelogMode::INSERT_ONLY), INSERTS);
        check_both(&whole(&[], &[call], ChangelogMode::ALL), INSERTS);
        check_both(&whole(&[0], &[call], ChangelogMode::ALL), CHANGES);
    }
}

#[test]
fn both_phases_survive_restarts_with_every_function() {
    let more = ["listagg(distinct s)", "json_arrayagg_absent_on_null(s) filter"];
    let calls: Vec<&str> = CALLS.into_iter().chain(more).collect();
    let inserts = INSERTS.split("+I | b | 6").next().unwrap();
    check_single_rows(&whole(&[0], &calls, ChangelogMode::INSERT_ONLY), inserts);
    check_single_rows(&whole(&[], &CALLS[..2], ChangelogMode::INSERT_ONLY), inserts);
    check_single_rows(&whole(&[0], &calls, ChangelogMode::ALL), CHANGES);
}

/// Several filters over the same values, and values of any type.
const SHARED: [&str; 4] =
    ["count(distinct x)", "sum(distinct x) filter", "count(distinct x) filter", "count(distinct s) filter"];

#[test]
fn what_calls_share_is_put_together_and_survives_restarts() {
    check_both(&whole(&[0], &SHARED, ChangelogMode::INSERT_ONLY), INSERTS);
    check_both(&whole(&[0], &SHARED, ChangelogMode::ALL), CHANGES);
    check_both(&GroupAggregateSpec { state_ttl_ms: 50, ..whole(&[0], &SHARED, ChangelogMode::INSERT_ONLY) }, INSERTS);
    let inserts = INSERTS.split("+I | b | 6").next().unwrap();
    check_single_rows(&whole(&[0], &SHARED, ChangelogMode::INSERT_ONLY), inserts);
    check_single_rows(&whole(&[0], &SHARED, ChangelogMode::ALL), CHANGES);
}

#[test]
fn what_an_older_version_sent_is_read() {
    let calls: Vec<&str> = CALLS.into_iter().chain(SHARED).collect();
    let spec = whole(&[0], &calls, ChangelogMode::ALL);
    let Phases { local, global } = phases(&spec);
    let options = MapViewOptions { retract: true, ttl_ms: 0 };
    let plan = Plan::new(&spec.input, &spec.keys, &spec.aggregates, options).unwrap();
    let rows =
        flott_api::testing::batch(&spec.input, "+I | a | 1 | p | true\n+I | a | 2 | q | NULL\n-D | a | 1 | p | true");
    let now = local.aggregate(std::slice::from_ref(&rows)).unwrap();
    // It sent what lies in an entry of the state.
    let mut groups = plan.groups().unwrap();
    groups.grow(1);
    let changes = [Change::Add, Change::Add, Change::Retract];
    groups.count(&[0; 3], Some(&changes));
    let folded = Rows { columns: rows.rows(), groups: &[0; 3], changes: Some(&changes), now_ms: 0 };
    groups.fold(&plan, &folded).unwrap();
    let mut entry = Values::default();
    groups.save(&[0], &mut entry).unwrap();
    let old = BinaryArray::from_iter_values([entry.get(0), entry.get(0)]);
    let new = now.rows().column(1).as_binary::<i32>();
    let values = |bytes: &BinaryArray| {
        let mut whole = plan.groups().unwrap();
        whole.grow(1);
        let mut partial = global.plan.read_partial(bytes, 0).unwrap();
        let rounds: Vec<Vec<u32>> = (0..bytes.len() as u32).map(|row| vec![row]).collect();
        whole.take_up(&plan, &mut partial, (&vec![0; bytes.len()], &rounds), 0).unwrap();
        (whole.rows.clone(), format!("{:?}", whole.values(&plan, &[0]).unwrap()))
    };
    assert_ne!(new.value(0), entry.get(0));
    assert_eq!(values(&old.slice(0, 1)), values(new));
    let twice = BinaryArray::from_iter_values([new.value(0), new.value(0)]);
    assert_eq!(values(&old), values(&twice));
    let both = BinaryArray::from_iter_values([entry.get(0), new.value(0)]);
    assert_eq!(values(&both), values(&twice));
}

#[test]
fn without_aggregates_two_phases_give_each_key_once() {
    let spec = whole(&[0], &[], ChangelogMode::INSERT_ONLY);
    assert_eq!(check_both(&spec, INSERTS), "+I | a\n+I | b\nwm 1\n+I | NULL\nwm 3\n+I | c");
}

#[test]
fn state_that_was_not_changed_for_its_time_to_live_is_forgotten() {
    let mut spec = whole(&[0], &["sum(x)", "count(distinct x)"], ChangelogMode::INSERT_ONLY);
    spec.state_ttl_ms = 1000;
    let script = "
        +I | a | 1 | p | true
        wm 1
        time 999
        +I | a | 2 | p | true
        wm 2
        time 1998
        +I | a | 3 | p | true
        wm 3
        time 2998
        +I | a | 4 | p | true
        wm 4";
    let expected = "+I | a | 1 | 1\nwm 1\n-U | a | 1 | 1\n+U | a | 3 | 2\nwm 2\n-U | a | 3 | 2\n+U | a | 6 | 3\nwm 3\n\
        +I | a | 4 | 1\nwm 4";
    assert_eq!(check_both(&spec, script), expected);
}

#[test]
fn a_mini_batch_is_over_when_it_is_full() {
    let mut spec = whole(&[0], &["count(*)"], ChangelogMode::INSERT_ONLY);
    spec.mini_batch_rows_max = Some(2);
    let script = "+I | a | 1 | p | true\n+I | a | 2 | p | true\n+I | a | 2 | p | true\n+I | b | 2 | p | true\n+I | a | 1 | p | true";
    let case = Case { input: &spec.input, event_time: EventTime::Sliced, script };
    let one = check(&case, || Box::new(GroupAggregate::from_spec(spec.clone()).unwrap()));
    assert_eq!(one, "+I | a | 2\n-U | a | 2\n+U | a | 3\n+I | b | 1\n-U | a | 3\n+U | a | 4");
}

#[test]
fn bytes_that_the_first_phase_did_not_write_are_refused() {
    let spec = whole(&[0], &["sum(x)"], ChangelogMode::INSERT_ONLY);
    let fields = vec![Field::new("k", typed(TypeKind::Varchar(9))), Field::new("b", LogicalType::bytes())];
    let schema = Schema::new(fields);
    let mut global = phases(&spec).global;
    let world = flott_api::testing::FakeWorld::at(0);
    let subtask = flott_api::ids::Subtask { index: 0, parallelism: 1 };
    global.open(&flott_api::testing::open_context(&world, subtask, 128)).unwrap();
    for bytes in ["xyz", "NULL", "''"] {
        let batch = flott_api::testing::batch(&schema, &format!("+I | a | {bytes}"));
        assert!(flott_api::testing::ready(global.merge(&[batch], 0)).is_err(), "{bytes}");
    }
}
