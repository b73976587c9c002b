//! The first phase and this one as one operator, for `COUNT(DISTINCT x)` by key. What the last phase makes of it, also
//! rescaled, is tested end to end (crates/e2e/oracle/aggregate/incremental.sql).

use flott_api::expr::FunctionId;
use flott_api::table::ChangelogMode;
use flott_api::testing::{Case, Emitted, RecordedOutput, check, check_restorable};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, GlobalGroupAggregateSpec, LocalGroupAggregateSpec};

use super::*;

/// In between lies no network.
struct Phases {
    first: LocalGroupAggregate,
    middle: IncrementalGroupAggregate,
}

/// The context of a phase whose output is not that of all.
fn inner<'a>(between: &'a mut RecordedOutput, cx: &'a mut OperatorContext<'_>) -> OperatorContext<'a> {
    OperatorContext { output: between, timers: &mut *cx.timers, ..*cx }
}

impl Phases {
    async fn pass(&mut self, from: RecordedOutput, cx: &mut OperatorContext<'_>) -> Result<()> {
        for emitted in from.emitted {
            match emitted {
                Emitted::Batch(batch) => self.middle.process_batch(0, batch, cx).await?,
                Emitted::Watermark(watermark) => self.middle.process_watermark(watermark, cx).await?,
            }
        }
        Ok(())
    }
}

impl Stateful for Phases {
    fn containers(&mut self) -> Vec<&mut dyn KeyedContainer> {
        self.middle.containers()
    }
}

#[async_trait]
impl Operator for Phases {
    fn open(&mut self, cx: &OpenContext) -> Result<()> {
        self.middle.open(cx)
    }

    async fn process_batch(&mut self, input: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.first.process_batch(input, batch, &mut inner(&mut between, cx)).await?;
        self.pass(between, cx).await
    }

    async fn process_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.first.process_watermark(watermark, &mut inner(&mut between, cx)).await?;
        self.pass(between, cx).await
    }

    async fn finish(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.first.finish(&mut inner(&mut between, cx)).await?;
        self.pass(between, cx).await?;
        self.middle.finish(cx).await
    }

    async fn before_checkpoint(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut between = RecordedOutput::default();
        self.first.before_checkpoint(&mut inner(&mut between, cx)).await?;
        self.pass(between, cx).await?;
        self.middle.before_checkpoint(cx).await
    }
}

fn schema(fields: &[(&str, TypeKind)]) -> Schema {
    Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, LogicalType::new(kind.clone()))).collect())
}

fn call(name: &str, column: usize, distinct: bool) -> AggregateCall {
    let ty = LogicalType::new(TypeKind::BigInt);
    AggregateCall { function: FunctionId::new(name), args: vec![column], filter: None, distinct, ty }
}

fn phases(rows: &Schema) -> Phases {
    let (text, changes) = (TypeKind::Varchar(9), ChangelogMode::ALL);
    let bytes = LogicalType::bytes().kind;
    let between = schema(&[("k", text.clone()), ("part", TypeKind::Int), ("n", TypeKind::BigInt)]);
    let local = |input: &Schema, keys: &[usize], call: AggregateCall, output| LocalGroupAggregateSpec {
        input: input.clone(),
        keys: keys.to_vec(),
        aggregates: vec![call],
        input_changelog: changes,
        mini_batch_rows_max: 100,
        output,
    };
    let global = |rows: &Schema, keys: &[usize], call: AggregateCall, output| GlobalGroupAggregateSpec {
        rows: rows.clone(),
        keys: keys.to_vec(),
        aggregates: vec![call],
        rows_changelog: changes,
        mini_batch_rows_max: 100,
        emit_update_before: true,
        state_ttl_ms: 0,
        output,
    };
    let by_part = schema(&[("k", text.clone()), ("part", TypeKind::Int), ("$partial", bytes.clone())]);
    let by_key = schema(&[("k", text), ("$partial", bytes)]);
    let middle = IncrementalGroupAggregateSpec {
        by_part: global(rows, &[0, 1], call("count", 2, true), between.clone()),
        by_key: local(&between, &[0], call("$sum0", 2, false), by_key),
    };
    let first = local(rows, &[0, 1], call("count", 2, true), by_part);
    Phases {
        first: LocalGroupAggregate::from_spec(first).unwrap(),
        middle: IncrementalGroupAggregate::from_spec(middle).unwrap(),
    }
}

fn rows() -> Schema {
    schema(&[("k", TypeKind::Varchar(9)), ("part", TypeKind::Int), ("x", TypeKind::Int)])
}

const SCRIPT: &str = "
    +I | a | 0 | 2
    +I | a | 1 | 3
    +I | b | 0 | 2
    +I | NULL | 0 | NULL
    wm 1
    +I | a | 1 | 3
    +I | a | 1 | 5
    -D | b | 0 | 2
    wm 2
    -D | a | 1 | 3
    wm 3
    -D | a | 1 | 3
    +I | b | 1 | 9";

#[test]
fn a_key_comes_once_a_mini_batch_for_all_of_its_parts() {
    let rows = rows();
    let case = Case { input: &rows, event_time: EventTime::Sliced, script: SCRIPT };
    let answer = check(&case, || Box::new(phases(&rows)));
    let keys: Vec<&str> = answer.lines().map(|l| l.rsplit_once(" | ").map_or(l, |(keys, _)| keys)).collect();
    // Of a value that is there once less, but still there, nothing comes: the watermark behind it is the next one.
    let wanted = ["+I | a", "+I | b", "+I | NULL", "wm 1", "+I | a", "+I | b", "wm 3", "+I | a", "+I | b"];
    assert_eq!(keys, wanted);
}

/// A watermark behind every row: mini-batches of one row, wherever a checkpoint comes.
#[test]
fn groups_by_part_are_kept() {
    let rows = rows();
    let changes = SCRIPT.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("wm"));
    let script: Vec<String> = changes.enumerate().map(|(i, row)| format!("{row}\nwm {i}")).collect();
    let script = script.join("\n");
    let case = Case { input: &rows, event_time: EventTime::Sliced, script: &script };
    let answer = check_restorable(&case, None, || phases(&rows));
    assert_eq!(answer.lines().filter(|line| line.starts_with("+I | a")).count(), 4, "{answer}");
}
