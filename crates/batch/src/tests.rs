//! Bounded queries over a table of many rows and little memory.

mod beside;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::expr::{Expr, FunctionId, Value};
use flott_api::ids::Subtask;
use flott_api::options::Options;
use flott_api::sink::Sink;
use flott_api::source::{
    Boundedness, Discovery, ReadEvent, ReaderContext, Source, Split, SplitEnumerator, SplitReader,
};
use flott_api::table::{
    ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext, TableFactory,
};
use flott_api::testing::FakeWorld;
use flott_api::{BATCH_ROWS_MAX, ChangeBatch, Error, ErrorKind, Field, LogicalType, Result, Schema, TypeKind};
use flott_graph::spec::{AggregateCall, BatchNode, BatchOp, BatchPlan, Frame, FrameUnit, JoinKind, SortField};

use crate::build::Tables;
use crate::connector::Running;

/// A table of the numbers 0, 1, .. in an order that is none, each with a text of 100 letters.
struct Numbers {
    /// How often it was begun to be read.
    readers: Arc<AtomicUsize>,
}

const ROWS: i64 = 100_000;

#[derive(Clone)]
struct NumbersSource {
    rows: i64,
    fails_at: Option<i64>,
    unbounded: bool,
    readers: Arc<AtomicUsize>,
}

impl TableFactory for Numbers {
    fn description(&self) -> &'static ConnectorDescription {
        const { &ConnectorDescription::internal("numbers") }
    }

    fn describe_source(&self, _: &TableContext) -> Result<SourceDescription> {
        Err(Error::internal("not planned here"))
    }

    fn describe_sink(&self, _: &TableContext) -> Result<SinkDescription> {
        Err(Error::internal("not planned here"))
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        let number = |key: &str| spec.options.0.get(key).map(|n| n.parse().unwrap());
        Ok(Box::new(NumbersSource {
            rows: number("rows").unwrap_or(ROWS),
            fails_at: number("fails-at"),
            unbounded: spec.options.0.contains_key("unbounded"),
            readers: Arc::clone(&self.readers),
        }))
    }

    fn sink(&self, _: &SinkSpec) -> Result<Box<dyn Sink>> {
        Err(Error::internal("not written here"))
    }
}

impl Source for NumbersSource {
    fn boundedness(&self) -> Boundedness {
        if self.unbounded { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    fn enumerator(&self, _: &Environment, _: Option<Bytes>) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(OneSplit))
    }

    fn reader(&self, _: ReaderContext) -> Result<Box<dyn SplitReader>> {
        self.readers.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(NumbersReader { source: self.clone(), at: 0 }))
    }
}

struct OneSplit;

#[async_trait]
impl SplitEnumerator for OneSplit {
    async fn discover(&mut self) -> Result<Discovery> {
        let splits = vec![Split { id: "all".to_owned(), state: Bytes::new() }];
        Ok(Discovery { splits, finished: true })
    }

    fn add_back(&mut self, _: Vec<Split>) {}

    fn snapshot(&mut self) -> Result<Bytes> {
        Ok(Bytes::new())
    }
}

struct NumbersReader {
    source: NumbersSource,
    at: i64,
}

#[async_trait]
impl SplitReader for NumbersReader {
    fn add_splits(&mut self, _: Vec<Split>) -> Result<()> {
        Ok(())
    }

    async fn next(&mut self) -> Result<ReadEvent> {
        let (from, rows) = (self.at, self.source.rows);
        if from == rows {
            return Ok(ReadEvent::Finished { split: "all".to_owned() });
        }
        self.at = (from + BATCH_ROWS_MAX as i64).min(rows);
        if self.source.fails_at.is_some_and(|at| at < self.at) {
            return Err(Error::data("a number is bad").with_detail("It stands in line 7 of 'numbers'."));
        }
        // A permutation: 7919 is prime and divides no number of rows here.
        let numbers: Vec<i64> = (from..self.at).map(|n| (n * 7919) % rows).collect();
        let texts: Vec<String> = numbers.iter().map(|n| format!("{n:0>100}")).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(numbers)), Arc::new(StringArray::from(texts))];
        let batch = RecordBatch::try_new(schema().arrow(), columns).unwrap();
        Ok(ReadEvent::Batch { split: "all".to_owned(), batch: ChangeBatch::inserts(batch) })
    }

    fn snapshot(&mut self) -> Result<Vec<Split>> {
        Ok(Vec::new())
    }

    fn pause_split(&mut self, _: &str, _: bool) {}
}

fn ty(kind: TypeKind) -> LogicalType {
    LogicalType::new(kind)
}

fn schema() -> Schema {
    let text = TypeKind::Varchar(flott_api::types::LENGTH_MAX);
    Schema::new(vec![Field::new("n", ty(TypeKind::BigInt)), Field::new("t", ty(text))])
}

fn scan(options: &[(&str, &str)]) -> BatchNode {
    let spec = SourceSpec {
        connector: "numbers".to_owned(),
        table: "cat.db.numbers".to_owned(),
        options: Options(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
        schema: schema(),
        projection: vec![0, 1],
        read_fields: Vec::new(),
        metadata: Vec::new(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        session_zone: "UTC".to_owned(),
    };
    BatchNode { op: BatchOp::Scan(Box::new(spec)), inputs: Vec::new(), output: schema() }
}

fn over(op: BatchOp, inputs: Vec<BatchNode>, output: Schema) -> BatchNode {
    BatchNode { op, inputs, output }
}

fn sort(input: BatchNode) -> BatchNode {
    let order = vec![SortField { column: 1, descending: true, nulls_last: false }];
    let output = input.output.clone();
    over(BatchOp::Sort { order, limit: None }, vec![input], output)
}

fn join(kind: JoinKind, left: BatchNode, right: BatchNode) -> BatchNode {
    let mut output = left.output.clone();
    if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        output.fields.extend(right.output.fields.clone());
    }
    let op = BatchOp::Join { kind, keys: [vec![0], vec![0]], nulls_meet: false, condition: None };
    over(op, vec![left, right], output)
}

/// What a query gave.
struct Answer {
    batches: Vec<RecordBatch>,
    spilled_bytes: usize,
    readers: usize,
}

impl Answer {
    fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn numbers(&self, column: usize) -> Vec<i64> {
        let columns = self.batches.iter().map(|b| b.column(column).as_primitive::<Int64Type>().values().to_vec());
        columns.flatten().collect()
    }
}

async fn run(root: BatchNode, memory_bytes: u64) -> Result<Answer> {
    let folder = tempfile::tempdir().unwrap();
    let readers = Arc::new(AtomicUsize::new(0));
    let factory: Arc<dyn TableFactory> = Arc::new(Numbers { readers: Arc::clone(&readers) });
    let tables = Tables::from([("numbers", factory)]);
    let spill_directory = Some(folder.path().to_str().unwrap().to_owned());
    let plan = BatchPlan { root, session_zone: "UTC".to_owned(), memory_bytes: Some(memory_bytes), spill_directory };
    let cx = ReaderContext {
        subtask: Subtask { index: 0, parallelism: 1 },
        environment: FakeWorld::at(0).environment(),
        metrics: Arc::default(),
    };
    let mut running = Running::start(&plan, &tables, cx, 0)?;
    let mut batches = Vec::new();
    while let Some(batch) = running.next().await? {
        batches.push(batch);
    }
    let (files, spilled_bytes) = running.spilled();
    assert_eq!(files == 0, spilled_bytes == 0, "{files} files, {spilled_bytes} bytes");
    drop(running);
    let left: Vec<_> = walk(folder.path());
    assert!(left.is_empty(), "spilled files are gone with their query: {left:?}");
    Ok(Answer { batches, spilled_bytes, readers: readers.load(Ordering::Relaxed) })
}

/// The files below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

const MEGABYTE: u64 = 1 << 20;

#[tokio::test]
async fn a_sort_larger_than_its_memory_spills() {
    let answer = run(sort(scan(&[])), 4 * MEGABYTE).await.unwrap();
    assert_eq!(answer.numbers(0), (0..ROWS).rev().collect::<Vec<_>>());
    assert!(answer.spilled_bytes > MEGABYTE as usize, "{} bytes", answer.spilled_bytes);
    let roomy = run(sort(scan(&[])), 256 * MEGABYTE).await.unwrap();
    assert_eq!((roomy.numbers(0), roomy.spilled_bytes), (answer.numbers(0), 0));
}

/// Two sums a text: each number twice.
fn group() -> BatchNode {
    let call = |function: &str, args: Vec<usize>, distinct| AggregateCall {
        function: FunctionId::new(function),
        args,
        filter: None,
        distinct,
        ty: ty(TypeKind::BigInt),
    };
    let calls = vec![call("sum", vec![0], false), call("count", vec![0], true)];
    let twice = over(BatchOp::Union, vec![scan(&[]), scan(&[])], schema());
    let mut output = schema().project(&[1]);
    output.fields.extend([Field::new("s", ty(TypeKind::BigInt)), Field::new("c", ty(TypeKind::BigInt))]);
    over(BatchOp::Aggregate { keys: vec![1], calls }, vec![twice], output)
}

#[tokio::test]
async fn groups_larger_than_their_memory_spill_and_are_merged() {
    let answer = run(group(), 16 * MEGABYTE).await.unwrap();
    assert!(answer.spilled_bytes > MEGABYTE as usize, "{} bytes", answer.spilled_bytes);
    let mut sums = answer.numbers(1);
    sums.sort_unstable();
    assert_eq!(sums, (0..ROWS).map(|n| 2 * n).collect::<Vec<_>>());
    assert!(answer.numbers(2).iter().all(|distinct| *distinct == 1));
    let roomy = run(group(), 1 << 30).await.unwrap();
    assert_eq!((roomy.rows(), roomy.spilled_bytes), (ROWS as usize, 0));
}

#[tokio::test]
async fn a_join_whose_table_does_not_fit_begins_anew_by_order() {
    let few = || scan(&[("rows", "1000")]);
    for (kind, rows) in [
        (JoinKind::Inner, 1000),
        (JoinKind::Left, 1000),
        (JoinKind::Right, ROWS as usize),
        (JoinKind::Full, ROWS as usize),
        (JoinKind::Semi, 1000),
        (JoinKind::Anti, 0),
    ] {
        let plan = || join(kind, few(), scan(&[]));
        let roomy = run(plan(), 256 * MEGABYTE).await.unwrap();
        assert_eq!((roomy.rows(), roomy.spilled_bytes, roomy.readers), (rows, 0, 2), "{kind:?}");
        let tight = run(plan(), 8 * MEGABYTE).await.unwrap();
        assert_eq!((tight.rows(), tight.readers), (rows, 4), "{kind:?}");
        assert!(tight.spilled_bytes > MEGABYTE as usize, "{kind:?}: {} bytes", tight.spilled_bytes);
        if rows > 0 {
            let sum = |answer: &Answer| answer.numbers(0).iter().sum::<i64>();
            assert_eq!(sum(&tight), sum(&roomy), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn joins_of_joins_begin_anew_each_for_itself() {
    let both = join(JoinKind::Inner, join(JoinKind::Inner, scan(&[("rows", "10")]), scan(&[])), scan(&[]));
    let answer = run(both, 12 * MEGABYTE).await.unwrap();
    let mut numbers = answer.numbers(4);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    // The right side of the outer one first, then both of it again; within that the inner one likewise, at most twice.
    assert!((5..=10).contains(&answer.readers), "{} readers", answer.readers);
}

/// A grouping, two joins, a sort and an `OVER`, each of all rows.
fn five_in_a_row() -> BatchNode {
    let pairs = |keys: [Vec<usize>; 2], left: BatchNode, right: BatchNode| {
        let mut output = left.output.clone();
        output.fields.extend(right.output.fields.clone());
        let op = BatchOp::Join { kind: JoinKind::Inner, keys, nulls_meet: false, condition: None };
        over(op, vec![left, right], output)
    };
    let with_number = pairs([vec![0], vec![1]], group(), scan(&[]));
    let twice = pairs([vec![3], vec![0]], with_number, scan(&[]));
    let ordered = sort(twice);
    let mut output = ordered.output.clone();
    output.fields.push(Field::new("next", ty(TypeKind::BigInt)));
    let call = |function: &str, args| AggregateCall {
        function: FunctionId::new(function),
        args,
        filter: None,
        distinct: false,
        ty: ty(TypeKind::BigInt),
    };
    let order = vec![SortField { column: 3, descending: false, nulls_last: false }];
    let frame = Frame::up_to_current(FrameUnit::Range);
    let op = BatchOp::Over { partition: Vec::new(), order, frame, calls: vec![call("lead", vec![3])] };
    over(op, vec![ordered], output)
}

#[tokio::test]
async fn five_operators_share_little_memory() {
    let answer = run(five_in_a_row(), 16 * MEGABYTE).await.unwrap();
    assert_eq!(answer.numbers(3), (0..ROWS).collect::<Vec<_>>());
    assert_eq!(answer.numbers(1), (0..ROWS).map(|n| 2 * n).collect::<Vec<_>>());
    assert_eq!(answer.numbers(7)[..4], [1, 2, 3, 4]);
    assert!(answer.spilled_bytes > 30 * MEGABYTE as usize, "{} bytes", answer.spilled_bytes);
}

#[tokio::test]
async fn what_can_neither_fit_nor_spill_is_told_with_its_option() {
    let calls = vec![AggregateCall {
        function: FunctionId::new("listagg"),
        args: vec![1],
        filter: None,
        distinct: false,
        ty: schema().fields[1].ty.clone(),
    }];
    // One group.
    let all = over(BatchOp::Aggregate { keys: Vec::new(), calls }, vec![scan(&[])], schema().project(&[1]));
    let error = run(all, 2 * MEGABYTE).await.err().expect("2 MB hold no 10 MB");
    let told = format!("{error} {:?} {:?}", error.detail(), error.hint());
    assert_eq!(error.kind(), ErrorKind::Invalid, "{told}");
    assert!(told.contains("taskmanager.memory.managed.size"), "{told}");
}

/// A count over all rows that are equal in the order.
fn counted(order: Vec<SortField>) -> BatchNode {
    let frame = Frame::up_to_current(FrameUnit::Range);
    let ty = LogicalType::not_null(TypeKind::BigInt);
    let call = AggregateCall { function: FunctionId::new("count"), args: vec![], filter: None, distinct: false, ty };
    let mut output = schema();
    output.fields.push(Field::new("c", LogicalType::not_null(TypeKind::BigInt)));
    over(BatchOp::Over { partition: Vec::new(), order, frame, calls: vec![call] }, vec![scan(&[])], output)
}

#[tokio::test]
async fn rows_wait_for_their_equals_within_the_memory() {
    let answer = run(counted(Vec::new()), 256 * MEGABYTE).await.unwrap();
    assert_eq!(answer.numbers(2), vec![ROWS; ROWS as usize]);
    let error = run(counted(Vec::new()), 8 * MEGABYTE).await.err().expect("8 MB hold no 10 MB");
    assert!(error.message().contains("needs more memory"), "{error}");
    // By an order nobody waits for more than a batch.
    let order = vec![SortField { column: 0, descending: false, nulls_last: false }];
    let answer = run(counted(order), 8 * MEGABYTE).await.unwrap();
    assert_eq!(answer.numbers(2), (1..=ROWS).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_error_of_a_table_comes_out_as_it_was() {
    let error = run(sort(join(JoinKind::Inner, scan(&[]), scan(&[("fails-at", "50000")]))), 64 * MEGABYTE).await;
    let error = error.err().expect("a number is bad");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Data, "a number is bad"));
    assert_eq!(error.detail(), Some("It stands in line 7 of 'numbers'."));
}

#[tokio::test]
async fn a_table_without_end_is_refused_by_name() {
    let error = run(scan(&[("unbounded", "")]), MEGABYTE).await.err().expect("it has no end");
    assert_eq!(error.message(), "table 'cat.db.numbers' is unbounded and cannot be read in batch mode");
}

#[tokio::test]
async fn a_query_that_is_dropped_leaves_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let factory: Arc<dyn TableFactory> = Arc::new(Numbers { readers: Arc::default() });
    let spill_directory = Some(folder.path().to_str().unwrap().to_owned());
    let memory_bytes = Some(4 * MEGABYTE);
    let plan = BatchPlan { root: sort(scan(&[])), session_zone: "UTC".to_owned(), memory_bytes, spill_directory };
    let cx = ReaderContext {
        subtask: Subtask { index: 0, parallelism: 1 },
        environment: FakeWorld::at(0).environment(),
        metrics: Arc::default(),
    };
    let mut running = Running::start(&plan, &Tables::from([("numbers", factory)]), cx, 0).unwrap();
    assert!(running.next().await.unwrap().is_some());
    assert!(!walk(folder.path()).is_empty(), "it has not spilled: the test says nothing");
    drop(running);
    assert!(walk(folder.path()).is_empty());
}

#[tokio::test]
async fn a_filter_and_a_limit_end_early() {
    let wanted = Expr::Call {
        function: FunctionId::new("<"),
        args: vec![Expr::column(0, ty(TypeKind::BigInt)), Expr::literal(Value::Int(5), ty(TypeKind::BigInt))],
        ty: ty(TypeKind::Boolean),
    };
    let filter = over(BatchOp::Filter { condition: wanted }, vec![scan(&[])], schema());
    let limit = over(BatchOp::Limit { offset: 1, limit: 3 }, vec![filter], schema());
    let answer = run(limit, MEGABYTE).await.unwrap();
    assert_eq!(answer.rows(), 3);
    let first = over(BatchOp::Limit { offset: 0, limit: 3 }, vec![scan(&[("fails-at", "90000")])], schema());
    assert_eq!(run(first, MEGABYTE).await.unwrap().rows(), 3, "what is behind the last row is not read");
}
